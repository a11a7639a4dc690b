/* SimCLR's augmentation as an object: settings, draws and their application.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/augment.h>

#include <simclr/augment/augment-private.h>
#include <simclr/augment/blur-private.h>
#include <simclr/augment/colour-private.h>
#include <simclr/augment/frame-private.h>
#include <simclr/base/parallel-private.h>
#include <simclr/base/random-private.h>
#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>

typedef struct
{
  SimclrScratch resize;
  SimclrScratch planes; /* three of size * size floats, and what blur needs */
} Workspace;

/**
 * SimclrAugment:
 *
 * The paper's stochastic data augmentation: random resized crop, horizontal flip, colour jitter,
 * grayscale, Gaussian blur and, when asked for, solarize. The defaults are the ImageNet recipe.
 *
 * A view is made in two steps. simclr_augment_draw() decides everything that is random;
 * simclr_augment_apply() has no randomness left. Draws depend on nothing but the seed, the number
 * of the pair, the number of the view and the settings, so any of them can be repeated.
 *
 * Pixels are floats in [0, 1] from the crop on, clamped after the crop and after each colour
 * operation, and rounded once, at the end.
 *
 * An object serves one thread at a time: it keeps working memory between views. It may use two itself.
 */
struct _SimclrAugment
{
  GObject parent;

  SimclrAugmentSettings settings;
  guint threads;
  SimclrParallel *team;    /* NULL until two threads make a pair */
  Workspace workspaces[2]; /* one a view of a pair */
};

G_DEFINE_FINAL_TYPE (SimclrAugment, simclr_augment, G_TYPE_OBJECT)

enum
{
  PROP_0,
  PROP_SIZE,
  PROP_STRENGTH,
  PROP_MIN_AREA,
  PROP_MAX_AREA,
  PROP_MIN_ASPECT,
  PROP_MAX_ASPECT,
  PROP_FLIP_PROBABILITY,
  PROP_JITTER_PROBABILITY,
  PROP_BRIGHTNESS,
  PROP_CONTRAST,
  PROP_SATURATION,
  PROP_HUE,
  PROP_GRAYSCALE_PROBABILITY,
  PROP_BLUR_PROBABILITY,
  PROP_BLUR_MIN_SIGMA,
  PROP_BLUR_MAX_SIGMA,
  PROP_SOLARIZE_PROBABILITY,
  PROP_SOLARIZE_THRESHOLD,
  PROP_INTERPOLATION,
  PROP_SEED,
  PROP_THREADS,
  N_PROPERTIES,
};

