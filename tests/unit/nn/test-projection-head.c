/* Projection heads of one to three layers against PyTorch, and what a new one starts from.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/projection-head-private.h>
#include <simclr/simclr-error.h>

#include "fixture.h"
#include <string.h>

#define ROWS 11
#define IN 19
#define HIDDEN 23
#define OUT 13
#define TOLERANCE 1e-5

/* Reads every tensor of a table from the fixture's tensors of prefix and name. */
static gfloat *
read_table (SimclrSafetensors *fixture, const gchar *prefix, SimclrParameters *layout)
{
  gfloat *floats = g_new0 (gfloat, _simclr_parameters_get_floats (layout));

  for (guint i = 0; i < _simclr_parameters_get_length (layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (layout, i);
    g_autofree gchar *name = g_strconcat (prefix, parameter->name, NULL);
    gsize count = 0;
    g_autoptr (Tensor) tensor = fixture_get (fixture, name, &count);

    g_assert_cmpuint (count, ==, parameter->count);
    _simclr_parameter_from_file (parameter, tensor, floats + parameter->offset);
  }
  return floats;
}

/* The fixture's head; its tables come from a new head of the same shape. */
static SimclrProjectionHead *
load_head (SimclrSafetensors *fixture, const gchar *prefix, guint layers)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrProjectionHead) shape =
      _simclr_projection_head_new (layers, IN, HIDDEN, OUT, 1, &error);
  SimclrParameters *layout, *statistics_layout;
  g_autofree gfloat *values = NULL, *statistics = NULL;
  SimclrProjectionHead *head;

  g_assert_no_error (error);
  layout = _simclr_projection_head_get_parameters (shape)->layout;
  statistics_layout = _simclr_projection_head_get_statistics_layout (shape);
  values = read_table (fixture, prefix, layout);
  statistics = read_table (fixture, prefix, statistics_layout);
  head = _simclr_projection_head_new_from (layout, values, statistics_layout, statistics, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (_simclr_projection_head_get_output_size (head), ==, OUT);
  return head;
}

static void
check_against_torch (SimclrSafetensors *fixture, guint layers, SimclrParallel *team)
{
  g_autofree gchar *prefix = g_strdup_printf ("%u.", layers);
  g_autofree gchar *h_name = g_strconcat (prefix, "h", NULL);
  g_autofree gchar *dz_name = g_strconcat (prefix, "dz", NULL);
  g_autofree gchar *z_name = g_strconcat (prefix, "z", NULL);
  g_autofree gchar *inferred_name = g_strconcat (prefix, "z.inference", NULL);
  g_autofree gchar *dh_name = g_strconcat (prefix, "dh", NULL);
  g_autofree gchar *grad = g_strconcat (prefix, "grad.", NULL);
  g_autofree gchar *after = g_strconcat (prefix, "after.", NULL);
  g_autoptr (SimclrProjectionHead) head = load_head (fixture, prefix, layers);
  const SimclrParameterSet *set = _simclr_projection_head_get_parameters (head);
  g_autoptr (Tensor) h = fixture_get (fixture, h_name, NULL);
  g_autoptr (Tensor) dz = fixture_get (fixture, dz_name, NULL);
  g_autoptr (Tensor) dh = tensor_new (ROWS * IN);
  g_autoptr (Tensor) inferred = tensor_new (ROWS * OUT);
  g_autoptr (GError) error = NULL;
  const gfloat *z;

  /* inference before and after training with the old statistics: a forward pass alone changes none */
  for (guint attempt = 0; attempt < 2; attempt++) {
    g_assert_true (_simclr_projection_head_infer (head, team, h, ROWS, inferred, &error));
    g_assert_no_error (error);
    fixture_compare (fixture, inferred_name, inferred, ROWS * OUT, TOLERANCE);

    z = _simclr_projection_head_forward (head, team, h, ROWS, &error);
    g_assert_no_error (error);
    fixture_compare (fixture, z_name, z, ROWS * OUT, TOLERANCE);
    _simclr_projection_head_backward (head, team, dz, dh);
    fixture_compare (fixture, dh_name, dh, ROWS * IN, 10 * TOLERANCE);
    fixture_compare_table (fixture, grad, set->layout, set->gradients, 10 * TOLERANCE);
  }
  _simclr_projection_head_commit (head);
  fixture_compare_table (fixture, after, _simclr_projection_head_get_statistics_layout (head),
      _simclr_projection_head_get_statistics (head), TOLERANCE);
}

static void
test_heads_are_torchs (void)
{
  g_autoptr (SimclrSafetensors) fixture = fixture_open ("projection-heads.safetensors");

  for (guint layers = 1; layers <= 3; layers++)
    for (guint threads = 0; threads <= 3; threads++) {
      g_autoptr (SimclrParallel) team = threads > 0 ? _simclr_parallel_new (threads) : NULL;

      check_against_torch (fixture, layers, team);
    }
}

/* Another implementation's head: its last BatchNorm's shift is added to all rows and learns from their gradient, the
 * rest is as without it. */
