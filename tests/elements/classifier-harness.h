/* simclrclassifier in a harness, and frames with embeddings for it; for its tests.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "element-test.h"

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrclassifier.h"
#include "gstsimclrembeddingmeta.h"

#define SIZE 4

/* What the frames of these tests show: directions that are far apart. */
static const gfloat cup[SIZE] = {1, 0.1f, 0, 0}, hat[SIZE] = {0, 1, 0.1f, 0},
                    odd[SIZE] = {-1, -1, -1, 5};

typedef struct
{
  GstHarness *harness;
  GstBus *bus;
  guint64 frames;
} Fixture;

static inline void
fixture_init (Fixture *self, const gchar *settings)
{
  g_autofree gchar *launch = g_strdup_printf ("simclrclassifier %s", settings);
  GstVideoInfo info = video_info ("RGB", 8, 6);

  self->harness = harness_new (launch);
  self->bus = attach_bus (self->harness->element);
  self->frames = 0;
  gst_harness_play (self->harness);
  set_video_caps (self->harness, &info);
}

static inline void
fixture_clear (Fixture *self)
{
  gst_element_set_state (self->harness->element, GST_STATE_NULL);
  detach_bus (self->harness->element, self->bus);
  gst_object_unref (self->bus);
  gst_harness_teardown (self->harness);
}

static inline GstBuffer *
embed (const gfloat *embedding, guint size, guint64 number)
{
  const GstSimclrEmbeddingOrigin origin = {"test", "resnet18", 7, size};
  g_autoptr (GBytes) bytes = g_bytes_new (embedding, size * sizeof (gfloat));
  GstVideoInfo info = video_info ("RGB", 8, 6);
  GstBuffer *buffer = make_frame (&info, 1, number * GST_SECOND / 10);

  gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
  return buffer;
}

static inline GstFlowReturn
push (Fixture *self, const gfloat *embedding)
{
  return gst_harness_push (self->harness, embed (embedding, SIZE, self->frames++));
}

/* A little apart from each other, as frames of one thing are. */
static inline void
push_some (Fixture *self, const gfloat *embedding, guint count)
{
  for (guint i = 0; i < count; i++) {
    gfloat moved[SIZE];

    for (guint j = 0; j < SIZE; j++)
      moved[j] = embedding[j] + 0.05f * (gfloat) ((i * 7 + j * 3) % 5);
    g_assert_cmpint (push (self, moved), ==, GST_FLOW_OK);
  }
}

static inline void
teach (Fixture *self)
{
  g_object_set (self->harness->element, "label", "cup", NULL);
  push_some (self, cup, 6);
  g_object_set (self->harness->element, "label", "Hut, groß", NULL);
  push_some (self, hat, 6);
  g_object_set (self->harness->element, "label", "", NULL);
}

/* Drops what came out before. */
static inline const GstStructure *
pull_classification (Fixture *self, GstBuffer **buffer)
{
  GstCustomMeta *meta;

  while (gst_harness_buffers_in_queue (self->harness) > 1)
    gst_buffer_unref (gst_harness_pull (self->harness));
  *buffer = gst_harness_pull (self->harness);
  meta = gst_buffer_get_custom_meta (*buffer, GST_SIMCLR_CLASSIFICATION_META_NAME);
  return meta != NULL ? gst_custom_meta_get_structure (meta) : NULL;
}

/* The next element message of that name, dropping others; NULL where there is none. */
static inline GstMessage *
pop_message (GstBus *bus, const gchar *name)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT)) != NULL) {
    if (gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }
  return NULL;
}

static inline void
assert_label (Fixture *self, const gfloat *embedding, const gchar *label)
{
  g_autoptr (GstBuffer) buffer = NULL;
  const GstStructure *fields;

  g_assert_cmpint (push (self, embedding), ==, GST_FLOW_OK);
  fields = pull_classification (self, &buffer);
  g_assert_nonnull (fields);
  g_assert_cmpstr (gst_structure_get_string (fields, "label"), ==, label);
}
