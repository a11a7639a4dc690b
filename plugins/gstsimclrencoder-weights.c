/* Where an encoder's weights come from: a checkpoint, a file, a shared model, or chance.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrencoder-private.h"

#include "gstsimclrmodeltable.h"
#include "gstsimclrnumberedfiles.h"
#include "gstsimclrresumequery.h"

#define GST_CAT_DEFAULT gst_simclr_encoder_debug

/* Sides of the input when neither weights nor property say it. */
#define CIFAR_SIZE 32
#define IMAGENET_SIZE 224

#define RESUMED "the checkpoint that simclrtrainer resumes"

static const gchar *
enum_nick (GType type, gint value)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);
  GEnumValue *entry = g_enum_get_value (klass, value);

  return entry != NULL ? entry->value_nick : "unknown";
}

static gboolean
load_file (GstSimclrEncoder *self)
{
  g_autofree gchar *newest = gst_simclr_location_find_newest (self->active.location);
  g_autoptr (GError) error = NULL;

  self->file_weights =
      simclr_weights_load (newest != NULL ? newest : self->active.location, &error);
  if (self->file_weights != NULL)
    return TRUE;
  if (self->active.follow) {
    GST_INFO_OBJECT (self, "waiting for \"%s\": %s", self->active.location, error->message);
    return TRUE;
  }
  GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ,
      ("Could not load the weights \"%s\" (property location).", self->active.location),
      ("%s", error->message));
  return FALSE;
}

gboolean
_gst_simclr_encoder_open (GstSimclrEncoder *self)
{
  if (self->active.follow && self->active.location == NULL) {
    GST_ELEMENT_ERROR (
        self, LIBRARY, SETTINGS, ("follow=true needs a location to follow."), (NULL));
    return FALSE;
  }
  if (self->active.location != NULL && !load_file (self))
    return FALSE;
  if (self->active.model != NULL)
    self->model = g_object_ref (gst_simclr_model_table_acquire (self->active.model));
  else if (self->active.follow)
    self->model = simclr_model_new ();
  if (self->active.follow)
    self->follower =
        gst_simclr_follower_new (self->active.location, self->model, self->file_weights != NULL);
  return TRUE;
}

void
_gst_simclr_encoder_close (GstSimclrEncoder *self)
{
  g_clear_object (&self->encoder);
  g_clear_pointer (&self->weights, simclr_weights_unref);
  g_clear_pointer (&self->file_weights, simclr_weights_unref);
  g_clear_pointer (&self->follower, gst_simclr_follower_free);
  if (self->model != NULL && self->active.model != NULL)
    gst_simclr_model_table_release (self->active.model);
  g_clear_object (&self->model);
  self->model_version = 0;
  self->untrained = FALSE;
}

/* Where the model's weights come from, for messages. */
static gchar *
describe_model (GstSimclrEncoder *self)
{
  return self->active.model != NULL ? g_strdup_printf ("model=\"%s\"", self->active.model)
                                    : g_strdup_printf ("location=\"%s\"", self->active.location);
}

/* What the user typed must not be silently overruled by what a file or a model holds. */
static gboolean
check_contradictions (GstSimclrEncoder *self, SimclrWeights *weights, const gchar *source)
{
  const GstSimclrEncoderSettings *active = &self->active;
  const gchar *property = NULL;
  g_autofree gchar *wanted = NULL, *found = NULL;

  if (active->set & GST_SIMCLR_ENCODER_SET_ARCHITECTURE &&
      active->architecture != simclr_weights_get_architecture (weights)) {
    property = "architecture";
    wanted = g_strdup (enum_nick (SIMCLR_TYPE_ARCHITECTURE, active->architecture));
    found =
        g_strdup (enum_nick (SIMCLR_TYPE_ARCHITECTURE, simclr_weights_get_architecture (weights)));
  } else if (active->set & GST_SIMCLR_ENCODER_SET_WIDTH &&
             ABS (active->width - simclr_weights_get_width (weights)) > 1e-6) {
    property = "width";
    wanted = g_strdup_printf ("%g", active->width);
    found = g_strdup_printf ("%g", simclr_weights_get_width (weights));
  } else if (active->set & GST_SIMCLR_ENCODER_SET_STEM && active->stem != SIMCLR_STEM_AUTO &&
             active->stem != simclr_weights_get_stem (weights)) {
    property = "stem";
    wanted = g_strdup (enum_nick (SIMCLR_TYPE_STEM, active->stem));
    found = g_strdup (enum_nick (SIMCLR_TYPE_STEM, simclr_weights_get_stem (weights)));
  }
  if (property == NULL)
    return TRUE;
  GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
      ("%s=%s contradicts %s, which holds %s.", property, wanted, source, found),
      ("Leave out %s to take what is there.", property));
  return FALSE;
}

