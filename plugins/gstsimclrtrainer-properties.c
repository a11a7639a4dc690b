/* simclrtrainer's properties: its own, the library's beside them, and the trainer that they make.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrtrainer-private.h"

#include "gstsimclrmessages.h"
#include "gstsimclrproperties.h"

#define DEFAULT_CHECKPOINT_INTERVAL 100
#define DEFAULT_PUBLISH_INTERVAL 1
#define DEFAULT_TENSORBOARD_INTERVAL 1

/* Ids from PROP_LIBRARY on are SimclrTrainer's writable properties. */
enum
{
  PROP_0,
  PROP_LOCATION,
  PROP_LABELS,
  PROP_TEACHER,
  PROP_TENSORBOARD,
  PROP_TENSORBOARD_INTERVAL,
  PROP_CHECKPOINT_INTERVAL,
  PROP_MAX_FILES,
  PROP_RESUME,
  PROP_PUBLISH_INTERVAL,
  PROP_STEP,
  PROP_STATS,
  PROP_LIBRARY,
};

static GPtrArray *library_properties; /* names, constant after class_init */

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_LOCATION:
    g_free (self->settings.location);
    self->settings.location = g_value_dup_string (value);
    break;
  case PROP_LABELS:
    g_free (self->settings.labels);
    self->settings.labels = g_value_dup_string (value);
    break;
  case PROP_TEACHER:
    g_free (self->settings.teacher);
    self->settings.teacher = g_value_dup_string (value);
    break;
  case PROP_TENSORBOARD:
    g_free (self->settings.tensorboard);
    self->settings.tensorboard = g_value_dup_string (value);
    break;
  case PROP_TENSORBOARD_INTERVAL:
    self->settings.tensorboard_interval = g_value_get_uint64 (value);
    break;
  case PROP_CHECKPOINT_INTERVAL:
    self->settings.checkpoint_interval = g_value_get_uint64 (value);
    break;
  case PROP_MAX_FILES:
    self->settings.max_files = g_value_get_uint (value);
    break;
  case PROP_RESUME:
    self->settings.resume = g_value_get_boolean (value);
    break;
  case PROP_PUBLISH_INTERVAL:
    self->settings.publish_interval = g_value_get_uint64 (value);
    break;
  default:
    if (id >= PROP_LIBRARY)
      gst_simclr_property_store (G_OBJECT (self->prototype), pspec->name, value);
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static GstStructure *
get_stats (GstSimclrTrainer *self)
{
  SimclrTrainingStatistics statistics;
  gdouble rate;

  GST_OBJECT_LOCK (self);
  statistics = self->statistics;
  rate = self->pairs_per_second;
  GST_OBJECT_UNLOCK (self);
  return gst_simclr_training_structure_new ("simclr-trainer-stats", &statistics, rate);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSimclrTrainer *self = GST_SIMCLR_TRAINER (object);

  if (id == PROP_STATS) {
    g_value_take_boxed (value, get_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_LOCATION:
    g_value_set_string (value, self->settings.location);
    break;
  case PROP_LABELS:
    g_value_set_string (value, self->settings.labels);
    break;
  case PROP_TEACHER:
    g_value_set_string (value, self->settings.teacher);
    break;
  case PROP_TENSORBOARD:
    g_value_set_string (value, self->settings.tensorboard);
    break;
  case PROP_TENSORBOARD_INTERVAL:
    g_value_set_uint64 (value, self->settings.tensorboard_interval);
    break;
  case PROP_CHECKPOINT_INTERVAL:
    g_value_set_uint64 (value, self->settings.checkpoint_interval);
    break;
  case PROP_MAX_FILES:
    g_value_set_uint (value, self->settings.max_files);
    break;
  case PROP_RESUME:
    g_value_set_boolean (value, self->settings.resume);
    break;
  case PROP_PUBLISH_INTERVAL:
    g_value_set_uint64 (value, self->settings.publish_interval);
    break;
  case PROP_STEP:
    g_value_set_uint64 (value, self->statistics.step);
    break;
  default:
    if (id >= PROP_LIBRARY)
      gst_simclr_property_fetch (G_OBJECT (self->prototype), pspec->name, value);
    else
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
install_library_properties (GObjectClass *klass)
{
  GObjectClass *library = g_type_class_ref (SIMCLR_TYPE_TRAINER);
  guint n, id = PROP_LIBRARY;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties (library, &n);

  library_properties = g_ptr_array_new ();
  for (guint i = 0; i < n; i++) {
    if (!(pspecs[i]->flags & G_PARAM_WRITABLE))
      continue;
    g_ptr_array_add (library_properties, (gpointer) g_intern_string (pspecs[i]->name));
    g_object_class_install_property (klass, id++,
        gst_simclr_property_like (
            pspecs[i], G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  }
}

void
_gst_simclr_trainer_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  g_object_class_install_property (klass, PROP_LOCATION,
      g_param_spec_string ("location", "Location",
          "Safetensors file that checkpoints are written to, and the encoder with them; with %d or "
          "%08llu in its name each checkpoint is a file of its own, numbered by step. Unset: none.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_LABELS,
      g_param_spec_string ("labels", "Labels",
          "UTF-8 text file that says what frames show, for loss=cross-entropy, loss=supervised and "
          "the online probe: line n is the label of frame n, counted in the order they come in; an "
          "empty line is none. Unset: no labels.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_TEACHER,
      g_param_spec_string ("teacher", "Teacher",
          "Safetensors file of a fine-tuned encoder, of any architecture and width, whose "
          "probabilities loss=distillation teaches.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_TENSORBOARD,
      g_param_spec_string ("tensorboard", "TensorBoard",
          "Folder in which each run begins an event file with its curves, for TensorBoard; made if "
          "it is not there. Unset: none is written.",
          NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_TENSORBOARD_INTERVAL,
      g_param_spec_uint64 ("tensorboard-interval", "TensorBoard interval",
          "Steps from one point of the curves to the next; a point of all curves takes half a "
          "kilobyte.",
          1, G_MAXUINT64, DEFAULT_TENSORBOARD_INTERVAL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_CHECKPOINT_INTERVAL,
      g_param_spec_uint64 ("checkpoint-interval", "Checkpoint interval",
          "Steps from one checkpoint to the next; 0: only at the end and on the way to READY.", 0,
          G_MAXUINT64, DEFAULT_CHECKPOINT_INTERVAL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_MAX_FILES,
      g_param_spec_uint ("max-files", "Most files",
          "Checkpoints that are kept where location is numbered: older ones are deleted after a "
          "new one has been written; 0: all.",
          0, G_MAXUINT, 0, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_RESUME,
      g_param_spec_boolean ("resume", "Resume",
          "Go on from the checkpoint at location, if there is one; otherwise it is overwritten.",
          FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (klass, PROP_PUBLISH_INTERVAL,
      g_param_spec_uint64 ("publish-interval", "Publish interval",
          "Steps after which new weights are published under the encoder's model name, for other "
          "encoders to take; 0: never.",
          0, G_MAXUINT64, DEFAULT_PUBLISH_INTERVAL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_STEP,
      g_param_spec_uint64 ("step", "Step",
          "Steps taken, those before a resume and skipped ones included.", 0, G_MAXUINT64, 0,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "The last step in numbers: the fields of the message simclr-training.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  install_library_properties (klass);
}

/* As the property specifications promise. */
void
_gst_simclr_trainer_init_settings (GstSimclrTrainer *self)
{
  self->prototype = simclr_trainer_new ();
  self->settings.checkpoint_interval = DEFAULT_CHECKPOINT_INTERVAL;
  self->settings.publish_interval = DEFAULT_PUBLISH_INTERVAL;
  self->settings.tensorboard_interval = DEFAULT_TENSORBOARD_INTERVAL;
}

void
_gst_simclr_trainer_clear_settings (GstSimclrTrainer *self)
{
  g_free (self->settings.location);
  g_free (self->settings.labels);
  g_free (self->settings.teacher);
  g_free (self->settings.tensorboard);
  g_object_unref (self->prototype);
}

/* A trainer of its own for each run, with the settings of this moment. */
SimclrTrainer *
_gst_simclr_trainer_new_trainer (GstSimclrTrainer *self)
{
  SimclrTrainer *trainer = simclr_trainer_new ();

  GST_OBJECT_LOCK (self);
  for (guint i = 0; i < library_properties->len; i++) {
    const gchar *name = g_ptr_array_index (library_properties, i);
    g_auto (GValue) value = G_VALUE_INIT;

    g_object_get_property (G_OBJECT (self->prototype), name, &value);
    g_object_set_property (G_OBJECT (trainer), name, &value);
  }
  GST_OBJECT_UNLOCK (self);
  return trainer;
}
