/* How many views of the whole recipe one core makes in a second.
 * Prints one JSON line a size; arguments: seconds for each (default 1).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/simclr.h>

#include <stdlib.h>
#include <time.h>

typedef struct
{
  const gchar *name;
  guint width, height, size;
  gdouble strength, blur_probability;
} Case;

/* The recipes of the two presets. */
static const Case cases[] = {
    {"augment-640x480-224", 640, 480, 224, 1.0, 0.5},
    {"augment-1920x1080-224", 1920, 1080, 224, 1.0, 0.5},
    {"augment-32x32-32", 32, 32, 32, 0.5, 0.0},
};

/* A smooth picture with noise: flat frames would not be slower or faster, but look unreal. */
static guint8 *
make_pixels (guint width, guint height)
{
  guint8 *pixels = g_malloc ((gsize) width * height * 3);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (gsize i = 0; i < (gsize) width * height * 3; i++)
    pixels[i] = (guint8) ((i / 3 % width) * 200 / width + g_rand_int (rand) % 56);
  return pixels;
}

static gint
compare_doubles (gconstpointer a, gconstpointer b)
{
  gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;

  return x < y ? -1 : x > y;
}

#define ROUNDS 5

/* Seconds that this thread ran: on a busy machine, what it would have taken on an idle one. */
static gdouble
thread_seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (gdouble) now.tv_sec + 1e-9 * (gdouble) now.tv_nsec;
}

static void
run_case (const Case *c, gdouble seconds)
{
  g_autoptr (SimclrAugment) augment = g_object_new (SIMCLR_TYPE_AUGMENT, "size", c->size,
      "strength", c->strength, "blur-probability", c->blur_probability, NULL);
  g_autofree guint8 *pixels = make_pixels (c->width, c->height);
  g_autofree guint8 *view = g_malloc ((gsize) c->size * c->size * 3);
  SimclrFrame frame = {pixels, c->width, c->height, (gsize) c->width * 3, SIMCLR_PIXEL_FORMAT_RGB};
  gdouble rates[ROUNDS], started = thread_seconds ();
  guint64 pair = 0;

  for (guint round = 0; round < ROUNDS; round++) {
    gint64 start = g_get_monotonic_time (), now = start;
    guint64 views = 0;

    while (now - start < seconds / ROUNDS * G_USEC_PER_SEC) {
      for (guint i = 0; i < 32; i++, pair++, views += 2)
        for (guint v = 0; v < 2; v++) {
          g_autoptr (GError) error = NULL;
          SimclrDraw draw;

          simclr_augment_draw (augment, pair, v, c->width, c->height, &draw);
          if (!simclr_augment_apply (augment, &frame, &draw, view, (gsize) c->size * 3, &error))
            g_error ("%s", error->message);
        }
      now = g_get_monotonic_time ();
    }
    rates[round] = (gdouble) views * G_USEC_PER_SEC / (gdouble) (now - start);
  }
  qsort (rates, ROUNDS, sizeof (gdouble), compare_doubles);
  g_print ("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"views/s\", \"threads\": 1, "
           "\"lowest\": %.1f, \"highest\": %.1f, \"processor_seconds\": %.4g}\n",
      c->name, rates[ROUNDS / 2], rates[0], rates[ROUNDS - 1],
      (thread_seconds () - started) / (gdouble) (2 * pair));
}

int
main (int argc, char **argv)
{
  gdouble seconds = argc > 1 ? g_ascii_strtod (argv[1], NULL) : 1.0;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    run_case (&cases[i], seconds);
  return 0;
}
