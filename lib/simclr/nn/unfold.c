/* Unfolding an NHWC picture so that convolution becomes a matrix product (im2col), and back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/unfold-private.h>

#include <simclr/base/bfloat16-private.h>
#include <simclr/base/multiversion-private.h>

void
_simclr_unfold_init (SimclrUnfold *self, gsize height, gsize width, gsize channels, gsize kernel,
    gsize stride, gsize padding, gboolean half, gsize bytes)
{
  self->height = height;
  self->width = width;
  self->channels = channels;
  self->kernel = kernel;
  self->stride = stride;
  self->padding = padding;
  self->out_height = (height + 2 * padding - kernel) / stride + 1;
  self->out_width = (width + 2 * padding - kernel) / stride + 1;
  self->depth = kernel * kernel * channels;
  self->half = half;
  self->direct = kernel == 1 && stride == 1 && padding == 0 && !half;
  self->block_lines = MAX (bytes / (self->out_width * self->depth * sizeof (gfloat)), 1);
}

gsize
_simclr_unfold_get_floats (const SimclrUnfold *self)
{
  return self->block_lines * self->out_width * self->depth;
}

/* The part of a window's line that lies inside the picture: kernel columns first to last - 1. */
static void
clip_window (const SimclrUnfold *self, gssize left, gsize *first, gsize *last)
{
  *first = left < 0 ? MIN ((gsize) -left, self->kernel) : 0;
  *last = left + (gssize) self->kernel > (gssize) self->width
              ? (gsize) MAX ((gssize) self->width - left, (gssize) *first)
              : self->kernel;
}

SIMCLR_MULTIVERSION
void
_simclr_widen (const guint16 *from, gsize count, gfloat *to)
{
  gsize i = 0;

  for (; i + SIMCLR_LANES <= count; i += SIMCLR_LANES)
    _simclr_store_vector (to, i, _simclr_load_vector (from, i, TRUE), FALSE);
  for (; i < count; i++)
    to[i] = _simclr_from_bfloat16 (from[i]);
}

/* Values first to first + count - 1 of a picture, as floats. */
static void
copy_values (const SimclrUnfold *self, gconstpointer pictures, gsize first, gsize count, gfloat *to)
{
  if (self->half)
    _simclr_widen ((const guint16 *) pictures + first, count, to);
  else
    memcpy (to, (const gfloat *) pictures + first, count * sizeof (gfloat));
}

/* One kernel line of every window along one output line. source is the number of the picture line's first
 * value, or G_MAXSIZE outside the picture. */
static void
unfold_kernel_line (const SimclrUnfold *self, gconstpointer pictures, gsize source, gfloat *columns)
{
  gsize span = self->kernel * self->channels;

  for (gsize column = 0; column < self->out_width; column++, columns += self->depth) {
    gssize left = (gssize) (column * self->stride) - (gssize) self->padding;
    gsize first, last;

    if (source == G_MAXSIZE) {
      memset (columns, 0, span * sizeof (gfloat));
      continue;
    }
    if (left >= 0 && left + (gssize) self->kernel <= (gssize) self->width) {
      copy_values (self, pictures, source + (gsize) left * self->channels, span, columns);
      continue;
    }
    clip_window (self, left, &first, &last);
    memset (columns, 0, first * self->channels * sizeof (gfloat));
    if (last > first)
      copy_values (self, pictures, source + (gsize) (left + (gssize) first) * self->channels,
          (last - first) * self->channels, columns + first * self->channels);
    memset (columns + last * self->channels, 0, (span - last * self->channels) * sizeof (gfloat));
  }
}

const gfloat *
_simclr_unfold_lines (
    const SimclrUnfold *self, gconstpointer pictures, gsize line, gsize lines, gfloat *columns)
{
  gsize values = self->height * self->width * self->channels;

  if (self->direct)
    return (const gfloat *) pictures + line * self->width * self->channels;

  for (gsize i = 0; i < lines; i++) {
    gsize picture = (line + i) / self->out_height * values;
    gssize top = (gssize) ((line + i) % self->out_height * self->stride) - (gssize) self->padding;

    for (gsize k = 0; k < self->kernel; k++) {
      gssize y = top + (gssize) k;
      gboolean inside = y >= 0 && y < (gssize) self->height;

      unfold_kernel_line (self, pictures,
          inside ? picture + (gsize) y * self->width * self->channels : G_MAXSIZE,
          columns + i * self->out_width * self->depth + k * self->kernel * self->channels);
    }
  }
  return columns;
}

SIMCLR_MULTIVERSION
void
_simclr_add_floats (gfloat *sum, const gfloat *part, gsize floats)
{
#pragma GCC ivdep
  for (gsize i = 0; i < floats; i++)
    sum[i] += part[i];
}

void
_simclr_fold_lines (
    const SimclrUnfold *self, const gfloat *columns, gsize line, gsize lines, gfloat *pictures)
{
  gsize floats = self->height * self->width * self->channels;

  for (gsize i = 0; i < lines; i++) {
    gfloat *picture = pictures + (line + i) / self->out_height * floats;
    gssize top = (gssize) ((line + i) % self->out_height * self->stride) - (gssize) self->padding;

    for (gsize column = 0; column < self->out_width; column++, columns += self->depth) {
      gssize left = (gssize) (column * self->stride) - (gssize) self->padding;
      gsize first, last;

      clip_window (self, left, &first, &last);
      for (gsize k = 0; k < self->kernel; k++) {
        gssize y = top + (gssize) k;

        if (y < 0 || y >= (gssize) self->height || last <= first)
          continue;
        _simclr_add_floats (
            picture + ((gsize) y * self->width + (gsize) (left + (gssize) first)) * self->channels,
            columns + (k * self->kernel + first) * self->channels, (last - first) * self->channels);
      }
    }
  }
}
