/* The linear layer beside training: what it learns, what it leaves out, what a file keeps of it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/online-probe-private.h>

#include "training-run.h"

#include <math.h>

#define COLUMNS 6
#define ROWS 40

/* Rows of three labels, numbered 0, 2 and 5, around a centre for each. */
static void
make_batch (guint64 batch, gfloat *h, gint32 *labels)
{
  const gint32 numbers[3] = {0, 2, 5};

  for (gsize row = 0; row < ROWS; row++) {
    guint label = (guint) _simclr_random_below (1, batch, row, 3);

    labels[row] = numbers[label];
    for (gsize c = 0; c < COLUMNS; c++)
      h[row * COLUMNS + c] =
          (gfloat) (100 * (_simclr_random_normal (2, label, c) + 3 +
                              0.3 * _simclr_random_normal (3, batch, row * COLUMNS + c)));
  }
}

static gdouble
learn (SimclrOnlineProbe *probe, guint64 first, guint64 last, gdouble *loss)
{
  gfloat h[ROWS * COLUMNS];
  gint32 labels[ROWS];
  gdouble accuracy = -1;

  for (guint64 batch = first; batch < last; batch++) {
    make_batch (batch, h, labels);
    g_assert_true (_simclr_online_probe_step (probe, h, ROWS, labels, &accuracy, loss));
  }
  return accuracy;
}

static void
test_it_learns_whatever_the_scale (void)
{
  g_autoptr (SimclrOnlineProbe) probe = _simclr_online_probe_new (COLUMNS);
  gdouble first, last;

  /* zeros know nothing: six labels came up, though only three of them */
  learn (probe, 0, 1, &first);
  g_assert_cmpfloat_with_epsilon (first, log (6), 1e-5);
  g_assert_cmpfloat (learn (probe, 1, 400, &last), >, 0.9);
  g_assert_cmpfloat (last, <, 0.5);
}

/* The definition: softmax regression of standardised rows, classic momentum 0.9, rate 1 / (columns + 1). */
static void
test_steps_are_their_definition (void)
{
  g_autoptr (SimclrOnlineProbe) probe = _simclr_online_probe_new (COLUMNS);
  gdouble weight[6][COLUMNS + 1] = {0}, momentum[6][COLUMNS + 1] = {0};

  for (guint64 batch = 0; batch < 6; batch++) {
    gdouble z[ROWS][COLUMNS + 1], gradient[6][COLUMNS + 1] = {0}, expected = 0, accuracy, loss;
    gfloat h[ROWS * COLUMNS];
    gint32 labels[ROWS];

    make_batch (batch, h, labels);
    for (gsize c = 0; c < COLUMNS; c++) {
      gdouble sum = 0, square = 0;

      for (gsize row = 0; row < ROWS; row++) {
        sum += h[row * COLUMNS + c];
        square += (gdouble) h[row * COLUMNS + c] * h[row * COLUMNS + c];
      }
      for (gsize row = 0; row < ROWS; row++)
        z[row][c] =
            (h[row * COLUMNS + c] - sum / ROWS) / sqrt (square / ROWS - sum / ROWS * sum / ROWS);
    }
    for (gsize row = 0; row < ROWS; row++) {
      gdouble p[6], sum = 0;

      z[row][COLUMNS] = 1;
      for (guint k = 0; k < 6; k++) {
        p[k] = 0;
        for (gsize c = 0; c <= COLUMNS; c++)
          p[k] += weight[k][c] * z[row][c];
        sum += p[k] = exp (p[k]);
      }
      expected -= log (p[labels[row]] / sum) / ROWS;
      for (guint k = 0; k < 6; k++)
        for (gsize c = 0; c <= COLUMNS; c++)
          gradient[k][c] += (p[k] / sum - ((gint) k == labels[row])) * z[row][c] / ROWS;
    }
    g_assert_true (_simclr_online_probe_step (probe, h, ROWS, labels, &accuracy, &loss));
    g_assert_cmpfloat_with_epsilon (loss, expected, 1e-4);
    for (guint k = 0; k < 6; k++)
      for (gsize c = 0; c <= COLUMNS; c++) {
        momentum[k][c] = 0.9 * momentum[k][c] + gradient[k][c];
        weight[k][c] -= momentum[k][c] / (COLUMNS + 1);
      }
  }
}

