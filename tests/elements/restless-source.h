/* A source of frames whose caps change whenever the test says so. Stock ones do not always survive what random
 * sequences do to them: appsrc loses caps in a flush.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "element-test.h"

#include <gst/base/gstpushsrc.h>

/* Format and size of frames from now on; atomic. */
static gint restless_variant;

typedef struct
{
  GstPushSrc parent;

  /* streaming thread */
  gint variant;
  gboolean has_caps;
  GstVideoInfo info;
  guint64 frames;
  GstClockTime start; /* of the first of them */
} RestlessSource;

typedef GstPushSrcClass RestlessSourceClass;

static GstStaticPadTemplate restless_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC,
    GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE ("{ RGB, BGR, RGBx, BGRx, GRAY8 }")));

GType restless_source_get_type (void);
G_DEFINE_TYPE (RestlessSource, restless_source, GST_TYPE_PUSH_SRC)

static gboolean
restless_source_is_seekable (GstBaseSrc *source)
{
  return TRUE;
}

static gboolean
restless_source_do_seek (GstBaseSrc *source, GstSegment *segment)
{
  RestlessSource *self = (RestlessSource *) source;

  self->frames = 0;
  self->start = segment->position;
  return TRUE;
}

/* The first caps come with the first frame, too. */
static gboolean
restless_source_negotiate (GstBaseSrc *source)
{
  ((RestlessSource *) source)->has_caps = FALSE;
  return TRUE;
}

/* Caps that a flush kept from going on go out with the next frame. */
static gboolean
restless_source_follow (RestlessSource *self)
{
  const gchar *formats[] = {"RGB", "BGR", "RGBx", "BGRx", "GRAY8"};
  gint variant = g_atomic_int_get (&restless_variant);
  g_autoptr (GstCaps) caps = NULL;

  if (self->has_caps && variant == self->variant)
    return TRUE;
  self->variant = variant;
  self->info = video_info (formats[variant % 5], 1 + variant % 47, 1 + variant % 31);
  caps = gst_video_info_to_caps (&self->info);
  self->has_caps = gst_base_src_set_caps (GST_BASE_SRC (self), caps);
  return self->has_caps;
}

static GstFlowReturn
restless_source_create (GstPushSrc *source, GstBuffer **buffer)
{
  RestlessSource *self = (RestlessSource *) source;

  if (!restless_source_follow (self))
    return GST_FLOW_FLUSHING;
  *buffer = make_frame (&self->info, 1, self->start + self->frames++ * GST_SECOND / 30);
  return GST_FLOW_OK;
}

static void
restless_source_class_init (RestlessSourceClass *klass)
{
  GstBaseSrcClass *source_class = GST_BASE_SRC_CLASS (klass);

  gst_element_class_add_static_pad_template (GST_ELEMENT_CLASS (klass), &restless_template);
  gst_element_class_set_static_metadata (
      GST_ELEMENT_CLASS (klass), "Restless source", "Source/Video", "Changes its caps", "Tests");
  source_class->is_seekable = restless_source_is_seekable;
  source_class->do_seek = restless_source_do_seek;
  source_class->negotiate = restless_source_negotiate;
  GST_PUSH_SRC_CLASS (klass)->create = restless_source_create;
}

static void
restless_source_init (RestlessSource *self)
{
  gst_base_src_set_format (GST_BASE_SRC (self), GST_FORMAT_TIME);
}