/* The properties that are one number, and where it lives. */
static const struct
{
  guint id;
  gsize offset;
  const gchar *name, *nick, *blurb;
  gdouble minimum, maximum, value;
} numbers[] = {
#define NUMBER(id, field) id, G_STRUCT_OFFSET (SimclrAugmentSettings, field)
    {NUMBER (PROP_STRENGTH, strength), "strength", "Colour strength",
        "Multiplies the largest changes of brightness, contrast, saturation and hue; 0 leaves "
        "colours alone except for grayscale.",
        0, 10, 1},
    {NUMBER (PROP_MIN_AREA, min_area), "min-area", "Smallest area",
        "Smallest area of a crop, as a share of the frame's area.", 0, 1, 0.08},
    {NUMBER (PROP_MAX_AREA, max_area), "max-area", "Largest area",
        "Largest area of a crop, as a share of the frame's area.", 0, 1, 1},
    {NUMBER (PROP_MIN_ASPECT, min_aspect), "min-aspect", "Smallest aspect",
        "Smallest width over height of a crop, in pixels.", 0.01, 100, 3.0 / 4.0},
    {NUMBER (PROP_MAX_ASPECT, max_aspect), "max-aspect", "Largest aspect",
        "Largest width over height of a crop, in pixels.", 0.01, 100, 4.0 / 3.0},
    {NUMBER (PROP_FLIP_PROBABILITY, flip_probability), "flip-probability", "Flip probability",
        "How likely a view is mirrored left to right.", 0, 1, 0.5},
    {NUMBER (PROP_JITTER_PROBABILITY, jitter_probability), "jitter-probability",
        "Jitter probability", "How likely a view's colours are jittered.", 0, 1, 0.8},
    {NUMBER (PROP_BRIGHTNESS, brightness), "brightness", "Brightness",
        "Largest change of the brightness factor from 1, at strength 1.", 0, 10, 0.8},
    {NUMBER (PROP_CONTRAST, contrast), "contrast", "Contrast",
        "Largest change of the contrast factor from 1, at strength 1.", 0, 10, 0.8},
    {NUMBER (PROP_SATURATION, saturation), "saturation", "Saturation",
        "Largest change of the saturation factor from 1, at strength 1.", 0, 10, 0.8},
    {NUMBER (PROP_HUE, hue), "hue", "Hue",
        "Largest shift of the hue in turns of the colour circle, at strength 1; never more than "
        "half a turn.",
        0, 0.5, 0.2},
    {NUMBER (PROP_GRAYSCALE_PROBABILITY, grayscale_probability), "grayscale-probability",
        "Grayscale probability", "How likely a view loses its colours.", 0, 1, 0.2},
    {NUMBER (PROP_BLUR_PROBABILITY, blur_probability), "blur-probability", "Blur probability",
        "How likely a view is blurred by a Gaussian whose kernel is a tenth of the view wide.", 0,
        1, 0.5},
    {NUMBER (PROP_BLUR_MIN_SIGMA, blur_min_sigma), "blur-min-sigma", "Smallest blur",
        "Smallest deviation of the Gaussian, in pixels of the view.", 0.001, 100, 0.1},
    {NUMBER (PROP_BLUR_MAX_SIGMA, blur_max_sigma), "blur-max-sigma", "Largest blur",
        "Largest deviation of the Gaussian, in pixels of the view.", 0.001, 100, 2},
    {NUMBER (PROP_SOLARIZE_PROBABILITY, solarize_probability), "solarize-probability",
        "Solarize probability",
        "How likely the bright values of a view are inverted (0 in the paper).", 0, 1, 0},
    {NUMBER (PROP_SOLARIZE_THRESHOLD, solarize_threshold), "solarize-threshold",
        "Solarize threshold", "Values from here up are inverted; 0 is black, 1 is white.", 0, 1,
        0.5},
#undef NUMBER
};

static gint
find_number (guint id)
{
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (numbers[i].id == id)
      return (gint) i;
  return -1;
}

static gdouble *
number_of (SimclrAugment *self, gint number)
{
  return G_STRUCT_MEMBER_P (&self->settings, numbers[number].offset);
}

