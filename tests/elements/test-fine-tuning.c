/* Fine-tuning and distillation by elements: which frames simclrreplay takes in, what simclrtrainer says, and what is
 * wrong.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclraugment.h>
#include <gstsimclrclassifier.h>
#include <gstsimclrencoder.h>
#include <gstsimclrframemeta.h>
#include <gstsimclrlabels.h>
#include <gstsimclrreplay.h>
#include <gstsimclrtrainer.h>

#include <math.h>

#define FRAMES "video/x-raw,format=RGB,width=20,height=18,framerate=1/1"
/* frames that are dark and light in turn */
#define BLINK "videotestsrc pattern=blink num-buffers=8 ! " FRAMES
#define VIEWS                                                                                      \
  "simclraugment size=16 jitter-probability=0 grayscale-probability=0 blur-probability=0"
#define STEPS                                                                                      \
  "optimizer=sgd learning-rate=0.02 learning-rate-scaling=none checkpoint-interval=0 "             \
  "weight-decay=0"

typedef struct
{
  GstStructure *last; /* simclr-training, or simclr-evaluation after it */
  guint steps;
  gchar *text;    /* of the error, NULL: it ended well */
  GArray *frames; /* guint64, those that came to an element called seen */
} Outcome;

static void
outcome_clear (Outcome *self)
{
  g_clear_pointer (&self->last, gst_structure_free);
  g_free (self->text);
  g_array_unref (self->frames);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static GstPadProbeReturn
note_frame (GstPad *pad, GstPadProbeInfo *info, gpointer frames)
{
  guint64 number = GST_SIMCLR_NO_FRAME;
  guint stream;

  gst_simclr_frame_meta_get (GST_PAD_PROBE_INFO_BUFFER (info), &number, &stream);
  g_array_append_val ((GArray *) frames, number);
  return GST_PAD_PROBE_OK;
}

static void
watch_frames (GstElement *pipeline, GArray *frames)
{
  g_autoptr (GstElement) seen = gst_bin_get_by_name (GST_BIN (pipeline), "seen");
  g_autoptr (GstPad) pad = seen ? gst_element_get_static_pad (seen, "sink") : NULL;

  if (pad)
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_frame, frames, NULL);
}

static Outcome G_GNUC_PRINTF (1, 2) play (const gchar *format, ...)
{
  g_autofree gchar *launch = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GstBus) bus = NULL;
  Outcome outcome = {.frames = g_array_new (FALSE, FALSE, sizeof (guint64))};
  gboolean ended = FALSE;
  va_list arguments;

  va_start (arguments, format);
  launch = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  pipeline = gst_object_ref_sink (gst_parse_launch (launch, &error));
  g_assert_no_error (error);
  watch_frames (pipeline, outcome.frames);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!ended) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
        bus, 60 * GST_SECOND, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_autofree gchar *debug = NULL;

    g_assert_nonnull (message);
    ended = GST_MESSAGE_TYPE (message) != GST_MESSAGE_ELEMENT;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      g_autoptr (GError) failure = NULL;

      gst_message_parse_error (message, &failure, &debug);
      outcome.text = g_strconcat (failure->message, " ", debug, NULL);
    }
    if (gst_message_has_name (message, "simclr-training") ||
        gst_message_has_name (message, "simclr-evaluation")) {
      outcome.steps += gst_message_has_name (message, "simclr-training");
      g_clear_pointer (&outcome.last, gst_structure_free);
      outcome.last = gst_structure_copy (gst_message_get_structure (message));
    }
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return outcome;
}

/* Files of one test. */
typedef struct
{
  gchar *folder, *labels, *pretrained, *tuned, *student;
} Files;

static Files
files_new (const gchar *labels)
{
  Files files = {.folder = make_folder ()};

  files.labels = g_build_filename (files.folder, "labels.txt", NULL);
  files.pretrained = g_build_filename (files.folder, "pretrained", NULL);
  files.tuned = g_build_filename (files.folder, "tuned", NULL);
  files.student = g_build_filename (files.folder, "student", NULL);
  g_assert_true (g_file_set_contents (files.labels, labels, -1, NULL));
  return files;
}

static void
files_clear (Files *self)
{
  remove_folder (self->folder);
  g_free (self->folder);
  g_free (self->labels);
  g_free (self->pretrained);
  g_free (self->tuned);
  g_free (self->student);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Files, files_clear)

