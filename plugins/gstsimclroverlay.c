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
#include "gstsimclroverlay.h"

#include <gst/video/video.h>

#include "gstsimclrclassificationmeta.h"
#include "gstsimclrpanel.h"

GST_DEBUG_CATEGORY_STATIC (gst_simclr_overlay_debug);
#define GST_CAT_DEFAULT gst_simclr_overlay_debug

#define DEFAULT_PAD 16
#define DEFAULT_HOLD (500 * GST_MSECOND)

/* What is drawn into, and what only passes: then the panel goes downstream as a meta. */
#define DRAWN_CAPS GST_VIDEO_CAPS_MAKE (GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS)
#define ALL_CAPS DRAWN_CAPS "; " GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("ANY", GST_VIDEO_FORMATS_ALL)

enum
{
  PROP_0,
  PROP_HALIGNMENT,
  PROP_VALIGNMENT,
  PROP_XPAD,
  PROP_YPAD,
  PROP_FONT_DESC,
  PROP_AUTO_RESIZE,
  PROP_SHOW_CONFIDENCE,
  PROP_SHOW_NOVELTY,
  PROP_SHOW_SCORES,
  PROP_HOLD,
  PROP_TEXT,
  PROP_SILENT,
};

typedef struct
{
  GstSimclrPanelStyle style;
  GstClockTime hold;
  gchar *text; /* NULL: none */
  gboolean silent;
  guint version; /* counts changes */
} Settings;

struct _GstSimclrOverlay
{
  GstElement parent;

  GstPad *sinkpad, *srcpad;
  Settings settings; /* object lock */

  /* streaming thread, or while there is none */
  GstVideoInfo info;
  GstCaps *caps; /* of the input */
  gboolean attaches;
  GstSimclrPanelContent content;
  GstClockTime said; /* when content was last told */
  GstSimclrPanelContent drawn;
  guint drawn_version;
  GstVideoOverlayComposition *panel; /* of drawn, NULL: nothing to draw, or to be drawn */
  gboolean stale;                    /* panel is no longer that of drawn */
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (ALL_CAPS));

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (ALL_CAPS));

static GstStaticCaps drawn_caps = GST_STATIC_CAPS (DRAWN_CAPS);

