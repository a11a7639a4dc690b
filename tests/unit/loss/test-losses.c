/* The losses against their papers' definitions in double precision, and their gradients against
 * differences.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr-enum-types.h>
#include <simclr/base/random-private.h>

#include "loss-definition.h"

static void
compute (Case *self, SimclrParallel *team)
{
  g_autofree gfloat *scratch =
      g_new (gfloat, _simclr_loss_get_scratch (_simclr_parallel_get_threads (team),
                         self->batch.rows, self->batch.columns));

  _simclr_loss (team, &self->settings, &self->batch, self->dz, &self->result, scratch);
}

static void
facts_init (SimclrViewFacts *facts, gsize count, guint64 seed)
{
  *facts = (SimclrViewFacts){
      g_new (gint64, count + 1), g_new (guint32, count + 1), g_new (gint32, count + 1)};
  for (gsize i = 0; i < count; i++) {
    facts->times[i] = (gint64) _simclr_random_below (seed, 2, i, 1000);
    facts->streams[i] = (guint32) _simclr_random_below (seed, 3, i, 3);
    facts->labels[i] = (gint32) _simclr_random_below (seed, 4, i / 2, 5) - 1;
    if (facts->streams[i] == 2)
      facts->streams[i] = SIMCLR_NO_STREAM;
  }
}

static void
facts_clear (SimclrViewFacts *facts)
{
  g_free (facts->times);
  g_free (facts->streams);
  g_free (facts->labels);
}

static void
case_init (
    Case *self, SimclrLoss loss, gsize rows, gsize columns, gdouble temperature, guint64 seed)
{
  *self = (Case){{loss, temperature, .margin = 0.4}, .z = g_new (gfloat, rows * columns),
      .dz = g_new (gfloat, rows * columns)};
  for (gsize i = 0; i < rows * columns; i++)
    self->z[i] = (gfloat) (3 * _simclr_random_normal (seed, 1, i));
  self->batch = (SimclrLossBatch){self->z, rows, columns};
  facts_init (&self->batch.facts, rows, seed);
}

static void
add_memory (Case *self, gsize rows, guint64 seed)
{
  gsize columns = self->batch.columns;

  self->memory = g_new (gfloat, rows * columns);
  for (gsize row = 0; row < rows; row++) {
    gfloat *out = self->memory + row * columns;
    gdouble square = 0;

    for (gsize c = 0; c < columns; c++) {
      out[c] = (gfloat) _simclr_random_normal (seed, 9, row * columns + c);
      square += (gdouble) out[c] * out[c];
    }
    for (gsize c = 0; c < columns; c++)
      out[c] = (gfloat) (out[c] / sqrt (square));
  }
  self->batch.memory = self->memory;
  self->batch.memory_rows = rows;
  facts_init (&self->batch.memory_facts, rows, seed + 1);
}

static void
case_clear (Case *self)
{
  facts_clear (&self->batch.facts);
  facts_clear (&self->batch.memory_facts);
  g_free (self->z);
  g_free (self->memory);
  g_free (self->dz);
  g_free (self->chosen);
}

static gdouble
define_loss (const gdouble *z, const Case *self)
{
  SimclrLossResult result;

  define (self, z, &result);
  return result.loss;
}

static gdouble *
to_double (const Case *self)
{
  gdouble *z = g_new (gdouble, self->batch.rows * self->batch.columns);

  for (gsize i = 0; i < self->batch.rows * self->batch.columns; i++)
    z[i] = self->z[i];
  return z;
}

/* Every loss, alone and with all that can be added to it. */
typedef struct
{
  SimclrLoss loss;
  gboolean semi_hard;
  gboolean memory;
  gboolean neighbours;
} Variant;

static void
variant_init (Case *self, const Variant *variant, gsize rows, gsize columns, gdouble temperature,
    guint64 seed)
{
  case_init (self, variant->loss, rows, columns, temperature, seed);
  self->settings.semi_hard = variant->semi_hard;
  if (variant->memory)
    add_memory (self, rows * 5 / 4 + 1, seed + 7);
  if (variant->neighbours)
    self->settings.neighbours = 150;
}

