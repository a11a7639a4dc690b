/* The view an encoder sees when nothing is random.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/augment/evaluation-view.h>

#include <math.h>

#include <simclr/augment/frame-private.h>
#include <simclr/augment/resize-private.h>
#include <simclr/simclr-error.h>

/* The official code's CROP_PROPORTION; its CIFAR recipe does not crop when testing. */
#define CROP_PROPORTION 0.875
#define LARGEST_UNCROPPED 32

/* Kept by each thread, for a camera asks for thousands of views of one size. */
typedef struct
{
  SimclrScratch resize;
  SimclrScratch planes;
} Scratch;

static void
scratch_free (gpointer data)
{
  Scratch *self = data;

  _simclr_scratch_clear (&self->resize);
  _simclr_scratch_clear (&self->planes);
  g_free (self);
}

static GPrivate scratch_of_thread = G_PRIVATE_INIT (scratch_free);

static Scratch *
thread_scratch (void)
{
  Scratch *self = g_private_get (&scratch_of_thread);

  if (self == NULL) {
    self = g_new0 (Scratch, 1);
    g_private_set (&scratch_of_thread, self);
  }
  return self;
}

/* The official center_crop() for square views: a share of the shorter side, in the middle. */
static void
central_box (guint width, guint height, guint size, SimclrBox *box)
{
  gdouble proportion = size > LARGEST_UNCROPPED ? CROP_PROPORTION : 1.0;
  guint side = (guint) MAX (rint (proportion * MIN (width, height)), 1.0);

  *box = (SimclrBox){(width - side + 1) / 2, (height - side + 1) / 2, side, side};
}

/**
 * simclr_evaluation_view:
 * @frame: the picture
 * @size: width and height of the view, pixels
 * @normalization: how pixels become floats (%SIMCLR_NORMALIZATION_AUTO: [0, 1])
 * @view: (array): room for red, green and blue of each pixel, row by row: (size, size, 3)
 * @error: return location for an error
 *
 * Makes the view of a frame that an encoder is evaluated and used on. A frame of @size times @size
 * pixels is used as it is. Of any other the central square is taken, 0.875 of the shorter side
 * (all of it when @size is 32 or less, as the official CIFAR recipe), and resized with an
 * antialiased bicubic filter.
 *
 * Working memory is kept by each thread: nothing is allocated from the second frame on.
 *
 * Returns: %FALSE if the frame is not a picture, @size is 0, or memory ran out
 */
gboolean
simclr_evaluation_view (const SimclrFrame *frame, guint size, SimclrNormalization normalization,
    gfloat *view, GError **error)
{
  gsize plane = (gsize) size * size;
  Scratch *scratch = thread_scratch ();
  SimclrPixelMapping mapping;
  gfloat *planes[3];
  SimclrBox box;

  g_return_val_if_fail (frame != NULL, FALSE);
  g_return_val_if_fail (view != NULL, FALSE);

  if (!_simclr_frame_check (frame, error))
    return FALSE;
  if (size == 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE, "a view of 0 pixels is no picture");
    return FALSE;
  }
  if (frame->width == size && frame->height == size)
    return simclr_frame_to_floats (frame, normalization, view, error);

  if (!_simclr_scratch_reserve (&scratch->planes, 3 * plane * sizeof (gfloat), error))
    return FALSE;
  for (guint c = 0; c < 3; c++)
    planes[c] = (gfloat *) scratch->planes.memory + c * plane;
  central_box (frame->width, frame->height, size, &box);
  if (!_simclr_resize (
          &scratch->resize, frame, &box, size, FALSE, SIMCLR_INTERPOLATION_BICUBIC, planes, error))
    return FALSE;
  _simclr_pixel_mapping (&mapping, normalization, TRUE);
  _simclr_planes_to_floats (planes[0], planes[1], planes[2], plane, &mapping, view);
  return TRUE;
}

/**
 * simclr_evaluation_view_from_bytes: (rename-to simclr_evaluation_view)
 * @pixels: the picture, row by row
 * @width: pixels in a row
 * @height: rows
 * @stride: bytes from one row to the next
 * @format: layout of a pixel
 * @size: width and height of the view, pixels
 * @normalization: how pixels become floats (%SIMCLR_NORMALIZATION_AUTO: [0, 1])
 * @n_floats: (out): size times size times 3
 * @error: return location for an error
 *
 * Makes the view of a frame that an encoder is evaluated and used on, as simclr_evaluation_view() does;
 * the form for languages with arrays.
 *
 * Returns: (array length=n_floats) (transfer full) (nullable): red, green and blue of each pixel, row by
 *   row, or %NULL with @error set
 */
gfloat *
simclr_evaluation_view_from_bytes (GBytes *pixels, guint width, guint height, gsize stride,
    SimclrPixelFormat format, guint size, SimclrNormalization normalization, gsize *n_floats,
    GError **error)
{
  SimclrFrame frame = {NULL, width, height, stride, format};
  g_autofree gfloat *view = NULL;

  g_return_val_if_fail (pixels != NULL, NULL);

  *n_floats = 0;
  if (!_simclr_frame_from_bytes (&frame, pixels, error))
    return NULL;
  view = g_try_malloc_n ((gsize) MAX (size, 1) * MAX (size, 1), 3 * sizeof (gfloat));
  if (view == NULL) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MEMORY, "no memory for a view of %ux%u pixels",
        size, size);
    return NULL;
  }
  if (!simclr_evaluation_view (&frame, size, normalization, view, error))
    return NULL;
  *n_floats = (gsize) size * size * 3;
  return g_steal_pointer (&view);
}

/**
 * simclr_evaluation_view_to_bytes:
 * @pixels: the picture, row by row
 * @width: pixels in a row
 * @height: rows
 * @stride: bytes from one row to the next
 * @format: layout of a pixel
 * @size: width and height of the view, pixels
 * @normalization: how pixels become floats (%SIMCLR_NORMALIZATION_AUTO: [0, 1])
 * @error: return location for an error
 *
 * Makes the view of a frame that an encoder is evaluated and used on, as simclr_evaluation_view() does, bytes to
 * bytes: what [method@Encoder.encode_bytes] takes, one after the other for several pictures.
 *
 * Returns: (transfer full) (nullable): floats (size, size, 3), float32 in the machine's byte order, or %NULL with @error
 *   set
 */
GBytes *
simclr_evaluation_view_to_bytes (GBytes *pixels, guint width, guint height, gsize stride,
    SimclrPixelFormat format, guint size, SimclrNormalization normalization, GError **error)
{
  gsize n;
  gfloat *view = simclr_evaluation_view_from_bytes (
      pixels, width, height, stride, format, size, normalization, &n, error);

  return view ? g_bytes_new_take (view, n * sizeof (gfloat)) : NULL;
}