static void
test_rows_without_label_are_left_out (void)
{
  g_autoptr (SimclrOnlineProbe) probe = _simclr_online_probe_new (COLUMNS);
  g_autoptr (SimclrOnlineProbe) other = _simclr_online_probe_new (COLUMNS);
  gfloat h[ROWS * COLUMNS], half[ROWS * COLUMNS];
  gint32 labels[ROWS], half_labels[ROWS];
  gdouble accuracy, loss, expected_accuracy, expected_loss;

  make_batch (1, h, labels);
  for (gsize i = 0; i < ROWS / 2; i++) {
    memcpy (half + i * COLUMNS, h + 2 * i * COLUMNS, COLUMNS * sizeof (gfloat));
    half_labels[i] = labels[2 * i];
    labels[2 * i + 1] = -1;
  }
  for (guint i = 0; i < 5; i++) {
    g_assert_true (_simclr_online_probe_step (probe, h, ROWS, labels, &accuracy, &loss));
    g_assert_true (_simclr_online_probe_step (
        other, half, ROWS / 2, half_labels, &expected_accuracy, &expected_loss));
  }
  g_assert_cmpfloat (accuracy, ==, expected_accuracy);
  g_assert_cmpfloat_with_epsilon (loss, expected_loss, 1e-6);
  for (gsize i = 0; i < ROWS; i++)
    labels[i] = -1;
  g_assert_false (_simclr_online_probe_step (probe, h, ROWS, labels, &accuracy, &loss));
}

static void
test_numbers_that_are_none_teach_nothing (void)
{
  g_autoptr (SimclrOnlineProbe) probe = _simclr_online_probe_new (COLUMNS);
  gfloat h[ROWS * COLUMNS];
  gint32 labels[ROWS];
  gdouble accuracy, loss, before;

  learn (probe, 0, 20, &before);
  make_batch (20, h, labels);
  h[7] = NAN;
  g_assert_false (_simclr_online_probe_step (probe, h, ROWS, labels, &accuracy, &loss));
  learn (probe, 20, 21, &loss);
  g_assert_true (isfinite (loss));
}

static void
test_a_file_continues_exactly (void)
{
  g_autoptr (SimclrOnlineProbe) probe = _simclr_online_probe_new (COLUMNS);
  g_autoptr (SimclrOnlineProbe) loaded = _simclr_online_probe_new (COLUMNS);
  g_autoptr (SimclrOnlineProbe) wide = _simclr_online_probe_new (COLUMNS + 1);
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  g_autoptr (SimclrSafetensors) file = NULL;
  g_autofree gchar *path = temporary_path ();
  g_autoptr (GError) error = NULL;
  gdouble loss, expected;

  learn (probe, 0, 5, &loss);
  _simclr_online_probe_save (probe, writer);
  g_assert_true (_simclr_safetensors_writer_write (writer, path, &error));
  file = _simclr_safetensors_open (path, &error);
  g_assert_no_error (error);
  g_assert_true (_simclr_online_probe_load (loaded, file, &error));
  g_assert_no_error (error);
  learn (probe, 5, 10, &expected);
  learn (loaded, 5, 10, &loss);
  g_assert_cmpfloat (loss, ==, expected);
  g_assert_false (_simclr_online_probe_load (wide, file, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  remove_with_folder (path);
}

/* In a trainer: it is asked when there are labels, and the encoder does not feel it. */
static void
test_training_is_the_same_with_it (void)
{
  g_auto (Run) with = new_run (SIMCLR_OPTIMIZER_SGD);
  g_auto (Run) without = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (GError) error = NULL;
  gint labels[VIEWS];

  for (gint i = 0; i < VIEWS; i++)
    labels[i] = i / 2 % 3;
  for (guint64 batch = 0; batch < 3; batch++) {
    g_autoptr (Tensor) views = new_views (batch);
    g_autoptr (SimclrForwardPass) pass =
        simclr_encoder_forward (with.encoder, views, VIEWS, &error);
    SimclrTrainingStatistics statistics, plain = step (&without, batch);

    g_assert_true (simclr_forward_pass_set_labels (pass, labels, VIEWS, &error));
    g_assert_true (simclr_trainer_step (with.trainer, pass, &statistics, &error));
    g_assert_cmpfloat (statistics.loss, ==, plain.loss);
    g_assert_cmpfloat (statistics.probe_accuracy, >=, 0);
    g_assert_cmpfloat (statistics.probe_loss, >, 0);
    g_assert_cmpfloat (plain.probe_accuracy, ==, -1);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/online-probe/learns-whatever-the-scale", test_it_learns_whatever_the_scale);
  g_test_add_func ("/online-probe/steps-are-their-definition", test_steps_are_their_definition);
  g_test_add_func ("/online-probe/rows-without-label", test_rows_without_label_are_left_out);
  g_test_add_func ("/online-probe/no-numbers", test_numbers_that_are_none_teach_nothing);
  g_test_add_func ("/online-probe/a-file-continues-exactly", test_a_file_continues_exactly);
  g_test_add_func ("/online-probe/training-is-the-same", test_training_is_the_same_with_it);
  return g_test_run ();
}
