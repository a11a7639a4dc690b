/* TensorBoard's events, packed as protobuf messages.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <simclr/io/summary-event-private.h>

#include <simclr/io/event.pb-c.h>

#define VERSION "brain.Event:2"

static GByteArray *
pack (Simclr__Event__Event *event, gdouble wall_time, guint64 step)
{
  GByteArray *bytes = g_byte_array_new ();

  event->has_wall_time = TRUE;
  event->wall_time = wall_time;
  event->has_step = TRUE;
  event->step = (gint64) MIN (step, (guint64) G_MAXINT64);
  g_byte_array_set_size (bytes, (guint) simclr__event__event__get_packed_size (event));
  simclr__event__event__pack (event, bytes->data);
  return bytes;
}

GByteArray *
_simclr_event_version (gdouble wall_time)
{
  Simclr__Event__Event event = SIMCLR__EVENT__EVENT__INIT;

  event.what_case = SIMCLR__EVENT__EVENT__WHAT_FILE_VERSION;
  event.file_version = (gchar *) VERSION;
  return pack (&event, wall_time, 0);
}

GByteArray *
_simclr_event_start (gdouble wall_time, guint64 step)
{
  Simclr__Event__SessionLog log = SIMCLR__EVENT__SESSION_LOG__INIT;
  Simclr__Event__Event event = SIMCLR__EVENT__EVENT__INIT;

  log.has_status = TRUE;
  log.status = SIMCLR__EVENT__SESSION_LOG__SESSION_STATUS__START;
  event.what_case = SIMCLR__EVENT__EVENT__WHAT_SESSION_LOG;
  event.session_log = &log;
  return pack (&event, wall_time, step);
}

GByteArray *
_simclr_event_scalars (gdouble wall_time, guint64 step, const gchar *const *tags,
    const gdouble *values, gsize n_values)
{
  g_autofree Simclr__Event__Summary__Value *items =
      g_new (Simclr__Event__Summary__Value, MAX (n_values, 1));
  g_autofree Simclr__Event__Summary__Value **list =
      g_new (Simclr__Event__Summary__Value *, MAX (n_values, 1));
  Simclr__Event__Summary summary = SIMCLR__EVENT__SUMMARY__INIT;
  Simclr__Event__Event event = SIMCLR__EVENT__EVENT__INIT;

  for (gsize i = 0; i < n_values; i++) {
    simclr__event__summary__value__init (&items[i]);
    items[i].tag = (gchar *) tags[i];
    items[i].has_simple_value = TRUE;
    items[i].simple_value = (gfloat) values[i];
    list[i] = &items[i];
  }
  summary.n_value = n_values;
  summary.value = list;
  event.what_case = SIMCLR__EVENT__EVENT__WHAT_SUMMARY;
  event.summary = &summary;
  return pack (&event, wall_time, step);
}
