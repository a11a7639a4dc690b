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
 * frames), the memory knows only their size. Not thread-safe: the caller locks.
 */
#define SIMCLR_TYPE_REPLAY (simclr_replay_get_type ())
SIMCLR_API
G_DECLARE_FINAL_TYPE (SimclrReplay, simclr_replay, SIMCLR, REPLAY, GObject)

SIMCLR_API
SimclrReplay *simclr_replay_new (SimclrReplayPolicy policy, guint64 capacity, guint64 max_bytes,
    guint64 seed, GDestroyNotify item_free) G_GNUC_WARN_UNUSED_RESULT;
SIMCLR_API
gboolean simclr_replay_admits (SimclrReplay *self, gsize bytes);
SIMCLR_API
gboolean simclr_replay_add (SimclrReplay *self, gpointer item, gsize bytes, GError **error);
SIMCLR_API
gpointer simclr_replay_sample (SimclrReplay *self, guint64 index, guint64 *number);
SIMCLR_API
void simclr_replay_clear (SimclrReplay *self);
SIMCLR_API
guint64 simclr_replay_get_length (SimclrReplay *self);
SIMCLR_API
guint64 simclr_replay_get_bytes (SimclrReplay *self);
SIMCLR_API
guint64 simclr_replay_get_seen (SimclrReplay *self);
SIMCLR_API
gboolean simclr_replay_is_full (SimclrReplay *self);

G_END_DECLS