static gdouble
get (const Outcome *outcome, const gchar *field)
{
  gdouble value = NAN;

  g_assert_null (outcome->text);
  g_assert_nonnull (outcome->last);
  gst_structure_get_double (outcome->last, field, &value);
  return value;
}

static void
pretrain (const Files *files)
{
  g_auto (Outcome) outcome = play (BLINK " ! " VIEWS " ! simclrencoder " TINY
                                         "batch-size=4 threads=1 ! simclrtrainer " STEPS
                                         " projection-layers=3 projection-size=8 location=%s",
      files->pretrained);

  g_assert_cmpuint (outcome.steps, ==, 2);
  g_assert_false (gst_structure_has_field (outcome.last, "accuracy"));
  g_assert_true (gst_structure_has_field (outcome.last, "contrastive-accuracy"));
}

/* The whole way: pretrained, fine-tuned on half of the labels, recognised, and taught to another. */
static void
test_three_steps (void)
{
  g_auto (Files) files = files_new ("dark\nlight\ndark\nlight\ndark\nlight\ndark\nlight\n");

  pretrain (&files);
  for (guint layer = 0; layer <= 3; layer++) {
    g_auto (Outcome) tuned =
        play (BLINK " ! simclrreplay policy=all epochs=60 labels=%s label-fraction=0.5 ! " VIEWS
                    " ! simclrencoder location=%s batch-size=4 threads=1 ! simclrtrainer " STEPS
                    " loss=cross-entropy labels=%s head-layer=%u location=%s",
            files.labels, files.pretrained, files.labels, layer, files.tuned);
    g_auto (Outcome) known = play (BLINK " ! simclrencoder location=%s threads=1 ! "
                                         "simclrclassifier location=%s labels=%s ! fakesink",
        files.tuned, files.tuned, files.labels);

    g_assert_cmpuint (tuned.steps, ==, 60);
    g_assert_cmpfloat (get (&tuned, "accuracy"), ==, 1);
    g_assert_cmpfloat (get (&tuned, "loss"), <, 0.3);
    g_assert_false (gst_structure_has_field (tuned.last, "contrastive-accuracy"));
    g_assert_false (gst_structure_has_field (tuned.last, "embedding-deviation"));
    g_assert_cmpfloat (get (&known, "top1"), ==, 1);
  }
  {
    g_auto (Outcome) taught = play (BLINK
        " ! simclrreplay policy=all epochs=20 ! " VIEWS " ! simclrencoder width=0.125 "
        "batch-size=4 threads=1 ! simclrtrainer " STEPS " loss=distillation teacher=%s location=%s",
        files.tuned, files.student);
    g_auto (Outcome) known = play (BLINK " ! simclrencoder location=%s threads=1 ! "
                                         "simclrclassifier location=%s labels=%s ! fakesink",
        files.student, files.student, files.labels);

    g_assert_cmpfloat (get (&taught, "accuracy"), ==, 1);
    g_assert_cmpfloat (get (&known, "top1"), ==, 1);
  }
}

static gint
compare_numbers (gconstpointer a, gconstpointer b)
{
  guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return x < y ? -1 : x > y;
}

/* Six of one label, three of another, one of a third, and three without: what is left of them. */
static void
test_replay_takes_a_share_of_each_label (void)
{
  const gchar *labels = "b\n\na\na\nb\na\n\nc\na\na\nb\na\n"; /* frame 12 has no line */
  const struct
  {
    const gchar *fraction;
    guint expected[3]; /* a, b, c */
  } cases[] = {{"1", {6, 3, 1}}, {"0.5", {3, 2, 1}}, {"0.01", {1, 1, 1}}};
  g_auto (Files) files = files_new (labels);
  g_auto (GStrv) lines = g_strsplit (labels, "\n", -1);
  gboolean differs = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *first = NULL;

    for (guint seed = 0; seed < 4; seed++) {
      g_auto (Outcome) outcome = play (
          "videotestsrc num-buffers=13 ! " FRAMES
          " ! simclrreplay policy=all labels=%s label-fraction=%s seed=%u ! fakesink name=seen",
          files.labels, cases[i].fraction, seed / 2);
      guint counts[3] = {0};
      g_autoptr (GString) chosen = g_string_new (NULL);

      g_assert_null (outcome.text);
      g_array_sort (outcome.frames, compare_numbers);
      for (guint k = 0; k < outcome.frames->len; k++) {
        guint64 number = g_array_index (outcome.frames, guint64, k);

        g_assert_cmpuint (number, <, 12);
        g_assert_cmpuint (strlen (lines[number]), ==, 1);
        counts[lines[number][0] - 'a']++;
        g_string_append_printf (chosen, "%u ", (guint) number);
      }
      g_assert_cmpmem (counts, sizeof counts, cases[i].expected, sizeof counts);
      if (seed == 1) /* the seed decides */
        g_assert_cmpstr (chosen->str, ==, first);
      differs = differs || (seed > 1 && !g_str_equal (chosen->str, first));
      if (seed == 0)
        first = g_strdup (chosen->str);
    }
  }
  g_assert_true (differs);
}

