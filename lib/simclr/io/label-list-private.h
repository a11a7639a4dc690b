/* Names of labels as a JSON array, as files hold them in their metadata.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* labels: n texts. */
gchar *_simclr_label_list_to_json (const gchar *const *labels, gsize n) G_GNUC_WARN_UNUSED_RESULT;
/* NULL with error set where it is no array of texts that all differ and are not empty. */
gchar **_simclr_label_list_from_json (const gchar *json, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The numbers from 0, for labels without a name. */
gchar **_simclr_label_list_numbers (gsize n) G_GNUC_WARN_UNUSED_RESULT;
