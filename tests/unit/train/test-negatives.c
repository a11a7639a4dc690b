/* The queue of past projections: what it keeps, in the file too, and what the loss makes of it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/train/negatives-private.h>

#include "training-run.h"

#define COLUMNS 3
#define ROWS 4

/* Projection number n of all that were ever pushed, and what is known of it. */
static void
make_projection (gsize n, gfloat *z)
{
  for (gsize c = 0; c < COLUMNS; c++)
    z[c] = (gfloat) (2 * _simclr_random_normal (1, 2, n * COLUMNS + c));
}

static void
push (SimclrNegatives *queue, gsize first)
{
  gfloat z[ROWS * COLUMNS];
  gint64 times[ROWS];
  guint32 streams[ROWS];
  gint32 labels[ROWS];
  SimclrLossBatch batch = {z, ROWS, COLUMNS, {times, streams, labels}};

  for (gsize row = 0; row < ROWS; row++) {
    make_projection (first + row, z + row * COLUMNS);
    times[row] = G_MAXINT64 - (gint64) (first + row);
    streams[row] = (guint32) (first + row) % 2 ? SIMCLR_NO_STREAM : 5;
    labels[row] = (gint32) (first + row) - 1;
  }
  _simclr_negatives_push (queue, &batch);
}

/* The queue holds projections first to first + count - 1, whatever their order. */
static void
assert_holds (SimclrNegatives *queue, gsize first, gsize count)
{
  g_autofree gboolean *found = g_new0 (gboolean, count);
  SimclrLossBatch batch = {0};

  _simclr_negatives_lend (queue, &batch);
  g_assert_cmpuint (batch.memory_rows, ==, count);
  for (gsize row = 0; row < count; row++) {
    gsize n = (gsize) (G_MAXINT64 - batch.memory_facts.times[row]);
    gfloat z[COLUMNS];
    gdouble square = 0;

    g_assert_cmpuint (n, >=, first);
    g_assert_cmpuint (n, <, first + count);
    g_assert_false (found[n - first]);
    found[n - first] = TRUE;
    make_projection (n, z);
    for (gsize c = 0; c < COLUMNS; c++)
      square += (gdouble) z[c] * z[c];
    for (gsize c = 0; c < COLUMNS; c++)
      g_assert_cmpfloat_with_epsilon (batch.memory[row * COLUMNS + c], z[c] / sqrt (square), 1e-6);
    g_assert_cmpuint (batch.memory_facts.streams[row], ==, n % 2 ? SIMCLR_NO_STREAM : 5);
    g_assert_cmpint (batch.memory_facts.labels[row], ==, (gint) n - 1);
  }
}

static SimclrNegatives *
new_queue (gsize capacity)
{
  g_autoptr (GError) error = NULL;
  SimclrNegatives *queue = _simclr_negatives_new (capacity, COLUMNS, &error);

  g_assert_no_error (error);
  return queue;
}

static void
test_keeps_the_newest (void)
{
  for (gsize capacity = 1; capacity < 15; capacity++) {
    g_autoptr (SimclrNegatives) queue = new_queue (capacity);

    assert_holds (queue, 0, 0);
    for (gsize i = 0; i < 5; i++) {
      gsize pushed = (i + 1) * ROWS, kept = MIN (pushed, capacity);

      push (queue, i * ROWS);
      assert_holds (queue, pushed - kept, kept);
    }
  }
}

static void
test_survives_a_file (void)
{
  g_autofree gchar *path = temporary_path ();

  for (gsize capacity = 1; capacity < 15; capacity++) {
    g_autoptr (SimclrNegatives) queue = new_queue (capacity);
    g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
    g_autoptr (SimclrSafetensors) file = NULL;
    g_autoptr (GError) error = NULL;

    for (gsize i = 0; i < 3; i++)
      push (queue, i * ROWS);
    _simclr_negatives_save (queue, writer);
    _simclr_safetensors_writer_write (writer, path, &error);
    g_assert_no_error (error);
    file = _simclr_safetensors_open (path, &error);
    g_assert_no_error (error);
    for (gsize other = 1; other < 15; other++) {
      g_autoptr (SimclrNegatives) again = new_queue (other);
      gsize kept = MIN (MIN (capacity, 12), other);

      _simclr_negatives_load (again, file, &error);
      g_assert_no_error (error);
      assert_holds (again, 12 - kept, kept);
      push (again, 12); /* the oldest makes room */
      kept = MIN (kept + ROWS, other);
      assert_holds (again, 16 - kept, kept);
    }
  }
  remove_with_folder (path);
}

