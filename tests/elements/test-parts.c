/* The parts that elements share: tensor caps, the model table, the gate, the rate.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "element-test.h"

#include <gstsimclrembeddingmeta.h>
#include <gstsimclrforwardmeta.h>
#include <gstsimclrmodeltable.h>
#include <gstsimclrproperties.h>
#include <gstsimclrrate.h>
#include <gstsimclrtensorcaps.h>

#define TENSORS "other/tensors, format=static, num_tensors=1, types=float32"

static void
test_tensor_caps_are_read_as_they_are_written (void)
{
  g_autoptr (GstCaps) caps = gst_simclr_tensor_caps_new (512, 128, 30, 1);
  g_autoptr (GstCaps) template = gst_caps_from_string (GST_SIMCLR_TENSOR_CAPS);
  g_autoptr (GError) error = NULL;
  guint size, rows;

  g_assert_true (gst_caps_is_fixed (caps));
  g_assert_true (gst_caps_is_subset (caps, template));
  g_assert_true (gst_simclr_tensor_caps_parse (caps, &size, &rows, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (size, ==, 512);
  g_assert_cmpuint (rows, ==, 128);
}

typedef struct
{
  const gchar *dimensions;
  guint size, rows; /* 0: an error */
} Dimensions;

static void
test_dimensions (void)
{
  const Dimensions cases[] = {{"512", 512, 1}, {"512:1", 512, 1}, {"512:128:1:1", 512, 128},
      {"512:128:1:1:1:1:1:1", 512, 128}, {"1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1", 1, 1}, {"", 0, 0},
      {"512:128:2", 0, 0}, {"0:1", 0, 0}, {"512:", 0, 0}, {":512", 0, 0}, {"-1:2", 0, 0},
      {"a:b", 0, 0}, {"4294967296:1", 0, 0}, {"512:128,512:1", 0, 0},
      {"1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1", 0, 0}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstCaps) caps = gst_simclr_tensor_caps_new (1, 1, 30, 1);
    g_autoptr (GError) error = NULL;
    guint size = 0, rows = 0;
    gboolean good;

    gst_caps_set_simple (caps, "dimensions", G_TYPE_STRING, cases[i].dimensions, NULL);
    good = gst_simclr_tensor_caps_parse (caps, &size, &rows, &error);
    g_assert_cmpint (good, ==, cases[i].size != 0);
    if (good) {
      g_assert_cmpuint (size, ==, cases[i].size);
      g_assert_cmpuint (rows, ==, cases[i].rows);
    } else {
      g_assert_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE);
    }
  }
}

static void
test_other_tensors_are_errors (void)
{
  const gchar *cases[] = {"video/x-raw", "other/tensors",
      "other/tensors, format=flexible, num_tensors=1, types=float32, dimensions=(string)4",
      "other/tensors, format=static, num_tensors=2, types=float32, dimensions=(string)4",
      "other/tensors, format=static, num_tensors=1, types=uint8, dimensions=(string)4", TENSORS,
      TENSORS ", dimensions=(int)4"};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (cases[i]);
    g_autoptr (GError) error = NULL;
    guint size, rows;

    g_assert_false (gst_simclr_tensor_caps_parse (caps, &size, &rows, &error));
    g_assert_nonnull (error);
  }
}

static void
test_caps_are_spelled_as_the_peer_does (void)
{
  g_autoptr (GstCaps) caps = gst_simclr_tensor_caps_new (512, 1, 30, 1);
  const gchar *allowed[] = {"other/tensors", TENSORS ", dimensions=(string)512:1:1:1",
      "video/x-raw; " TENSORS ", dimensions=(string)512", TENSORS ", dimensions=(string)256:1",
      "video/x-raw"};
  const gchar *spelled[] = {"512:1", "512:1:1:1", "512", NULL, NULL};

  for (guint i = 0; i < G_N_ELEMENTS (allowed); i++) {
    g_autoptr (GstCaps) peer = gst_caps_from_string (allowed[i]);
    g_autoptr (GstCaps) adapted = gst_simclr_tensor_caps_adapt (caps, peer);

    g_assert_cmpint (adapted != NULL, ==, spelled[i] != NULL);
    if (adapted != NULL)
      g_assert_cmpstr (gst_structure_get_string (gst_caps_get_structure (adapted, 0), "dimensions"),
          ==, spelled[i]);
  }
}

