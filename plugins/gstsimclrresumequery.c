/* The question that runs down to a trainer: are you there, and where does training stand?
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrresumequery.h"

gboolean
gst_simclr_resume_query (GstPad *pad, GstSimclrResume *resume)
{
  g_autoptr (GstQuery) query = gst_query_new_custom (
      GST_QUERY_CUSTOM, gst_structure_new_empty (GST_SIMCLR_RESUME_QUERY_NAME));
  const GstStructure *answer;

  *resume = (GstSimclrResume){0};
  if (!gst_pad_peer_query (pad, query))
    return FALSE;
  answer = gst_query_get_structure (query);
  gst_structure_get_uint64 (answer, "pairs", &resume->pairs);
  gst_structure_get_uint64 (answer, "step", &resume->step);
  if (gst_structure_has_field_typed (answer, "weights", SIMCLR_TYPE_WEIGHTS))
    gst_structure_get (answer, "weights", SIMCLR_TYPE_WEIGHTS, &resume->weights, NULL);
  return TRUE;
}

void
gst_simclr_resume_clear (GstSimclrResume *resume)
{
  g_clear_pointer (&resume->weights, simclr_weights_unref);
}

gboolean
gst_simclr_is_resume_query (GstQuery *query)
{
  const GstStructure *structure = gst_query_get_structure (query);

  return GST_QUERY_TYPE (query) == GST_QUERY_CUSTOM && structure != NULL &&
         gst_structure_has_name (structure, GST_SIMCLR_RESUME_QUERY_NAME);
}

void
gst_simclr_resume_answer (GstQuery *query, const GstSimclrResume *resume)
{
  GstStructure *structure = gst_query_writable_structure (query);

  gst_structure_set (
      structure, "pairs", G_TYPE_UINT64, resume->pairs, "step", G_TYPE_UINT64, resume->step, NULL);
  if (resume->weights != NULL)
    gst_structure_set (structure, "weights", SIMCLR_TYPE_WEIGHTS, resume->weights, NULL);
}
