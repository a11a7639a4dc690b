/* The library's settings as an element shows them: the same names, ranges and defaults, with
 * enumerations that gst-inspect-1.0 can explain.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrproperties.h"

#include <simclr/simclr.h>

#define MOST_VALUES 16

/* Descriptions in the order of the library's values. */
typedef struct
{
  GType (*library) (void);
  const gchar *descriptions[MOST_VALUES];
} Described;

static const Described described[] = {
    {simclr_architecture_get_type,
        {"ResNet-18 (basic blocks)", "ResNet-34 (basic blocks)", "ResNet-50 (bottleneck blocks)",
            "ResNet-101 (bottleneck blocks)", "ResNet-152 (bottleneck blocks)"}},
    {simclr_stem_get_type, {"cifar for inputs of at most 32 pixels, else imagenet",
                               "7x7 convolution of stride 2 and 3x3 max pooling of stride 2",
                               "3x3 convolution of stride 1, no pooling"}},
    {simclr_precision_get_type,
        {"bfloat16 where the processor multiplies it and oneDNN was built in, else float32",
            "32-bit floating point throughout",
            "Activations in bfloat16, master weights and sums in float32",
            "Embedding only: bytes after the first convolution, scaled as the first frames "
            "showed"}},
    {simclr_provider_get_type,
        {"The fastest that was built in and works here",
            "Own convolutions (Winograd, packed products), always there", "oneDNN convolutions"}},
    {simclr_normalization_get_type,
        {"As the weights say, else none", "Pixels in [0, 1], as the official SimCLR code",
            "Minus ImageNet's mean, over its deviation, as torchvision"}},
    {simclr_output_get_type, {"h: the pooled features, before the projection head",
                                 "z: after the projection head, scaled to unit length"}},
    {simclr_interpolation_get_type,
        {"Cubic (a = -0.5), antialiased when shrinking, as Pillow and torchvision",
            "Triangle, antialiased when shrinking"}},
    {simclr_replay_policy_get_type,
        {"Keep every frame; sample in passes, each a fresh permutation", "Keep the newest frames",
            "Keep a uniform sample of everything seen",
            "Of the two frames most alike to the encoder one goes"}},
    {simclr_replay_rule_get_type,
        {"Embed frames as they arrive; of the two most alike the newer goes",
            "Embeddings come from training; either of the two goes (Purushwalkam et al. 2022)"}},
    {simclr_loss_get_type,
        {"Normalised temperature-scaled cross entropy over all 2N views (the paper's NT-Xent)",
            "NT-Xent without the positive in the denominator, for small batches (DCL)",
            "DCL that weights pairs by how far apart their views are (DCLW)",
            "Logistic loss of the positive and of negatives",
            "The positive more similar than negatives by a margin",
            "All views of a label are positives of each other; needs labels",
            "No contrast: fine-tuning of the whole encoder on labels (version 2)",
            "No contrast: the probabilities of a fine-tuned teacher (version 2)"}},
    {simclr_optimizer_get_type,
        {"Layer-wise adaptive rate scaling with momentum (the paper's)",
            "Stochastic gradient descent with momentum", "Adam with decoupled weight decay"}},
    {simclr_learning_rate_scaling_get_type,
        {"The learning rate as given", "Times pairs in a batch / 256",
            "Times the square root of the pairs in a batch"}},
    {simclr_schedule_get_type,
        {"Linear warm-up, then half a cosine down to zero at the last step",
            "Linear warm-up, then constant",
            "Linear warm-up, then half cosines, one after the other (SGDR)"}},
    {simclr_classifier_method_get_type, {"Votes of the most similar examples",
                                            "Multinomial logistic regression (linear evaluation)",
                                            "The label whose examples' mean direction is nearest"}},
    {simclr_probe_solver_get_type,
        {"L-BFGS to the optimum", "The official code's 100 epochs of stochastic gradient "
                                  "descent, without penalty"}},
};

static GMutex registering;

static GType
register_enum (const gchar *name, const GEnumValue *values)
{
  GType type = g_enum_register_static (name, values);

  gst_type_mark_as_plugin_api (type, 0);
  return type;
}

