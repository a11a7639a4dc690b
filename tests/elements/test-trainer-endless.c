/* simclrtrainer in runs without an end: checkpoints that take turns, weights that are not worth keeping.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclrencoder.h>
#include <gstsimclrmodeltable.h>
#include <gstsimclrnumberedfiles.h>
#include <gstsimclrtrainer.h>

#include <utime.h>

#define PAIRS 4
#define SIZE 16

/* encoder ! trainer, into which pairs are pushed. */
typedef struct
{
  gchar *folder;
  GstHarness *harness;
  GstElement *trainer;
  GstBus *bus;
  guint pushed;
} Run;

static GstStaticPadTemplate any_source =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static void
start (Run *self, const gchar *trainer)
{
  g_autofree gchar *launch =
      g_strdup_printf ("simclrencoder " TINY
                       " model=endless batch-size=4 seed=5 threads=1 ! simclrtrainer name=trainer "
                       "async=false location=\"%s/c-%%03d.safetensors\" %s",
          self->folder, trainer);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) bin =
      gst_object_ref_sink (gst_parse_bin_from_description (launch, TRUE, &error));
  GstVideoInfo info = pair_info (SIZE);

  g_assert_no_error (error);
  self->bus = attach_bus (bin);
  self->trainer = gst_bin_get_by_name (GST_BIN (bin), "trainer");
  self->harness = gst_harness_new_empty ();
  gst_harness_add_element_full (self->harness, bin, &any_source, "sink", NULL, NULL);
  gst_harness_play (self->harness);
  set_video_caps (self->harness, &info);
}

static void
stop (Run *self)
{
  gst_element_set_state (self->harness->element, GST_STATE_NULL);
  detach_bus (self->harness->element, self->bus);
  gst_clear_object (&self->bus);
  gst_clear_object (&self->trainer);
  gst_harness_teardown (self->harness);
}

static void
set_up (Run *self, gconstpointer data)
{
  self->folder = make_folder ();
}

static void
tear_down (Run *self, gconstpointer data)
{
  remove_folder (self->folder);
  g_free (self->folder);
}

static void
push_steps (Run *self, guint n)
{
  GstVideoInfo info = pair_info (SIZE);

  for (guint i = 0; i < n * PAIRS; i++, self->pushed++)
    g_assert_cmpint (gst_harness_push (self->harness,
                         make_frame (&info, self->pushed, self->pushed * GST_SECOND)),
        ==, GST_FLOW_OK);
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(gchar *const *) a, *(gchar *const *) b);
}

/* The files of the folder by name, with blanks between. */
static gchar *
list (Run *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return g_strjoinv (" ", (gchar **) names->pdata);
}

static void
assert_files (Run *self, const gchar *expected)
{
  g_autofree gchar *found = list (self);

  g_assert_cmpstr (found, ==, expected);
}

static guint64
get_step (Run *self)
{
  guint64 step;

  g_object_get (self->trainer, "step", &step, NULL);
  return step;
}

static void
test_the_last_checkpoints_are_kept (Run *self, gconstpointer data)
{
  start (self, "checkpoint-interval=2 max-files=2");
  push_steps (self, 2);
  assert_files (self, "c-002.safetensors");
  push_steps (self, 5);
  assert_files (self, "c-004.safetensors c-006.safetensors");
  stop (self);
  assert_files (self, "c-006.safetensors c-007.safetensors");

  /* what earlier runs wrote takes part, and the newest goes on */
  start (self, "checkpoint-interval=2 max-files=2 resume=true");
  push_steps (self, 1);
  g_assert_cmpuint (get_step (self), ==, 8);
  assert_files (self, "c-007.safetensors c-008.safetensors");
  stop (self);

  /* without max-files all stay */
  start (self, "checkpoint-interval=1 resume=true");
  push_steps (self, 2);
  stop (self);
  assert_files (self, "c-007.safetensors c-008.safetensors c-009.safetensors c-010.safetensors");
}

/* An encoder takes the newest of them as it takes a single file. */
static void
test_an_encoder_finds_the_newest (Run *self, gconstpointer data)
{
  g_autofree gchar *launch = NULL;
  GstVideoInfo info = video_info ("RGB", SIZE, SIZE);
  g_autoptr (GstBuffer) out = NULL;
  const GstStructure *fields;
  GstHarness *harness;
  guint64 step;

  start (self, "checkpoint-interval=1");
  push_steps (self, 3);
  stop (self);
  launch =
      g_strdup_printf ("simclrencoder threads=1 location=\"%s/c-%%03d.safetensors\"", self->folder);
  harness = harness_new (launch);
  set_video_caps (harness, &info);
  out = gst_harness_push_and_pull (harness, make_frame (&info, 1, 0));
  fields = gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out, "SimclrEmbedding"));
  g_assert_true (gst_structure_get_uint64 (fields, "step", &step));
  g_assert_cmpuint (step, ==, 3);
  gst_harness_teardown (harness);
}

static gboolean
is_sound (Run *self)
{
  g_autoptr (GstStructure) stats = NULL;
  gboolean sound;

  g_object_get (self->trainer, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_boolean (stats, "sound", &sound));
  return sound;
}

