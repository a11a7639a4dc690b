/* A team of threads that share loops.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/base/parallel-private.h>

#ifdef __linux__
#include <sys/resource.h>
#endif

/* Looks at a variable before a thread sleeps: some ten microseconds. The loops of one network follow each other
 * closely, and waking a thread takes longer than most gaps between them. */
#define LOOKS 1000

typedef struct
{
  SimclrParallelFunc func;
  gpointer data;
  gsize count;
  gsize grain;
} Loop;

struct _SimclrParallel
{
  gatomicrefcount references;
  guint threads;
  GPtrArray
      *workers; /* GThread, threads - 1 of them; with niceness one for the caller's share too */

  GMutex mutex; /* guards all below; generation and running are also looked at without it */
  GCond started;
  GCond finished;
  Loop loop;
  guint generation; /* one more for each loop, and for the end */
  guint running;    /* workers that have not finished the loop */
  guint asleep;     /* workers that wait for the next one */
  guint nice;
  gboolean quit;
};

typedef struct
{
  SimclrParallel *team;
  guint thread;
  guint generation; /* of the last loop before it came */
} Worker;

static void
run_share (const Loop *loop, guint thread, guint threads)
{
  gsize blocks = (loop->count + loop->grain - 1) / loop->grain;
  gsize begin = blocks * thread / threads * loop->grain;
  gsize end = MIN (blocks * (thread + 1) / threads * loop->grain, loop->count);

  if (begin < end)
    loop->func (thread, begin, end, loop->data);
}

static inline void
look_again (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#endif
}

/* With the mutex held afterwards. */
static void
wait_for_loop (SimclrParallel *self, guint seen)
{
  for (guint i = 0; i < LOOKS && (guint) g_atomic_int_get (&self->generation) == seen; i++)
    look_again ();
  g_mutex_lock (&self->mutex);
  self->asleep++;
  while (self->generation == seen)
    g_cond_wait (&self->started, &self->mutex);
  self->asleep--;
}

static void
wait_for_workers (SimclrParallel *self)
{
  for (guint i = 0; i < LOOKS && g_atomic_int_get (&self->running) > 0; i++)
    look_again ();
  g_mutex_lock (&self->mutex);
  while (self->running > 0)
    g_cond_wait (&self->finished, &self->mutex);
  g_mutex_unlock (&self->mutex);
}

/* With the mutex held. */
static void
announce (SimclrParallel *self)
{
  g_atomic_int_inc (&self->generation);
  if (self->asleep > 0)
    g_cond_broadcast (&self->started);
}

/* As nice(1), on top of what the process has. On Linux niceness is the thread's own; where it would be the
 * whole process's it stays as it is. */
static void
be_nice (guint nice, gint base)
{
#ifdef __linux__
  setpriority (PRIO_PROCESS, 0, MIN (base + (gint) nice, 19));
#endif
}

static gint
get_niceness (void)
{
#ifdef __linux__
  return getpriority (PRIO_PROCESS, 0);
#else
  return 0;
#endif
}

static gpointer
worker_main (gpointer data)
{
  Worker *worker = data;
  SimclrParallel *self = worker->team;
  guint seen = worker->generation, nice = 0;
  const gint base = get_niceness ();

  wait_for_loop (self, seen);
  while (!self->quit) {
    Loop loop = self->loop;
    guint wanted = self->nice;

    seen = self->generation;
    g_mutex_unlock (&self->mutex);

    if (nice != wanted)
      be_nice (nice = wanted, base);
    run_share (&loop, worker->thread, self->threads);

    g_mutex_lock (&self->mutex);
    if (g_atomic_int_dec_and_test (&self->running))
      g_cond_signal (&self->finished);
    g_mutex_unlock (&self->mutex);
    wait_for_loop (self, seen);
  }
  g_mutex_unlock (&self->mutex);
  g_free (worker);
  return NULL;
}

static void
add_worker (SimclrParallel *self, guint thread)
{
  Worker *worker = g_new (Worker, 1);

  worker->team = self;
  worker->thread = thread;
  worker->generation = self->generation;
  g_ptr_array_add (self->workers, g_thread_new ("simclr-worker", worker_main, worker));
}

SimclrParallel *
_simclr_parallel_new (guint threads)
{
  SimclrParallel *self = g_new0 (SimclrParallel, 1);

  g_atomic_ref_count_init (&self->references);
  self->threads = threads > 0 ? threads : g_get_num_processors ();
  self->workers = g_ptr_array_new ();
  g_mutex_init (&self->mutex);
  g_cond_init (&self->started);
  g_cond_init (&self->finished);

  for (guint thread = 1; thread < self->threads; thread++)
    add_worker (self, thread);
  return self;
}

SimclrParallel *
_simclr_parallel_ref (SimclrParallel *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
_simclr_parallel_unref (SimclrParallel *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;

  g_mutex_lock (&self->mutex);
  self->quit = TRUE;
  announce (self);
  g_mutex_unlock (&self->mutex);
  for (guint i = 0; i < self->workers->len; i++)
    g_thread_join (g_ptr_array_index (self->workers, i));

  g_ptr_array_unref (self->workers);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->started);
  g_cond_clear (&self->finished);
  g_free (self);
}

guint
_simclr_parallel_get_threads (SimclrParallel *self)
{
  return self ? self->threads : 1;
}

void
_simclr_parallel_set_nice (SimclrParallel *self, guint nice)
{
  g_return_if_fail (nice <= 19);

  if (nice > 0 && self->workers->len < self->threads)
    add_worker (self, 0);
  g_mutex_lock (&self->mutex);
  self->nice = nice;
  g_mutex_unlock (&self->mutex);
}

/* Whether the caller has no share: its thread may be somebody else's afterwards, and a thread that was made
 * nice stays so. */
static gboolean
only_waits (SimclrParallel *self)
{
  return self && self->workers->len == self->threads;
}

void
_simclr_parallel_for (
    SimclrParallel *self, gsize count, gsize grain, SimclrParallelFunc func, gpointer data)
{
  Loop loop = {func, data, count, MAX (grain, 1)};

  if (count == 0)
    return;
  if (!only_waits (self) && (_simclr_parallel_get_threads (self) == 1 || count <= loop.grain)) {
    func (0, 0, count, data);
    return;
  }

  g_mutex_lock (&self->mutex);
  self->loop = loop;
  self->running = self->workers->len;
  announce (self);
  g_mutex_unlock (&self->mutex);

  if (!only_waits (self))
    run_share (&loop, 0, self->threads);
  wait_for_workers (self);
}
