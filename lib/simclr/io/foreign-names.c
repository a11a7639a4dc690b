/* Tensor names of other SimCLR implementations, brought to torchvision's.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/foreign-names-private.h>

#include <simclr/simclr-error.h>
#include <string.h>

#define LAYERS 4
#define MAX_MODULES 10 /* of a sequence; torchvision's last layer is number 7 */

/* Where an encoder's tensors are. */
typedef struct
{
  gchar *prefix;
  gboolean numbered;
  guint layers[LAYERS]; /* numbers of layer1 to layer4 */
} Place;

static const SimclrSafetensor *G_GNUC_PRINTF (3, 4)
    find (SimclrSafetensors *file, const gchar *prefix, const gchar *format, ...)
{
  g_autofree gchar *name = NULL, *full = NULL;
  va_list arguments;

  va_start (arguments, format);
  name = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  full = g_strconcat (prefix, name, NULL);
  return _simclr_safetensors_lookup (file, full);
}

/* Whether the encoder's modules are numbered from prefix on. ReLU and pooling have no tensors, and may
 * have numbers or not. */
static gboolean
is_numbered (SimclrSafetensors *file, const gchar *prefix, guint layers[LAYERS])
{
  const SimclrSafetensor *first = find (file, prefix, "0.weight");
  guint found = 0;

  if (!first || first->n_dims != 4 || !find (file, prefix, "1.running_mean"))
    return FALSE;
  for (guint i = 2; i < MAX_MODULES && found < LAYERS; i++)
    if (find (file, prefix, "%u.0.conv1.weight", i))
      layers[found++] = i;
  return found == LAYERS;
}

/* Whether name is the first convolution of an encoder. */
static gboolean
begins_encoder (SimclrSafetensors *file, const gchar *name, Place *place)
{
  const gchar *const suffixes[] = {"conv1.weight", "0.weight"};

  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++) {
    g_autofree gchar *prefix = NULL;

    if (!g_str_has_suffix (name, suffixes[i]))
      continue;
    prefix = g_strndup (name, strlen (name) - strlen (suffixes[i]));
    place->numbered = i == 1;
    if (place->numbered ? !is_numbered (file, prefix, place->layers)
                        : !find (file, prefix, "layer1.0.conv1.weight"))
      continue;
    place->prefix = g_steal_pointer (&prefix);
    return TRUE;
  }
  return FALSE;
}

/* place->prefix is NULL where there is no encoder. */
static gboolean
find_encoder (SimclrSafetensors *file, Place *place, GError **error)
{
  if (find (file, "", "conv1.weight")) {
    place->prefix = g_strdup ("");
    return TRUE;
  }
  for (guint i = 0; i < _simclr_safetensors_get_length (file); i++) {
    Place other = {NULL};

    if (!begins_encoder (file, _simclr_safetensors_get (file, i)->name, &other))
      continue;
    if (!place->prefix) {
      *place = other;
      continue;
    }
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH,
        "there is more than one encoder, with tensors \"%.100s*\" and \"%.100s*\"", place->prefix,
        other.prefix);
    g_free (other.prefix);
    g_clear_pointer (&place->prefix, g_free);
    return FALSE;
  }
  return TRUE;
}

/* torchvision's name of a module of the sequence; NULL for those without tensors. */
static gchar *
name_module (const Place *place, guint64 number)
{
  if (number <= 1)
    return g_strdup (number == 0 ? "conv1" : "bn1");
  for (guint i = 0; i < LAYERS; i++)
    if (place->layers[i] == number)
      return g_strdup_printf ("layer%u", i + 1);
  return NULL;
}

/* torchvision's name for a tensor of the encoder; NULL where it has none. */
static gchar *
translate (const Place *place, const gchar *name)
{
  g_autofree gchar *module = NULL, *full = NULL;
  g_auto (GStrv) parts = NULL;
  guint64 number;
  gchar *end;

  if (!g_str_has_prefix (name, place->prefix))
    return NULL;
  name += strlen (place->prefix);
  if (place->numbered) {
    number = g_ascii_strtoull (name, &end, 10);
    module = end > name && *end == '.' ? name_module (place, number) : NULL;
    if (!module)
      return NULL;
    full = g_strconcat (module, end, NULL);
  } else {
    full = g_strdup (name);
  }
  parts = g_strsplit (full, ".shortcut.", 2);
  return g_strjoinv (".downsample.", parts);
}

gboolean
_simclr_foreign_names_adapt (SimclrSafetensors *file, GError **error)
{
  g_autofree gchar *prefix = NULL;
  Place place = {NULL};

  if (!find_encoder (file, &place, error))
    return FALSE;
  prefix = place.prefix;
  if (!prefix)
    return TRUE;
  for (guint i = 0; i < _simclr_safetensors_get_length (file); i++) {
    const gchar *name = _simclr_safetensors_get (file, i)->name;
    g_autofree gchar *translated = translate (&place, name);

    if (translated && !g_str_equal (translated, name) &&
        !_simclr_safetensors_rename (file, i, translated))
      g_debug ("tensor \"%s\" is there under its own name", translated);
  }
  return TRUE;
}
