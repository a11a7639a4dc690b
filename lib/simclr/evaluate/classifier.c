/* Labels for embeddings: what was taught, and what follows from it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/evaluate/classifier-private.h>

#include <simclr/simclr-enum-types.h>
#include <simclr/simclr-error.h>

enum
{
  PROP_0,
  PROP_METHOD,
  PROP_NEIGHBORS,
  PROP_TEMPERATURE,
  PROP_SOLVER,
  PROP_STANDARDIZE,
  PROP_L2,
  PROP_MAX_BYTES,
  PROP_SEED,
  PROP_THREADS,
  PROP_ENCODER,
  N_PROPERTIES,
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE (SimclrClassifier, simclr_classifier, G_TYPE_OBJECT)

static void
simclr_classifier_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  SimclrClassifier *self = SIMCLR_CLASSIFIER (object);

  switch (id) {
  case PROP_METHOD:
    g_value_set_enum (value, (gint) self->method);
    break;
  case PROP_NEIGHBORS:
    g_value_set_uint (value, self->neighbors);
    break;
  case PROP_TEMPERATURE:
    g_value_set_double (value, self->temperature);
    break;
  case PROP_SOLVER:
    g_value_set_enum (value, (gint) self->probe_settings.solver);
    break;
  case PROP_STANDARDIZE:
    g_value_set_boolean (value, self->probe_settings.standardize);
    break;
  case PROP_L2:
    g_value_set_double (value, self->probe_settings.l2);
    break;
  case PROP_MAX_BYTES:
    g_value_set_uint64 (value, self->max_bytes);
    break;
  case PROP_SEED:
    g_value_set_uint64 (value, self->probe_settings.seed);
    break;
  case PROP_THREADS:
    g_value_set_uint (value, self->threads);
    break;
  case PROP_ENCODER:
    g_value_set_string (value, self->encoder);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_classifier_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  SimclrClassifier *self = SIMCLR_CLASSIFIER (object);

  switch (id) {
  case PROP_METHOD:
    self->method = (SimclrClassifierMethod) g_value_get_enum (value);
    break;
  case PROP_NEIGHBORS:
    self->neighbors = g_value_get_uint (value);
    break;
  case PROP_TEMPERATURE:
    self->temperature = g_value_get_double (value);
    break;
  case PROP_SOLVER:
    self->probe_settings.solver = (SimclrProbeSolver) g_value_get_enum (value);
    g_clear_pointer (&self->probe, _simclr_linear_probe_free);
    break;
  case PROP_STANDARDIZE:
    self->probe_settings.standardize = g_value_get_boolean (value);
    g_clear_pointer (&self->probe, _simclr_linear_probe_free);
    break;
  case PROP_L2:
    self->probe_settings.l2 = g_value_get_double (value);
    g_clear_pointer (&self->probe, _simclr_linear_probe_free);
    break;
  case PROP_MAX_BYTES:
    self->max_bytes = g_value_get_uint64 (value);
    break;
  case PROP_SEED:
    self->probe_settings.seed = g_value_get_uint64 (value);
    g_clear_pointer (&self->probe, _simclr_linear_probe_free);
    break;
  case PROP_THREADS:
    self->threads = g_value_get_uint (value);
    g_clear_pointer (&self->parallel, _simclr_parallel_unref);
    break;
  case PROP_ENCODER:
    g_free (self->encoder);
    self->encoder = g_value_dup_string (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
simclr_classifier_finalize (GObject *object)
{
  SimclrClassifier *self = SIMCLR_CLASSIFIER (object);

  _simclr_classifier_forget (self);
  _simclr_examples_free (self->examples);
  g_clear_pointer (&self->parallel, _simclr_parallel_unref);
  g_free (self->encoder);
  G_OBJECT_CLASS (simclr_classifier_parent_class)->finalize (object);
}

#define READWRITE (G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS)

static void
install_probe_properties (void)
{
  properties[PROP_SOLVER] =
      g_param_spec_enum ("solver", "Solver", "How the linear layer is fitted.",
          SIMCLR_TYPE_PROBE_SOLVER, SIMCLR_PROBE_SOLVER_LBFGS, READWRITE);
  properties[PROP_STANDARDIZE] = g_param_spec_boolean ("standardize", "Standardize",
      "Whether the linear layer is fitted on embeddings brought to mean 0 and deviation 1 in each "
      "dimension; otherwise on embeddings as they are, as in the official code.",
      FALSE, READWRITE);
  properties[PROP_L2] = g_param_spec_double ("l2", "L2",
      "Penalty of the linear layer: this times half the sum of the squared weights is added to the "
      "mean cross entropy. scikit-learn's C is one over examples times this; 0: one over the "
      "number "
      "of "
      "examples, which is C=1. Not used by solver=sgd.",
      0, 1000, 0, READWRITE);
  properties[PROP_SEED] = g_param_spec_uint64 ("seed", "Seed",
      "Seed of the order in which solver=sgd takes the examples.", 0, G_MAXUINT64, 0, READWRITE);
}

static void
simclr_classifier_class_init (SimclrClassifierClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = simclr_classifier_get_property;
  object_class->set_property = simclr_classifier_set_property;
  object_class->finalize = simclr_classifier_finalize;

  properties[PROP_METHOD] = g_param_spec_enum ("method", "Method",
      "How labels follow from the examples; a file that is loaded brings its own.",
      SIMCLR_TYPE_CLASSIFIER_METHOD, SIMCLR_CLASSIFIER_METHOD_KNN, READWRITE);
  properties[PROP_NEIGHBORS] = g_param_spec_uint ("neighbors", "Neighbors",
      "Nearest examples that vote when method=knn, all if there are fewer. The default is "
      "solo-learn's; lightly takes 200.",
      1, G_MAXINT32, 20, READWRITE);
  properties[PROP_TEMPERATURE] = g_param_spec_double ("temperature", "Temperature",
      "Votes of method=knn, and scores of method=prototype, weigh exp (cosine similarity / "
      "temperature). The default is solo-learn's; lightly takes 0.1.",
      1e-4, 1000, 0.07, READWRITE);
  properties[PROP_MAX_BYTES] = g_param_spec_uint64 ("max-bytes", "Maximum bytes",
      "Bytes of embeddings that are kept as examples at most; when there are more, every second "
      "one of the label with the most goes. 0: no bound.",
      0, G_MAXUINT64, G_GUINT64_CONSTANT (1) << 30, READWRITE);
  properties[PROP_THREADS] = g_param_spec_uint ("threads", "Threads",
      "Threads that compute; 0: one for each processor this process may use.", 0, 1024, 0,
      READWRITE);
  properties[PROP_ENCODER] = g_param_spec_string ("encoder", "Encoder",
      "What made the embeddings, in words of the caller's; saved and loaded with them.", NULL,
      READWRITE);
  install_probe_properties ();
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
simclr_classifier_init (SimclrClassifier *self)
{
  self->examples = _simclr_examples_new ();
}

SimclrParallel *
_simclr_classifier_get_parallel (SimclrClassifier *self)
{
  if (self->parallel == NULL)
    self->parallel = _simclr_parallel_new (self->threads);
  return self->parallel;
}

void
_simclr_classifier_invalidate (SimclrClassifier *self)
{
  g_clear_pointer (&self->probe, _simclr_linear_probe_free);
  g_clear_pointer (&self->prototypes, g_free);
  g_clear_pointer (&self->novelty, _simclr_novelty_free);
}

void
_simclr_classifier_forget (SimclrClassifier *self)
{
  _simclr_classifier_invalidate (self);
  g_clear_pointer (&self->supervised, _simclr_supervised_head_free);
}

const SimclrNovelty *
_simclr_classifier_get_novelty (SimclrClassifier *self)
{
  if (self->novelty == NULL && _simclr_examples_get_count (self->examples) >= 2)
    self->novelty = _simclr_novelty_new (_simclr_classifier_get_parallel (self), self->examples);
  return self->novelty;
}

/**
 * simclr_classifier_new:
 *
 * Makes a classifier that knows nothing yet.
 *
 * Returns: (transfer full): a classifier
 */
