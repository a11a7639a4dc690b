/* The definition of convolution, in double precision: what every provider has to agree with.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/nn/convolution-private.h>

static inline gsize
input_floats (const SimclrConvolutionShape *s)
{
  return s->images * s->height * s->width * s->in;
}

static inline gsize
output_floats (const SimclrConvolutionShape *s)
{
  return s->images * _simclr_convolution_out_height (s) * _simclr_convolution_out_width (s) *
         s->out;
}

static inline gsize
weight_floats (const SimclrConvolutionShape *s)
{
  return s->out * s->kernel * s->kernel * s->in;
}

static inline gchar *
describe (const SimclrConvolutionShape *s)
{
  return g_strdup_printf ("%zu x %zux%zux%zu to %zu, kernel %zu, stride %zu, padding %zu",
      s->images, s->height, s->width, s->in, s->out, s->kernel, s->stride, s->padding);
}

/* The definition, all three directions in one walk over the products. */
typedef struct
{
  gdouble *y;
  gdouble *dx;
  gdouble *dw;
} Truth;

static inline void
add_products (const SimclrConvolutionShape *s, const gfloat *x, const gfloat *w, const gfloat *dy,
    gsize xi, gsize wi, gsize yi, Truth *truth)
{
  for (gsize o = 0; o < s->out; o++) {
    for (gsize i = 0; i < s->in; i++) {
      gsize weight = o * s->kernel * s->kernel * s->in + wi + i;

      truth->y[yi + o] += (gdouble) x[xi + i] * w[weight];
      truth->dx[xi + i] += (gdouble) dy[yi + o] * w[weight];
      truth->dw[weight] += (gdouble) dy[yi + o] * x[xi + i];
    }
  }
}

static inline Truth
define (const SimclrConvolutionShape *s, const gfloat *x, const gfloat *w, const gfloat *dy)
{
  Truth truth = {g_new0 (gdouble, output_floats (s)), g_new0 (gdouble, input_floats (s)),
      g_new0 (gdouble, weight_floats (s))};
  gsize out_height = _simclr_convolution_out_height (s);
  gsize out_width = _simclr_convolution_out_width (s);

  for (gsize pixel = 0; pixel < s->images * out_height * out_width; pixel++) {
    gsize image = pixel / (out_height * out_width);
    gsize top = pixel / out_width % out_height * s->stride;
    gsize left = pixel % out_width * s->stride;

    for (gsize k = 0; k < s->kernel * s->kernel; k++) {
      gsize row = top + k / s->kernel - s->padding; /* wraps around above the picture */
      gsize column = left + k % s->kernel - s->padding;

      if (row < s->height && column < s->width)
        add_products (s, x, w, dy, ((image * s->height + row) * s->width + column) * s->in,
            k * s->in, pixel * s->out, &truth);
    }
  }
  return truth;
}

static inline void
truth_clear (Truth *truth)
{
  g_free (truth->y);
  g_free (truth->dx);
  g_free (truth->dw);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Truth, truth_clear)