static void
test_labels_are_numbered_by_their_texts (void)
{
  const struct
  {
    const gchar *lines;
    const gchar *texts[4];
  } cases[] = {{"dog\nant\n\ncat\nant\n", {"ant", "cat", "dog"}}, {"10\n9\n1\n", {"1", "9", "10"}},
      {"10\n9\nx\n", {"10", "9", "x"}}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Files) files = files_new (cases[i].lines);
    g_autoptr (GError) error = NULL;
    g_autoptr (GstSimclrLabels) labels = gst_simclr_labels_load (files.labels, &error);
    g_auto (GStrv) lines = g_strsplit (cases[i].lines, "\n", -1);

    g_assert_no_error (error);
    g_assert_cmpstrv (gst_simclr_labels_get_texts (labels), cases[i].texts);
    g_assert_cmpuint (gst_simclr_labels_get_n_labels (labels), ==, 3);
    for (guint line = 0; line < gst_simclr_labels_get_length (labels); line++) {
      gint number = gst_simclr_labels_get (labels, line);

      if (*lines[line] == '\0')
        g_assert_cmpint (number, ==, -1);
      else
        g_assert_cmpstr (cases[i].texts[number], ==, lines[line]);
    }
  }
}

static void assert_fails (const gchar *text, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

static void
assert_fails (const gchar *text, const gchar *format, ...)
{
  g_autofree gchar *trainer = NULL;
  va_list arguments;

  va_start (arguments, format);
  trainer = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  {
    g_auto (Outcome) outcome = play (BLINK " ! " VIEWS " ! simclrencoder " TINY
                                           "batch-size=4 threads=1 ! simclrtrainer %s",
        trainer);

    assert_contains (outcome.text, text);
  }
}

static void
test_what_is_wrong_is_said (void)
{
  g_auto (Files) files = files_new ("dark\nlight\ndark\nlight\ndark\nlight\ndark\nlight\n");

  pretrain (&files);
  assert_fails ("loss=cross-entropy needs labels", "loss=cross-entropy");
  assert_fails ("loss=distillation needs a teacher", "loss=distillation");
  assert_fails ("no projection head", "loss=cross-entropy labels=%s head-layer=1", files.labels);
  assert_fails ("fc.weight", "loss=distillation teacher=%s", files.pretrained);
  assert_fails ("nowhere", "loss=distillation teacher=%s/nowhere", files.folder);
  assert_fails ("it was not fine-tuned",
      "loss=cross-entropy labels=%s optimizer=sgd resume=true location=%s", files.labels,
      files.pretrained);
  {
    g_auto (Outcome) outcome =
        play ("videotestsrc num-buffers=2 ! " FRAMES " ! simclrreplay labels=%s/nowhere ! fakesink",
            files.folder);

    assert_contains (outcome.text, "labels=");
    assert_contains (outcome.text, "nowhere");
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclraugment, NULL);
  GST_ELEMENT_REGISTER (simclrclassifier, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrreplay, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  g_test_add_func ("/fine-tuning/three-steps", test_three_steps);
  g_test_add_func ("/fine-tuning/share-of-each-label", test_replay_takes_a_share_of_each_label);
  g_test_add_func ("/fine-tuning/numbers-of-labels", test_labels_are_numbered_by_their_texts);
  g_test_add_func ("/fine-tuning/errors", test_what_is_wrong_is_said);
  return g_test_run ();
}
