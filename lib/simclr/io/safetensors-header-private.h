/* The JSON header of a safetensors file, and nothing that JSON could be besides.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/io/safetensors-private.h>

typedef struct
{
  GArray *tensors;      /* SimclrSafetensor in the order of the file; names belong to by_name */
  GHashTable *by_name;  /* name (owned) to number + 1 */
  GHashTable *metadata; /* key to value (both owned) */
} SimclrSafetensorsHeader;

/* Parses length bytes of JSON. Each tensor's shape, type and offsets agree with each other; whether
 * they fit the file is the caller's to check. */
SimclrSafetensorsHeader *_simclr_safetensors_header_parse (
    const gchar *json, gsize length, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void _simclr_safetensors_header_free (SimclrSafetensorsHeader *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrSafetensorsHeader, _simclr_safetensors_header_free)
