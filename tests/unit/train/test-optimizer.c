/* LARS, SGD and AdamW against 20 steps of PyTorch, for any team, and through files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/optimizer-private.h>
#include <simclr/simclr-error.h>

#include "../nn/fixture.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define STEPS 20
#define STRIDE 16 /* of what the fixture keeps of the large tensor */

static const struct
{
  const gchar *name;
  SimclrParameterKind kind;
  guint n_dims;
  gsize shape[4];
} tensors[] = {
    {"convolution", SIMCLR_PARAMETER_WEIGHT, 4, {8, 4, 3, 3}},
    {"large", SIMCLR_PARAMETER_WEIGHT, 2, {129, 128}},
    {"zero", SIMCLR_PARAMETER_WEIGHT, 2, {6, 5}},
    {"still", SIMCLR_PARAMETER_WEIGHT, 2, {7, 3}},
    {"bias", SIMCLR_PARAMETER_BIAS, 1, {10}},
    {"scale", SIMCLR_PARAMETER_SCALE, 1, {8}},
    {"shift", SIMCLR_PARAMETER_SHIFT, 1, {33}},
};

typedef struct
{
  SimclrParameterSet set;
  gsize floats;
  gfloat *order; /* room for one tensor in file order */
  const gfloat *table;
  gsize table_size;
} World;

/* The fixture's formulas are written for file order. */
static void
world_init (World *self, const gfloat *table, gsize table_size)
{
  *self = (World){.table = table, .table_size = table_size};
  self->set.layout = _simclr_parameters_new ();
  for (guint i = 0; i < G_N_ELEMENTS (tensors); i++)
    _simclr_parameters_add (
        self->set.layout, tensors[i].name, tensors[i].kind, tensors[i].n_dims, tensors[i].shape);
  self->floats = _simclr_parameters_get_floats (self->set.layout);
  self->set.values = g_new0 (gfloat, self->floats);
  self->set.gradients = g_new0 (gfloat, self->floats);
  self->order = g_new0 (gfloat, self->floats);

  for (guint i = 0; i < G_N_ELEMENTS (tensors); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (self->set.layout, i);
    gfloat scale = g_str_equal (tensor->name, "zero") ? 0 : 0.1f;

    for (gsize j = 0; j < tensor->count; j++)
      self->order[j] = scale * table[(j * 5 + 11 * i) % table_size];
    _simclr_parameter_from_file (tensor, self->order, self->set.values + tensor->offset);
  }
}

static void
world_clear (World *self)
{
  _simclr_parameters_unref (self->set.layout);
  g_free (self->set.values);
  g_free (self->set.gradients);
  g_free (self->order);
}

static void
fill_gradients (World *self, guint step)
{
  for (guint i = 0; i < G_N_ELEMENTS (tensors); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (self->set.layout, i);
    gfloat scale = g_str_equal (tensor->name, "still") ? 0 : 1;

    _simclr_parameter_to_file (tensor, self->set.values + tensor->offset, self->order);
    for (gsize j = 0; j < tensor->count; j++)
      self->order[j] = scale * (self->table[(j * 7 + 37 * step + 101 * i) % self->table_size] +
                                   0.5f * self->order[j]);
    _simclr_parameter_from_file (tensor, self->order, self->set.gradients + tensor->offset);
  }
}

static void
run (World *self, SimclrOptimizerState *state, SimclrParallel *team, gdouble rate, guint first,
    guint last)
{
  for (guint step = first; step < last; step++) {
    fill_gradients (self, step);
    _simclr_optimizer_step (state, team, rate * (1 + step % 5) / 5);
  }
}

static gdouble
get_number (SimclrSafetensors *fixture, const gchar *name, const gchar *key)
{
  g_autofree gchar *full = g_strdup_printf ("%s.%s", name, key);
  const gchar *text = _simclr_safetensors_get_metadata (fixture, full);

  g_assert_nonnull (text);
  return g_ascii_strtod (text, NULL);
}

static SimclrOptimizerSettings
get_settings (SimclrSafetensors *fixture, const gchar *name)
{
  g_autofree gchar *key = g_strconcat (name, ".method", NULL);
  const gchar *method = _simclr_safetensors_get_metadata (fixture, key);

  return (SimclrOptimizerSettings){
      .method = g_str_equal (method, "lars")  ? SIMCLR_OPTIMIZER_LARS
                : g_str_equal (method, "sgd") ? SIMCLR_OPTIMIZER_SGD
                                              : SIMCLR_OPTIMIZER_ADAMW,
      .momentum = get_number (fixture, name, "momentum"),
      .weight_decay = get_number (fixture, name, "decay"),
      .trust_coefficient = get_number (fixture, name, "trust"),
  };
}