static void
test_a_last_shift_is_kept (void)
{
  g_autoptr (SimclrSafetensors) fixture = fixture_open ("projection-heads.safetensors");
  g_autoptr (SimclrProjectionHead) plain = load_head (fixture, "2.", 2);
  const SimclrParameterSet *set = _simclr_projection_head_get_parameters (plain), *shifted_set;
  const gsize shape[1] = {OUT};
  g_autoptr (SimclrParameters) layout = _simclr_parameters_new ();
  g_autoptr (SimclrProjectionHead) shifted = NULL;
  g_autoptr (Tensor) h = fixture_get (fixture, "2.h", NULL);
  g_autoptr (Tensor) dz = fixture_get (fixture, "2.dz", NULL);
  g_autoptr (Tensor) a = tensor_new (ROWS * OUT);
  g_autoptr (Tensor) b = tensor_new (ROWS * OUT);
  g_autoptr (Tensor) dh = tensor_new (ROWS * IN);
  g_autoptr (GError) error = NULL;
  g_autofree gfloat *values = NULL;
  const SimclrParameter *shift;

  for (guint i = 0; i < _simclr_parameters_get_length (set->layout); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (set->layout, i);

    _simclr_parameters_add (layout, tensor->name, tensor->kind, tensor->n_dims, tensor->shape);
  }
  _simclr_parameters_add (
      layout, "projection_head.layers.4.bias", SIMCLR_PARAMETER_SHIFT, 1, shape);
  values = g_new0 (gfloat, _simclr_parameters_get_floats (layout));
  for (guint i = 0; i < _simclr_parameters_get_length (set->layout); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (set->layout, i);

    memcpy (values + _simclr_parameters_get (layout, i)->offset, set->values + tensor->offset,
        tensor->count * sizeof (gfloat));
  }
  shift = _simclr_parameters_lookup (layout, "projection_head.layers.4.bias");
  for (gsize c = 0; c < OUT; c++)
    values[shift->offset + c] = (gfloat) c - 5;
  shifted = _simclr_projection_head_new_from (layout, values,
      _simclr_projection_head_get_statistics_layout (plain),
      _simclr_projection_head_get_statistics (plain), &error);
  g_assert_no_error (error);
  shifted_set = _simclr_projection_head_get_parameters (shifted);
  shift = _simclr_parameters_lookup (shifted_set->layout, "projection_head.layers.4.bias");
  g_assert_nonnull (shift);

  g_assert_true (_simclr_projection_head_infer (plain, NULL, h, ROWS, a, &error));
  g_assert_true (_simclr_projection_head_infer (shifted, NULL, h, ROWS, b, &error));
  for (gsize i = 0; i < ROWS * OUT; i++)
    g_assert_cmpfloat_with_epsilon (b[i] - a[i], (gfloat) (i % OUT) - 5, 1e-4);

  memcpy (a, _simclr_projection_head_forward (plain, NULL, h, ROWS, &error),
      ROWS * OUT * sizeof (gfloat));
  memcpy (b, _simclr_projection_head_forward (shifted, NULL, h, ROWS, &error),
      ROWS * OUT * sizeof (gfloat));
  for (gsize i = 0; i < ROWS * OUT; i++)
    g_assert_cmpfloat_with_epsilon (b[i] - a[i], (gfloat) (i % OUT) - 5, 1e-4);
  _simclr_projection_head_backward (shifted, NULL, dz, dh);
  fixture_compare (fixture, "2.dh", dh, ROWS * IN, 10 * TOLERANCE);
  for (gsize c = 0; c < OUT; c++) {
    gdouble sum = 0;

    for (gsize row = 0; row < ROWS; row++)
      sum += dz[row * OUT + c];
    g_assert_cmpfloat_with_epsilon (shifted_set->gradients[shift->offset + c], sum, 1e-4);
  }
}

static void
test_names_and_shapes (void)
{
  const gchar *const names[] = {"projection_head.layers.0.weight",
      "projection_head.layers.1.weight", "projection_head.layers.1.bias",
      "projection_head.layers.3.weight", "projection_head.layers.4.weight",
      "projection_head.layers.4.bias", "projection_head.layers.6.weight",
      "projection_head.layers.7.weight"};
  const gsize shapes[][2] = {{HIDDEN, IN}, {HIDDEN, 0}, {HIDDEN, 0}, {HIDDEN, HIDDEN}, {HIDDEN, 0},
      {HIDDEN, 0}, {OUT, HIDDEN}, {OUT, 0}};
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrProjectionHead) head =
      _simclr_projection_head_new (3, IN, HIDDEN, OUT, 1, &error);
  SimclrParameters *layout;

  g_assert_no_error (error);
  layout = _simclr_projection_head_get_parameters (head)->layout;
  g_assert_cmpuint (_simclr_parameters_get_length (layout), ==, G_N_ELEMENTS (names));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const SimclrParameter *parameter = _simclr_parameters_lookup (layout, names[i]);

    g_assert_nonnull (parameter);
    g_assert_cmpuint (parameter->n_dims, ==, shapes[i][1] > 0 ? 2 : 1);
    g_assert_cmpuint (parameter->shape[0], ==, shapes[i][0]);
    if (shapes[i][1] > 0)
      g_assert_cmpuint (parameter->shape[1], ==, shapes[i][1]);
  }
}

