/* All public enumerations of libsimclr; nicks are what a person types in a pipeline.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * SimclrError:
 * @SIMCLR_ERROR_FAILED: anything not named below
 * @SIMCLR_ERROR_SHAPE: sizes that do not fit each other
 * @SIMCLR_ERROR_VALUE: a setting out of its range
 * @SIMCLR_ERROR_FORMAT: a file or string that is not what it claims to be
 * @SIMCLR_ERROR_MISMATCH: a sound file that does not fit this model
 * @SIMCLR_ERROR_MEMORY: more memory asked for than there is
 * @SIMCLR_ERROR_FULL: a bounded store is full
 * @SIMCLR_ERROR_BUSY: something else must finish first
 * @SIMCLR_ERROR_NON_FINITE: a number became infinite or not a number
 * @SIMCLR_ERROR_UNSUPPORTED: this build or machine cannot do it
 *
 * Codes of the domain %SIMCLR_ERROR.
 */
typedef enum
{
  SIMCLR_ERROR_FAILED,
  SIMCLR_ERROR_SHAPE,
  SIMCLR_ERROR_VALUE,
  SIMCLR_ERROR_FORMAT,
  SIMCLR_ERROR_MISMATCH,
  SIMCLR_ERROR_MEMORY,
  SIMCLR_ERROR_FULL,
  SIMCLR_ERROR_BUSY,
  SIMCLR_ERROR_NON_FINITE,
  SIMCLR_ERROR_UNSUPPORTED,
} SimclrError;

/**
 * SimclrArchitecture:
 * @SIMCLR_ARCHITECTURE_RESNET18: ResNet-18 (basic blocks)
 * @SIMCLR_ARCHITECTURE_RESNET34: ResNet-34 (basic blocks)
 * @SIMCLR_ARCHITECTURE_RESNET50: ResNet-50 (bottleneck blocks, stride in the 3x3 convolution)
 * @SIMCLR_ARCHITECTURE_RESNET101: ResNet-101
 * @SIMCLR_ARCHITECTURE_RESNET152: ResNet-152
 *
 * Residual encoders, as in torchvision and the official SimCLR code.
 */
typedef enum
{
  SIMCLR_ARCHITECTURE_RESNET18,
  SIMCLR_ARCHITECTURE_RESNET34,
  SIMCLR_ARCHITECTURE_RESNET50,
  SIMCLR_ARCHITECTURE_RESNET101,
  SIMCLR_ARCHITECTURE_RESNET152,
} SimclrArchitecture;

/**
 * SimclrStem:
 * @SIMCLR_STEM_AUTO: cifar for inputs of at most 32 pixels, else imagenet (as the official code)
 * @SIMCLR_STEM_IMAGENET: 7x7 convolution of stride 2 and 3x3 max pooling of stride 2
 * @SIMCLR_STEM_CIFAR: 3x3 convolution of stride 1, no pooling
 *
 * The first layers of the encoder.
 */
typedef enum
{
  SIMCLR_STEM_AUTO,
  SIMCLR_STEM_IMAGENET,
  SIMCLR_STEM_CIFAR,
} SimclrStem;

/**
 * SimclrPrecision:
 * @SIMCLR_PRECISION_AUTO: bfloat16 where the processor multiplies it and oneDNN was built in, else
 *   float32
 * @SIMCLR_PRECISION_FLOAT32: 32-bit floating point throughout
 * @SIMCLR_PRECISION_BFLOAT16: activations in bfloat16, master weights and sums in float32
 * @SIMCLR_PRECISION_INT8: embedding only: activations and weights in bytes after the first convolution,
 *   scaled as the first pictures showed
 *
 * Number format of activations and products.
 */
typedef enum
{
  SIMCLR_PRECISION_AUTO,
  SIMCLR_PRECISION_FLOAT32,
  SIMCLR_PRECISION_BFLOAT16,
  SIMCLR_PRECISION_INT8,
} SimclrPrecision;

/**
 * SimclrProvider:
 * @SIMCLR_PROVIDER_AUTO: the fastest that was built in and works here
 * @SIMCLR_PROVIDER_OPENBLAS: this library's own convolutions (Winograd, packed products), beside
 *   OpenBLAS for all other matrix products
 * @SIMCLR_PROVIDER_ONEDNN: convolutions of oneDNN
 *
 * Who computes the convolutions.
 */
typedef enum
{
  SIMCLR_PROVIDER_AUTO,
  SIMCLR_PROVIDER_OPENBLAS,
  SIMCLR_PROVIDER_ONEDNN,
} SimclrProvider;

