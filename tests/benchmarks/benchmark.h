/* What the benchmarks share: options, repeated timing, JSON lines.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <simclr/simclr.h>

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

typedef struct
{
  gchar *architecture;
  gdouble width;
  gint size;  /* of a view or picture; 0: the benchmark's own cases */
  gint pairs; /* in a training batch; 0: the benchmark's own cases */
  gint threads;
  gchar *provider;
  gchar *precision;
  gdouble seconds; /* for each figure */
  gint microbatch; /* pairs that go through the network at a time; 0: all */
} Options;

static inline gint
from_nick (GType type, const gchar *nick)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);
  GEnumValue *value = g_enum_get_value_by_nick (klass, nick);

  if (value == NULL) {
    g_printerr ("%s is no %s\n", nick, g_type_name (type));
    exit (2);
  }
  return value->value;
}

static inline const gchar *
to_nick (GType type, gint value)
{
  g_autoptr (GEnumClass) klass = g_type_class_ref (type);

  return g_enum_get_value (klass, value)->value_nick;
}

/* Every benchmark takes the same options and reads those it needs. */
static inline Options
parse_options (int argc, char **argv, const gchar *summary)
{
  static Options o = {NULL, 1, 32, 0, 0, NULL, NULL, 2};
  const GOptionEntry entries[] = {
      {"architecture", 0, 0, G_OPTION_ARG_STRING, &o.architecture,
          "resnet18 (default) to resnet152", "NAME"},
      {"width", 0, 0, G_OPTION_ARG_DOUBLE, &o.width, "Channel multiplier (1)", "W"},
      {"size", 0, 0, G_OPTION_ARG_INT, &o.size, "Pixels of a side (32)", "N"},
      {"pairs", 0, 0, G_OPTION_ARG_INT, &o.pairs, "Pairs in a training batch (64)", "N"},
      {"microbatch", 0, 0, G_OPTION_ARG_INT, &o.microbatch, "Pairs at a time (all)", "N"},
      {"threads", 0, 0, G_OPTION_ARG_INT, &o.threads, "0: one for each processor", "N"},
      {"provider", 0, 0, G_OPTION_ARG_STRING, &o.provider, "auto, openblas, onednn", "NAME"},
      {"precision", 0, 0, G_OPTION_ARG_STRING, &o.precision, "auto, float32, bfloat16, int8",
          "NAME"},
      {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &o.seconds, "For each figure (2)", "S"},
      {NULL},
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    exit (2);
  }
  if (o.architecture == NULL)
    o.architecture = g_strdup ("resnet18");
  if (o.provider == NULL)
    o.provider = g_strdup ("auto");
  if (o.precision == NULL)
    o.precision = g_strdup ("auto");
  return o;
}

static inline gint
compare_doubles (gconstpointer a, gconstpointer b)
{
  gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;

  return x < y ? -1 : x > y;
}

typedef struct
{
  gdouble median, lowest, highest; /* seconds of one call */
  gdouble processor;               /* seconds that all threads ran for one call, on average */
} Timing;

/* Seconds that all threads of this process ran: on a busy machine, steadier than the clock. */
static inline gdouble
processor_seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return (gdouble) now.tv_sec + 1e-9 * (gdouble) now.tv_nsec;
}

/* Calls once to warm up, then for about the given seconds, at least three times. */
static inline Timing
time_calls (void (*call) (gpointer data), gpointer data, gdouble seconds)
{
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (gdouble));
  gdouble processor;
  gint64 begin;

  call (data);
  processor = processor_seconds ();
  begin = g_get_monotonic_time ();
  while (times->len < 3 || g_get_monotonic_time () - begin < seconds * G_USEC_PER_SEC) {
    gint64 start = g_get_monotonic_time ();
    gdouble time;

    call (data);
    time = (gdouble) MAX (1, g_get_monotonic_time () - start) / G_USEC_PER_SEC;
    g_array_append_val (times, time);
  }
  processor = (processor_seconds () - processor) / times->len;
  g_array_sort (times, compare_doubles);
  return (Timing){g_array_index (times, gdouble, times->len / 2), g_array_index (times, gdouble, 0),
      g_array_index (times, gdouble, times->len - 1), processor};
}

/* Highest resident memory of this process so far. */
static inline gdouble
peak_mebibytes (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (gdouble) usage.ru_maxrss / 1024;
}

static inline gfloat *
new_noise (gsize floats)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  gfloat *noise = g_new (gfloat, floats);

  for (gsize i = 0; i < floats; i++)
    noise[i] = (gfloat) g_rand_double (random);
  return noise;
}

/* One figure. more: further fields as JSON, each with a leading comma, or "". */
static inline void
print_figure (const gchar *name, gdouble value, gdouble lowest, gdouble highest, const gchar *unit,
    guint threads, const gchar *provider, const gchar *precision, const gchar *more)
{
  g_print ("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\", \"lowest\": %.4g, "
           "\"highest\": %.4g, \"threads\": %u, \"provider\": \"%s\", \"precision\": \"%s\"%s}\n",
      name, value, unit, lowest, highest, threads, provider, precision, more);
}
