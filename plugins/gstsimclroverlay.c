/* simclroverlay: draws what simclrclassifier said of a frame into it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-simclroverlay
 * @title: simclroverlay
 * @short_description: draws labels, confidence and novelty into the video
 *
 * A panel in the picture that says what simclrclassifier recognises: the label in any script, how sure it is
 * (number and bar), the novelty (orange from the edge of what was taught on), and the best labels with their
 * scores. It reads the meta `SimclrClassification`, so conversion and scaling may stand between the two. What
 * is unknown is orange.
 *
 * It behaves like textoverlay: all raw formats (but RGB8P, which passes) are drawn into, or, where downstream composes pictures
 * itself (glimagesink, xvimagesink and others), the panel goes there as a #GstVideoOverlayCompositionMeta and
 * the frame stays as it is. It is drawn anew only when what it says changes, and frames without anything to say
 * pass untouched.
 *
 * Sizes follow the height of the frame with #simclroverlay:auto-resize: lengths, and a size in
 * #simclroverlay:font-desc, are meant for 480 lines. A classification stays on the frames after it that have
 * none for #simclroverlay:hold, for example where simclrencoder lets late frames pass.
 *
 * #simclroverlay:text adds a line beneath, such as what is being taught: see `pipelines/teach.c`.
 *
 * ## Teach two test patterns, then see them recognised
 *
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=20 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier mode=fit label=ball location=patterns.safetensors ! fakesink
 * gst-launch-1.0 videotestsrc pattern=smpte num-buffers=20 ! video/x-raw,width=64,height=64 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier mode=fit resume=true label=bars location=patterns.safetensors ! fakesink
 * gst-launch-1.0 videotestsrc pattern=smpte num-buffers=90 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier method=prototype location=patterns.safetensors ! simclroverlay ! videoconvert ! autovideosink
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=1 ! simclrencoder width=0.25 input-size=64 ! simclrclassifier method=prototype location=patterns.safetensors ! simclroverlay valignment=top font-desc="Serif 20" ! videoconvert ! pngenc ! filesink location=ball.png
 * ]|
 */
#include "gstsimclroverlay-private.h"

#include "gstsimclrclassificationmeta.h"

GST_DEBUG_CATEGORY (gst_simclr_overlay_debug);
#define GST_CAT_DEFAULT gst_simclr_overlay_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_SIMCLR_OVERLAY_ALL_CAPS));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_SIMCLR_OVERLAY_ALL_CAPS));

G_DEFINE_FINAL_TYPE (GstSimclrOverlay, gst_simclr_overlay, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (simclroverlay, "simclroverlay", GST_RANK_NONE, GST_TYPE_SIMCLR_OVERLAY)

static gboolean
take_caps (GstSimclrOverlay *self, GstCaps *caps)
{
  if (!gst_video_info_from_caps (&self->info, caps))
    return FALSE;
  gst_caps_replace (&self->caps, caps);
  gst_pad_check_reconfigure (self->srcpad);
  return _gst_simclr_overlay_negotiate (self);
}

static void
forget (GstSimclrOverlay *self)
{
  gst_simclr_panel_content_clear (&self->content);
  self->content = (GstSimclrPanelContent){0};
  self->said = GST_CLOCK_TIME_NONE;
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSimclrOverlay *self = GST_SIMCLR_OVERLAY (parent);
  gboolean done;
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_CAPS:
    gst_event_parse_caps (event, &caps);
    done = take_caps (self, caps);
    gst_event_unref (event);
    return done;
  case GST_EVENT_SEGMENT:
  case GST_EVENT_FLUSH_STOP:
    forget (self);
    break;
  default:
    break;
  }
  return gst_pad_event_default (pad, parent, event);
}

/* What this frame says, or what one not too long ago said. */
static void
read_frame (GstSimclrOverlay *self, GstBuffer *buffer, const GstSimclrOverlaySettings *settings)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, GST_SIMCLR_CLASSIFICATION_META_NAME);
  GstClockTime now = GST_BUFFER_PTS (buffer);

  if (meta != NULL) {
    gst_simclr_panel_content_take (&self->content, gst_custom_meta_get_structure (meta));
    self->said = now;
  } else if (!GST_CLOCK_TIME_IS_VALID (now) || !GST_CLOCK_TIME_IS_VALID (self->said) ||
             now < self->said || now - self->said >= settings->hold) {
    forget (self);
  }
  g_free (self->content.text);
  self->content.text = g_strdup (settings->text);
}

/* The content that was drawn is kept to compare with. */
static void
draw_panel (GstSimclrOverlay *self, const GstSimclrOverlaySettings *settings)
{
  GstSimclrPanelContent *drawn = &self->drawn, *content = &self->content;

  if (!self->stale && self->drawn_version == settings->version &&
      gst_simclr_panel_content_equal (drawn, content))
    return;
  g_clear_pointer (&self->panel, gst_video_overlay_composition_unref);
  self->panel = gst_simclr_panel_draw (content, &settings->style, &self->info);
  gst_simclr_panel_content_clear (drawn);
  *drawn = *content;
  drawn->label = g_strdup (content->label);
  drawn->text = g_strdup (content->text);
  drawn->names = content->names != NULL ? g_ptr_array_ref (content->names) : NULL;
  drawn->percentages = content->percentages != NULL ? g_array_ref (content->percentages) : NULL;
  self->drawn_version = settings->version;
  self->stale = FALSE;
}