static void
test_a_model_lives_as_long_as_its_users (void)
{
  SimclrModel *a = gst_simclr_model_table_acquire ("a");
  SimclrModel *again = gst_simclr_model_table_acquire ("a");
  SimclrModel *b = gst_simclr_model_table_acquire ("b");

  g_assert_true (a == again);
  g_assert_true (a != b);
  gst_simclr_model_table_release ("b");
  gst_simclr_model_table_release ("a");
  g_object_add_weak_pointer (G_OBJECT (a), (gpointer *) &a);
  g_assert_nonnull (a);
  gst_simclr_model_table_release ("a");
  g_assert_null (a);
}

static SimclrForwardPass *
make_pass (SimclrEncoder *encoder)
{
  gfloat views[4 * 32 * 32 * 3] = {0};
  g_autoptr (GError) error = NULL;
  SimclrForwardPass *pass = simclr_encoder_forward (encoder, views, 4, &error);

  g_assert_no_error (error);
  return pass;
}

static void
test_the_gate_opens_when_the_last_copy_is_gone (void)
{
  GstSimclrForwardGate *gate = gst_simclr_forward_gate_new ();
  g_autoptr (SimclrWeights) weights = tiny_weights (32, 1);
  g_autoptr (SimclrEncoder) encoder =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_AUTO, 1, NULL);
  GstBuffer *buffer = gst_buffer_new ();
  GstBuffer *copy;

  g_assert_true (gst_simclr_forward_gate_wait (gate, 1));
  gst_buffer_add_simclr_forward_meta (buffer, gate, make_pass (encoder), NULL);
  copy = gst_buffer_copy (buffer);
  gst_buffer_unref (buffer);
  g_assert_nonnull (gst_buffer_get_simclr_forward_meta (copy));

  /* shut: a wait would last until the flush */
  gst_simclr_forward_gate_set_flushing (gate, TRUE);
  g_assert_false (gst_simclr_forward_gate_wait (gate, 1));
  gst_simclr_forward_gate_set_flushing (gate, FALSE);
  gst_buffer_unref (copy);
  g_assert_true (gst_simclr_forward_gate_wait (gate, 1));
  g_object_unref (make_pass (encoder));
  gst_simclr_forward_gate_unref (gate);
}

/* A pass that was out for some time is followed by a rest as long, unless a flush comes. */
static void
test_the_gate_keeps_the_share_of_time (void)
{
  GstSimclrForwardGate *gate = gst_simclr_forward_gate_new ();
  g_autoptr (SimclrWeights) weights = tiny_weights (32, 1);
  g_autoptr (SimclrEncoder) encoder =
      simclr_encoder_new (weights, SIMCLR_PROVIDER_AUTO, SIMCLR_PRECISION_AUTO, 1, NULL);
  GstBuffer *buffer = gst_buffer_new ();
  gint64 begin, out;

  g_assert_true (gst_simclr_forward_gate_wait (gate, 0.5));
  begin = g_get_monotonic_time ();
  gst_buffer_add_simclr_forward_meta (buffer, gate, make_pass (encoder), NULL);
  while (g_get_monotonic_time () < begin + 20000)
    g_thread_yield ();
  out = g_get_monotonic_time () - begin;
  gst_buffer_unref (buffer);
  g_assert_true (gst_simclr_forward_gate_wait (gate, 0.5));
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, 2 * out);

  buffer = gst_buffer_new ();
  gst_buffer_add_simclr_forward_meta (buffer, gate, make_pass (encoder), NULL);
  gst_buffer_unref (buffer);
  gst_simclr_forward_gate_set_flushing (gate, TRUE);
  g_assert_false (gst_simclr_forward_gate_wait (gate, 1e-9));
  gst_simclr_forward_gate_unref (gate);
}

