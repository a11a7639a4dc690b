/* The stored moment most like a frame, as a custom meta that any language reads by name.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include <simclr/simclr.h>

G_BEGIN_DECLS

/* The GstCustomMeta "SimclrNearest" holds a GstStructure with these fields:
 *   number            guint64  of the entry in the index
 *   time              gint64   nanoseconds, in the index's time
 *   similarity        gdouble  cosine, -1 to 1
 *   stream, source    gchar *  "" where nothing was said
 *   thumbnail         GBytes   RGB, row after row without gaps; absent where there is none
 *   thumbnail-width, thumbnail-height  guint
 */
#define GST_SIMCLR_NEAREST_META_NAME "SimclrNearest"

/* Before any other function here. */
void gst_simclr_nearest_meta_register (void);

/* buffer must be writable. */
void gst_buffer_add_simclr_nearest_meta (GstBuffer *buffer, const SimclrMatch *match);

/* The fields, valid as long as the buffer; NULL where there is no such meta. */
const GstStructure *gst_buffer_get_simclr_nearest (GstBuffer *buffer);

G_END_DECLS
