/* The head of a fine-tuned encoder: gradients against differences, from every layer of the projection head; what
 * is kept of it in weights.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/projection-head-private.h>
#include <simclr/nn/supervised-head-private.h>
#include <simclr/simclr-error.h>

#include "compare.h"

#define ROWS 12
#define SIZE 8 /* of the representation: ResNet-18, width 1/64 */
#define LABELS 3
#define LAYERS 3

static const gchar *const names[] = {"ant", "bee", "cat", NULL};

/* Weights of an encoder with a projection head of three layers whose every tensor is random. */
static SimclrWeights *
new_weights (void)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 1.0 / 64, SIMCLR_STEM_CIFAR, 8, 3, &error);
  g_autoptr (SimclrProjectionHead) head =
      _simclr_projection_head_new (LAYERS, SIZE, 7, 5, 4, &error);
  const SimclrParameterSet *set = _simclr_projection_head_get_parameters (head);
  SimclrParameters *layout = _simclr_projection_head_get_statistics_layout (head);
  gfloat *statistics = _simclr_projection_head_get_statistics (head);

  g_assert_no_error (error);
  for (guint i = 0; i < _simclr_parameters_get_length (set->layout); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (set->layout, i);

    for (gsize k = 0; k < tensor->count; k++)
      set->values[tensor->offset + k] = (gfloat) (0.5 * _simclr_random_normal (5, i, k) +
                                                  (tensor->kind == SIMCLR_PARAMETER_SCALE));
  }
  for (gsize i = 0; i < _simclr_parameters_get_floats (layout); i++)
    statistics[i] += (gfloat) (0.3 * _simclr_random_uniform (5, 99, i));
  _simclr_weights_set_head (weights, _simclr_parameters_ref (set->layout), set->values,
      _simclr_parameters_ref (layout), statistics);
  return weights;
}

static SimclrSupervisedHead *
new_head (SimclrWeights *weights, guint layer)
{
  g_autoptr (GError) error = NULL;
  SimclrSupervisedHead *head = _simclr_supervised_head_new (weights, layer, LABELS, &error);
  const SimclrParameterSet *set;

  g_assert_no_error (error);
  set = _simclr_supervised_head_get_parameters (head);
  for (gsize i = 0; i < _simclr_parameters_get_floats (set->layout); i++)
    g_assert_cmpfloat (set->values[i], ==, 0); /* as the official code begins */
  for (guint i = 0; i < 2; i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (set->layout, i);

    for (gsize k = 0; k < tensor->count; k++)
      set->values[tensor->offset + k] = (gfloat) _simclr_random_normal (6, i, k);
  }
  return head;
}

/* The sum of logits times fixed numbers, whose gradient to the logits those numbers are. */
static gdouble
weigh (SimclrSupervisedHead *head, const gfloat *h, const gfloat *weights)
{
  g_autoptr (GError) error = NULL;
  const gfloat *logits = _simclr_supervised_head_forward (head, NULL, h, ROWS, &error);
  gdouble sum = 0;

  g_assert_no_error (error);
  for (gsize i = 0; i < ROWS * LABELS; i++)
    sum += (gdouble) logits[i] * weights[i];
  return sum;
}

/* Of n numbers that the head reads; float32 leaves three digits of a difference. */
static void
compare_gradient (SimclrSupervisedHead *head, const gfloat *h, const gfloat *weights,
    gfloat *numbers, const gfloat *gradient, gsize n)
{
  gdouble difference = 0, size = 0;

  for (gsize i = 0; i < n; i++) {
    const gfloat before = numbers[i], step = 2e-3f;
    gdouble upper, slope;

    numbers[i] = before + step;
    upper = weigh (head, h, weights);
    numbers[i] = before - step;
    slope = (upper - weigh (head, h, weights)) / (2 * (gdouble) step);
    numbers[i] = before;
    difference += (slope - gradient[i]) * (slope - gradient[i]);
    size += slope * slope;
  }
  g_assert_cmpfloat (size, >, 0);
  g_assert_cmpfloat (sqrt (difference / size), <, 5e-3);
}

static void
test_gradients_are_slopes (void)
{
  g_autoptr (SimclrWeights) weights = new_weights ();
  g_autoptr (Tensor) h = tensor_new_random (ROWS * SIZE, 1);
  g_autoptr (Tensor) dlogits = tensor_new_random (ROWS * LABELS, 2);

  for (guint layer = 0; layer <= LAYERS; layer++) {
    g_autoptr (SimclrSupervisedHead) head = new_head (weights, layer);
    g_autoptr (Tensor) dh = tensor_new (ROWS * SIZE);
    const SimclrParameterSet *sets[] = {_simclr_supervised_head_get_parameters (head),
        _simclr_supervised_head_get_projection (head)};

    g_assert_cmpint (sets[1] != NULL, ==, layer > 0);
    weigh (head, h, dlogits);
    _simclr_supervised_head_backward (head, NULL, dlogits, dh);
    compare_gradient (head, h, dlogits, h, dh, ROWS * SIZE);
    for (guint s = 0; s < 2 && sets[s]; s++)
      for (guint i = 0; i < _simclr_parameters_get_length (sets[s]->layout); i++) {
        const SimclrParameter *tensor = _simclr_parameters_get (sets[s]->layout, i);
        g_autofree gfloat *gradient =
            g_memdup2 (sets[s]->gradients + tensor->offset, tensor->count * sizeof (gfloat));

        /* a shift before BatchNorm's mean is none: weights behind it have no such tensor */
        compare_gradient (
            head, h, dlogits, sets[s]->values + tensor->offset, gradient, tensor->count);
      }
  }
}