static void
test_an_embedding_survives_a_copy (void)
{
  const gfloat floats[] = {1, 2, 3, 4, 5, 6};
  g_autoptr (GBytes) bytes = g_bytes_new_static (floats, sizeof floats);
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GstBuffer) copy = NULL;
  const GstSimclrEmbeddingOrigin origin = {"m", "resnet18", 5, 3};
  const gfloat *embedding;
  guint size, rows;

  g_assert_null (gst_buffer_get_simclr_embedding (buffer, &size, &rows));
  gst_buffer_add_simclr_embedding_meta (buffer, bytes, &origin);
  copy = gst_buffer_copy (buffer);
  embedding = gst_buffer_get_simclr_embedding (copy, &size, &rows);
  g_assert_cmpuint (size, ==, 3);
  g_assert_cmpuint (rows, ==, 2);
  g_assert_cmpmem (embedding, sizeof floats, floats, sizeof floats);
}

static void
test_a_rate_forgets_what_is_long_ago (void)
{
  GstSimclrRate rate = {0};
  const gint64 second = G_USEC_PER_SEC;
  gdouble value = 0;

  gst_simclr_rate_begin (&rate, 100 * second, 1000);
  g_assert_cmpfloat_with_epsilon (gst_simclr_rate_update (&rate, 102 * second, 1100), 50, 1e-9);
  /* an hour of ten per second, in steps of every length */
  for (gint i = 1; i <= 3600; i++)
    value = gst_simclr_rate_update (&rate, (102 + i) * second, 1100 + 10 * (guint64) i);
  g_assert_cmpfloat_with_epsilon (value, 10, 1e-9);
  /* a step longer than the window is its own rate */
  value = gst_simclr_rate_update (&rate, 3802 * second, 37100 + 200);
  g_assert_cmpfloat_with_epsilon (value, 2, 0.6);
  gst_simclr_rate_begin (&rate, 5000 * second, 0);
  g_assert_cmpfloat (gst_simclr_rate_update (&rate, 5000 * second, 5), ==, 0);
}

static void
test_described_enums_are_the_librarys (void)
{
  const GType types[] = {SIMCLR_TYPE_ARCHITECTURE, SIMCLR_TYPE_STEM, SIMCLR_TYPE_PRECISION,
      SIMCLR_TYPE_PROVIDER, SIMCLR_TYPE_NORMALIZATION, SIMCLR_TYPE_OUTPUT,
      SIMCLR_TYPE_INTERPOLATION, SIMCLR_TYPE_REPLAY_POLICY, SIMCLR_TYPE_REPLAY_RULE,
      SIMCLR_TYPE_LOSS, SIMCLR_TYPE_OPTIMIZER, SIMCLR_TYPE_LEARNING_RATE_SCALING,
      SIMCLR_TYPE_SCHEDULE};

  for (guint i = 0; i < G_N_ELEMENTS (types); i++) {
    GEnumClass *library = g_type_class_ref (types[i]);
    GEnumClass *ours = g_type_class_ref (gst_simclr_described_enum (types[i]));

    g_assert_cmpuint (ours->n_values, ==, library->n_values);
    for (guint v = 0; v < ours->n_values; v++) {
      g_assert_cmpint (ours->values[v].value, ==, library->values[v].value);
      g_assert_cmpstr (ours->values[v].value_nick, ==, library->values[v].value_nick);
    }
    g_type_class_unref (library);
    g_type_class_unref (ours);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  gst_simclr_embedding_meta_register ();
  g_test_add_func ("/parts/tensor-caps", test_tensor_caps_are_read_as_they_are_written);
  g_test_add_func ("/parts/dimensions", test_dimensions);
  g_test_add_func ("/parts/other-tensors", test_other_tensors_are_errors);
  g_test_add_func ("/parts/spelling", test_caps_are_spelled_as_the_peer_does);
  g_test_add_func ("/parts/model-table", test_a_model_lives_as_long_as_its_users);
  g_test_add_func ("/parts/gate", test_the_gate_opens_when_the_last_copy_is_gone);
  g_test_add_func ("/parts/share-of-time", test_the_gate_keeps_the_share_of_time);
  g_test_add_func ("/parts/embedding-meta", test_an_embedding_survives_a_copy);
  g_test_add_func ("/parts/rate", test_a_rate_forgets_what_is_long_ago);
  g_test_add_func ("/parts/enums", test_described_enums_are_the_librarys);
  return g_test_run ();
}
