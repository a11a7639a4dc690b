/* Who draws simclroverlay's panel: the element, into the frame, or what composes pictures downstream.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclroverlay-private.h"

#define GST_CAT_DEFAULT gst_simclr_overlay_debug

static GstStaticCaps drawn_caps = GST_STATIC_CAPS (GST_SIMCLR_OVERLAY_DRAWN_CAPS);
static GstStaticCaps all_caps = GST_STATIC_CAPS (GST_SIMCLR_OVERLAY_ALL_CAPS);

static gboolean
composes (GstCaps *caps, guint index)
{
  return gst_caps_features_contains (
      gst_caps_get_features (caps, index), GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
}

/* What the other side can have where this side has caps: the same, where it is drawn into or composed
 * downstream; with the feature downstream also where upstream lacks it. */
static GstCaps *
other_side (GstCaps *caps, gboolean downstream)
{
  g_autoptr (GstCaps) drawn = gst_static_caps_get (&drawn_caps);
  GstCaps *result = gst_caps_new_empty ();

  if (gst_caps_is_any (caps)) {
    gst_caps_unref (result);
    return gst_static_caps_get (&all_caps);
  }
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    g_autoptr (GstCaps) one = gst_caps_copy_nth (caps, i);
    gboolean composed = composes (caps, i);

    if (gst_caps_features_is_any (gst_caps_get_features (caps, i))) {
      gst_caps_append (result, g_steal_pointer (&one));
      continue;
    }
    if (composed != downstream) {
      GstCaps *changed = gst_caps_copy (one);
      GstCapsFeatures *features = gst_caps_get_features (changed, 0);

      if (composed)
        gst_caps_features_remove (features, GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
      else
        gst_caps_features_add (features, GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
      gst_caps_append (result, changed);
    }
    if (composed)
      gst_caps_append (result, gst_caps_ref (one));
    else
      gst_caps_append (result, gst_caps_intersect (one, drawn));
  }
  return gst_caps_simplify (result);
}

static GstCaps *
get_caps (GstSimclrOverlay *self, GstPad *pad, GstCaps *filter)
{
  gboolean is_sink = pad == self->sinkpad;
  g_autoptr (GstCaps) template = gst_pad_get_pad_template_caps (pad);
  g_autoptr (GstCaps) peer = gst_pad_peer_query_caps (is_sink ? self->srcpad : self->sinkpad, NULL);
  g_autoptr (GstCaps) possible = other_side (peer, !is_sink);
  GstCaps *caps = gst_caps_intersect_full (possible, template, GST_CAPS_INTERSECT_FIRST);

  if (filter != NULL) {
    GstCaps *all = caps;

    caps = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (all);
  }
  return caps;
}

gboolean
_gst_simclr_overlay_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstCaps *filter, *caps;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return gst_pad_query_default (pad, parent, query);
  gst_query_parse_caps (query, &filter);
  caps = get_caps (GST_SIMCLR_OVERLAY (parent), pad, filter);
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
  return TRUE;
}

/* Whether downstream will compose what frames of these caps carry. */
static gboolean
ask_for_composition (GstSimclrOverlay *self, GstCaps *caps)
{
  GstQuery *query = gst_query_new_allocation (caps, FALSE);
  gboolean found =
      gst_pad_peer_query (self->srcpad, query) &&
      gst_query_find_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);

  gst_query_unref (query);
  return found;
}

/* As textoverlay does: the meta where downstream takes it, else what comes in goes out, drawn into. */
gboolean
_gst_simclr_overlay_negotiate (GstSimclrOverlay *self)
{
  g_autoptr (GstCaps) composed = gst_caps_copy (self->caps), drawn = NULL;
  gboolean upstream = composes (self->caps, 0), sent;

  self->attaches = FALSE;
  self->stale = TRUE;
  gst_caps_features_add (
      gst_caps_get_features (composed, 0), GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
  if (upstream || gst_pad_peer_query_accept_caps (self->srcpad, composed)) {
    sent = gst_pad_set_caps (self->srcpad, composed);
    self->attaches = sent && ask_for_composition (self, composed);
    if (sent && (self->attaches || upstream))
      goto out;
  }
  drawn = gst_static_caps_get (&drawn_caps);
  sent = gst_caps_is_subset (self->caps, drawn) && gst_pad_set_caps (self->srcpad, self->caps);
out:
  if (!sent)
    gst_pad_mark_reconfigure (self->srcpad);
  GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT " is %s", self->caps,
      !sent            ? "not taken downstream"
      : self->attaches ? "composed downstream"
                       : "drawn into");
  return sent;
}