static void
compare (World *self, SimclrSafetensors *fixture, const gchar *run_name)
{
  for (guint i = 0; i < G_N_ELEMENTS (tensors); i++) {
    const SimclrParameter *tensor = _simclr_parameters_get (self->set.layout, i);
    g_autofree gchar *name = g_strdup_printf ("%s.%s", run_name, tensor->name);
    gsize count = tensor->count;

    _simclr_parameter_to_file (tensor, self->set.values + tensor->offset, self->order);
    if (g_str_equal (tensor->name, "large")) {
      count = (count + STRIDE - 1) / STRIDE;
      for (gsize j = 0; j < count; j++)
        self->order[j] = self->order[j * STRIDE];
    }
    fixture_compare (fixture, name, self->order, count, 2e-6);
  }
}

static void
assert_gaps_are_zero (World *self)
{
  gsize end = 0;

  for (guint i = 0; i <= G_N_ELEMENTS (tensors); i++) {
    const SimclrParameter *tensor =
        i < G_N_ELEMENTS (tensors) ? _simclr_parameters_get (self->set.layout, i) : NULL;
    gsize next = tensor != NULL ? tensor->offset : self->floats;

    for (; end < next; end++)
      g_assert_cmpfloat (self->set.values[end], ==, 0);
    end = tensor != NULL ? tensor->offset + tensor->count : end;
  }
}

static void
test_is_pytorchs (gconstpointer data)
{
  const gchar *name = data;
  g_autoptr (SimclrSafetensors) fixture = fixture_open ("optimizers.safetensors");
  SimclrOptimizerSettings settings = get_settings (fixture, name);
  gsize table_size;
  g_autoptr (Tensor) table = fixture_get (fixture, "table", &table_size);
  g_autofree gfloat *alone = NULL;

  for (guint threads = 1; threads <= 3; threads++) {
    g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);
    g_autoptr (SimclrOptimizerState) state = NULL;
    World world;

    world_init (&world, table, table_size);
    state = _simclr_optimizer_new (&settings, &world.set);
    run (&world, state, team, get_number (fixture, name, "rate"), 0, STEPS);
    compare (&world, fixture, name);
    assert_gaps_are_zero (&world);
    if (threads == 1)
      alone = g_memdup2 (world.set.values, world.floats * sizeof (gfloat));
    g_assert_cmpmem (
        alone, world.floats * sizeof (gfloat), world.set.values, world.floats * sizeof (gfloat));
    world_clear (&world);
  }
}

typedef struct
{
  gchar *folder;
  gchar *path;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("simclr-test-XXXXXX", NULL);
  self->path = g_build_filename (self->folder, "state.safetensors", NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_unlink (self->path);
  g_assert_cmpint (g_rmdir (self->folder), ==, 0);
  g_free (self->folder);
  g_free (self->path);
}

static void
save (SimclrOptimizerState *state, const gchar *path)
{
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();

  _simclr_optimizer_save (state, writer);
  g_assert_true (_simclr_safetensors_writer_write (writer, path, NULL));
}

static void
test_resumed_is_as_if_never_stopped (Fixture *files, gconstpointer data)
{
  const gchar *names[] = {"lars", "sgd", "adamw"};
  g_autoptr (SimclrSafetensors) fixture = fixture_open ("optimizers.safetensors");
  gsize table_size;
  g_autoptr (Tensor) table = fixture_get (fixture, "table", &table_size);

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    SimclrOptimizerSettings settings = get_settings (fixture, names[i]);
    gdouble rate = get_number (fixture, names[i], "rate");
    g_autoptr (SimclrOptimizerState) state = NULL, resumed = NULL;
    g_autoptr (SimclrSafetensors) file = NULL;
    g_autoptr (GError) error = NULL;
    World world, again;

    world_init (&world, table, table_size);
    world_init (&again, table, table_size);
    state = _simclr_optimizer_new (&settings, &world.set);
    run (&world, state, NULL, rate, 0, STEPS / 2);
    save (state, files->path);
    memcpy (again.set.values, world.set.values, world.floats * sizeof (gfloat));
    run (&world, state, NULL, rate, STEPS / 2, STEPS);

    resumed = _simclr_optimizer_new (&settings, &again.set);
    file = _simclr_safetensors_open (files->path, &error);
    g_assert_no_error (error);
    g_assert_true (_simclr_optimizer_load (resumed, file, &error));
    g_assert_no_error (error);
    run (&again, resumed, NULL, rate, STEPS / 2, STEPS);
    g_assert_cmpmem (world.set.values, world.floats * sizeof (gfloat), again.set.values,
        world.floats * sizeof (gfloat));
    world_clear (&world);
    world_clear (&again);
  }
}