/* Official code: dense weights of deviation 0.01, BatchNorm 1 and 0, running statistics 0 and 1. */
static void
test_initial_values (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrProjectionHead) head = _simclr_projection_head_new (2, 256, 0, 128, 7, &error);
  g_autoptr (SimclrProjectionHead) same = _simclr_projection_head_new (2, 256, 0, 128, 7, &error);
  g_autoptr (SimclrProjectionHead) other = _simclr_projection_head_new (2, 256, 0, 128, 8, &error);
  const SimclrParameterSet *set = _simclr_projection_head_get_parameters (head);
  gsize floats = _simclr_parameters_get_floats (set->layout);
  SimclrParameters *statistics_layout = _simclr_projection_head_get_statistics_layout (head);

  g_assert_no_error (error);
  for (guint i = 0; i < _simclr_parameters_get_length (set->layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (set->layout, i);
    gdouble sum = 0, squares = 0, deviation;

    for (gsize k = 0; k < parameter->count; k++) {
      gfloat value = set->values[parameter->offset + k];

      sum += value;
      squares += value * value;
      if (parameter->kind == SIMCLR_PARAMETER_SCALE)
        g_assert_cmpfloat (value, ==, 1);
      if (parameter->kind == SIMCLR_PARAMETER_SHIFT)
        g_assert_cmpfloat (value, ==, 0);
    }
    deviation = sqrt (squares / parameter->count);
    if (parameter->kind == SIMCLR_PARAMETER_WEIGHT) { /* four standard errors */
      g_assert_cmpfloat (fabs (sum / parameter->count), <, 4 * 0.01 / sqrt (parameter->count));
      g_assert_cmpfloat (fabs (deviation / 0.01 - 1), <, 4 / sqrt (2.0 * parameter->count));
    }
  }
  for (guint i = 0; i < _simclr_parameters_get_length (statistics_layout); i++) {
    const SimclrParameter *parameter = _simclr_parameters_get (statistics_layout, i);

    for (gsize k = 0; k < parameter->count; k++)
      g_assert_cmpfloat (_simclr_projection_head_get_statistics (head)[parameter->offset + k], ==,
          parameter->kind == SIMCLR_PARAMETER_VARIANCE ? 1 : 0);
  }
  g_assert_cmpmem (set->values, floats * sizeof (gfloat),
      _simclr_projection_head_get_parameters (same)->values, floats * sizeof (gfloat));
  g_assert_cmpint (memcmp (set->values, _simclr_projection_head_get_parameters (other)->values,
                       floats * sizeof (gfloat)),
      !=, 0);
}

/* The batch may grow and shrink from call to call. */
static void
test_rows_change (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SimclrProjectionHead) head =
      _simclr_projection_head_new (2, IN, HIDDEN, OUT, 3, &error);
  const gsize rows[] = {4, 64, 2, 31, 64};

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (SimclrProjectionHead) fresh =
        _simclr_projection_head_new (2, IN, HIDDEN, OUT, 3, &error);
    g_autoptr (Tensor) h = tensor_new_random (rows[i] * IN, 1);
    const gfloat *z = _simclr_projection_head_forward (head, NULL, h, rows[i], &error);
    const gfloat *truth = _simclr_projection_head_forward (fresh, NULL, h, rows[i], &error);

    g_assert_no_error (error);
    g_assert_cmpmem (z, rows[i] * OUT * sizeof (gfloat), truth, rows[i] * OUT * sizeof (gfloat));
  }
}

static void
test_wrong_shapes_are_errors (void)
{
  const struct
  {
    guint layers;
    gsize in, hidden, out;
  } wrong[] = {{0, IN, HIDDEN, OUT}, {4, IN, HIDDEN, OUT}, {2, IN, HIDDEN, 0}};

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (SimclrProjectionHead) head = _simclr_projection_head_new (
        wrong[i].layers, wrong[i].in, wrong[i].hidden, wrong[i].out, 1, &error);

    g_assert_null (head);
    g_assert_true (error != NULL && error->domain == SIMCLR_ERROR);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/projection-head/heads-are-torchs", test_heads_are_torchs);
  g_test_add_func ("/projection-head/a-last-shift-is-kept", test_a_last_shift_is_kept);
  g_test_add_func ("/projection-head/names-and-shapes", test_names_and_shapes);
  g_test_add_func ("/projection-head/initial-values", test_initial_values);
  g_test_add_func ("/projection-head/rows-change", test_rows_change);
  g_test_add_func ("/projection-head/wrong-shapes-are-errors", test_wrong_shapes_are_errors);
  return g_test_run ();
}