static void
simclr_augment_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  SimclrAugment *self = SIMCLR_AUGMENT (object);
  gint number = find_number (id);

  if (number >= 0) {
    *number_of (self, number) = g_value_get_double (value);
    return;
  }
  switch (id) {
  case PROP_SIZE:
    self->settings.size = g_value_get_uint (value);
    break;
  case PROP_INTERPOLATION:
    self->settings.interpolation = g_value_get_enum (value);
    break;
  case PROP_SEED:
    self->settings.seed = g_value_get_uint64 (value);
    break;
  case PROP_THREADS:
    self->threads = g_value_get_uint (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_augment_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  SimclrAugment *self = SIMCLR_AUGMENT (object);
  gint number = find_number (id);

  if (number >= 0) {
    g_value_set_double (value, *number_of (self, number));
    return;
  }
  switch (id) {
  case PROP_SIZE:
    g_value_set_uint (value, self->settings.size);
    break;
  case PROP_INTERPOLATION:
    g_value_set_enum (value, self->settings.interpolation);
    break;
  case PROP_SEED:
    g_value_set_uint64 (value, self->settings.seed);
    break;
  case PROP_THREADS:
    g_value_set_uint (value, self->threads);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_augment_finalize (GObject *object)
{
  SimclrAugment *self = SIMCLR_AUGMENT (object);

  for (guint i = 0; i < G_N_ELEMENTS (self->workspaces); i++) {
    _simclr_scratch_clear (&self->workspaces[i].resize);
    _simclr_scratch_clear (&self->workspaces[i].planes);
  }
  g_clear_pointer (&self->team, _simclr_parallel_unref);
  G_OBJECT_CLASS (simclr_augment_parent_class)->finalize (object);
}

static void
simclr_augment_class_init (SimclrAugmentClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS;

  object_class->set_property = simclr_augment_set_property;
  object_class->get_property = simclr_augment_get_property;
  object_class->finalize = simclr_augment_finalize;

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    g_object_class_install_property (object_class, numbers[i].id,
        g_param_spec_double (numbers[i].name, numbers[i].nick, numbers[i].blurb, numbers[i].minimum,
            numbers[i].maximum, numbers[i].value, flags));
  g_object_class_install_property (object_class, PROP_SIZE,
      g_param_spec_uint (
          "size", "Size", "Width and height of a view, in pixels.", 1, 8192, 224, flags));
  g_object_class_install_property (object_class, PROP_INTERPOLATION,
      g_param_spec_enum ("interpolation", "Interpolation",
          "Resampling filter of crops, antialiased when shrinking.", SIMCLR_TYPE_INTERPOLATION,
          SIMCLR_INTERPOLATION_BICUBIC, flags));
  g_object_class_install_property (object_class, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Where the random numbers start; the same seed gives the same draws.", 0, G_MAXUINT64, 0,
          flags));
  g_object_class_install_property (object_class, PROP_THREADS,
      g_param_spec_uint ("threads", "Threads",
          "Threads that make a pair: 1, or 2 for both views at once. The views are the same.", 1, 2,
          1, flags));
}

static void
simclr_augment_init (SimclrAugment *self)
{
}

/**
 * simclr_augment_new:
 *
 * Returns: (transfer full): an augmentation with the ImageNet recipe's settings
 */
SimclrAugment *
simclr_augment_new (void)
{
  return g_object_new (SIMCLR_TYPE_AUGMENT, NULL);
}

/**
 * simclr_augment_draw:
 * @self: an augmentation
 * @pair: number of the pair
 * @view: number of the view in the pair: 0 or 1 (up to 65535 where more views are wanted)
 * @width: width of the frame, pixels, at least 1
 * @height: height of the frame, pixels, at least 1
 * @draw: (out caller-allocates): what was drawn
 *
 * Draws everything that is random in one view.
 */
void
simclr_augment_draw (
    SimclrAugment *self, guint64 pair, guint view, guint width, guint height, SimclrDraw *draw)
{
  SimclrDrawKey key;

  g_return_if_fail (SIMCLR_IS_AUGMENT (self));
  g_return_if_fail (view <= G_MAXUINT16);
  g_return_if_fail (width > 0 && height > 0);
  g_return_if_fail (draw != NULL);

  key = (SimclrDrawKey){self->settings.seed, pair, view};
  _simclr_draw_view (&key, &self->settings, width, height, draw);
}

/**
 * simclr_augment_draw_partner:
 * @self: an augmentation
 * @pair: number of the pair
 * @n_candidates: how many frames the second view may come from, at least 1
 *
 * Draws the frame that the second view of a pair comes from, each as likely, from random numbers
 * that no view uses.
 *
 * Returns: a number below @n_candidates
 */
guint
simclr_augment_draw_partner (SimclrAugment *self, guint64 pair, guint n_candidates)
{
  g_return_val_if_fail (SIMCLR_IS_AUGMENT (self), 0);
  g_return_val_if_fail (n_candidates > 0, 0);

  return (guint) _simclr_random_below (
      self->settings.seed, SIMCLR_STREAM_TEMPORAL, pair, n_candidates);
}

static void
blur_planes (gfloat *const planes[3], guint n_planes, guint size, gdouble sigma, gfloat *scratch)
{
  guint radius = SIMCLR_BLUR_RADIUS (size);
  gfloat *weights = scratch;

  scratch += radius + 1;
  radius = _simclr_blur_weights (weights, radius, sigma);
  if (radius == 0)
    return;
  for (guint c = 0; c < n_planes; c++)
    _simclr_blur (planes[c], size, weights, radius, scratch);
}

static gboolean
reserve_planes (Workspace *self, guint size, gfloat *planes[3], gfloat **blur, GError **error)
{
  gsize n = (gsize) size * size;
  guint radius = SIMCLR_BLUR_RADIUS (size);

  /* blur: its weights, one plane, one padded row */
  if (!_simclr_scratch_reserve (
          &self->planes, (4 * n + size + 3 * (gsize) radius + 1) * sizeof (gfloat), error))
    return FALSE;
  for (guint c = 0; c < 3; c++)
    planes[c] = (gfloat *) self->planes.memory + c * n;
  *blur = (gfloat *) self->planes.memory + 3 * n;
  return TRUE;
}

static gboolean
make_view (SimclrAugment *self, Workspace *workspace, const SimclrFrame *frame,
    const SimclrDraw *draw, guint8 *view, gsize stride, GError **error)
{
  const guint size = self->settings.size;
  const gsize n = (gsize) size * size;
  const guint distinct = draw->grayscale ? 1 : 3;
  const SimclrBox box = {draw->crop_x, draw->crop_y, draw->crop_width, draw->crop_height};
  gfloat *planes[3], *blur;

  if (!_simclr_frame_check (frame, error) ||
      !_simclr_draw_check (draw, frame->width, frame->height, error))
    return FALSE;
  if (stride / 3 < size) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "view: a stride of %" G_GSIZE_FORMAT " bytes is less than a row of %u pixels", stride,
        size);
    return FALSE;
  }
  if (!reserve_planes (workspace, size, planes, &blur, error) ||
      !_simclr_resize (&workspace->resize, frame, &box, size, draw->flip,
          self->settings.interpolation, planes, error))
    return FALSE;

  _simclr_colour_apply (planes, n, draw);
  if (draw->blur)
    blur_planes (planes, distinct, size, draw->sigma, blur);
  if (draw->solarize)
    for (guint c = 0; c < distinct; c++)
      _simclr_colour_solarize (planes[c], n, (gfloat) draw->solarize_threshold);
  for (guint c = distinct; c < 3; c++)
    planes[c] = planes[0];
  if (stride == 3 * (gsize) size)
    _simclr_planes_to_bytes (planes[0], planes[1], planes[2], n, view);
  else
    for (gsize y = 0; y < size; y++)
      _simclr_planes_to_bytes (planes[0] + y * size, planes[1] + y * size, planes[2] + y * size,
          size, view + y * stride);
  return TRUE;
}

