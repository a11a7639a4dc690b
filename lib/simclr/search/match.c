/* A stored moment that a search found.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/search/match.h>

G_DEFINE_BOXED_TYPE (SimclrMatch, simclr_match, simclr_match_copy, simclr_match_free)

/**
 * simclr_match_copy:
 * @self: a match
 *
 * Returns: (transfer full): a copy
 */
SimclrMatch *
simclr_match_copy (const SimclrMatch *self)
{
  SimclrMatch *copy;

  g_return_val_if_fail (self != NULL, NULL);

  copy = g_memdup2 (self, sizeof *self);
  copy->stream = g_strdup (self->stream);
  copy->source = g_strdup (self->source);
  if (self->thumbnail != NULL)
    g_bytes_ref (self->thumbnail);
  return copy;
}

/**
 * simclr_match_free:
 * @self: (transfer full): a match
 *
 * Frees it.
 */
void
simclr_match_free (SimclrMatch *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->stream);
  g_free (self->source);
  g_clear_pointer (&self->thumbnail, g_bytes_unref);
  g_free (self);
}
