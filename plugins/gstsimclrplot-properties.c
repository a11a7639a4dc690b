/* simclrplot's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrplot-private.h"

#define DEFAULT_POINTS 200
#define DEFAULT_WINDOW (60 * GST_SECOND)

enum
{
  PROP_0,
  PROP_TRAINER,
  PROP_SHOW,
  PROP_POINTS,
  PROP_WINDOW,
  PROP_THUMBNAILS,
};

static GType
get_show_type (void)
{
  static const GFlagsValue values[] = {
      {GST_SIMCLR_PLOT_SHOW_CURVES, "The curves of training", "curves"},
      {GST_SIMCLR_PLOT_SHOW_MAP, "The map of embeddings", "map"}, {0, NULL, NULL}};
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_flags_register_static ("GstSimclrPlotShow", values));
  return type;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_TRAINER:
    g_free (self->trainer_name);
    self->trainer_name = g_value_dup_string (value);
    break;
  case PROP_SHOW:
    self->settings.show = (GstSimclrPlotShow) g_value_get_flags (value);
    break;
  case PROP_POINTS:
    self->settings.points = g_value_get_uint (value);
    break;
  case PROP_WINDOW:
    self->settings.window = g_value_get_uint64 (value);
    break;
  case PROP_THUMBNAILS:
    self->settings.thumbnails = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrPlot *self = GST_SIMCLR_PLOT (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_TRAINER:
    g_value_set_string (value, self->trainer_name);
    break;
  case PROP_SHOW:
    g_value_set_flags (value, self->settings.show);
    break;
  case PROP_POINTS:
    g_value_set_uint (value, self->settings.points);
    break;
  case PROP_WINDOW:
    g_value_set_uint64 (value, self->settings.window);
    break;
  case PROP_THUMBNAILS:
    g_value_set_boolean (value, self->settings.thumbnails);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

void
_gst_simclr_plot_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  gst_type_mark_as_plugin_api (get_show_type (), 0);
  g_object_class_install_property (klass, PROP_TRAINER,
      g_param_spec_string ("trainer", "Trainer",
          "Name of the simclrtrainer in this pipeline whose curves are drawn. Unset: the first "
          "one, "
          "if there is any.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_SHOW,
      g_param_spec_flags ("show", "Show", "What is drawn; curves only where there is a trainer.",
          get_show_type (), GST_SIMCLR_PLOT_SHOW_CURVES | GST_SIMCLR_PLOT_SHOW_MAP, FLAGS));
  g_object_class_install_property (klass, PROP_POINTS,
      g_param_spec_uint ("points", "Points", "Frames on the map at most, evenly over the window.",
          2, 2000, DEFAULT_POINTS, FLAGS));
  g_object_class_install_property (klass, PROP_WINDOW,
      g_param_spec_uint64 ("window", "Window",
          "Nanoseconds of running time for which a frame stays on the map.", 1, G_MAXUINT64 / 4,
          DEFAULT_WINDOW, FLAGS));
  g_object_class_install_property (klass, PROP_THUMBNAILS,
      g_param_spec_boolean ("thumbnails", "Thumbnails",
          "Whether the map shows small pictures of frames; otherwise all are dots.", TRUE, FLAGS));
}

/* As the property specifications promise. */
void
_gst_simclr_plot_init_settings (GstSimclrPlot *self)
{
  self->settings =
      (GstSimclrPlotSettings){.show = GST_SIMCLR_PLOT_SHOW_CURVES | GST_SIMCLR_PLOT_SHOW_MAP,
          .points = DEFAULT_POINTS,
          .window = DEFAULT_WINDOW,
          .thumbnails = TRUE};
}

GstSimclrPlotSettings
_gst_simclr_plot_get_settings (GstSimclrPlot *self)
{
  GstSimclrPlotSettings copy;

  GST_OBJECT_LOCK (self);
  copy = self->settings;
  GST_OBJECT_UNLOCK (self);
  return copy;
}