static void
assert_is_defined (Case *self)
{
  g_autofree gdouble *z = to_double (self);
  SimclrLossResult expected;

  compute (self, NULL);
  define (self, z, &expected);
  /* float logits have errors of some 1e-7 / temperature */
  g_assert_cmpfloat_with_epsilon (
      self->result.loss, expected.loss, 1e-6 / self->settings.temperature + 2e-6);
  g_assert_cmpfloat_with_epsilon (
      self->result.entropy, expected.entropy, 1e-6 / self->settings.temperature + 1e-5);
  g_assert_cmpfloat_with_epsilon (self->result.accuracy, expected.accuracy, 1e-9);
}

static void
test_is_the_definition (gconstpointer data)
{
  const gsize sizes[][2] = {{2, 1}, {2, 4}, {4, 3}, {130, 16}, {522, 24}};
  const gdouble temperatures[] = {0.1, 0.01, 0.5, 1, 10};

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
    guint count = sizes[s][0] > 500 ? 1 : G_N_ELEMENTS (temperatures);

    for (guint t = 0; t < count; t++) {
      Case self;

      variant_init (&self, data, sizes[s][0], sizes[s][1], temperatures[t], s);
      assert_is_defined (&self);
      case_clear (&self);
    }
  }
}

static void
test_gradient_is_the_difference (gconstpointer data)
{
  const gdouble temperatures[] = {0.05, 0.5, 2};

  for (guint t = 0; t < G_N_ELEMENTS (temperatures); t++) {
    g_autofree gdouble *z = NULL;
    gdouble difference = 0, norm = 0;
    Case self;

    variant_init (&self, data, 12, 5, temperatures[t], 40 + t);
    z = to_double (&self);
    choose_negatives (&self, z);
    compute (&self, NULL);
    for (gsize i = 0; i < 60; i++) {
      const gdouble step = 1e-5, middle = z[i];
      gdouble slope;

      z[i] = middle + step;
      slope = define_loss (z, &self);
      z[i] = middle - step;
      slope = (slope - define_loss (z, &self)) / (2 * step);
      z[i] = middle;
      difference += (self.dz[i] - slope) * (self.dz[i] - slope);
      norm += slope * slope;
    }
    g_assert_cmpfloat (norm, >, 0);
    g_assert_cmpfloat (sqrt (difference), <, 2e-5 * sqrt (norm));
    case_clear (&self);
  }
}

/* Over several tiles a difference in one direction is enough: a wrong one would show in it. */
static void
test_gradient_over_tiles (gconstpointer data)
{
  const gdouble step = 1e-4;
  g_autofree gdouble *z = NULL, *away = NULL;
  gdouble slope = 0, expected;
  Case self;

  variant_init (&self, data, 602, 24, 0.3, 77);
  z = to_double (&self);
  away = g_new (gdouble, 602 * 24);
  choose_negatives (&self, z);
  compute (&self, NULL);
  for (gsize i = 0; i < 602 * 24; i++) /* along the gradient, and across */
    away[i] = self.dz[i] * 602 + 0.2 * _simclr_random_normal (78, 1, i);
  for (gsize i = 0; i < 602 * 24; i++) {
    slope += self.dz[i] * away[i];
    z[i] += step * away[i];
  }
  expected = define_loss (z, &self);
  for (gsize i = 0; i < 602 * 24; i++)
    z[i] -= 2 * step * away[i];
  expected = (expected - define_loss (z, &self)) / (2 * step);
  g_test_message ("%g, by differences %g", slope, expected);
  g_assert_cmpfloat_with_epsilon (slope, expected, 2e-4 * fabs (expected));
  case_clear (&self);
}

static void
test_any_team_gives_the_same_bits (gconstpointer data)
{
  Case alone, shared;

  variant_init (&alone, data, 700, 20, 0.2, 5);
  variant_init (&shared, data, 700, 20, 0.2, 5);
  compute (&alone, NULL);
  for (guint threads = 2; threads <= 4; threads++) {
    g_autoptr (SimclrParallel) team = _simclr_parallel_new (threads);

    compute (&shared, team);
    g_assert_cmpmem (alone.dz, 700 * 20 * sizeof (gfloat), shared.dz, 700 * 20 * sizeof (gfloat));
    g_assert_cmpmem (&alone.result, sizeof alone.result, &shared.result, sizeof shared.result);
  }
  case_clear (&alone);
  case_clear (&shared);
}