SimclrClassifier *
simclr_classifier_new (void)
{
  return g_object_new (SIMCLR_TYPE_CLASSIFIER, NULL);
}

/**
 * simclr_classifier_teach:
 * @self: a classifier
 * @embeddings: (array length=n_floats): embeddings, row after row
 * @n_floats: floats in @embeddings
 * @labels: (array length=n_labels): the label of each embedding, any text
 * @n_labels: embeddings; the size of one is @n_floats / @n_labels
 * @error: return location for an error
 *
 * Shows examples. Nothing is computed until it is needed, or simclr_classifier_fit() is called.
 *
 * Returns: %FALSE with @error set when sizes do not fit (%SIMCLR_ERROR_SHAPE), an embedding is not finite
 *   (%SIMCLR_ERROR_NON_FINITE) or a label is empty or not UTF-8 (%SIMCLR_ERROR_VALUE); the examples before
 *   that one have been taken. That of a fine-tuned encoder cannot be taught (%SIMCLR_ERROR_UNSUPPORTED)
 */
gboolean
simclr_classifier_teach (SimclrClassifier *self, const gfloat *embeddings, gsize n_floats,
    const gchar *const *labels, gsize n_labels, GError **error)
{
  gsize size;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), FALSE);

  if (n_labels == 0 && n_floats == 0)
    return TRUE;
  if (n_labels == 0 || n_floats == 0 || n_floats % n_labels != 0) {
    g_set_error (error, SIMCLR_ERROR, SIMCLR_ERROR_SHAPE,
        "%" G_GSIZE_FORMAT " floats are not one embedding for each of %" G_GSIZE_FORMAT " labels",
        n_floats, n_labels);
    return FALSE;
  }
  if (!_simclr_classifier_check_examples (self, "be taught", error))
    return FALSE;
  size = n_floats / n_labels;
  _simclr_classifier_invalidate (self);
  for (gsize i = 0; i < n_labels; i++) {
    if (!_simclr_examples_add (self->examples, embeddings + i * size, size, labels[i], error)) {
      g_prefix_error (error, "example %" G_GSIZE_FORMAT ": ", i);
      return FALSE;
    }
    if (self->max_bytes > 0 &&
        _simclr_examples_get_count (self->examples) * size * sizeof (gfloat) > self->max_bytes)
      _simclr_examples_bound (self->examples, self->max_bytes / (size * sizeof (gfloat)));
  }
  return TRUE;
}

