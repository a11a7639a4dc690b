/* Crop and resize: weights of both directions, then strips of rows through the kernels.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/resize-private.h>

#include <math.h>
#include <string.h>

#include <simclr/augment/frame-private.h>
#include <simclr/augment/vector-private.h>
#include <simclr/base/multiversion-private.h>

#define CHUNK 64

/* Half the width of the filter at scale 1. */
static gdouble
filter_support (SimclrInterpolation interpolation)
{
  return interpolation == SIMCLR_INTERPOLATION_BILINEAR ? 1.0 : 2.0;
}

/* Shrinking widens the filter by the factor, which is what antialiasing means here; enlarging uses
 * it as it is. */
static gdouble
axis_support (guint length, guint size, SimclrInterpolation interpolation)
{
  return filter_support (interpolation) * MAX ((gdouble) length / size, 1.0);
}

guint
_simclr_resize_axis_taps (guint length, guint size, SimclrInterpolation interpolation)
{
  return MIN ((guint) ceil (2 * axis_support (length, size, interpolation)) + 1, length);
}

/* Keys' cubic with a = -0.5, for both branches at once. */
SIMCLR_INLINE gfloat
cubic (gfloat x)
{
  gfloat inner = (1.5f * x - 2.5f) * x * x + 1.0f;
  gfloat outer = ((-0.5f * x + 2.5f) * x - 4.0f) * x + 2.0f;
  gfloat value = x < 1.0f ? inner : outer;

  return x < 2.0f ? value : 0.0f;
}

/* weights[k] = filter (|first + k * step|), the argument in units of the filter. */
SIMCLR_INLINE void
sample_filter (gfloat *restrict weights, guint count, gfloat first, gfloat step, gboolean bilinear)
{
  if (bilinear)
    for (gint k = 0; k < (gint) count; k++) {
      gfloat x = fabsf (first + (gfloat) k * step);

      weights[k] = x < 1.0f ? 1.0f - x : 0.0f;
    }
  else
    for (gint k = 0; k < (gint) count; k++)
      weights[k] = cubic (fabsf (first + (gfloat) k * step));
}

/* The same positions, bounds and weights as Pillow's precompute_coeffs() and torch's antialiased
 * interpolate(). */
SIMCLR_MULTIVERSION
void
_simclr_resize_axis_fill (SimclrResizeAxis *axis, guint length, guint size,
    SimclrInterpolation interpolation, gboolean mirrored, gfloat gain)
{
  gdouble scale = (gdouble) length / size;
  gdouble support = axis_support (length, size, interpolation);
  gdouble step = 1.0 / MAX (scale, 1.0);
  gboolean bilinear = interpolation == SIMCLR_INTERPOLATION_BILINEAR;

  axis->size = size;
  for (guint i = 0; i < size; i++) {
    guint out = mirrored ? size - 1 - i : i;
    gfloat *weights = axis->weights + (gsize) out * axis->taps;
    gdouble center = (i + 0.5) * scale;
    guint first = (guint) MAX (center - support + 0.5, 0.0);
    guint end = (guint) MIN (center + support + 0.5, (gdouble) length);
    guint count = end - first;
    gfloat sum = 0, factor;

    sample_filter (
        weights, count, (gfloat) ((first + 0.5 - center) * step), (gfloat) step, bilinear);
    for (guint k = 0; k < count; k++)
      sum += weights[k];
    factor = gain / sum;
    for (guint k = 0; k < count; k++)
      weights[k] *= factor;
    axis->start[out] = first;
    axis->count[out] = count;
  }
}

static gsize
axis_bytes (guint size, guint taps)
{
  return 2 * ((gsize) size * sizeof (guint) + SIMCLR_ALIGNMENT) +
         (gsize) size * taps * sizeof (gfloat) + SIMCLR_ALIGNMENT;
}

static void
axis_take (SimclrResizeAxis *axis, guint8 **cursor, guint size, guint taps)
{
  axis->taps = taps;
  axis->start = _simclr_scratch_take (cursor, (gsize) size * sizeof (guint));
  axis->count = _simclr_scratch_take (cursor, (gsize) size * sizeof (guint));
  axis->weights = _simclr_scratch_take (cursor, (gsize) size * taps * sizeof (gfloat));
}

/* Most input rows that one strip of output rows needs. */
static gsize
strip_rows (const SimclrResizeAxis *vertical)
{
  gsize most = 0;

  for (guint first = 0; first < vertical->size; first += SIMCLR_LANES) {
    guint last = MIN (first + SIMCLR_LANES, vertical->size) - 1;

    most = MAX (most, vertical->start[last] + vertical->count[last] - vertical->start[first]);
  }
  return most;
}

gboolean
_simclr_resize (SimclrScratch *scratch, const SimclrFrame *frame, const SimclrBox *box, guint size,
    gboolean mirrored, SimclrInterpolation interpolation, gfloat *const planes[3], GError **error)
{
  const SimclrPixelLayout *layout = _simclr_pixel_layout (frame->format);
  gsize n_bytes = (gsize) box->width * layout->bytes;
  gsize padded = (n_bytes + CHUNK - 1) / CHUNK * CHUNK;
  guint vertical_taps = _simclr_resize_axis_taps (box->height, size, interpolation);
  guint horizontal_taps = _simclr_resize_axis_taps (box->width, size, interpolation);
  gsize converted_rows =
      MIN (box->height, (gsize) ((gdouble) box->height / size * SIMCLR_LANES) + vertical_taps + 2);
  const guint8 *bytes = frame->data + box->y * frame->stride + (gsize) box->x * layout->bytes;
  SimclrResizeAxis vertical, horizontal;
  gfloat *converted, *columns, *strip;
  guint8 *cursor;

  if (!_simclr_scratch_reserve (scratch,
          axis_bytes (size, vertical_taps) + axis_bytes (size, horizontal_taps) +
              (converted_rows * CHUNK + padded * SIMCLR_LANES + 3 * (gsize) size * SIMCLR_LANES) *
                  sizeof (gfloat),
          error))
    return FALSE;

  cursor = scratch->memory;
  axis_take (&vertical, &cursor, size, vertical_taps);
  axis_take (&horizontal, &cursor, size, horizontal_taps);
  converted = _simclr_scratch_take (&cursor, converted_rows * CHUNK * sizeof (gfloat));
  columns = _simclr_scratch_take (&cursor, padded * SIMCLR_LANES * sizeof (gfloat));
  strip = _simclr_scratch_take (&cursor, 3 * (gsize) size * SIMCLR_LANES * sizeof (gfloat));
  _simclr_resize_axis_fill (&vertical, box->height, size, interpolation, FALSE, 1.0f);
  _simclr_resize_axis_fill (
      &horizontal, box->width, size, interpolation, mirrored, (gfloat) (1.0 / 255.0));
  g_assert (strip_rows (&vertical) <= converted_rows);

  for (guint first = 0; first < size; first += SIMCLR_LANES) {
    guint rows = MIN (SIMCLR_LANES, size - first);

    _simclr_resize_strip_vertical (
        bytes, frame->stride, n_bytes, &vertical, first, converted, columns);
    _simclr_resize_strip_horizontal (
        columns, layout->bytes, layout->offsets, layout->channels, &horizontal, strip);
    for (guint c = 0; c < layout->channels; c++)
      _simclr_resize_strip_store (
          strip + (gsize) c * size * SIMCLR_LANES, size, rows, planes[c] + (gsize) first * size);
  }
  if (layout->channels == 1)
    for (guint c = 1; c < 3; c++)
      memcpy (planes[c], planes[0], (gsize) size * size * sizeof (gfloat));
  return TRUE;
}