static void
test_low_temperature_stays_finite (gconstpointer data)
{
  Case self;

  variant_init (&self, data, 64, 8, 1e-3, 9);
  for (gsize c = 0; c < 8; c++) /* a pair that agrees, and two rows that oppose */
    self.z[8 + c] = self.z[c], self.z[24 + c] = -self.z[16 + c];
  compute (&self, NULL);
  g_assert_true (isfinite (self.result.loss));
  g_assert_true (isfinite (self.result.entropy));
  for (gsize i = 0; i < 64 * 8; i++)
    g_assert_true (isfinite (self.dz[i]));
  case_clear (&self);
}

static void
test_rows_of_zeros_are_safe (gconstpointer data)
{
  SimclrLossResult expected;
  g_autofree gdouble *z = NULL;
  Case self;

  variant_init (&self, data, 8, 4, 0.5, 10);
  for (gsize c = 0; c < 4; c++)
    self.z[c] = self.z[20 + c] = 0;
  z = to_double (&self);
  compute (&self, NULL);
  define (&self, z, &expected);
  g_assert_cmpfloat_with_epsilon (self.result.loss, expected.loss, 1e-6);
  for (gsize i = 0; i < 32; i++)
    g_assert_true (isfinite (self.dz[i]));
  case_clear (&self);
}

static void
test_huge_rows_are_safe (gconstpointer data)
{
  Case self, small;

  variant_init (&self, data, 8, 4, 0.5, 10);
  variant_init (&small, data, 8, 4, 0.5, 10);
  for (gsize i = 0; i < 32; i++)
    self.z[i] *= 0x1p100f;
  compute (&self, NULL);
  compute (&small, NULL);
  g_assert_cmpfloat_with_epsilon (self.result.loss, small.result.loss, 1e-6);
  case_clear (&self);
  case_clear (&small);
}

static void
test_what_is_not_finite_shows (gconstpointer data)
{
  const gfloat bad[] = {NAN, INFINITY, -INFINITY};

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    for (gsize row = 0; row < 600; row += 299) {
      Case self;

      variant_init (&self, data, 600, 8, 0.5, 10);
      self.z[row * 8 + 3] = bad[i];
      compute (&self, NULL);
      g_assert_false (isfinite (self.result.loss));
      case_clear (&self);
    }
  }
}

/* All frames of one moment: nothing is there to be pushed away, and no loss says otherwise. */
static void
test_no_negatives_teach_nothing (gconstpointer data)
{
  const Variant *variant = data;
  gdouble norm = 0;
  Case self;

  variant_init (&self, variant, 16, 4, 0.5, 10);
  if (variant->loss == SIMCLR_LOSS_SUPERVISED)
    for (gsize i = 0; i < 16; i++)
      self.batch.facts.labels[i] = SIMCLR_NO_LABEL;
  for (gsize i = 0; i < 16; i++) {
    self.batch.facts.times[i] = 100;
    self.batch.facts.streams[i] = 7;
  }
  for (gsize i = 0; i < self.batch.memory_rows; i++) {
    self.batch.memory_facts.times[i] = 100;
    self.batch.memory_facts.streams[i] = 7;
  }
  self.settings.neighbours = 1;
  compute (&self, NULL);
  for (gsize i = 0; i < 64; i++)
    norm += fabs (self.dz[i]);
  g_assert_cmpfloat_with_epsilon (self.result.loss, 0, 1e-6);
  g_assert_cmpfloat_with_epsilon (norm, 0, 1e-6);
  case_clear (&self);
}

/* Collapsed embeddings know nothing: the loss is that of a blind choice and no positive stands out. */
static void
test_collapse_is_no_success (void)
{
  Case self;

  case_init (&self, SIMCLR_LOSS_NT_XENT, 32, 4, 0.5, 10);
  for (gsize i = 0; i < 128; i++)
    self.z[i] = i % 4 == 0;
  compute (&self, NULL);
  g_assert_cmpfloat_with_epsilon (self.result.loss, log (31), 1e-6);
  g_assert_cmpfloat_with_epsilon (self.result.entropy, log (31), 1e-6);
  g_assert_cmpfloat (self.result.accuracy, ==, 0);
  case_clear (&self);
}

