/* simclrtrainer: what a loss is told of its views (times, labels), and what is said of a run's health.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclraugment.h>
#include <gstsimclrencoder.h>
#include <gstsimclrreplay.h>
#include <gstsimclrtrainer.h>

#include <math.h>

#define FRAMES "video/x-raw,format=RGB,width=20,height=18,framerate=1/1"

typedef struct
{
  guint steps;
  gdouble loss;  /* of the last step */
  gdouble probe; /* its accuracy in the last steps, NAN without */
  guint warnings;
  gchar *text; /* of the last warning or error */
  gboolean failed;
} Outcome;

static void
outcome_clear (Outcome *self)
{
  g_free (self->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static void
take_text (Outcome *outcome, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &debug);
  else
    gst_message_parse_warning (message, &error, &debug);
  g_free (outcome->text);
  outcome->text = g_strconcat (error->message, " ", debug, NULL);
}

/* FRAMES of a source through training in batches of four pairs, until they end. */
static Outcome
train (const gchar *source, const gchar *trainer)
{
  g_autofree gchar *launch =
      g_strdup_printf ("%s ! simclraugment size=16 jitter-probability=0 ! simclrencoder " TINY
                       " batch-size=4 threads=1 ! simclrtrainer %s",
          source, trainer);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_object_ref_sink (gst_parse_launch (launch, &error));
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  Outcome outcome = {0};
  gboolean ended = FALSE;

  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!ended) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND,
        GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);

    g_assert_nonnull (message);
    outcome.failed = GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
    outcome.warnings += GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING;
    ended = outcome.failed || GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    if (GST_MESSAGE_TYPE (message) & (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))
      take_text (&outcome, message);
    if (gst_message_has_name (message, "simclr-training")) {
      outcome.steps++;
      gst_structure_get_double (gst_message_get_structure (message), "loss", &outcome.loss);
      if (!gst_structure_get_double (
              gst_message_get_structure (message), "probe-accuracy", &outcome.probe))
        outcome.probe = NAN;
    }
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return outcome;
}

/* Frames come a second apart: with three seconds a batch of four has nobody to be told from; with less the
 * first and the last have each other, and two views of it, which the temperature makes all alike. */
static void
test_neighbours_in_time_are_no_negatives (void)
{
  const gchar *source = "videotestsrc pattern=snow num-buffers=4 ! " FRAMES;
  g_auto (Outcome) less = train (source, "exclude-neighbours=2999999999 temperature=1000");
  g_auto (Outcome) enough = train (source, "exclude-neighbours=3000000000 temperature=1000");

  g_assert_cmpfloat_with_epsilon (less.loss, 0.5 * log (3), 5e-3);
  g_assert_cmpuint (enough.steps, ==, 1);
  g_assert_cmpfloat_with_epsilon (enough.loss, 0, 1e-6);
}

/* What counts is when a frame was filmed, not when it is replayed. */
static void
test_replayed_frames_keep_their_time (void)
{
  g_auto (Outcome) outcome = train ("videotestsrc pattern=snow num-buffers=1 ! " FRAMES
                                    " ! simclrreplay policy=all epochs=4",
      "exclude-neighbours=1 temperature=1000");

  g_assert_cmpuint (outcome.steps, ==, 1);
  g_assert_cmpfloat_with_epsilon (outcome.loss, 0, 1e-6);
}

/* Two cameras film at the same time: each frame has the two of the other camera to be told from, which is four views
 * beside its positive, and the temperature makes all alike. */
static void
test_what_other_cameras_film_is_no_neighbour (gconstpointer memory)
{
  g_autofree gchar *source =
      g_strdup_printf ("videotestsrc pattern=snow num-buffers=2 ! " FRAMES " ! cameras. "
                       "videotestsrc pattern=snow num-buffers=2 ! " FRAMES " ! cameras. %s",
          (const gchar *) memory);
  g_auto (Outcome) outcome = train (source, "exclude-neighbours=3600000000000 temperature=1000");

  g_assert_cmpuint (outcome.steps, ==, 1);
  g_assert_cmpfloat_with_epsilon (outcome.loss, log (5), 5e-3);
}

/* loss=supervised over a batch of four pairs. Other labels are no negatives, for they are neighbours in
 * time, and the temperature makes all alike: of n pairs of one label each view has the loss ln (2 n - 1). */
static Outcome
train_on_labels (const gchar *source, const gchar *labels)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *path = g_build_filename (folder, "labels.txt", NULL);
  g_autofree gchar *trainer = g_strdup_printf (
      "loss=supervised temperature=1000 exclude-neighbours=1000000000000 labels=%s", path);
  Outcome outcome;

  if (labels != NULL)
    g_assert_true (g_file_set_contents (path, labels, -1, NULL));
  outcome = train (source, trainer);
  remove_folder (folder);
  return outcome;
}

