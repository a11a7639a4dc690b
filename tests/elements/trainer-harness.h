/* simclraugment, simclrencoder and simclrtrainer in a harness; for the tests of the last.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "element-test.h"

#include <gstsimclraugment.h>
#include <gstsimclrencoder.h>
#include <gstsimclrtrainer.h>

#define PAIRS 4

/* A bin augment ! encoder ! trainer that frames are pushed into. */
typedef struct
{
  gchar *folder;
  gchar *location;
  GstHarness *harness;
  GstElement *trainer;
  GstBus *bus;
  GstVideoInfo info;
} Fixture;

static GstStaticPadTemplate any_source =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

/* trainer: its properties; "QUEUE" in their place puts a queue before it. */
static inline void
start (Fixture *fixture, const gchar *encoder, const gchar *trainer)
{
  g_autofree gchar *launch = g_strdup_printf (
      "simclraugment size=16 seed=3 ! simclrencoder " TINY
      " batch-size=4 seed=5 threads=1 %s ! %ssimclrtrainer name=trainer async=false %s",
      encoder, strstr (trainer, "QUEUE") != NULL ? "queue ! " : "",
      strstr (trainer, "QUEUE") != NULL ? "" : trainer);

  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) bin =
      gst_object_ref_sink (gst_parse_bin_from_description (launch, TRUE, &error));

  g_assert_no_error (error);
  fixture->bus = attach_bus (bin);
  fixture->trainer = gst_bin_get_by_name (GST_BIN (bin), "trainer");
  g_object_set (fixture->trainer, "async", FALSE, NULL); /* a harness waits for no preroll */
  fixture->harness = gst_harness_new_empty ();
  gst_harness_add_element_full (fixture->harness, bin, &any_source, "sink", NULL, NULL);
  gst_harness_play (fixture->harness);
  fixture->info = video_info ("RGB", 20, 18);
  set_video_caps (fixture->harness, &fixture->info);
}

static inline void
stop (Fixture *fixture)
{
  GstElement *element = gst_object_ref (fixture->harness->element);

  gst_element_set_state (element, GST_STATE_NULL);
  detach_bus (element, fixture->bus);
  gst_clear_object (&fixture->bus);
  gst_clear_object (&fixture->trainer);
  gst_harness_teardown (fixture->harness);
  fixture->harness = NULL;
  g_assert_finalize_object (element);
}

static inline void
set_up (Fixture *fixture, gconstpointer settings)
{
  fixture->folder = make_folder ();
  fixture->location = g_build_filename (fixture->folder, "c.safetensors", NULL);
}

static inline void
tear_down (Fixture *fixture, gconstpointer settings)
{
  if (fixture->harness != NULL)
    stop (fixture);
  remove_folder (fixture->folder);
  g_free (fixture->folder);
  g_free (fixture->location);
}

static inline void
start_with_location (Fixture *fixture, const gchar *encoder, const gchar *trainer)
{
  g_autofree gchar *all = g_strdup_printf ("location=%s %s", fixture->location, trainer);

  start (fixture, encoder, all);
}

static inline GstFlowReturn
push_frames (Fixture *fixture, guint first, guint n)
{
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint i = first; i < first + n && flow == GST_FLOW_OK; i++)
    flow = gst_harness_push (fixture->harness, make_frame (&fixture->info, i, i * GST_SECOND));
  return flow;
}

static inline void
push_steps (Fixture *fixture, guint first, guint n)
{
  g_assert_cmpint (push_frames (fixture, first * PAIRS, n * PAIRS), ==, GST_FLOW_OK);
}

static inline GstMessage *
pop_element_message (Fixture *fixture, const gchar *name)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (fixture->bus, GST_MESSAGE_ELEMENT)) != NULL) {
    if (gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }
  return NULL;
}

static inline gboolean
exists (Fixture *fixture)
{
  return g_file_test (fixture->location, G_FILE_TEST_EXISTS);
}

/* A test of it; settings are its own. */
#define ADD(name, settings, function)                                                              \
  g_test_add ("/trainer/" name, Fixture, settings, set_up, function, tear_down)