/* A pair of a label alone has one positive as NT-Xent, so that both agree on labels that all differ. */
static void
test_supervised_without_labels_is_nt_xent (void)
{
  Case supervised, plain;

  case_init (&supervised, SIMCLR_LOSS_SUPERVISED, 140, 16, 0.5, 10);
  case_init (&plain, SIMCLR_LOSS_NT_XENT, 140, 16, 0.5, 10);
  for (gint i = 0; i < 140; i++)
    supervised.batch.facts.labels[i] = i < 70 ? i / 2 : SIMCLR_NO_LABEL;
  compute (&supervised, NULL);
  compute (&plain, NULL);
  g_assert_cmpfloat_with_epsilon (supervised.result.loss, plain.result.loss, 1e-6);
  for (gsize i = 0; i < 140 * 16; i++)
    g_assert_cmpfloat_with_epsilon (supervised.dz[i], plain.dz[i], 1e-6);
  case_clear (&supervised);
  case_clear (&plain);
}

/* 16,384 views of 128 floats, as promised. */
static void
test_memory_is_linear (void)
{
  gsize bytes = _simclr_loss_get_scratch (2, 16384, 128) * sizeof (gfloat);

  g_test_message ("%" G_GSIZE_FORMAT " MiB for 16384 views", bytes >> 20);
  g_assert_cmpuint (bytes, <, 12 << 20);
  g_assert_cmpuint (_simclr_loss_get_scratch (2, 32768, 128) * sizeof (gfloat), <, 2 * bytes);
}

static void
add_variant (const gchar *name, GTestDataFunc test, Variant variant)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (SIMCLR_TYPE_LOSS);
  g_autofree gchar *path = g_strdup_printf ("/losses/%s/%s%s%s%s", name,
      g_enum_get_value (klass, (gint) variant.loss)->value_nick,
      variant.semi_hard ? "-semi-hard" : "", variant.memory ? "-memory" : "",
      variant.neighbours ? "-neighbours" : "");

  g_test_add_data_func_full (path, g_memdup2 (&variant, sizeof variant), test, g_free);
}

/* all: with everything that can be added, else each loss alone and with all of it. */
static void
add_test (const gchar *name, GTestDataFunc test, gboolean all)
{
  for (gint loss = SIMCLR_LOSS_NT_XENT; loss <= SIMCLR_LOSS_SUPERVISED; loss++) {
    gboolean mines = loss == SIMCLR_LOSS_NT_LOGISTIC || loss == SIMCLR_LOSS_MARGIN_TRIPLET;

    for (gint i = 0; i < 4; i++)
      for (gint hard = 0; hard <= (mines ? 1 : 0); hard++)
        if (all || i == 0 || i == 3)
          add_variant (name, test, (Variant){(SimclrLoss) loss, hard, (i & 1) != 0, (i & 2) != 0});
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_test ("is-the-definition", test_is_the_definition, TRUE);
  add_test ("gradient-is-the-difference", test_gradient_is_the_difference, TRUE);
  add_test ("gradient-over-tiles", test_gradient_over_tiles, FALSE);
  add_test ("any-team-gives-the-same-bits", test_any_team_gives_the_same_bits, FALSE);
  add_test ("low-temperature-stays-finite", test_low_temperature_stays_finite, FALSE);
  add_test ("rows-of-zeros-are-safe", test_rows_of_zeros_are_safe, FALSE);
  add_test ("huge-rows-are-safe", test_huge_rows_are_safe, FALSE);
  add_test ("what-is-not-finite-shows", test_what_is_not_finite_shows, FALSE);
  add_test ("no-negatives-teach-nothing", test_no_negatives_teach_nothing, FALSE);
  g_test_add_func ("/losses/collapse-is-no-success", test_collapse_is_no_success);
  g_test_add_func (
      "/losses/supervised-without-labels-is-nt-xent", test_supervised_without_labels_is_nt_xent);
  g_test_add_func ("/losses/memory-is-linear", test_memory_is_linear);
  return g_test_run ();
}