static void
test_other_columns_are_an_error (void)
{
  g_autofree gchar *path = temporary_path ();
  g_autoptr (SimclrNegatives) queue = new_queue (8), other = NULL;
  g_autoptr (SimclrSafetensorsWriter) writer = _simclr_safetensors_writer_new ();
  g_autoptr (SimclrSafetensors) file = NULL;
  g_autoptr (GError) error = NULL;

  push (queue, 0);
  _simclr_negatives_save (queue, writer);
  _simclr_safetensors_writer_write (writer, path, &error);
  g_assert_no_error (error);
  file = _simclr_safetensors_open (path, &error);
  other = _simclr_negatives_new (8, COLUMNS + 1, &error);
  g_assert_no_error (error);
  g_assert_false (_simclr_negatives_load (other, file, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_MISMATCH);
  remove_with_folder (path);
}

/* The first step has none; from the second on there is more to tell apart. */
static void
test_training_has_more_negatives (void)
{
  g_auto (Run) plain = new_run (SIMCLR_OPTIMIZER_SGD);
  g_auto (Run) more = new_run (SIMCLR_OPTIMIZER_SGD);
  gdouble without, with;

  g_object_set (more.trainer, "negatives", 64u, NULL);
  g_assert_cmpfloat (step (&plain, 0).loss, ==, step (&more, 0).loss);
  without = step (&plain, 1).loss;
  with = step (&more, 1).loss;
  g_test_message ("%g without, %g with", without, with);
  g_assert_cmpfloat (with, >, without + 0.2);
  g_assert_true (bad_step (&more).was_skipped); /* and leaves nothing in the queue */
  g_assert_true (isfinite (step (&more, 2).loss));
}

/* Frames of one moment have nobody to be told from; of two moments, the others only. */
static void
test_neighbours_are_no_negatives (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  const gdouble blind[] = {log (VIEWS - 1), log (VIEWS / 2 + 1)};
  gint64 times[VIEWS];
  guint streams[VIEWS];

  g_object_set (run.trainer, "exclude-neighbours", (guint64) 10, "temperature", 1000.0, NULL);
  for (guint moments = 0; moments < 4; moments++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (Tensor) views = new_views (0);
    g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (run.encoder, views, VIEWS, &error);
    SimclrTrainingStatistics statistics;

    for (guint i = 0; i < VIEWS; i++) {
      times[i] = moments == 0 ? -1 : (moments == 1 && i >= VIEWS / 2 ? 20 : 0) + (gint64) (i % 3);
      streams[i] = moments == 3 && i < VIEWS / 2 ? 4 : 7;
    }
    g_assert_no_error (error);
    simclr_forward_pass_set_times (pass, times, VIEWS, &error);
    g_assert_no_error (error);
    simclr_forward_pass_set_streams (pass, streams, VIEWS, &error);
    g_assert_no_error (error);
    g_assert_true (simclr_trainer_step (run.trainer, pass, &statistics, &error));
    /* the temperature makes all candidates alike */
    if (moments == 2)
      g_assert_cmpfloat_with_epsilon (statistics.loss, 0, 1e-9);
    else
      g_assert_cmpfloat_with_epsilon (statistics.loss, blind[moments == 0 ? 0 : 1], 1e-2);
  }
}

static void
test_facts_must_fit (void)
{
  g_auto (Run) run = new_run (SIMCLR_OPTIMIZER_SGD);
  g_autoptr (GError) error = NULL;
  g_autoptr (Tensor) views = new_views (0);
  g_autoptr (SimclrForwardPass) pass = simclr_encoder_forward (run.encoder, views, VIEWS, &error);
  const gint64 times[3] = {0};
  const gint labels[3] = {0};

  g_assert_no_error (error);
  g_assert_false (simclr_forward_pass_set_times (pass, times, 3, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
  g_clear_error (&error);
  g_assert_false (simclr_forward_pass_set_labels (pass, labels, 3, &error));
  g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/negatives/keeps-the-newest", test_keeps_the_newest);
  g_test_add_func ("/negatives/survives-a-file", test_survives_a_file);
  g_test_add_func ("/negatives/other-columns-are-an-error", test_other_columns_are_an_error);
  g_test_add_func ("/negatives/training-has-more-negatives", test_training_has_more_negatives);
  g_test_add_func ("/negatives/neighbours-are-no-negatives", test_neighbours_are_no_negatives);
  g_test_add_func ("/negatives/facts-must-fit", test_facts_must_fit);
  return g_test_run ();
}