/**
 * simclr_augment_apply: (skip)
 * @self: an augmentation; of its settings only size and interpolation matter here
 * @frame: the picture
 * @draw: what was drawn for a frame of this size
 * @view: room for the view, packed RGB, size rows of @stride bytes
 * @stride: bytes from one row of @view to the next, at least three times the size
 * @error: return location for an error
 *
 * Makes one view: crop and resize, flip, colour jitter, grayscale, blur, solarize, in this order,
 * rounded to 8 bits at the end. Only pixels inside the crop are read.
 *
 * Returns: %FALSE if @frame is not a picture, @draw does not fit it, or memory ran out
 */
gboolean
simclr_augment_apply (SimclrAugment *self, const SimclrFrame *frame, const SimclrDraw *draw,
    guint8 *view, gsize stride, GError **error)
{
  g_return_val_if_fail (SIMCLR_IS_AUGMENT (self), FALSE);
  g_return_val_if_fail (frame != NULL && draw != NULL && view != NULL, FALSE);

  return make_view (self, &self->workspaces[0], frame, draw, view, stride, error);
}

/**
 * simclr_augment_apply_bytes: (rename-to simclr_augment_apply)
 * @self: an augmentation; of its settings only size and interpolation matter here
 * @pixels: the picture, row by row
 * @width: pixels in a row
 * @height: rows
 * @stride: bytes from one row to the next
 * @format: layout of a pixel
 * @draw: what was drawn for a frame of this size
 * @error: return location for an error
 *
 * Makes one view from bytes, as simclr_augment_apply() does; the form for languages without pointers.
 *
 * Returns: (transfer full) (nullable): the view, packed RGB, size rows of three times size bytes, or %NULL with
 *   @error set
 */
