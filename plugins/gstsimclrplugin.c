/* The plugin's table of contents: every element is registered here, all or nothing.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclraugment.h"
#include "gstsimclrclassificationmeta.h"
#include "gstsimclrclassifier.h"
#include "gstsimclrembeddingmeta.h"
#include "gstsimclrencoder.h"
#include "gstsimclrforwardmeta.h"
#include "gstsimclrframemeta.h"
#include "gstsimclrgate.h"
#include "gstsimclrindex.h"
#include "gstsimclrnearestmeta.h"
#include "gstsimclroverlay.h"
#include "gstsimclrplot.h"
#include "gstsimclrpublish.h"
#include "gstsimclrreplay.h"
#include "gstsimclrtrainer.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  gst_simclr_embedding_meta_register ();
  gst_simclr_classification_meta_register ();
  gst_simclr_forward_meta_get_info ();
  gst_simclr_frame_meta_register ();
  gst_simclr_nearest_meta_register ();

  return GST_ELEMENT_REGISTER (simclrreplay, plugin) &&
         GST_ELEMENT_REGISTER (simclraugment, plugin) &&
         GST_ELEMENT_REGISTER (simclrencoder, plugin) &&
         GST_ELEMENT_REGISTER (simclrtrainer, plugin) &&
         GST_ELEMENT_REGISTER (simclrpublish, plugin) &&
         GST_ELEMENT_REGISTER (simclrindex, plugin) && GST_ELEMENT_REGISTER (simclrgate, plugin) &&
#ifdef HAVE_PANGO
         GST_ELEMENT_REGISTER (simclroverlay, plugin) &&
         GST_ELEMENT_REGISTER (simclrplot, plugin) &&
#endif
         GST_ELEMENT_REGISTER (simclrclassifier, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, simclr,
    "SimCLR: contrastive self-supervised learning on media streams", plugin_init, VERSION, "LGPL",
    "gst-simclr", "gst-simclr")
