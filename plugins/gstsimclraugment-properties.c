/* simclraugment's properties: SimclrAugment's, with the same numbers, ranges and words, and a few more.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclraugment-private.h"

#include "gstsimclrproperties.h"

#define N_LIBRARY_PROPERTIES GST_SIMCLR_AUGMENT_LIBRARY

enum
{
  PROP_TEMPORAL_WINDOW = N_LIBRARY_PROPERTIES + 1,
  PROP_SMALL_CROPS,
  PROP_SMALL_SIZE,
  PROP_SMALL_MIN_AREA,
  PROP_SMALL_MAX_AREA,
};

static GParamSpec *library_properties[N_LIBRARY_PROPERTIES]; /* constant after class_init */
static guint size_property;

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_TEMPORAL_WINDOW:
    self->settings.temporal_window = g_value_get_uint64 (value);
    break;
  case PROP_SMALL_CROPS:
    self->settings.small_crops = g_value_get_uint (value);
    break;
  case PROP_SMALL_SIZE:
    self->settings.small_size = g_value_get_uint (value);
    break;
  case PROP_SMALL_MIN_AREA:
    self->settings.small_min_area = g_value_get_double (value);
    break;
  case PROP_SMALL_MAX_AREA:
    self->settings.small_max_area = g_value_get_double (value);
    break;
  default:
    g_value_copy (value, &self->settings.library[id - 1]);
  }
  self->settings.version++;
  GST_OBJECT_UNLOCK (self);

  if (id == size_property || id == PROP_SMALL_CROPS || id == PROP_SMALL_SIZE)
    gst_base_transform_reconfigure_src (GST_BASE_TRANSFORM (self));
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrAugment *self = GST_SIMCLR_AUGMENT (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_TEMPORAL_WINDOW:
    g_value_set_uint64 (value, self->settings.temporal_window);
    break;
  case PROP_SMALL_CROPS:
    g_value_set_uint (value, self->settings.small_crops);
    break;
  case PROP_SMALL_SIZE:
    g_value_set_uint (value, self->settings.small_size);
    break;
  case PROP_SMALL_MIN_AREA:
    g_value_set_double (value, self->settings.small_min_area);
    break;
  case PROP_SMALL_MAX_AREA:
    g_value_set_double (value, self->settings.small_max_area);
    break;
  default:
    g_value_copy (&self->settings.library[id - 1], value);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
install_own_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_TEMPORAL_WINDOW,
      g_param_spec_uint64 ("temporal-window", "Temporal window",
          "How much earlier the frame of the second view may be, in nanoseconds of running time; "
          "0: both views come from the same frame.",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_SMALL_CROPS,
      g_param_spec_uint ("small-crops", "Small crops",
          "Small crops of the frame beside its two views (multi-crop), which the encoder learns to "
          "find the views with; for contrastive losses only.",
          0, GST_SIMCLR_PAIR_MAX_CROPS, 0, flags));
  g_object_class_install_property (klass, PROP_SMALL_SIZE,
      g_param_spec_uint ("small-size", "Small size",
          "Width and height of a small crop, in pixels, at most size; 0: three sevenths of size, "
          "as 96 of 224.",
          0, 8192, 0, flags));
  g_object_class_install_property (klass, PROP_SMALL_MIN_AREA,
      g_param_spec_double ("small-min-area", "Smallest small area",
          "Smallest area of a small crop, as a share of the frame's area.", 0, 1, 0.05, flags));
  g_object_class_install_property (klass, PROP_SMALL_MAX_AREA,
      g_param_spec_double ("small-max-area", "Largest small area",
          "Largest area of a small crop, as a share of the frame's area.", 0, 1, 0.3, flags));
}

void
_gst_simclr_augment_install_properties (GObjectClass *klass)
{
  GObjectClass *library = g_type_class_ref (SIMCLR_TYPE_AUGMENT);
  guint n = 0;
  GParamSpec **pspecs = g_object_class_list_properties (library, &n);

  klass->set_property = set_property;
  klass->get_property = get_property;
  g_assert (n == N_LIBRARY_PROPERTIES);
  for (guint i = 0; i < n; i++) {
    library_properties[i] = gst_simclr_property_like (
        pspecs[i], G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
    g_object_class_install_property (klass, i + 1, library_properties[i]);
    if (g_str_equal (pspecs[i]->name, "size"))
      size_property = i + 1;
  }
  g_free (pspecs);
  g_type_class_unref (library);
  install_own_properties (klass);
}

/* As the property specifications promise. */
void
_gst_simclr_augment_init_settings (GstSimclrAugment *self)
{
  for (guint i = 0; i < N_LIBRARY_PROPERTIES; i++) {
    g_value_init (&self->settings.library[i], library_properties[i]->value_type);
    g_param_value_set_default (library_properties[i], &self->settings.library[i]);
  }
  self->settings.small_min_area = 0.05;
  self->settings.small_max_area = 0.3;
  self->settings.version = 1;
}

GstSimclrAugmentSettings
_gst_simclr_augment_snapshot (GstSimclrAugment *self)
{
  GstSimclrAugmentSettings copy;

  GST_OBJECT_LOCK (self);
  copy = self->settings;
  GST_OBJECT_UNLOCK (self);
  return copy;
}

GstSimclrPairLayout
_gst_simclr_augment_settings_layout (const GstSimclrAugmentSettings *self)
{
  const guint size = g_value_get_uint (&self->library[size_property - 1]);
  const guint small = self->small_size != 0 ? self->small_size : MAX (1, size * 3 / 7);

  return (GstSimclrPairLayout){size, self->small_crops, small};
}

void
_gst_simclr_augment_apply_settings (
    GstSimclrAugment *self, const GstSimclrAugmentSettings *settings)
{
  const GValue *interpolation = NULL;

  for (guint i = 0; i < N_LIBRARY_PROPERTIES; i++) {
    const gchar *name = library_properties[i]->name;

    if (i + 1 != size_property) {
      gst_simclr_property_store (G_OBJECT (self->augment), name, &settings->library[i]);
      gst_simclr_property_store (G_OBJECT (self->small), name, &settings->library[i]);
    }
    if (g_str_equal (name, "interpolation"))
      interpolation = &settings->library[i];
  }
  g_object_set (self->small, "min-area", settings->small_min_area, "max-area",
      settings->small_max_area, NULL);
  self->interpolation = g_enum_get_value (
      g_type_class_peek (SIMCLR_TYPE_INTERPOLATION), g_value_get_enum (interpolation))
                            ->value_nick;
  self->applied = settings->version;
}
