/* Tensor names of other SimCLR implementations, brought to torchvision's.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/foreign-names-private.h>

#include <simclr/simclr-error.h>
#include <string.h>

#define LAYERS 4
#define MAX_MODULES 10 /* of a sequence; torchvision's last layer is number 7 */

typedef enum
{
  NAMING_TORCHVISION, /* layer1.0.conv1.weight */
  NAMING_NUMBERED,    /* 4.0.conv1.weight */
  NAMING_BLOCKS,      /* 1.blocks.0.net.0.weight */
} Naming;

/* Where an encoder's tensors are. */
typedef struct
{
  gchar *prefix;
  Naming naming;
  guint layers[LAYERS]; /* numbers of layer1 to layer4, for NAMING_NUMBERED */
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

static gboolean
is_named (SimclrSafetensors *file, const gchar *prefix, Naming naming, guint layers[LAYERS])
{
  switch (naming) {
  case NAMING_TORCHVISION:
    return find (file, prefix, "layer1.0.conv1.weight") != NULL;
  case NAMING_NUMBERED:
    return is_numbered (file, prefix, layers);
  case NAMING_BLOCKS:
    return find (file, prefix, "1.blocks.0.net.0.weight") != NULL;
  }
  g_return_val_if_reached (FALSE);
}

/* Whether name is the first convolution of an encoder. */
static gboolean
begins_encoder (SimclrSafetensors *file, const gchar *name, Place *place)
{
  static const struct
  {
    const gchar *suffix;
    Naming naming;
  } firsts[] = {
      {"0.0.weight", NAMING_BLOCKS},
      {"conv1.weight", NAMING_TORCHVISION},
      {"0.weight", NAMING_NUMBERED},
  };

  for (guint i = 0; i < G_N_ELEMENTS (firsts); i++) {
    g_autofree gchar *prefix = NULL;

    if (!g_str_has_suffix (name, firsts[i].suffix))
      continue;
    prefix = g_strndup (name, strlen (name) - strlen (firsts[i].suffix));
    if (!is_named (file, prefix, firsts[i].naming, place->layers))
      continue;
    place->prefix = g_steal_pointer (&prefix);
    place->naming = firsts[i].naming;
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

/* For NAMING_BLOCKS: a block's bottleneck is a sequence of its own, with each BatchNorm in one with its ReLU. */
static gchar *
translate_block (const gchar *name)
{
  static const struct
  {
    const gchar *theirs;
    const gchar *ours;
  } modules[] = {
      {"net.0.", "conv1."},
      {"net.1.0.", "bn1."},
      {"net.2.", "conv2."},
      {"net.3.0.", "bn2."},
      {"net.4.", "conv3."},
      {"net.5.0.", "bn3."},
      {"projection.shortcut.", "downsample.0."},
      {"projection.bn.0.", "downsample.1."},
  };
  guint64 layer, block;
  gchar *end;

  if (g_str_has_prefix (name, "0.0."))
    return g_strconcat ("conv1.", name + strlen ("0.0."), NULL);
  if (g_str_has_prefix (name, "0.1.0."))
    return g_strconcat ("bn1.", name + strlen ("0.1.0."), NULL);
  layer = g_ascii_strtoull (name, &end, 10);
  if (end == name || layer < 1 || layer > LAYERS || !g_str_has_prefix (end, ".blocks."))
    return NULL;
  name = end + strlen (".blocks.");
  block = g_ascii_strtoull (name, &end, 10);
  if (end == name || *end != '.')
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (modules); i++)
    if (g_str_has_prefix (end + 1, modules[i].theirs))
      return g_strdup_printf ("layer%u.%" G_GUINT64_FORMAT ".%s%s", (guint) layer, block,
          modules[i].ours, end + 1 + strlen (modules[i].theirs));
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
  if (place->naming == NAMING_BLOCKS)
    return translate_block (name);
  if (place->naming == NAMING_NUMBERED) {
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
  if (place.naming == NAMING_BLOCKS && find (file, prefix, "1.blocks.0.net.2.main_conv.0.weight")) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED,
        "the encoder has selective kernels (sk1), with tensors \"%.100s1.blocks.0.net.2.*\"; only "
        "those without (sk0) are supported",
        prefix);
    return FALSE;
  }
  for (guint i = 0; i < _simclr_safetensors_get_length (file); i++) {
    const gchar *name = _simclr_safetensors_get (file, i)->name;
    g_autofree gchar *translated = translate (&place, name);

    if (translated && !g_str_equal (translated, name) &&
        !_simclr_safetensors_rename (file, i, translated))
      g_debug ("tensor \"%s\" is there under its own name", translated);
  }
  return TRUE;
}
