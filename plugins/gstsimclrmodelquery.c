/* The question that runs down to an encoder in training: where do its weights appear?
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclrmodelquery.h"

SimclrModel *
gst_simclr_model_query (GstPad *pad, gboolean follow)
{
  g_autoptr (GstQuery) query = gst_query_new_custom (GST_QUERY_CUSTOM,
      gst_structure_new (GST_SIMCLR_MODEL_QUERY_NAME, "follow", G_TYPE_BOOLEAN, follow, NULL));
  SimclrModel *model = NULL;

  if (gst_pad_peer_query (pad, query))
    gst_structure_get (gst_query_get_structure (query), "model", SIMCLR_TYPE_MODEL, &model, NULL);
  return model;
}

gboolean
gst_simclr_is_model_query (GstQuery *query, gboolean *follow)
{
  const GstStructure *structure = gst_query_get_structure (query);

  if (GST_QUERY_TYPE (query) != GST_QUERY_CUSTOM || structure == NULL ||
      !gst_structure_has_name (structure, GST_SIMCLR_MODEL_QUERY_NAME))
    return FALSE;
  *follow = FALSE;
  gst_structure_get_boolean (structure, "follow", follow);
  return TRUE;
}

void
gst_simclr_model_answer (GstQuery *query, SimclrModel *model)
{
  gst_structure_set (gst_query_writable_structure (query), "model", SIMCLR_TYPE_MODEL, model, NULL);
}