/* Layer k trains the tensors of the first k layers, no others. */
static void
test_layers_that_take_part (void)
{
  const guint expected[] = {0, 3, 6, 8};
  g_autoptr (SimclrWeights) weights = new_weights ();

  for (guint layer = 1; layer <= LAYERS; layer++) {
    g_autoptr (SimclrSupervisedHead) head = new_head (weights, layer);
    const SimclrParameterSet *set = _simclr_supervised_head_get_projection (head);

    g_assert_cmpuint (_simclr_parameters_get_length (set->layout), ==, expected[layer]);
    for (guint i = 0; i < expected[layer]; i++) {
      const SimclrParameter *tensor = _simclr_parameters_get (set->layout, i);
      const SimclrParameter *whole = _simclr_parameters_get (weights->head_layout, i);

      g_assert_cmpstr (tensor->name, ==, whole->name);
      g_assert_cmpuint (tensor->offset, ==, whole->offset);
    }
  }
}

/* Running statistics that are those of the batch give what the batch's give; and a copy gives the same. */
static void
test_inference_and_store (void)
{
  g_autoptr (SimclrWeights) weights = new_weights ();
  g_autoptr (Tensor) h = tensor_new_random (ROWS * SIZE, 1);
  g_autoptr (GError) error = NULL;

  for (guint layer = 0; layer <= LAYERS; layer++) {
    g_autoptr (SimclrSupervisedHead) head = new_head (weights, layer);
    g_autoptr (SimclrWeights) kept = simclr_weights_new_random (
        SIMCLR_ARCHITECTURE_RESNET18, 1.0 / 64, SIMCLR_STEM_CIFAR, 8, 3, &error);
    g_autoptr (SimclrWeights) adapted = NULL;
    g_autoptr (SimclrSupervisedHead) copy = NULL;
    g_autoptr (Tensor) logits = tensor_new (ROWS * LABELS);
    g_autoptr (Tensor) again = tensor_new (ROWS * LABELS);
    g_auto (GStrv) labels = NULL;

    for (guint i = 0; i < 200; i++) {
      _simclr_supervised_head_forward (head, NULL, h, ROWS, &error);
      _simclr_supervised_head_commit (head);
    }
    _simclr_supervised_head_store (head, names, kept);
    adapted = simclr_weights_adapt (kept, 16, SIMCLR_NORMALIZATION_AUTO, &error);
    g_assert_no_error (error);
    copy = _simclr_supervised_head_new_from (adapted, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (_simclr_supervised_head_get_layer (copy), ==, layer);
    g_assert_cmpuint (_simclr_supervised_head_get_n_labels (copy), ==, LABELS);
    labels = simclr_weights_get_labels (adapted);
    g_assert_cmpstrv (labels, names);
    g_assert_true (_simclr_supervised_head_infer (head, NULL, h, ROWS, logits, &error));
    g_assert_true (_simclr_supervised_head_infer (copy, NULL, h, ROWS, again, &error));
    g_assert_cmpmem (logits, ROWS * LABELS * 4, again, ROWS * LABELS * 4);
    /* the running variance is the unbiased one: larger by a row */
    g_assert_cmpfloat (
        normalised_error_float (
            logits, _simclr_supervised_head_forward (head, NULL, h, ROWS, &error), ROWS * LABELS),
        <, layer == 0 ? 1e-6 : 0.2);
  }
}

static void
test_what_is_missing_is_an_error (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrWeights) weights = new_weights ();
  g_autoptr (SimclrWeights) bare = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 1.0 / 64, SIMCLR_STEM_CIFAR, 8, 3, &error);
  g_auto (GStrv) labels = simclr_weights_get_labels (weights);

  g_assert_null (labels);
  g_assert_null (_simclr_supervised_head_new (bare, 1, LABELS, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "projection head"));
  g_clear_error (&error);
  g_assert_null (_simclr_supervised_head_new (weights, LAYERS + 1, LABELS, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_VALUE);
  g_clear_error (&error);
  g_assert_null (_simclr_supervised_head_new_from (weights, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/supervised-head/gradients", test_gradients_are_slopes);
  g_test_add_func ("/supervised-head/layers", test_layers_that_take_part);
  g_test_add_func ("/supervised-head/inference-and-store", test_inference_and_store);
  g_test_add_func ("/supervised-head/missing", test_what_is_missing_is_an_error);
  return g_test_run ();
}