static GType
register_described (const gchar *name, GType library, const gchar *const *descriptions)
{
  GEnumClass *klass = g_type_class_ref (library);
  /* owned by the type, which lives as long as the process */
  GEnumValue *values = g_new0 (GEnumValue, klass->n_values + 1);
  GType type;

  g_assert (klass->n_values < MOST_VALUES);
  for (guint i = 0; i < klass->n_values; i++) {
    g_assert (descriptions[i] != NULL);
    values[i] = (GEnumValue){klass->values[i].value, descriptions[i], klass->values[i].value_nick};
  }
  type = register_enum (name, values);
  g_type_class_unref (klass);
  return type;
}

GType
gst_simclr_described_enum (GType library)
{
  g_autofree gchar *name = g_strconcat ("Gst", g_type_name (library), NULL);
  GType type;

  g_mutex_lock (&registering);
  type = g_type_from_name (name);
  for (guint i = 0; i < G_N_ELEMENTS (described) && type == 0; i++) {
    if (described[i].library () == library)
      type = register_described (name, library, described[i].descriptions);
  }
  g_mutex_unlock (&registering);
  g_assert (type != 0);
  return type;
}

GType
gst_simclr_own_enum (const gchar *name, const GEnumValue *values)
{
  GType type;

  g_mutex_lock (&registering);
  type = g_type_from_name (name);
  if (type == 0)
    type = register_enum (name, values);
  g_mutex_unlock (&registering);
  return type;
}

GParamSpec *
gst_simclr_property_like (GParamSpec *library, GParamFlags flags)
{
  const gchar *name = library->name;
  const gchar *nick = g_param_spec_get_nick (library);
  const gchar *blurb = g_param_spec_get_blurb (library);

  if (G_IS_PARAM_SPEC_DOUBLE (library)) {
    GParamSpecDouble *number = G_PARAM_SPEC_DOUBLE (library);

    return g_param_spec_double (
        name, nick, blurb, number->minimum, number->maximum, number->default_value, flags);
  }
  if (G_IS_PARAM_SPEC_UINT (library)) {
    GParamSpecUInt *number = G_PARAM_SPEC_UINT (library);

    return g_param_spec_uint (
        name, nick, blurb, number->minimum, number->maximum, number->default_value, flags);
  }
  if (G_IS_PARAM_SPEC_UINT64 (library)) {
    GParamSpecUInt64 *number = G_PARAM_SPEC_UINT64 (library);

    return g_param_spec_uint64 (
        name, nick, blurb, number->minimum, number->maximum, number->default_value, flags);
  }
  if (G_IS_PARAM_SPEC_BOOLEAN (library))
    return g_param_spec_boolean (
        name, nick, blurb, G_PARAM_SPEC_BOOLEAN (library)->default_value, flags);
  g_assert (G_IS_PARAM_SPEC_ENUM (library));
  return g_param_spec_enum (name, nick, blurb, gst_simclr_described_enum (library->value_type),
      G_PARAM_SPEC_ENUM (library)->default_value, flags);
}

void
gst_simclr_property_store (GObject *object, const gchar *name, const GValue *value)
{
  if (G_VALUE_HOLDS_ENUM (value))
    g_object_set (object, name, g_value_get_enum (value), NULL);
  else
    g_object_set_property (object, name, value);
}

void
gst_simclr_property_fetch (GObject *object, const gchar *name, GValue *value)
{
  if (G_VALUE_HOLDS_ENUM (value)) {
    gint number;

    g_object_get (object, name, &number, NULL);
    g_value_set_enum (value, number);
  } else {
    g_object_get_property (object, name, value);
  }
}

gchar *
gst_simclr_dup_text (const gchar *text)
{
  return text != NULL && *text != '\0' ? g_strdup (text) : NULL;
}

void
gst_simclr_take_text (gchar **field, const GValue *value)
{
  g_free (*field);
  *field = gst_simclr_dup_text (g_value_get_string (value));
}
