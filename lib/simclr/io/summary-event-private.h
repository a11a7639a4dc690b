/* TensorBoard's events, packed as protobuf messages.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* wall_time is in seconds since 1970. Each returns one message without the record around it. */
GByteArray *_simclr_event_version (gdouble wall_time) G_GNUC_WARN_UNUSED_RESULT;
/* A run starts: what an older file of the folder says of this step and later ones is no longer shown. */
GByteArray *_simclr_event_start (gdouble wall_time, guint64 step) G_GNUC_WARN_UNUSED_RESULT;
GByteArray *_simclr_event_scalars (gdouble wall_time, guint64 step, const gchar *const *tags,
    const gdouble *values, gsize n_values) G_GNUC_WARN_UNUSED_RESULT;