/* The side of the input of an encoder that nobody has trained. */
static guint
choose_input_size (GstSimclrEncoder *self)
{
  guint shorter = (guint) MIN (self->info.width, self->info.height);

  if (self->active.input_size != 0)
    return self->active.input_size;
  if (self->active.stem == SIMCLR_STEM_CIFAR)
    return CIFAR_SIZE;
  if (self->active.stem == SIMCLR_STEM_IMAGENET)
    return IMAGENET_SIZE;
  return shorter <= CIFAR_SIZE ? CIFAR_SIZE : IMAGENET_SIZE;
}

static SimclrWeights *
new_random (GstSimclrEncoder *self, guint input_size)
{
  const GstSimclrEncoderSettings *active = &self->active;
  g_autoptr (GError) error = NULL;
  SimclrWeights *weights = simclr_weights_new_random (
      active->architecture, active->width, active->stem, input_size, active->seed, &error);

  if (weights == NULL)
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("Could not make an encoder with architecture=%s width=%g.",
            enum_nick (SIMCLR_TYPE_ARCHITECTURE, active->architecture), active->width),
        ("%s", error->message));
  return weights;
}

/* Weights, taken over and maybe NULL, for pictures of a side (0: their own). */
static SimclrWeights *
adapt (GstSimclrEncoder *self, SimclrWeights *weights, guint side)
{
  g_autoptr (GError) error = NULL;
  SimclrWeights *adapted = NULL;

  if (weights == NULL)
    return NULL;
  adapted = simclr_weights_adapt (weights, side, self->active.normalization, &error);
  simclr_weights_unref (weights);
  if (adapted == NULL)
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("Pictures of %ux%u do not suit this encoder.", side, side), ("%s", error->message));
  return adapted;
}

/* A resumed run goes on as it began. */
static gboolean
check_resumed (GstSimclrEncoder *self, SimclrWeights *weights)
{
  guint side = (guint) self->info.width, resumed = simclr_weights_get_input_size (weights);
  SimclrNormalization normalization = simclr_weights_get_normalization (weights);

  if (!check_contradictions (self, weights, RESUMED))
    return FALSE;
  if (resumed != side) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("The pairs are %ux%u, but " RESUMED " was made with %ux%u.", side, side, resumed, resumed),
        ("Set size of simclraugment."));
    return FALSE;
  }
  if (self->active.normalization != SIMCLR_NORMALIZATION_AUTO &&
      self->active.normalization != normalization) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("normalization=%s contradicts " RESUMED ", which holds %s.",
            enum_nick (SIMCLR_TYPE_NORMALIZATION, self->active.normalization),
            enum_nick (SIMCLR_TYPE_NORMALIZATION, normalization)),
        (NULL));
    return FALSE;
  }
  return TRUE;
}

/* A checkpoint that the trainer resumes, else location, else fresh ones. */
static SimclrWeights *
choose_training_weights (GstSimclrEncoder *self)
{
  guint side = (guint) self->info.width;
  g_autofree gchar *source = NULL;
  g_auto (GstSimclrResume) resume = {0};

  if (self->active.set & GST_SIMCLR_ENCODER_SET_INPUT_SIZE && self->active.input_size != 0 &&
      self->active.input_size != side) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("input-size=%u contradicts the pairs, which are %ux%u.", self->active.input_size, side,
            side),
        ("Set size of simclraugment, or leave out input-size."));
    return NULL;
  }
  if (gst_simclr_resume_query (self->srcpad, &resume) && resume.weights != NULL) {
    GST_INFO_OBJECT (self, "resuming at step %" G_GUINT64_FORMAT, resume.step);
    if (!check_resumed (self, resume.weights))
      return NULL;
    return g_steal_pointer (&resume.weights);
  }
  if (self->file_weights == NULL)
    return adapt (self, new_random (self, side), side);
  source = g_strdup_printf ("location=\"%s\"", self->active.location);
  if (!check_contradictions (self, self->file_weights, source))
    return NULL;
  return adapt (self, simclr_weights_ref (self->file_weights), side);
}

