/* simclrtrainer's curves for TensorBoard.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrtrainer-private.h"

#define GST_CAT_DEFAULT gst_simclr_trainer_debug

/* Those that the official code has are named as there. */
static const gchar *const tags[] = {"train/contrast_loss", "train/contrast_acc",
    "train/contrast_entropy", "learning_rate", "train/gradient_norm", "train/pairs_per_second",
    "train/skipped_steps", "health/embedding_deviation", "health/effective_rank",
    "health/collapsed_dimensions", "health/alignment", "health/uniformity"};
static const gchar *const probe_tags[] = {"train/supervised_acc", "train/supervised_loss"};

/* Without contrast, as the official code's fine-tuning. */
static const gchar *const label_tags[] = {"train/supervised_loss", "train/supervised_acc",
    "learning_rate", "train/gradient_norm", "train/pairs_per_second", "train/skipped_steps"};

#define N_TAGS G_N_ELEMENTS (tags)
#define N_ALL (N_TAGS + G_N_ELEMENTS (probe_tags))

/* FALSE where it can never be. A folder that cannot be written to is not worth a run. */
gboolean
_gst_simclr_trainer_open_summaries (GstSimclrTrainer *self)
{
  g_autofree gchar *folder = NULL;
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  folder = g_strdup (self->settings.tensorboard);
  GST_OBJECT_UNLOCK (self);
  if (folder == NULL || *folder == '\0')
    return TRUE;
  self->summaries = simclr_summary_writer_new (folder, self->first_step + 1, &error);
  if (self->summaries != NULL) {
    GST_INFO_OBJECT (self, "curves go to \"%s\"", simclr_summary_writer_get_path (self->summaries));
    return TRUE;
  }
  if (g_error_matches (error, SIMCLR_ERROR, SIMCLR_ERROR_UNSUPPORTED)) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("tensorboard=\"%s\": there are no event files in this build.", folder),
        ("%s", error->message));
    return FALSE;
  }
  GST_ELEMENT_WARNING (self, RESOURCE, OPEN_WRITE,
      ("tensorboard=\"%s\" cannot be written to; training goes on without.", folder),
      ("%s", error->message));
  return TRUE;
}

static gboolean
is_due (GstSimclrTrainer *self, guint64 step)
{
  guint64 interval;

  GST_OBJECT_LOCK (self);
  interval = self->settings.tensorboard_interval;
  GST_OBJECT_UNLOCK (self);
  return step % interval == 0 || step == self->first_step + 1;
}

/* Names, ended by NULL, and values of the curves of one step; returns how many. */
static gsize
list_values (const SimclrTrainingStatistics *statistics, gdouble pairs_per_second,
    const gchar *names[N_ALL + 1], gdouble values[N_ALL])
{
  const gdouble contrast[N_ALL] = {statistics->loss, statistics->contrastive_accuracy,
      statistics->contrastive_entropy, statistics->learning_rate, statistics->gradient_norm,
      pairs_per_second, (gdouble) statistics->skipped, statistics->embedding_deviation,
      statistics->effective_rank, statistics->collapsed_dimensions, statistics->alignment,
      statistics->uniformity, statistics->probe_accuracy, statistics->probe_loss};
  const gdouble labels[] = {statistics->loss, statistics->accuracy, statistics->learning_rate,
      statistics->gradient_norm, pairs_per_second, (gdouble) statistics->skipped};
  const gboolean has_contrast = statistics->contrastive_accuracy >= 0;
  const gsize n = !has_contrast                     ? G_N_ELEMENTS (label_tags)
                  : statistics->probe_accuracy >= 0 ? N_ALL
                                                    : N_TAGS;

  for (gsize i = 0; i < n; i++) {
    names[i] = !has_contrast ? label_tags[i] : i < N_TAGS ? tags[i] : probe_tags[i - N_TAGS];
    values[i] = has_contrast ? contrast[i] : labels[i];
  }
  return n;
}

/* The numbers of one step. A disk that is full is said once, until there is room again. */
void
_gst_simclr_trainer_write_summary (
    GstSimclrTrainer *self, const SimclrTrainingStatistics *statistics, gdouble pairs_per_second)
{
  const gchar *names[N_ALL + 1] = {NULL};
  gdouble values[N_ALL];
  g_autoptr (GError) error = NULL;
  gsize n;

  if (self->summaries == NULL || !is_due (self, statistics->step))
    return;
  n = list_values (statistics, pairs_per_second, names, values);
  if (simclr_summary_writer_add_scalars (
          self->summaries, statistics->step, names, values, n, &error)) {
    self->summaries_failed = FALSE;
    return;
  }
  if (!self->summaries_failed)
    GST_ELEMENT_WARNING (self, RESOURCE, WRITE,
        ("The curve of step %" G_GUINT64_FORMAT " could not be written (property tensorboard); "
         "training goes on.",
            statistics->step),
        ("%s", error->message));
  self->summaries_failed = TRUE;
}
