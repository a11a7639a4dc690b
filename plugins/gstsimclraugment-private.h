/* What the files of simclraugment share: its state, and who may touch it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstsimclraugment.h"

#include <simclr/simclr.h>

#include "gstsimclrframehistory.h"
#include "gstsimclrpairlayout.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_simclr_augment_debug);

/* Properties of SimclrAugment. */
#define GST_SIMCLR_AUGMENT_LIBRARY 21

typedef struct
{
  /* plain numbers, so copying bytes copies them */
  GValue library[GST_SIMCLR_AUGMENT_LIBRARY];
  GstClockTime temporal_window;
  guint small_crops;
  guint small_size; /* 0: by the size */
  gdouble small_min_area, small_max_area;
  guint version; /* counts changes */
} GstSimclrAugmentSettings;

struct _GstSimclrAugment
{
  GstVideoFilter parent;

  GstSimclrAugmentSettings settings; /* object lock */

  /* streaming thread, or while there is none */
  SimclrAugment *augment;
  SimclrAugment *small; /* makes the small crops */
  guint applied;        /* version of the settings that both have */
  const gchar *interpolation;
  GstSimclrPairLayout layout; /* negotiated */
  guint64 pairs;
  gboolean asked; /* downstream, where to resume */
  GstSimclrFrameHistory history;
};

/* Properties (gstsimclraugment-properties.c). */
void _gst_simclr_augment_install_properties (GObjectClass *klass);
void _gst_simclr_augment_init_settings (GstSimclrAugment *self);
GstSimclrAugmentSettings _gst_simclr_augment_snapshot (GstSimclrAugment *self);
GstSimclrPairLayout _gst_simclr_augment_settings_layout (const GstSimclrAugmentSettings *self);
/* To what makes the views and crops; but for the sizes, which are negotiated. */
void _gst_simclr_augment_apply_settings (
    GstSimclrAugment *self, const GstSimclrAugmentSettings *settings);

/* Pairs (gstsimclraugment-pair.c). Errors are posted. */
GstFlowReturn _gst_simclr_augment_transform_frame (
    GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out);

G_END_DECLS