/**
 * SimclrNormalization:
 * @SIMCLR_NORMALIZATION_AUTO: as the weights' file says, else none
 * @SIMCLR_NORMALIZATION_NONE: pixels in [0, 1], as the official SimCLR code
 * @SIMCLR_NORMALIZATION_IMAGENET: minus the mean, over the deviation of ImageNet, as torchvision
 *
 * How pixels become the encoder's input.
 */
typedef enum
{
  SIMCLR_NORMALIZATION_AUTO,
  SIMCLR_NORMALIZATION_NONE,
  SIMCLR_NORMALIZATION_IMAGENET,
} SimclrNormalization;

/**
 * SimclrOutput:
 * @SIMCLR_OUTPUT_REPRESENTATION: h, the pooled features, before the projection head
 * @SIMCLR_OUTPUT_PROJECTION: z, after the projection head, scaled to unit length
 *
 * Which embedding of a frame is wanted.
 */
typedef enum
{
  SIMCLR_OUTPUT_REPRESENTATION,
  SIMCLR_OUTPUT_PROJECTION,
} SimclrOutput;

/**
 * SimclrPixelFormat:
 * @SIMCLR_PIXEL_FORMAT_RGB: red, green, blue, one byte each
 * @SIMCLR_PIXEL_FORMAT_BGR: blue, green, red, one byte each
 * @SIMCLR_PIXEL_FORMAT_RGBX: red, green, blue and an ignored byte
 * @SIMCLR_PIXEL_FORMAT_BGRX: blue, green, red and an ignored byte
 * @SIMCLR_PIXEL_FORMAT_GRAY8: one byte of luminance, taken as red, green and blue
 *
 * Layout of a frame's pixels.
 */
typedef enum
{
  SIMCLR_PIXEL_FORMAT_RGB,
  SIMCLR_PIXEL_FORMAT_BGR,
  SIMCLR_PIXEL_FORMAT_RGBX,
  SIMCLR_PIXEL_FORMAT_BGRX,
  SIMCLR_PIXEL_FORMAT_GRAY8,
} SimclrPixelFormat;

/**
 * SimclrInterpolation:
 * @SIMCLR_INTERPOLATION_BICUBIC: Keys' cubic with a = -0.5 when shrinking antialiased, as Pillow and
 *   torchvision
 * @SIMCLR_INTERPOLATION_BILINEAR: triangle filter, antialiased when shrinking
 *
 * Resampling filter of crops.
 */
typedef enum
{
  SIMCLR_INTERPOLATION_BICUBIC,
  SIMCLR_INTERPOLATION_BILINEAR,
} SimclrInterpolation;

/**
 * SimclrReplayPolicy:
 * @SIMCLR_REPLAY_POLICY_ALL: keep every frame; each epoch is a fresh permutation
 * @SIMCLR_REPLAY_POLICY_FIFO: keep the newest frames
 * @SIMCLR_REPLAY_POLICY_RESERVOIR: keep a uniform sample of everything seen
 * @SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY: of the two frames most alike to the encoder one goes
 *
 * Which frames a replay memory keeps.
 */
typedef enum
{
  SIMCLR_REPLAY_POLICY_ALL,
  SIMCLR_REPLAY_POLICY_FIFO,
  SIMCLR_REPLAY_POLICY_RESERVOIR,
  SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY,
} SimclrReplayPolicy;

/**
 * SimclrReplayRule:
 * @SIMCLR_REPLAY_RULE_NEWER: frames are embedded as they arrive, and of the two most alike the newer
 *   goes
 * @SIMCLR_REPLAY_RULE_PUBLISHED: embeddings come from training, as a moving average, and either of the
 *   two goes (Purushwalkam et al. 2022, 2203.12710)
 *
 * Who goes with %SIMCLR_REPLAY_POLICY_MIN_REDUNDANCY.
 */
typedef enum
{
  SIMCLR_REPLAY_RULE_NEWER,
  SIMCLR_REPLAY_RULE_PUBLISHED,
} SimclrReplayRule;