/**
 * simclr_classifier_unlearn:
 * @self: a classifier
 * @label: a label
 *
 * Forgets all examples of a label.
 *
 * Returns: how many there were; 0 if it did not know the label
 */
guint64
simclr_classifier_unlearn (SimclrClassifier *self, const gchar *label)
{
  guint64 removed;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), 0);
  g_return_val_if_fail (label != NULL, 0);

  removed = self->supervised ? 0 : _simclr_examples_remove (self->examples, label);
  if (removed > 0)
    _simclr_classifier_invalidate (self);
  return removed;
}

/**
 * simclr_classifier_get_labels:
 * @self: a classifier
 *
 * Returns: (transfer full) (array zero-terminated=1): the labels, in the order in which they were first
 *   taught; scores are in this order
 */
gchar **
simclr_classifier_get_labels (SimclrClassifier *self)
{
  GPtrArray *labels;
  gchar **copy;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), NULL);

  labels = self->examples->labels;
  copy = g_new0 (gchar *, labels->len + 1);
  for (guint i = 0; i < labels->len; i++)
    copy[i] = g_strdup (g_ptr_array_index (labels, i));
  return copy;
}

/**
 * simclr_classifier_get_n_labels:
 * @self: a classifier
 *
 * Returns: how many labels it knows
 */
guint
simclr_classifier_get_n_labels (SimclrClassifier *self)
{
  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), 0);

  return self->examples->labels->len;
}

/**
 * simclr_classifier_get_n_examples:
 * @self: a classifier
 * @label: (nullable): a label, or %NULL for all
 *
 * Returns: how many examples of it are kept
 */
guint64
simclr_classifier_get_n_examples (SimclrClassifier *self, const gchar *label)
{
  gint64 number;

  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), 0);

  if (label == NULL)
    return _simclr_examples_get_count (self->examples);
  number = _simclr_examples_find (self->examples, label);
  return number < 0 ? 0 : g_array_index (self->examples->counts, guint64, number);
}

/**
 * simclr_classifier_get_n_dropped:
 * @self: a classifier
 *
 * Returns: how many examples had to go because of #SimclrClassifier:max-bytes
 */
guint64
simclr_classifier_get_n_dropped (SimclrClassifier *self)
{
  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), 0);

  return self->examples->dropped;
}

/**
 * simclr_classifier_get_embedding_size:
 * @self: a classifier
 *
 * Returns: floats of an embedding; 0 while nothing was taught
 */
guint
simclr_classifier_get_embedding_size (SimclrClassifier *self)
{
  g_return_val_if_fail (SIMCLR_IS_CLASSIFIER (self), 0);

  return (guint) self->examples->size;
}
