/* A flat map of embeddings whose axes hold still from fit to fit.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>

G_BEGIN_DECLS

#define SIMCLR_TYPE_PROJECTION (simclr_projection_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrProjection, simclr_projection, SIMCLR, PROJECTION, GObject)

SIMCLR_API
SimclrProjection *simclr_projection_new (void) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_projection_fit (
    SimclrProjection *self, const gfloat *embeddings, gsize n_floats, guint size, GError **error);
SIMCLR_API
gfloat *simclr_projection_map (SimclrProjection *self, const gfloat *embeddings, gsize n_floats,
    guint size, gsize *n_coordinates, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
void simclr_projection_get_shares (SimclrProjection *self, gdouble *first, gdouble *second);

G_END_DECLS
