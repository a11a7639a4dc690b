/* Tables of tensors: aligned offsets, file order and back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/nn/parameters-private.h>

static void
test_offsets_are_cache_lines_apart (void)
{
  g_autoptr (SimclrParameters) table = _simclr_parameters_new ();
  const gsize sizes[] = {1, 15, 16, 17, 64, 3};
  gsize end = 0;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree gchar *name = g_strdup_printf ("t%u", i);

    g_assert_cmpuint (
        _simclr_parameters_add (table, name, SIMCLR_PARAMETER_SCALE, 1, &sizes[i]), ==, i);
  }
  g_assert_cmpuint (_simclr_parameters_get_length (table), ==, G_N_ELEMENTS (sizes));
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (table, i);

    g_assert_cmpuint (tensor->offset % 16, ==, 0);
    g_assert_cmpuint (tensor->offset, >=, end);
    g_assert_cmpuint (tensor->offset - end, <, 16);
    g_assert_cmpuint (tensor->count, ==, sizes[i]);
    g_assert_true (_simclr_parameters_lookup (table, tensor->name) == tensor);
    end = tensor->offset + tensor->count;
  }
  g_assert_cmpuint (_simclr_parameters_get_floats (table) % 16, ==, 0);
  g_assert_cmpuint (_simclr_parameters_get_floats (table), >=, end);
  g_assert_null (_simclr_parameters_lookup (table, "t"));
}

/* The definition: file (o, i, y, x) is memory (o, y, x, i). */
static void
test_convolutions_change_order (void)
{
  g_autoptr (SimclrParameters) table = _simclr_parameters_new ();
  const gsize shape[] = {3, 5, 2, 4};
  const SimclrParameter *tensor;
  gfloat file[120], memory[120], again[120];

  _simclr_parameters_add (table, "w", SIMCLR_PARAMETER_WEIGHT, 4, shape);
  tensor = _simclr_parameters_get (table, 0);
  for (guint n = 0; n < 120; n++)
    file[n] = (gfloat) n;
  _simclr_parameter_from_file (tensor, file, memory);
  for (guint o = 0; o < 3; o++)
    for (guint i = 0; i < 5; i++)
      for (guint y = 0; y < 2; y++)
        for (guint x = 0; x < 4; x++)
          g_assert_cmpfloat (
              memory[((o * 2 + y) * 4 + x) * 5 + i], ==, file[((o * 5 + i) * 2 + y) * 4 + x]);
  _simclr_parameter_to_file (tensor, memory, again);
  g_assert_cmpmem (again, sizeof again, file, sizeof file);
}

static void
test_matrices_are_copied (void)
{
  g_autoptr (SimclrParameters) table = _simclr_parameters_new ();
  const gsize shape[] = {2, 3};
  const gfloat file[6] = {1, 2, 3, 4, 5, 6};
  gfloat memory[6] = {0}, again[6] = {0};

  _simclr_parameters_add (table, "w", SIMCLR_PARAMETER_WEIGHT, 2, shape);
  _simclr_parameter_from_file (_simclr_parameters_get (table, 0), file, memory);
  g_assert_cmpmem (memory, sizeof memory, file, sizeof file);
  _simclr_parameter_to_file (_simclr_parameters_get (table, 0), memory, again);
  g_assert_cmpmem (again, sizeof again, file, sizeof file);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/parameters/offsets-are-cache-lines-apart", test_offsets_are_cache_lines_apart);
  g_test_add_func ("/parameters/convolutions-change-order", test_convolutions_change_order);
  g_test_add_func ("/parameters/matrices-are-copied", test_matrices_are_copied);
  return g_test_run ();
}
