/* The library's settings as an element shows them: the same names, ranges and defaults, with
 * enumerations that gst-inspect-1.0 can explain.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* The plugin's twin of an enumeration of libsimclr: the same values and nicks, described in words. */
GType gst_simclr_described_enum (GType library);
/* An enumeration that only the plugin has. values ends with zeros, and stays. */
GType gst_simclr_own_enum (const gchar *name, const GEnumValue *values);

/* An element's property like the library's. */
GParamSpec *gst_simclr_property_like (GParamSpec *library, GParamFlags flags);

/* Between an element's property value and the library object's property of that name. */
void gst_simclr_property_store (GObject *object, const gchar *name, const GValue *value);
void gst_simclr_property_fetch (GObject *object, const gchar *name, GValue *value);

/* A name, path or other text that a property holds: an empty one is none, NULL. */
gchar *gst_simclr_dup_text (const gchar *text) G_GNUC_WARN_UNUSED_RESULT;
/* The same of a value, in a setting's place. */
void gst_simclr_take_text (gchar **field, const GValue *value);

G_END_DECLS