/* location, else what the shared model holds, else fresh ones where there is no model to wait for: then
 * NULL without an error. */
static SimclrWeights *
choose_embedding_weights (GstSimclrEncoder *self, gboolean *waits)
{
  g_autoptr (SimclrWeights) weights = NULL;
  g_autofree gchar *source = NULL;
  guint64 version;

  *waits = FALSE;
  if (self->file_weights != NULL) {
    weights = simclr_weights_ref (self->file_weights);
    source = g_strdup_printf ("location=\"%s\"", self->active.location);
  } else if (self->model != NULL && (version = simclr_model_get_version (self->model)) > 0) {
    weights = simclr_model_take (self->model);
    source = describe_model (self);
    self->model_version = version;
  }
  if (weights != NULL) {
    if (!check_contradictions (self, weights, source))
      return NULL;
    return adapt (self, g_steal_pointer (&weights), self->active.input_size);
  }

  if (self->model != NULL) {
    source = describe_model (self);
    GST_INFO_OBJECT (self, "waiting for %s", source);
    *waits = TRUE;
    return NULL;
  }
  self->untrained = TRUE;
  return adapt (self, new_random (self, choose_input_size (self)), 0);
}

static void
set_embedding_size (GstSimclrEncoder *self, guint size)
{
  gboolean changed;

  self->size = size;
  GST_OBJECT_LOCK (self);
  changed = self->embedding_size != size;
  self->embedding_size = size;
  GST_OBJECT_UNLOCK (self);
  if (changed)
    g_object_notify (G_OBJECT (self), "embedding-size");
}

/* A new encoder of these weights, and memory for its batches. */
static gboolean
make_encoder (GstSimclrEncoder *self, SimclrWeights *weights, gboolean training)
{
  const GstSimclrEncoderSettings *active = &self->active;
  SimclrOutput output = training ? SIMCLR_OUTPUT_REPRESENTATION : active->output;
  g_autoptr (GError) error = NULL;

  g_clear_object (&self->encoder);
  g_clear_pointer (&self->weights, simclr_weights_unref);
  if (training && active->precision == SIMCLR_PRECISION_INT8) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS, ("precision=int8 only embeds; it cannot train."),
        ("Train with precision=auto, float32 or bfloat16."));
    return FALSE;
  }
  self->encoder =
      simclr_encoder_new (weights, active->provider, active->precision, active->threads, &error);
  if (self->encoder == NULL) {
    GST_ELEMENT_ERROR (self, LIBRARY, INIT,
        ("Could not make the encoder (provider=%s, precision=%s).",
            enum_nick (SIMCLR_TYPE_PROVIDER, active->provider),
            enum_nick (SIMCLR_TYPE_PRECISION, active->precision)),
        ("%s", error->message));
    return FALSE;
  }
  simclr_encoder_set_nice (self->encoder, active->nice);
  simclr_encoder_set_calibration_frames (self->encoder, active->calibration_frames);
  simclr_encoder_set_microbatch_size (self->encoder, active->microbatch_size);
  self->training = training;
  self->untrained = self->untrained && !training;
  self->input_size = simclr_weights_get_input_size (weights);
  self->normalization = simclr_weights_get_normalization (weights);
  if (!training)
    self->weights = simclr_weights_ref (weights);
  self->rows = 0;
  set_embedding_size (self, simclr_weights_get_embedding_size (weights, output));
  GST_INFO_OBJECT (self,
      "%s %s width %g, %s stem, input %u, provider %s, precision %s: %u floats an embedding",
      training ? "training" : "embedding with",
      enum_nick (SIMCLR_TYPE_ARCHITECTURE, simclr_weights_get_architecture (weights)),
      simclr_weights_get_width (weights),
      enum_nick (SIMCLR_TYPE_STEM, simclr_weights_get_stem (weights)), self->input_size,
      enum_nick (SIMCLR_TYPE_PROVIDER, simclr_encoder_get_provider (self->encoder)),
      enum_nick (SIMCLR_TYPE_PRECISION, simclr_encoder_get_precision (self->encoder)), self->size);
  return _gst_simclr_encoder_allocate_batch (self);
}

