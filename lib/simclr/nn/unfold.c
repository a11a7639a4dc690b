/* Unfolding an NHWC picture so that convolution becomes a matrix product (im2col), and back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/unfold-private.h>

#include <simclr/base/multiversion-private.h>
#include <string.h>

void
_simclr_unfold_init (SimclrUnfold *self, gsize height, gsize width, gsize channels, gsize kernel,
    gsize stride, gsize padding, gsize bytes)
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
  self->direct = kernel == 1 && stride == 1 && padding == 0;
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

/* One kernel line of every window along one output line. source is NULL outside the picture. */
static void
unfold_kernel_line (const SimclrUnfold *self, const gfloat *source, gfloat *columns)
{
  gsize span = self->kernel * self->channels;

  for (gsize column = 0; column < self->out_width; column++, columns += self->depth) {
    gssize left = (gssize) (column * self->stride) - (gssize) self->padding;
    gsize first, last;

    if (!source) {
      memset (columns, 0, span * sizeof (gfloat));
      continue;
    }
    if (left >= 0 && left + (gssize) self->kernel <= (gssize) self->width) {
      memcpy (columns, source + left * (gssize) self->channels, span * sizeof (gfloat));
      continue;
    }
    clip_window (self, left, &first, &last);
    memset (columns, 0, first * self->channels * sizeof (gfloat));
    if (last > first)
      memcpy (columns + first * self->channels,
          source + (left + (gssize) first) * (gssize) self->channels,
          (last - first) * self->channels * sizeof (gfloat));
    memset (columns + last * self->channels, 0, (span - last * self->channels) * sizeof (gfloat));
  }
}

const gfloat *
_simclr_unfold_lines (
    const SimclrUnfold *self, const gfloat *pictures, gsize line, gsize lines, gfloat *columns)
{
  gsize floats = self->height * self->width * self->channels;

  if (self->direct)
    return pictures + line * self->width * self->channels;

  for (gsize i = 0; i < lines; i++) {
    const gfloat *picture = pictures + (line + i) / self->out_height * floats;
    gssize top = (gssize) ((line + i) % self->out_height * self->stride) - (gssize) self->padding;

    for (gsize k = 0; k < self->kernel; k++) {
      gssize y = top + (gssize) k;
      gboolean inside = y >= 0 && y < (gssize) self->height;

      unfold_kernel_line (self, inside ? picture + (gsize) y * self->width * self->channels : NULL,
          columns + i * self->out_width * self->depth + k * self->kernel * self->channels);
    }
  }
  return columns;
}

SIMCLR_MULTIVERSION
static void
add_floats (gfloat *restrict sum, const gfloat *restrict part, gsize floats)
{
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
        add_floats (
            picture + ((gsize) y * self->width + (gsize) (left + (gssize) first)) * self->channels,
            columns + (k * self->kernel + first) * self->channels, (last - first) * self->channels);
      }
    }
  }
}