GBytes *
simclr_augment_apply_bytes (SimclrAugment *self, GBytes *pixels, guint width, guint height,
    gsize stride, SimclrPixelFormat format, const SimclrDraw *draw, GError **error)
{
  SimclrFrame frame = {NULL, width, height, stride, format};
  g_autofree guint8 *view = NULL;
  gsize row;

  g_return_val_if_fail (SIMCLR_IS_AUGMENT (self), NULL);
  g_return_val_if_fail (pixels != NULL && draw != NULL, NULL);

  if (!_simclr_frame_from_bytes (&frame, pixels, error))
    return NULL;
  row = 3 * (gsize) self->settings.size;
  view = g_malloc (row * self->settings.size);
  if (!simclr_augment_apply (self, &frame, draw, view, row, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&view), row * self->settings.size);
}

/* A pair to make: what the two views differ in. */
typedef struct
{
  SimclrAugment *self;
  const SimclrFrame *frames;
  const SimclrDraw *draws;
  guint8 *views;
  gsize stride;
  GError *errors[2];
} Pair;

static void
make_views (guint thread, gsize begin, gsize end, gpointer data)
{
  Pair *pair = data;

  for (gsize i = begin; i < end; i++)
    make_view (pair->self, &pair->self->workspaces[i], &pair->frames[i], &pair->draws[i],
        pair->views + i * pair->self->settings.size * pair->stride, pair->stride, &pair->errors[i]);
}

/**
 * simclr_augment_apply_pair: (skip)
 * @self: an augmentation; of its settings only size, interpolation and threads matter here
 * @frames: the pictures of both views, which may be the same
 * @draws: what was drawn for each
 * @views: room for both views, packed RGB, one above the other: twice the size rows of @stride bytes
 * @stride: bytes from one row of @views to the next, at least three times the size
 * @error: return location for an error
 *
 * Makes a positive pair, as simclr_augment_apply() makes each view; with threads 2 both at once.
 *
 * Returns: %FALSE if a view could not be made; the error says which and why
 */
gboolean
simclr_augment_apply_pair (SimclrAugment *self, const SimclrFrame frames[2],
    const SimclrDraw draws[2], guint8 *views, gsize stride, GError **error)
{
  Pair pair = {self, frames, draws, views, stride, {NULL, NULL}};

  g_return_val_if_fail (SIMCLR_IS_AUGMENT (self), FALSE);
  g_return_val_if_fail (frames != NULL && draws != NULL && views != NULL, FALSE);

  if (self->threads > 1 && self->team == NULL)
    self->team = _simclr_parallel_new (2);
  _simclr_parallel_for (self->threads > 1 ? self->team : NULL, 2, 1, make_views, &pair);
  for (guint i = 0; i < 2; i++) {
    if (pair.errors[i] != NULL) {
      g_prefix_error (&pair.errors[i], "view %u: ", i + 1);
      g_propagate_error (error, g_steal_pointer (&pair.errors[i]));
      g_clear_error (&pair.errors[1]);
      return FALSE;
    }
  }
  return TRUE;
}