/**
 * SimclrLoss:
 * @SIMCLR_LOSS_NT_XENT: normalised temperature-scaled cross entropy over all 2N views (the paper's
 *   equation 1)
 * @SIMCLR_LOSS_DECOUPLED: NT-Xent without the positive in the denominator, for small batches (DCL, Yeh
 *   et al. 2021)
 * @SIMCLR_LOSS_DECOUPLED_WEIGHTED: DCL that weights pairs by how far apart their views are (DCLW)
 * @SIMCLR_LOSS_NT_LOGISTIC: logistic loss of the positive and of negatives (the paper's table 2)
 * @SIMCLR_LOSS_MARGIN_TRIPLET: the positive more similar than negatives by a margin (the paper's table 2)
 * @SIMCLR_LOSS_SUPERVISED: all views of a label are positives of each other (Khosla et al. 2020, L_out)
 * @SIMCLR_LOSS_CROSS_ENTROPY: no contrast: fine-tuning on labels (version 2 of the paper)
 * @SIMCLR_LOSS_DISTILLATION: no contrast: a fine-tuned teacher's probabilities (version 2 of the paper)
 *
 * What training minimises.
 */
typedef enum
{
  SIMCLR_LOSS_NT_XENT, /*< nick=nt-xent >*/
  SIMCLR_LOSS_DECOUPLED,
  SIMCLR_LOSS_DECOUPLED_WEIGHTED,
  SIMCLR_LOSS_NT_LOGISTIC, /*< nick=nt-logistic >*/
  SIMCLR_LOSS_MARGIN_TRIPLET,
  SIMCLR_LOSS_SUPERVISED,
  SIMCLR_LOSS_CROSS_ENTROPY,
  SIMCLR_LOSS_DISTILLATION,
} SimclrLoss;

/**
 * SimclrOptimizer:
 * @SIMCLR_OPTIMIZER_LARS: layer-wise adaptive rate scaling with classic momentum, as the official
 *   code
 * @SIMCLR_OPTIMIZER_SGD: stochastic gradient descent with momentum
 * @SIMCLR_OPTIMIZER_ADAMW: Adam with decoupled weight decay
 *
 * How the weights follow the gradient.
 */
typedef enum
{
  SIMCLR_OPTIMIZER_LARS,
  SIMCLR_OPTIMIZER_SGD,
  SIMCLR_OPTIMIZER_ADAMW,
} SimclrOptimizer;

/**
 * SimclrLearningRateScaling:
 * @SIMCLR_LEARNING_RATE_SCALING_NONE: the learning rate as given
 * @SIMCLR_LEARNING_RATE_SCALING_LINEAR: times pairs in a batch / 256
 * @SIMCLR_LEARNING_RATE_SCALING_SQRT: times the square root of pairs in a batch
 *
 * How the learning rate depends on the batch (paper, appendix B.1).
 */
typedef enum
{
  SIMCLR_LEARNING_RATE_SCALING_NONE,
  SIMCLR_LEARNING_RATE_SCALING_LINEAR,
  SIMCLR_LEARNING_RATE_SCALING_SQRT,
} SimclrLearningRateScaling;

/**
 * SimclrSchedule:
 * @SIMCLR_SCHEDULE_COSINE: linear warm-up, then half a cosine down to zero at the last step
 * @SIMCLR_SCHEDULE_CONSTANT: linear warm-up, then constant
 * @SIMCLR_SCHEDULE_COSINE_RESTARTS: linear warm-up, then half a cosine down to zero and up again at once, over and
 *   over (SGDR, Loshchilov and Hutter 2017, 1608.03983), for runs without an end
 *
 * How the learning rate depends on the step.
 */
typedef enum
{
  SIMCLR_SCHEDULE_COSINE,
  SIMCLR_SCHEDULE_CONSTANT,
  SIMCLR_SCHEDULE_COSINE_RESTARTS,
} SimclrSchedule;

/**
 * SimclrClassifierMethod:
 * @SIMCLR_CLASSIFIER_METHOD_KNN: votes of the most similar examples
 * @SIMCLR_CLASSIFIER_METHOD_LINEAR: multinomial logistic regression, the paper's linear evaluation
 * @SIMCLR_CLASSIFIER_METHOD_PROTOTYPE: the label whose examples' mean direction is nearest
 *
 * How a classifier finds a label.
 */
typedef enum
{
  SIMCLR_CLASSIFIER_METHOD_KNN,
  SIMCLR_CLASSIFIER_METHOD_LINEAR,
  SIMCLR_CLASSIFIER_METHOD_PROTOTYPE,
} SimclrClassifierMethod;

/**
 * SimclrProbeSolver:
 * @SIMCLR_PROBE_SOLVER_LBFGS: L-BFGS to the optimum
 * @SIMCLR_PROBE_SOLVER_SGD: the official code's 100 epochs of stochastic gradient descent, no penalty
 *
 * How a linear layer on frozen embeddings is fitted.
 */
typedef enum
{
  SIMCLR_PROBE_SOLVER_LBFGS,
  SIMCLR_PROBE_SOLVER_SGD,
} SimclrProbeSolver;

G_END_DECLS
