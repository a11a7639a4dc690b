/* simclroverlay's properties: where the panel stands, and what it shows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclroverlay-private.h"

#include "gstsimclrproperties.h"

#define DEFAULT_PAD 16
#define DEFAULT_HOLD (500 * GST_MSECOND)

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

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

static GType
get_horizontal_type (void)
{
  static const GEnumValue values[] = {{GST_SIMCLR_PANEL_LEFT, "At the left edge", "left"},
      {GST_SIMCLR_PANEL_CENTER, "In the middle", "center"},
      {GST_SIMCLR_PANEL_RIGHT, "At the right edge", "right"}, {0, NULL, NULL}};

  return gst_simclr_own_enum ("GstSimclrOverlayHAlign", values);
}

static GType
get_vertical_type (void)
{
  static const GEnumValue values[] = {{GST_SIMCLR_PANEL_TOP, "At the top edge", "top"},
      {GST_SIMCLR_PANEL_MIDDLE, "In the middle", "center"},
      {GST_SIMCLR_PANEL_BOTTOM, "At the bottom edge", "bottom"}, {0, NULL, NULL}};

  return gst_simclr_own_enum ("GstSimclrOverlayVAlign", values);
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
  GstSimclrOverlaySettings *settings = &self->settings;

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
  const GstSimclrOverlaySettings *settings = &self->settings;

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
          "480 lines.",
          0, G_MAXINT16, DEFAULT_PAD, FLAGS));
  g_object_class_install_property (klass, PROP_YPAD,
      g_param_spec_uint ("ypad", "Vertical padding",
          "Pixels between the panel and the top or bottom edge; with auto-resize, of a frame of "
          "480 lines.",
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
          "0: not at all.",
          0, G_MAXUINT64 - 1, DEFAULT_HOLD, FLAGS));
  g_object_class_install_property (klass, PROP_TEXT,
      g_param_spec_string ("text", "Text",
          "A line of text beneath, shown also where there is no classification; empty or unset: "
          "none.",
          NULL, FLAGS));
  install_flag (klass, PROP_SILENT, "silent", "Silent",
      "Whether frames pass without anything being drawn.", FALSE);
}

void
_gst_simclr_overlay_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  install_place (klass);
  install_look (klass);
}

/* As the property specifications promise. */
void
_gst_simclr_overlay_init_settings (GstSimclrOverlay *self)
{
  self->settings = (GstSimclrOverlaySettings){
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
}

void
_gst_simclr_overlay_settings_clear (GstSimclrOverlaySettings *self)
{
  g_free (self->style.font);
  g_free (self->text);
}

GstSimclrOverlaySettings
_gst_simclr_overlay_snapshot (GstSimclrOverlay *self)
{
  GstSimclrOverlaySettings copy;

  GST_OBJECT_LOCK (self);
  copy = self->settings;
  copy.style.font = g_strdup (copy.style.font);
  copy.text = g_strdup (copy.text);
  GST_OBJECT_UNLOCK (self);
  return copy;
}
