/* Encoders for other runtimes: an ONNX file and what GStreamer's inference elements ask to know of it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/onnx-export.h>

#include <simclr/io/atomic-file-private.h>
#include <simclr/nn/weights-private.h>
#include <simclr/simclr-error.h>
#ifdef HAVE_ONNX
#include <simclr/io/onnx-graph-private.h>
#include <string.h>

/* GstAnalyticsModelInfo of GStreamer 1.28: a key file with a group for each tensor. Inference elements
 * make input of bytes by the ranges, one for each colour, and look for the rest when they match tensors. */
static gchar *
describe_tensors (SimclrWeights *weights, SimclrOutput output)
{
  const guint size = weights->input_size;

  return g_strdup_printf ("[modelinfo]\n"
                          "version=1.0\n"
                          "group-id=simclr\n"
                          "\n"
                          "[" SIMCLR_ONNX_INPUT "]\n"
                          "id=simclr-input\n"
                          "type=float32\n"
                          "dims=-1,3,%u,%u\n"
                          "dir=input\n"
                          "ranges=0.0,1.0;0.0,1.0;0.0,1.0\n"
                          "\n"
                          "[" SIMCLR_ONNX_EMBEDDING "]\n"
                          "id=simclr-%s\n"
                          "type=float32\n"
                          "dims=-1,%u\n"
                          "dir=output\n"
                          "dims-order=row-major\n",
      size, size, output == SIMCLR_OUTPUT_PROJECTION ? "projection" : "representation",
      simclr_weights_get_embedding_size (weights, output));
}

static gboolean
write_files (SimclrWeights *weights, const gchar *path, SimclrOutput output, GError **error)
{
  g_autofree gchar *info_path = g_strconcat (path, ".modelinfo", NULL);
  g_autofree gchar *info = describe_tensors (weights, output);
  g_autoptr (Onnx__ModelProto) model = _simclr_onnx_model_of (weights, output, error);
  g_autoptr (SimclrAtomicFile) file = NULL, info_file = NULL;

  if (!model)
    return FALSE;
  file = _simclr_atomic_file_open (path, error);
  if (!file || !_simclr_onnx_model_write (model, file, error))
    return FALSE;
  info_file = _simclr_atomic_file_open (info_path, error);
  return info_file && _simclr_atomic_file_write (info_file, info, strlen (info), error) &&
         _simclr_atomic_file_commit (file, error) && _simclr_atomic_file_commit (info_file, error);
}
#else
static gboolean
write_files (SimclrWeights *weights, const gchar *path, SimclrOutput output, GError **error)
{
  g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
      "could not write \"%s\": this libsimclr was built without protobuf-c, which ONNX needs",
      path);
  return FALSE;
}
#endif

/**
 * simclr_weights_export_onnx:
 * @self: weights
 * @path: (type filename): where to write
 * @output: which embedding the model computes
 * @error: return location for an error
 *
 * Writes the encoder as an ONNX model (operator set 13), which ONNX Runtime, GStreamer's
 * <code>onnxinference</code> and others run. BatchNorm is folded into the convolutions.
 *
 * The only input is called <code>input</code>: floats of shape (batch, 3, size, size) for any batch, red,
 * green and blue planes in [0, 1]; the weights' normalisation is part of the model. The only output is
 * <code>embedding</code>, of shape (batch, embedding size); a projection has unit length.
 *
 * Beside the model stands its description <code>PATH.modelinfo</code>, without which inference elements of
 * GStreamer 1.28 do not take a model. Each file appears as a whole or, on an error, not at all; existing
 * ones are replaced.
 *
 * Returns: %TRUE, or %FALSE with @error set (%SIMCLR_ERROR_UNSUPPORTED where the library was built
 *   without protobuf-c or the model is larger than such a file may be, %SIMCLR_ERROR_MISMATCH where a
 *   projection is wanted and there is no head, %SIMCLR_ERROR_NON_FINITE for diverged weights, or a
 *   #GFileError)
 */
gboolean
simclr_weights_export_onnx (
    SimclrWeights *self, const gchar *path, SimclrOutput output, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  if (output == SIMCLR_OUTPUT_PROJECTION && !self->head_layout) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "these weights have no projection head; only their representation is to be had");
    return FALSE;
  }
  if (!simclr_weights_are_finite (self)) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_NON_FINITE,
        "these weights are not finite: their training diverged");
    return FALSE;
  }
  return write_files (self, path, output, error);
}