/* A file of another optimizer is refused, and the state that was there goes on. */
static void
test_a_foreign_state_is_an_error (Fixture *files, gconstpointer data)
{
  const gfloat table[] = {1, -2, 3};
  SimclrOptimizerSettings sgd = {SIMCLR_OPTIMIZER_SGD, 0.9, 0, 0};
  SimclrOptimizerSettings adamw = {SIMCLR_OPTIMIZER_ADAMW, 0.9, 0, 0};
  g_autoptr (SimclrOptimizerState) one = NULL, other = NULL, straight = NULL;
  g_autoptr (SimclrSafetensors) file = NULL;
  g_autoptr (GError) error = NULL;
  World world, same;

  world_init (&world, table, 3);
  world_init (&same, table, 3);
  one = _simclr_optimizer_new (&sgd, &world.set);
  straight = _simclr_optimizer_new (&sgd, &same.set);
  other = _simclr_optimizer_new (&adamw, &world.set);
  save (other, files->path);
  file = _simclr_safetensors_open (files->path, NULL);

  run (&world, one, NULL, 0.1, 0, 3);
  g_assert_false (_simclr_optimizer_load (one, file, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "optimizer.momentum.convolution"));
  run (&world, one, NULL, 0.1, 3, 6);
  run (&same, straight, NULL, 0.1, 0, 6);
  g_assert_cmpmem (world.set.values, world.floats * sizeof (gfloat), same.set.values,
      world.floats * sizeof (gfloat));
  world_clear (&world);
  world_clear (&same);
}

static void
test_bad_step_counts_are_errors (Fixture *files, gconstpointer data)
{
  const gchar *counts[] = {NULL, "", "-1", "x", "18446744073709551615", "18446744073709551616"};
  const gfloat table[] = {1};
  SimclrOptimizerSettings settings = {SIMCLR_OPTIMIZER_ADAMW, 0.9, 0, 0};
  World world;

  world_init (&world, table, 1);
  for (guint i = 0; i < G_N_ELEMENTS (counts); i++) {
    g_autoptr (SimclrOptimizerState) state = _simclr_optimizer_new (&settings, &world.set);
    g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
    g_autoptr (SimclrSafetensors) file = NULL;
    g_autoptr (GError) error = NULL;

    if (counts[i] != NULL) {
      _simclr_optimizer_save (state, writer);
      _simclr_safetensors_writer_set_metadata (writer, "optimizer_step", counts[i]);
    }
    g_assert_true (_simclr_safetensors_writer_write (writer, files->path, NULL));
    file = _simclr_safetensors_open (files->path, NULL);
    g_assert_false (_simclr_optimizer_load (state, file, &error));
    g_assert_nonnull (error);
  }
  world_clear (&world);
}

static void
test_gradient_sum (void)
{
  const gfloat bad[] = {NAN, INFINITY, -INFINITY};
  const gfloat table[] = {1, -2, 3, 0.5f, 1e-3f};
  gdouble expected = 0, alone;
  World world;

  world_init (&world, table, 5);
  fill_gradients (&world, 0);
  for (gsize i = 0; i < world.floats; i++)
    expected += (gdouble) world.set.gradients[i] * world.set.gradients[i];
  alone = _simclr_gradient_sum_of_squares (NULL, &world.set);
  g_assert_cmpfloat_with_epsilon (alone, expected, 1e-12 * expected);
  for (guint threads = 2; threads <= 4; threads++) {
    g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);

    g_assert_cmpfloat (_simclr_gradient_sum_of_squares (team, &world.set), ==, alone);
  }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    for (gsize at = 0; at < world.floats; at += 997) {
      gfloat before = world.set.gradients[at];

      world.set.gradients[at] = bad[i];
      g_assert_false (isfinite (_simclr_gradient_sum_of_squares (NULL, &world.set)));
      world.set.gradients[at] = before;
    }
  }
  /* too large for the square of a float is still finite */
  world.set.gradients[0] = 1e30f;
  g_assert_true (isfinite (_simclr_gradient_sum_of_squares (NULL, &world.set)));
  world_clear (&world);
}

#define ADD(name, function)                                                                        \
  g_test_add ("/optimizer/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_autoptr (SimclrSafetensors) fixture = NULL;
  g_auto (GStrv) names = NULL;

  g_test_init (&argc, &argv, NULL);
  fixture = fixture_open ("optimizers.safetensors");
  names = g_strsplit (_simclr_safetensors_get_metadata (fixture, "runs"), " ", -1);
  for (guint i = 0; names[i] != NULL; i++) {
    g_autofree gchar *test = g_strconcat ("/optimizer/is-pytorchs/", names[i], NULL);

    g_test_add_data_func (test, names[i], test_is_pytorchs);
  }
  ADD ("resumed-is-as-if-never-stopped", test_resumed_is_as_if_never_stopped);
  ADD ("a-foreign-state-is-an-error", test_a_foreign_state_is_an_error);
  ADD ("bad-step-counts-are-errors", test_bad_step_counts_are_errors);
  g_test_add_func ("/optimizer/gradient-sum", test_gradient_sum);
  return g_test_run ();
}
