/* simclrplot: draws how training goes and how embeddings lie, as video.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SIMCLR_PLOT (gst_simclr_plot_get_type ())
G_DECLARE_FINAL_TYPE (GstSimclrPlot, gst_simclr_plot, GST, SIMCLR_PLOT, GstElement)
GST_ELEMENT_REGISTER_DECLARE (simclrplot)

G_END_DECLS
