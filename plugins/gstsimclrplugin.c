/* The plugin's table of contents: every element is registered here, all or nothing.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstsimclraugment.h"
#include "gstsimclrreplay.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER (simclraugment, plugin) &&
         GST_ELEMENT_REGISTER (simclrreplay, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, simclr,
    "SimCLR: contrastive self-supervised learning on media streams", plugin_init, VERSION, "LGPL",
    "gst-simclr", "gst-simclr")
