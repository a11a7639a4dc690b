/* A bounded memory of frames that training samples from.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr-macros.h>
#include <simclr/simclr-enums.h>

G_BEGIN_DECLS

/**
 * SimclrReplay:
 *
 * A bounded memory of items that training samples from. The items are opaque (an element stores its
 * frames), the memory knows only their size, and what else #SimclrReplayFacts says. Not thread-safe: the
 * caller locks.
 */
#define SIMCLR_TYPE_REPLAY (simclr_replay_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrReplay, simclr_replay, SIMCLR, REPLAY, GObject)

/**
 * SimclrReplayFacts:
 * @bytes: size of the item
 * @source: number of the camera it comes from, from 0
 * @run: number of the unbroken shot it belongs to, from 1; 0: it has no neighbours
 * @time: when it was filmed, in nanoseconds; only differences within one run matter
 *
 * What a replay memory knows of an item.
 */
typedef struct
{
  gsize bytes;
  guint source;
  guint64 run;
  gint64 time;
} SimclrReplayFacts;

SIMCLR_API
SimclrReplay *simclr_replay_new (SimclrReplayPolicy policy, guint64 capacity, guint64 max_bytes,
    guint64 seed, GDestroyNotify item_free) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
void simclr_replay_set_rule (SimclrReplay *self, SimclrReplayRule rule);
SIMCLR_API
void simclr_replay_set_fresh (SimclrReplay *self, gdouble ratio, guint64 frames);

SIMCLR_API
guint64 simclr_replay_begin_run (SimclrReplay *self);
SIMCLR_API
gboolean simclr_replay_admits (SimclrReplay *self, gsize bytes);
SIMCLR_API
gboolean simclr_replay_add (SimclrReplay *self, gpointer item, gsize bytes, GError **error);
SIMCLR_API
gboolean simclr_replay_add_with_facts (
    SimclrReplay *self, gpointer item, const SimclrReplayFacts *facts, GError **error);
SIMCLR_API
gpointer simclr_replay_sample (SimclrReplay *self, guint64 index, guint64 *number);
SIMCLR_API
gpointer simclr_replay_neighbour (
    SimclrReplay *self, guint64 number, guint64 window, guint64 index, guint64 *neighbour);
SIMCLR_API
void simclr_replay_clear (SimclrReplay *self);

SIMCLR_API
gpointer simclr_replay_get_waiting (SimclrReplay *self, guint place, guint64 *number);
SIMCLR_API
gpointer simclr_replay_get_stale (SimclrReplay *self, guint place, guint64 *number);
SIMCLR_API
void simclr_replay_set_embedding (
    SimclrReplay *self, guint64 number, const gfloat *embeddings, guint n_embeddings, guint size);

SIMCLR_API
guint64 simclr_replay_get_length (SimclrReplay *self);
SIMCLR_API
guint64 simclr_replay_get_bytes (SimclrReplay *self);
SIMCLR_API
guint64 simclr_replay_get_seen (SimclrReplay *self);
SIMCLR_API
guint64 simclr_replay_get_embedded (SimclrReplay *self);
SIMCLR_API
gdouble simclr_replay_get_redundancy (SimclrReplay *self);
SIMCLR_API
gboolean simclr_replay_is_full (SimclrReplay *self);

/**
 * SimclrReplayDescribe:
 * @item: an item of a memory
 * @format: (out) (transfer full): what its bytes are, in words that @SimclrReplayRevive understands
 * @user_data: data of the caller
 *
 * Gives an item the form in which a file keeps it.
 *
 * Returns: (transfer full) (nullable): its bytes; %NULL: it cannot be saved, and is left out
 */
typedef GBytes *(*SimclrReplayDescribe) (gpointer item, gchar **format, gpointer user_data);

/**
 * SimclrReplayRevive:
 * @bytes: an item's bytes, as @SimclrReplayDescribe gave them
 * @format: what they are; comes from a file, so it may be anything
 * @facts: what was known of it
 * @user_data: data of the caller
 * @error: return location for an error
 *
 * Makes an item of what a file keeps of it.
 *
 * Returns: (transfer full) (nullable): the item, or %NULL with @error set
 */
typedef gpointer (*SimclrReplayRevive) (GBytes *bytes, const gchar *format,
    const SimclrReplayFacts *facts, gpointer user_data, GError **error);

typedef struct _SimclrReplayDump SimclrReplayDump;

SIMCLR_API
SimclrReplayDump *simclr_replay_dump (SimclrReplay *self, SimclrReplayDescribe describe,
    gpointer user_data) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_replay_dump_write (SimclrReplayDump *self, const gchar *path, GError **error);
SIMCLR_API
void simclr_replay_dump_free (SimclrReplayDump *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimclrReplayDump, simclr_replay_dump_free)
SIMCLR_API
gboolean simclr_replay_load (SimclrReplay *self, const gchar *path, SimclrReplayRevive revive,
    gpointer user_data, GError **error);

G_END_DECLS