/* Beside what others upstream attached; rectangles stay themselves, so that downstream knows them again. */
static void
attach (GstSimclrOverlay *self, GstBuffer *buffer)
{
  GstVideoOverlayCompositionMeta *there = gst_buffer_get_video_overlay_composition_meta (buffer);
  GstVideoOverlayComposition *both;

  if (there == NULL) {
    gst_buffer_add_video_overlay_composition_meta (buffer, self->panel);
    return;
  }
  both = gst_video_overlay_composition_new (NULL);
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles (there->overlay); i++)
    gst_video_overlay_composition_add_rectangle (
        both, gst_video_overlay_composition_get_rectangle (there->overlay, i));
  gst_video_overlay_composition_add_rectangle (
      both, gst_video_overlay_composition_get_rectangle (self->panel, 0));
  gst_video_overlay_composition_unref (there->overlay);
  there->overlay = both;
}

static gboolean
blend (GstSimclrOverlay *self, GstBuffer *buffer)
{
  GstVideoFrame frame;

  if (!gst_video_frame_map (&frame, &self->info, buffer, GST_MAP_READWRITE)) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED, ("Could not draw into a frame."),
        ("mapping a buffer of %" G_GSIZE_FORMAT " bytes failed", gst_buffer_get_size (buffer)));
    return FALSE;
  }
  gst_video_overlay_composition_blend (self->panel, &frame);
  gst_video_frame_unmap (&frame);
  return TRUE;
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSimclrOverlay *self = GST_SIMCLR_OVERLAY (parent);
  GstSimclrOverlaySettings settings;

  if (self->caps == NULL ||
      (gst_pad_check_reconfigure (self->srcpad) && !_gst_simclr_overlay_negotiate (self))) {
    gst_buffer_unref (buffer);
    return GST_PAD_IS_FLUSHING (self->srcpad) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
  }
  settings = _gst_simclr_overlay_snapshot (self);
  read_frame (self, buffer, &settings);
  if (!settings.silent)
    draw_panel (self, &settings);
  if (!settings.silent && self->panel != NULL) {
    buffer = gst_buffer_make_writable (buffer);
    if (self->attaches) {
      attach (self, buffer);
    } else if (!blend (self, buffer)) {
      gst_clear_buffer (&buffer);
    }
  }
  _gst_simclr_overlay_settings_clear (&settings);
  return buffer != NULL ? gst_pad_push (self->srcpad, buffer) : GST_FLOW_ERROR;
}

static void
reset (GstSimclrOverlay *self)
{
  forget (self);
  gst_simclr_panel_content_clear (&self->drawn);
  self->drawn = (GstSimclrPanelContent){0};
  g_clear_pointer (&self->panel, gst_video_overlay_composition_unref);
  gst_clear_caps (&self->caps);
  self->attaches = FALSE;
  self->stale = TRUE;
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstStateChangeReturn result =
      GST_ELEMENT_CLASS (gst_simclr_overlay_parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    reset (GST_SIMCLR_OVERLAY (element));
  return result;
}

static void
finalize (GObject *object)
{
  GstSimclrOverlay *self = GST_SIMCLR_OVERLAY (object);

  reset (self);
  _gst_simclr_overlay_settings_clear (&self->settings);
  G_OBJECT_CLASS (gst_simclr_overlay_parent_class)->finalize (object);
}

static void
gst_simclr_overlay_class_init (GstSimclrOverlayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_overlay_debug, "simclroverlay", 0, "SimCLR overlay");
  gst_simclr_classification_meta_register ();

  object_class->finalize = finalize;
  _gst_simclr_overlay_install_properties (object_class);

  element_class->change_state = change_state;
  gst_element_class_set_static_metadata (element_class, "SimCLR overlay", "Filter/Editor/Video",
      "Draws what simclrclassifier recognises into the video", "The gst-simclr authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static GstPad *
add_pad (GstSimclrOverlay *self, GstStaticPadTemplate *template, const gchar *name)
{
  GstPad *pad = gst_pad_new_from_static_template (template, name);

  gst_pad_set_query_function (pad, _gst_simclr_overlay_query);
  GST_PAD_SET_PROXY_ALLOCATION (pad);
  GST_PAD_SET_PROXY_SCHEDULING (pad);
  gst_element_add_pad (GST_ELEMENT (self), pad);
  return pad;
}

static void
gst_simclr_overlay_init (GstSimclrOverlay *self)
{
  _gst_simclr_overlay_init_settings (self);
  self->said = GST_CLOCK_TIME_NONE;
  self->stale = TRUE;

  self->sinkpad = add_pad (self, &sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, chain);
  gst_pad_set_event_function (self->sinkpad, sink_event);
  self->srcpad = add_pad (self, &src_template, "src");
}
