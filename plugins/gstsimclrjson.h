/* JSON written piece by piece, with short numbers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* Begins a member of an object: a comma where one is due, and the name. */
void gst_simclr_json_name (GString *json, const gchar *name);
/* Begins an item of an array. */
void gst_simclr_json_item (GString *json);

/* Text that is no UTF-8 is made so. */
void gst_simclr_json_string (GString *json, const gchar *text);
/* So many significant digits; null where JSON has no such number. */
void gst_simclr_json_double (GString *json, gdouble number, guint digits);
/* Fields that are text, numbers, booleans or arrays of those, as an object. */
void gst_simclr_json_structure (GString *json, const GstStructure *fields);

G_END_DECLS
