/* Any safetensors file is a replay memory or an error.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <simclr/train/replay-private.h>

/* Memory that bytes alone cannot make large. */
#define CAPACITY 100

static gpointer
revive (GBytes *bytes, const gchar *format, const SimclrReplayFacts *facts, gpointer user_data,
    GError **error)
{
  g_assert_cmpuint (facts->bytes, ==, g_bytes_get_size (bytes));
  return g_bytes_ref (bytes);
}

/* What was taken can be used. */
static void
use (SimclrReplay *replay)
{
  const gfloat embedding[] = {1, 2};
  guint64 length = simclr_replay_get_length (replay), number;

  g_assert_cmpuint (length, <=, CAPACITY);
  for (guint64 index = 0; index < 2 * length; index++) {
    g_assert_nonnull (simclr_replay_sample (replay, index, &number));
    simclr_replay_neighbour (replay, number, index * 1000, index, NULL);
    simclr_replay_set_embedding (replay, number, embedding, 1, 2);
  }
  for (guint i = 0; i < 10; i++)
    simclr_replay_add (replay, g_bytes_new (NULL, 0), 5, NULL);
  g_assert_cmpuint (simclr_replay_get_length (replay), <=, CAPACITY);
}

gboolean
simclr_fuzz_one (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (SimclrSafetensors) file = _simclr_safetensors_parse (bytes, NULL);
  gboolean all = file != NULL;

  for (SimclrReplayPolicy policy = SIMCLR_REPLAY_POLICY_ALL;
       file != NULL && policy <= SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY; policy++) {
    g_autoptr (SimclrReplay) replay =
        simclr_replay_new (policy, CAPACITY, 0, 1, (GDestroyNotify) g_bytes_unref);
    g_autoptr (GError) error = NULL;
    gboolean taken = _simclr_replay_read (replay, file, revive, NULL, &error);

    g_assert_true (taken == (error == NULL));
    if (!taken)
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    use (replay);
    all = all && taken;
  }
  return all;
}