G_DEFINE_FINAL_TYPE (GstSimclrOverlay, gst_simclr_overlay, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (simclroverlay, "simclroverlay", GST_RANK_NONE, GST_TYPE_SIMCLR_OVERLAY)

static GType
get_horizontal_type (void)
{
  static const GEnumValue values[] = {{GST_SIMCLR_PANEL_LEFT, "At the left edge", "left"},
      {GST_SIMCLR_PANEL_CENTER, "In the middle", "center"},
      {GST_SIMCLR_PANEL_RIGHT, "At the right edge", "right"}, {0, NULL, NULL}};
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstSimclrOverlayHAlign", values));
  return type;
}

static GType
get_vertical_type (void)
{
  static const GEnumValue values[] = {{GST_SIMCLR_PANEL_TOP, "At the top edge", "top"},
      {GST_SIMCLR_PANEL_MIDDLE, "In the middle", "center"},
      {GST_SIMCLR_PANEL_BOTTOM, "At the bottom edge", "bottom"}, {0, NULL, NULL}};
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstSimclrOverlayVAlign", values));
  return type;
}

/* An empty text is none. */
static void
take_text (gchar **field, const GValue *value)
{
  const gchar *text = g_value_get_string (value);

  g_free (*field);
  *field = text != NULL && *text != '\0' ? g_utf8_make_valid (text, -1) : NULL;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrOverlay *self = GST_SIMCLR_OVERLAY (object);
  Settings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_HALIGNMENT:
    settings->style.horizontal = (GstSimclrPanelHorizontal) g_value_get_enum (value);
    break;
  case PROP_VALIGNMENT:
    settings->style.vertical = (GstSimclrPanelVertical) g_value_get_enum (value);
    break;
  case PROP_XPAD:
    settings->style.xpad = g_value_get_uint (value);
    break;
  case PROP_YPAD:
    settings->style.ypad = g_value_get_uint (value);
    break;
  case PROP_FONT_DESC:
    take_text (&settings->style.font, value);
    break;
  case PROP_AUTO_RESIZE:
    settings->style.auto_resize = g_value_get_boolean (value);
    break;
  case PROP_SHOW_CONFIDENCE:
    settings->style.show_confidence = g_value_get_boolean (value);
    break;
  case PROP_SHOW_NOVELTY:
    settings->style.show_novelty = g_value_get_boolean (value);
    break;
  case PROP_SHOW_SCORES:
    settings->style.show_scores = g_value_get_boolean (value);
    break;
  case PROP_HOLD:
    settings->hold = g_value_get_uint64 (value);
    break;
  case PROP_TEXT:
    take_text (&settings->text, value);
    break;
  case PROP_SILENT:
    settings->silent = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  settings->version++;
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrOverlay *self = GST_SIMCLR_OVERLAY (object);
  const Settings *settings = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_HALIGNMENT:
    g_value_set_enum (value, (gint) settings->style.horizontal);
    break;
  case PROP_VALIGNMENT:
    g_value_set_enum (value, (gint) settings->style.vertical);
    break;
  case PROP_XPAD:
    g_value_set_uint (value, settings->style.xpad);
    break;
  case PROP_YPAD:
    g_value_set_uint (value, settings->style.ypad);
    break;
  case PROP_FONT_DESC:
    g_value_set_string (value, settings->style.font);
    break;
  case PROP_AUTO_RESIZE:
    g_value_set_boolean (value, settings->style.auto_resize);
    break;
  case PROP_SHOW_CONFIDENCE:
    g_value_set_boolean (value, settings->style.show_confidence);
    break;
  case PROP_SHOW_NOVELTY:
    g_value_set_boolean (value, settings->style.show_novelty);
    break;
  case PROP_SHOW_SCORES:
    g_value_set_boolean (value, settings->style.show_scores);
    break;
  case PROP_HOLD:
    g_value_set_uint64 (value, settings->hold);
    break;
  case PROP_TEXT:
    g_value_set_string (value, settings->text);
    break;
  case PROP_SILENT:
    g_value_set_boolean (value, settings->silent);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
settings_clear (Settings *self)
{
  g_free (self->style.font);
  g_free (self->text);
}

static Settings
settings_snapshot (GstSimclrOverlay *self)
{
  Settings copy;

  GST_OBJECT_LOCK (self);
  copy = self->settings;
  copy.style.font = g_strdup (copy.style.font);
  copy.text = g_strdup (copy.text);
  GST_OBJECT_UNLOCK (self);
  return copy;
}

static gboolean
composes (GstCaps *caps, guint index)
{
  return gst_caps_features_contains (
      gst_caps_get_features (caps, index), GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
}

/* What the other side can have where this side has caps: the same, where it is drawn into or composed
 * downstream; with the feature downstream also where upstream lacks it. */
static GstCaps *
other_side (GstCaps *caps, gboolean downstream)
{
  g_autoptr (GstCaps) drawn = gst_static_caps_get (&drawn_caps);
  GstCaps *result = gst_caps_new_empty ();

  if (gst_caps_is_any (caps)) {
    gst_caps_unref (result);
    return gst_static_pad_template_get_caps (&sink_template);
  }
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    g_autoptr (GstCaps) one = gst_caps_copy_nth (caps, i);
    gboolean composed = composes (caps, i);

    if (gst_caps_features_is_any (gst_caps_get_features (caps, i))) {
      gst_caps_append (result, g_steal_pointer (&one));
      continue;
    }
    if (composed != downstream) {
      GstCaps *changed = gst_caps_copy (one);
      GstCapsFeatures *features = gst_caps_get_features (changed, 0);

      if (composed)
        gst_caps_features_remove (features, GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
      else
        gst_caps_features_add (features, GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
      gst_caps_append (result, changed);
    }
    if (composed)
      gst_caps_append (result, gst_caps_ref (one));
    else
      gst_caps_append (result, gst_caps_intersect (one, drawn));
  }
  return gst_caps_simplify (result);
}

static GstCaps *
get_caps (GstSimclrOverlay *self, GstPad *pad, GstCaps *filter)
{
  gboolean is_sink = pad == self->sinkpad;
  g_autoptr (GstCaps) template = gst_pad_get_pad_template_caps (pad);
  g_autoptr (GstCaps) peer = gst_pad_peer_query_caps (is_sink ? self->srcpad : self->sinkpad, NULL);
  g_autoptr (GstCaps) possible = other_side (peer, !is_sink);
  GstCaps *caps = gst_caps_intersect_full (possible, template, GST_CAPS_INTERSECT_FIRST);

  if (filter != NULL) {
    GstCaps *all = caps;

    caps = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (all);
  }
  return caps;
}

static gboolean
query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstCaps *filter, *caps;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return gst_pad_query_default (pad, parent, query);
  gst_query_parse_caps (query, &filter);
  caps = get_caps (GST_SIMCLR_OVERLAY (parent), pad, filter);
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
  return TRUE;
}

/* Whether downstream will compose what frames of these caps carry. */
static gboolean
ask_for_composition (GstSimclrOverlay *self, GstCaps *caps)
{
  GstQuery *query = gst_query_new_allocation (caps, FALSE);
  gboolean found =
      gst_pad_peer_query (self->srcpad, query) &&
      gst_query_find_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);

  gst_query_unref (query);
  return found;
}

/* As textoverlay does: the meta where downstream takes it, else what comes in goes out, drawn into. */
static gboolean
negotiate (GstSimclrOverlay *self)
{
  g_autoptr (GstCaps) composed = gst_caps_copy (self->caps), drawn = NULL;
  gboolean upstream = composes (self->caps, 0), sent;

  self->attaches = FALSE;
  self->stale = TRUE;
  gst_caps_features_add (
      gst_caps_get_features (composed, 0), GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
  if (upstream || gst_pad_peer_query_accept_caps (self->srcpad, composed)) {
    sent = gst_pad_set_caps (self->srcpad, composed);
    self->attaches = sent && ask_for_composition (self, composed);
    if (sent && (self->attaches || upstream))
      goto out;
  }
  drawn = gst_static_caps_get (&drawn_caps);
  sent = gst_caps_is_subset (self->caps, drawn) && gst_pad_set_caps (self->srcpad, self->caps);
out:
  if (!sent)
    gst_pad_mark_reconfigure (self->srcpad);
  GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT " is %s", self->caps,
      !sent            ? "not taken downstream"
      : self->attaches ? "composed downstream"
                       : "drawn into");
  return sent;
}

static gboolean
take_caps (GstSimclrOverlay *self, GstCaps *caps)
{
  if (!gst_video_info_from_caps (&self->info, caps))
    return FALSE;
  gst_caps_replace (&self->caps, caps);
  gst_pad_check_reconfigure (self->srcpad);
  return negotiate (self);
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
read_frame (GstSimclrOverlay *self, GstBuffer *buffer, const Settings *settings)
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
draw_panel (GstSimclrOverlay *self, const Settings *settings)
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
  Settings settings;

  if (self->caps == NULL || (gst_pad_check_reconfigure (self->srcpad) && !negotiate (self))) {
    gst_buffer_unref (buffer);
    return GST_PAD_IS_FLUSHING (self->srcpad) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
  }
  settings = settings_snapshot (self);
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
  settings_clear (&settings);
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
  settings_clear (&self->settings);
  G_OBJECT_CLASS (gst_simclr_overlay_parent_class)->finalize (object);
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static void
install_flag (GObjectClass *klass, guint id, const gchar *name, const gchar *nick,
    const gchar *blurb, gboolean value)
{
  g_object_class_install_property (
      klass, id, g_param_spec_boolean (name, nick, blurb, value, FLAGS));
}

static void
install_place (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_HALIGNMENT,
      g_param_spec_enum ("halignment", "Horizontal alignment",
          "Where the panel stands horizontally.", get_horizontal_type (), GST_SIMCLR_PANEL_LEFT,
          FLAGS));
  g_object_class_install_property (klass, PROP_VALIGNMENT,
      g_param_spec_enum ("valignment", "Vertical alignment", "Where the panel stands vertically.",
          get_vertical_type (), GST_SIMCLR_PANEL_BOTTOM, FLAGS));
  g_object_class_install_property (klass, PROP_XPAD,
      g_param_spec_uint ("xpad", "Horizontal padding",
          "Pixels between the panel and the left or right edge; with auto-resize, of a frame of "
          "480 "
          "lines.",
          0, G_MAXINT16, DEFAULT_PAD, FLAGS));
  g_object_class_install_property (klass, PROP_YPAD,
      g_param_spec_uint ("ypad", "Vertical padding",
          "Pixels between the panel and the top or bottom edge; with auto-resize, of a frame of "
          "480 "
          "lines.",
          0, G_MAXINT16, DEFAULT_PAD, FLAGS));
}

static void
install_look (GObjectClass *klass)
{
  g_object_class_install_property (klass, PROP_FONT_DESC,
      g_param_spec_string ("font-desc", "Font description",
          "Pango font description of the label, such as \"Serif 20\"; the rest follows its size, "
          "with auto-resize that of a frame of 480 lines. Unset: \"Sans 16\".",
          NULL, FLAGS));
  install_flag (klass, PROP_AUTO_RESIZE, "auto-resize", "Auto resize",
      "Whether sizes follow the height of the frame.", TRUE);
  install_flag (klass, PROP_SHOW_CONFIDENCE, "show-confidence", "Show confidence",
      "Whether the confidence is shown, as a number and a bar.", TRUE);
  install_flag (klass, PROP_SHOW_NOVELTY, "show-novelty", "Show novelty",
      "Whether the novelty is shown: 1.0 is the edge of what was taught.", TRUE);
  install_flag (klass, PROP_SHOW_SCORES, "show-scores", "Show scores",
      "Whether the best labels, up to five, are listed with their scores, where there are two or "
      "more.",
      TRUE);
  g_object_class_install_property (klass, PROP_HOLD,
      g_param_spec_uint64 ("hold", "Hold",
          "How long in nanoseconds a classification stays on the frames after it that have none; "
          "0: "
          "not at all.",
          0, G_MAXUINT64 - 1, DEFAULT_HOLD, FLAGS));
  g_object_class_install_property (klass, PROP_TEXT,
      g_param_spec_string ("text", "Text",
          "A line of text beneath, shown also where there is no classification; empty or unset: "
          "none.",
          NULL, FLAGS));
  install_flag (klass, PROP_SILENT, "silent", "Silent",
      "Whether frames pass without anything being drawn.", FALSE);
}

static void
gst_simclr_overlay_class_init (GstSimclrOverlayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_simclr_overlay_debug, "simclroverlay", 0, "SimCLR overlay");
  gst_simclr_classification_meta_register ();
  gst_type_mark_as_plugin_api (get_horizontal_type (), 0);
  gst_type_mark_as_plugin_api (get_vertical_type (), 0);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_place (object_class);
  install_look (object_class);

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

  gst_pad_set_query_function (pad, query);
  GST_PAD_SET_PROXY_ALLOCATION (pad);
  GST_PAD_SET_PROXY_SCHEDULING (pad);
  gst_element_add_pad (GST_ELEMENT (self), pad);
  return pad;
}

static void
gst_simclr_overlay_init (GstSimclrOverlay *self)
{
  self->settings = (Settings){
      .style = {.horizontal = GST_SIMCLR_PANEL_LEFT,
          .vertical = GST_SIMCLR_PANEL_BOTTOM,
          .xpad = DEFAULT_PAD,
          .ypad = DEFAULT_PAD,
          .auto_resize = TRUE,
          .show_confidence = TRUE,
          .show_novelty = TRUE,
          .show_scores = TRUE},
      .hold = DEFAULT_HOLD,
  };
  self->said = GST_CLOCK_TIME_NONE;
  self->stale = TRUE;

  self->sinkpad = add_pad (self, &sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, chain);
  gst_pad_set_event_function (self->sinkpad, sink_event);
  self->srcpad = add_pad (self, &src_template, "src");
}