static void
test_labels_say_who_is_alike (void)
{
  const gchar *plain = "videotestsrc pattern=snow num-buffers=4 ! " FRAMES;
  /* each frame twice, in any order: a label sticks to its frame */
  const gchar *replayed =
      "videotestsrc pattern=snow num-buffers=2 ! " FRAMES " ! simclrreplay policy=all epochs=2";
  const struct
  {
    const gchar *source;
    const gchar *labels;
    gdouble loss;
  } cases[] = {
      {plain, "a\na\na\na\n", log (7)},
      {plain, "red car\na\n red car \r\nb", 0.5 * log (3)},
      {plain, "a\na\nb\na\n", 0.75 * log (5)},
      {plain, "a\n\n\na\n", 0.5 * log (3)}, /* an empty line is no label */
      {replayed, "a\nb\n", log (3)},
      {replayed, "a\na\n", log (7)},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Outcome) outcome = train_on_labels (cases[i].source, cases[i].labels);

    g_assert_cmpuint (outcome.steps, ==, 1);
    g_assert_cmpfloat_with_epsilon (outcome.loss, cases[i].loss, 5e-3);
    g_assert_cmpuint (outcome.warnings, ==, 0);
  }
}

/* Two pictures again and again: whoever sees their representations can tell them apart. */
static void
test_the_probe_learns_labels (void)
{
  g_autofree gchar *folder = make_folder ();
  g_autofree gchar *path = g_build_filename (folder, "labels.txt", NULL);
  g_autofree gchar *labelled = g_strdup_printf ("learning-rate=0 labels=%s", path);
  const gchar *source =
      "videotestsrc pattern=blink num-buffers=4 ! " FRAMES " ! simclrreplay policy=all epochs=60";
  g_auto (Outcome) without = {0};
  g_auto (Outcome) with = {0};

  g_assert_true (g_file_set_contents (path, "dark\nlight\ndark\nlight\n", -1, NULL));
  with = train (source, labelled);
  without = train (source, "learning-rate=0");
  g_assert_cmpuint (with.steps, ==, 60);
  g_assert_cmpfloat (with.probe, ==, 1);
  g_assert_true (isnan (without.probe));
  /* it changes nothing else */
  g_assert_cmpfloat (with.loss, ==, without.loss);
  remove_folder (folder);
}

static void
test_missing_labels_are_said (void)
{
  const gchar *source = "videotestsrc pattern=snow num-buffers=8 ! " FRAMES;
  g_auto (Outcome) few = train_on_labels (source, "a\na\na");
  g_auto (Outcome) no_file = train_on_labels (source, NULL);
  g_auto (Outcome) empty = train_on_labels (source, "\n\n");
  g_auto (Outcome) unset = train (source, "loss=supervised");

  g_assert_cmpuint (few.steps, ==, 2);
  g_assert_cmpuint (few.warnings, ==, 1);
  assert_contains (few.text, "Frame 3 has no label");
  g_assert_true (no_file.failed && empty.failed && unset.failed);
  assert_contains (no_file.text, "labels.txt");
  assert_contains (empty.text, "no label");
  assert_contains (unset.text, "loss=supervised needs labels");
}

/* A black picture is one to the encoder; 15 steps are no event, 50 are one. */
static void
test_a_collapse_is_said_once (void)
{
  g_auto (Outcome) soon = train ("videotestsrc pattern=black num-buffers=60 ! " FRAMES, "");
  g_auto (Outcome) later = train ("videotestsrc pattern=black num-buffers=200 ! " FRAMES, "");

  g_assert_cmpuint (soon.steps, ==, 15);
  g_assert_cmpuint (soon.warnings, ==, 0);
  g_assert_cmpuint (later.steps, ==, 50);
  g_assert_cmpuint (later.warnings, ==, 1);
  assert_contains (later.text, "collapsed");
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrreplay, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  g_test_add_func ("/trainer-losses/probe-learns-labels", test_the_probe_learns_labels);
  g_test_add_func ("/trainer-losses/neighbours", test_neighbours_in_time_are_no_negatives);
  g_test_add_func ("/trainer-losses/replayed-neighbours", test_replayed_frames_keep_their_time);
  g_test_add_data_func ("/trainer-losses/cameras-in-a-funnel", "funnel name=cameras",
      test_what_other_cameras_film_is_no_neighbour);
  g_test_add_data_func ("/trainer-losses/cameras-in-a-memory",
      "simclrreplay policy=all name=cameras", test_what_other_cameras_film_is_no_neighbour);
  g_test_add_data_func ("/trainer-losses/cameras-in-a-funnel-and-a-memory",
      "funnel name=cameras ! simclrreplay policy=all",
      test_what_other_cameras_film_is_no_neighbour);
  g_test_add_func ("/trainer-losses/labels", test_labels_say_who_is_alike);
  g_test_add_func ("/trainer-losses/missing-labels", test_missing_labels_are_said);
  g_test_add_func ("/trainer-losses/collapse", test_a_collapse_is_said_once);
  return g_test_run ();
}