/* A learning rate that makes finite weights useless in one step: what was good before is what readers and the file
 * keep. */
static void
test_exploded_weights_are_kept_from_readers (Run *self, gconstpointer data)
{
  SimclrModel *model = gst_simclr_model_table_acquire ("endless");
  g_autoptr (SimclrWeights) good = NULL;
  g_autoptr (SimclrWeights) after = NULL;
  g_autofree gchar *text = NULL, *end = NULL;

  start (self, "checkpoint-interval=1 optimizer=sgd learning-rate=0.01 learning-rate-scaling=none");
  push_steps (self, 2);
  g_assert_true (is_sound (self));
  stop (self);
  assert_files (self, "c-001.safetensors c-002.safetensors");

  start (self, "checkpoint-interval=1 resume=true optimizer=sgd learning-rate=1000 weight-decay=10 "
               "momentum=0 "
               "learning-rate-scaling=none");
  good = simclr_model_take (model);
  push_steps (self, 1);
  g_clear_pointer (&good, simclr_weights_unref);
  good = simclr_model_take (model);
  g_assert_false (is_sound (self));
  g_assert_cmpuint (simclr_weights_get_step (good), ==, 2);
  push_steps (self, 3);
  after = simclr_model_take (model);
  g_assert_true (after == good);
  text = pop_text (self->bus, GST_MESSAGE_WARNING);
  assert_contains (text, "diverges");
  gst_harness_push_event (self->harness, gst_event_new_eos ());
  while ((end = pop_text (self->bus, GST_MESSAGE_WARNING)) != NULL && strstr (end, "c-002") == NULL)
    g_clear_pointer (&end, g_free);
  assert_contains (end, "left as it was");
  stop (self);
  assert_files (self, "c-001.safetensors c-002.safetensors");
  gst_simclr_model_table_release ("endless");
}

static void
touch (Run *self, const gchar *name, gint64 second)
{
  g_autofree gchar *path = g_build_filename (self->folder, name, NULL);
  struct utimbuf times = {second, second};

  g_assert_true (g_file_set_contents (path, name, -1, NULL));
  g_assert_cmpint (g_utime (path, &times), ==, 0);
}

static void
assert_newest (Run *self, const gchar *pattern, const gchar *name)
{
  g_autofree gchar *location = g_build_filename (self->folder, pattern, NULL);
  g_autofree gchar *newest = gst_simclr_location_find_newest (location);
  g_autofree gchar *expected = name != NULL ? g_build_filename (self->folder, name, NULL) : NULL;

  g_assert_cmpstr (newest, ==, expected);
}

static void
test_numbered_names (Run *self, gconstpointer data)
{
  const gchar *others[] = {
      "a-1.txt", "a-01", "a-1x", "xa-1", "a-", "a--1", "a-+1", "a-18446744073709551616"};
  g_autofree gchar *all = g_build_filename (self->folder, "a-%d", NULL);
  g_autofree gchar *wide = gst_simclr_location_get_file ("/x%d/b%05llu.s", 123);
  g_autofree gchar *wider = gst_simclr_location_get_file ("b%2u", 12345);
  g_autofree gchar *plain = gst_simclr_location_get_file ("100%/5%s%", 7);

  g_assert_cmpstr (wide, ==, "/x%d/b00123.s");
  g_assert_cmpstr (wider, ==, "./b12345");
  g_assert_cmpstr (plain, ==, "100%/5%s%");
  g_assert_false (gst_simclr_location_is_numbered ("a%d-%d"));
  g_assert_false (gst_simclr_location_is_numbered ("a%d/b"));

  assert_newest (self, "a-%d", NULL);
  assert_newest (self, "a", "a");
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    touch (self, others[i], 1000);
  assert_newest (self, "a-%d", NULL);
  /* the number decides only between those of one moment: a run that began afresh counts from 1 again */
  touch (self, "a-90", 100);
  touch (self, "a-100", 100);
  assert_newest (self, "a-%d", "a-100");
  touch (self, "a-5", 200);
  assert_newest (self, "a-%d", "a-5");
  gst_simclr_location_prune (all, 2);
  assert_files (self, "a- a-+1 a--1 a-01 a-1.txt a-100 a-18446744073709551616 a-1x a-5 xa-1");
  gst_simclr_location_prune (all, 0);
  gst_simclr_location_prune (all, 2);
  assert_newest (self, "a-%d", "a-5");
}

#define ADD(name, function)                                                                        \
  g_test_add ("/trainer/endless/" name, Run, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (simclrencoder, NULL);
  GST_ELEMENT_REGISTER (simclrtrainer, NULL);

  ADD ("the-last-checkpoints-are-kept", test_the_last_checkpoints_are_kept);
  ADD ("an-encoder-finds-the-newest", test_an_encoder_finds_the_newest);
  ADD ("exploded-weights-are-kept-from-readers", test_exploded_weights_are_kept_from_readers);
  ADD ("numbered-names", test_numbered_names);
  return g_test_run ();
}