static gboolean
lacks_head (GstSimclrEncoder *self, SimclrWeights *weights)
{
  return self->active.output == SIMCLR_OUTPUT_PROJECTION &&
         simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_PROJECTION) == 0;
}

/* The encoder for what has been negotiated. Weights that are there stay: a change of caps or of what
 * is linked downstream loses nothing. */
gboolean
_gst_simclr_encoder_prepare (GstSimclrEncoder *self, gboolean training)
{
  g_autoptr (SimclrWeights) weights = NULL;
  gboolean waits = FALSE;

  if (self->encoder != NULL && self->training == training) {
    if (!training || self->input_size == (guint) self->info.width)
      return _gst_simclr_encoder_has_room (self) || _gst_simclr_encoder_allocate_batch (self);
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("The pairs changed from %ux%u to %ux%u in the middle of training.", self->input_size,
            self->input_size, (guint) self->info.width, (guint) self->info.width),
        ("An encoder keeps the size it was made for."));
    return FALSE;
  }
  weights = training ? choose_training_weights (self) : choose_embedding_weights (self, &waits);
  if (weights == NULL) {
    g_clear_object (&self->encoder);
    return waits;
  }

  if (!training && lacks_head (self, weights)) {
    if (self->model != NULL) {
      GST_INFO_OBJECT (self, "waiting for a model with a projection head");
      g_clear_object (&self->encoder);
      return TRUE;
    }
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("output=projection needs weights with a projection head; %s no such head.",
            self->file_weights != NULL ? self->active.location : "random weights have"),
        ("Load a checkpoint that simclrtrainer has written, or use output=representation."));
    return FALSE;
  }
  if (!make_encoder (self, weights, training))
    return FALSE;
  if (training && self->active.model != NULL)
    simclr_model_publish (self->model, weights);
  return TRUE;
}

/* Takes the newest weights of the shared model; between two batches. */
gboolean
_gst_simclr_encoder_refresh (GstSimclrEncoder *self)
{
  g_autoptr (SimclrWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *source = NULL;
  guint64 version;

  if (self->follower != NULL)
    gst_simclr_follower_poll (self->follower, GST_ELEMENT (self), self->active.follow_interval);
  if (self->model == NULL || (version = simclr_model_get_version (self->model)) == 0 ||
      version == self->model_version)
    return TRUE;
  weights = simclr_model_take (self->model);
  self->model_version = version;
  if (weights == NULL || weights == self->weights || lacks_head (self, weights))
    return TRUE;

  source = describe_model (self);
  if (!simclr_weights_are_finite (weights)) {
    GST_WARNING_OBJECT (self, "what %s holds is not finite: going on with what was before", source);
    return TRUE;
  }
  if (!check_contradictions (self, weights, source))
    return FALSE;
  weights = adapt (self, g_steal_pointer (&weights), self->active.input_size);
  if (weights == NULL)
    return FALSE;
  if (self->encoder == NULL || simclr_weights_get_normalization (weights) != self->normalization ||
      simclr_weights_get_input_size (weights) != self->input_size ||
      simclr_weights_get_embedding_size (weights, self->active.output) != self->size ||
      !simclr_encoder_set_weights (self->encoder, weights, &error))
    return make_encoder (self, weights, FALSE);

  GST_LOG_OBJECT (self, "weights of step %" G_GUINT64_FORMAT, simclr_weights_get_step (weights));
  simclr_weights_unref (self->weights);
  self->weights = g_steal_pointer (&weights);
  return TRUE;
}
