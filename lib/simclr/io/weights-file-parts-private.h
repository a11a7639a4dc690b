/* What reading and writing weights share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/weights-file-private.h>
#include <simclr/simclr-error.h>

#define SIMCLR_WEIGHTS_FILE_FORMAT "simclr"
#define SIMCLR_WEIGHTS_FILE_VERSION "1"
#define SIMCLR_WEIGHTS_FILE_HEAD "projection_head.layers."
#define SIMCLR_WEIGHTS_FILE_MAX_HEAD_LAYERS 3

/* Sets the error and returns FALSE. */
gboolean _simclr_weights_file_fail (GError **error, SimclrError code, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);
gboolean _simclr_weights_file_has_tensor (SimclrSafetensors *file, const gchar *format, ...)
    G_GNUC_PRINTF (2, 3);
/* A number of the metadata; unchanged where there is none. */
gboolean _simclr_weights_file_read_number (
    SimclrSafetensors *file, const gchar *key, guint64 max, guint64 *number, GError **error);
/* A constant. */
const gchar *_simclr_weights_file_get_nick (GType type, gint value);

/* Weights of the file's shape, still empty: by its metadata, or by what the tensors themselves say (weights-file-encoder.c). */
SimclrWeights *_simclr_weights_file_recognise (
    SimclrSafetensors *file, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The projection head, and the linear layer over labels, where the file has them (weights-file-heads.c). Another
 * implementation's fc may be anything: what does not fit is left out. */
gboolean _simclr_weights_file_read_head (
    SimclrSafetensors *file, SimclrWeights *weights, GError **error);
gboolean _simclr_weights_file_read_classifier (
    SimclrSafetensors *file, SimclrWeights *weights, GError **error);
