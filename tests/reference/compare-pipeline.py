#!/usr/bin/python3
# Our pipeline's training against PyTorch's, in double precision, from the same weights on the same pairs:
# losses, gradient norms, and where the weights went. Exits with 77 (skipped) where PyTorch, gst-launch-1.0 or
# CIFAR-10 is not there.
# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-torch and python3-torchvision")
    sys.exit(77)

import cifar10
import tensorfile
from simclr_pytorch import multi_crop_loss
from simclr_torch import Encoder, ProjectionHead, load_encoder, make_optimizer, nt_xent

LAUNCH = os.environ.get("GST_LAUNCH") or "gst-launch-1.0"
PAIRS, STEPS = 16, 6
CROPS, CROP_SIZE = 3, 12  # two side by side below the views, and one below them
ARCHITECTURE, WIDTH = "resnet18", 0.25
# name, temperature, optimizer, learning rate as used, weight decay, and what the trainer is told. Decay is
# stronger than anyone would choose, so that six steps show it.
RUNS = [
    ("sgd", 0.5, "sgd", 0.03, 0.1, "learning-rate=0.03 learning-rate-scaling=none"),
    ("lars", 0.2, "lars", 0.2, 0.5, "learning-rate=0.05 learning-rate-scaling=sqrt projection-size=64"),
    ("adamw", 0.1, "adamw", 5e-4, 1.0,
     "learning-rate=0.008 learning-rate-scaling=linear projection-layers=3"),
]  # fmt: skip
# Ours counts in float32, PyTorch in float64. From the second step on both follow weights that are no longer
# the same, and training magnifies the difference (PyTorch in float32 strays from float64 as far), so that
# the later losses say less than the first three, which show gradient, rate, decay and momentum.
FIRST, EARLY, LATE, WAY = 1e-5, 5e-5, 2e-2, 5e-3
# One step more from a checkpoint in which no weight is zero any more, as those of a block's last BatchNorm are at first.
# It may be more than is measured: one ReLU whose input rounding carries over zero shows in a batch this small.
RESUMED = 5e-3

failures = 0


def check(name, error, tolerance):
    global failures
    failures += not error < tolerance
    print(f"{name}: {error:.1e} (at most {tolerance:g}){'' if error < tolerance else '  FAILED'}")


FRAMES = (
    "filesrc location=frames.bin blocksize=307300 ! rawvideoparse width=32 height=32 format=rgbp "
    "frame-size=3073 plane-offsets=<(int)1,(int)1025,(int)2049> plane-strides=<(int)32,(int)32,(int)32> "
    "framerate=30/1 ! videoconvert ! simclrreplay policy=all epochs=1 seed=3 ! "
    "simclraugment size=32 strength=0.5 blur-probability=0 seed=4"
)
PAIRS_AGAIN = (
    "filesrc location=pairs.rgb blocksize=6144 ! rawvideoparse width=32 height=64 format=rgb ! "
    "video/x-raw,multiview-mode=top-bottom ! identity"
)


def launch(pipeline, folder, pairs=FRAMES):
    command = [LAUNCH, "-m", *pairs.split(), "!", *pipeline.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0 or "ERROR" in done.stderr:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def train_here(folder, settings, file, steps=STEPS, pairs=FRAMES):
    """Losses and gradient norms of the steps; file gets the weights after the last."""
    output = launch(
        f"simclrencoder architecture={ARCHITECTURE} width={WIDTH} batch-size={PAIRS} seed=5 precision=float32 ! "
        f"simclrtrainer seed=6 schedule=constant location={file} {settings}",
        folder, pairs,
    )
    figures = [
        [float(number) for number in re.findall(field + r"=\(double\)([^,;]+)", output)]
        for field in (" loss", "gradient-norm")
    ]
    assert all(len(numbers) == steps for numbers in figures), output
    return figures


def load(path):
    """Encoder and head of one of our checkpoints, in double precision."""
    tensors, _ = tensorfile.read(path)
    encoder = Encoder(ARCHITECTURE, WIDTH, "cifar")
    load_encoder(encoder, tensors)
    return encoder.double(), ProjectionHead.from_checkpoint(tensors).double()


def contrast(encoder, head, batch, temperature):
    """batch: views, or views and a list of small crops."""
    if isinstance(batch, tuple):
        return multi_crop_loss(encoder, head, *batch, temperature)
    return nt_xent(head(encoder(batch)), temperature)


def train_there(encoder, head, batches, temperature, method, rate, decay):
    optimizer = make_optimizer(method, (encoder, head), rate, 0.9, decay)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    losses, norms = [], []
    for views in batches:
        optimizer.zero_grad()
        loss = contrast(encoder, head, views, temperature)
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.stack([weight.grad.norm() for weight in weights]).norm().item())
        optimizer.step()
    return losses, norms


def distance(a, b, part=torch.nn.Module.state_dict):
    """Of all tensors of two lists of modules, running statistics included, but not how often these were taken: ours
    count steps."""
    tensors = [
        [t.double() for module in modules for name, t in dict(part(module)).items() if "num_batches" not in name]
        for modules in (a, b)
    ]
    return sum((x - y).square().sum().item() for x, y in zip(*tensors)) ** 0.5


def compare_resumed(folder, views, name, temperature, method, rate, decay, settings):
    """One step more, from the weights and the optimizer's state after the last."""
    path = os.path.join(folder, "resumed.safetensors")
    shutil.copy(os.path.join(folder, "after.safetensors"), path)
    tensors, _ = tensorfile.read(path)
    start, there = load(path), load(path)
    optimizer = make_optimizer(method, there, rate, 0.9, decay)
    state = {"lars": "velocity", "sgd": "momentum_buffer"}[method]
    for module, prefix in zip(there, ("", "projection_head.")):
        for parameter, weight in module.named_parameters():
            if (velocity := tensors.get(f"optimizer.momentum.{prefix}{parameter}")) is not None:
                velocity = torch.from_numpy(velocity.astype(numpy.float64)).reshape(weight.shape)
                optimizer.state[weight][state] = velocity
    losses, _ = train_here(folder, f"temperature={temperature} optimizer={method} {settings} weight-decay={decay} "
                           f"resume=true total-steps={STEPS + 1}", "resumed.safetensors", 1, PAIRS_AGAIN)  # fmt: skip
    loss = nt_xent(there[1](there[0](views)), temperature)
    loss.backward()
    optimizer.step()
    check(f"{name}, loss of the next step", abs(losses[0] / loss.item() - 1), FIRST)
    here = load(path)
    weights = torch.nn.Module.named_parameters
    check(f"{name}, way of the next step", distance(here, there, weights) / distance(there, start, weights), RESUMED)


def compare(folder, batches, name, temperature, method, rate, decay, settings, pairs=FRAMES):
    common = f"temperature={temperature} optimizer={method} {settings}"
    # with rate and decay zero a checkpoint holds the initial weights, though not the initial statistics
    train_here(folder, f"{common} weight-decay=0 learning-rate=0", "before.safetensors", pairs=pairs)
    losses, norms = train_here(folder, f"{common} weight-decay={decay}", "after.safetensors", pairs=pairs)
    start = load(os.path.join(folder, "before.safetensors"))
    there = load(os.path.join(folder, "before.safetensors"))
    for module in (m for part in (*start, *there) for m in part.modules()):
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
    expected, expected_norms = train_there(*there, batches, temperature, method, rate, decay)
    loss_errors = numpy.abs(numpy.array(losses) / expected - 1)
    norm_errors = numpy.abs(numpy.array(norms) / expected_norms - 1)
    check(f"{name}, first loss", loss_errors[0], FIRST)
    check(f"{name}, first gradient's norm", norm_errors[0], FIRST)
    check(f"{name}, first three losses", loss_errors[:3].max(), EARLY)
    check(f"{name}, {STEPS} losses", loss_errors.max(), LATE)
    here = load(os.path.join(folder, "after.safetensors"))
    check(f"{name}, way of the weights", distance(here, there) / distance(there, start), WAY)
    print("# ours   ", *(f"{loss:.5f}" for loss in losses))
    print("# PyTorch", *(f"{loss:.5f}" for loss in expected))
    print("# norm errors", *(f"{e:.1e}" for e in norm_errors))


def with_crops(folder):
    """The pipeline that makes them, and its batches as PyTorch takes them."""
    pairs = f"{FRAMES} small-crops={CROPS} small-size={CROP_SIZE}"
    launch("filesink location=crops.rgb", folder, pairs)
    pictures = numpy.fromfile(os.path.join(folder, "crops.rgb"), numpy.uint8)
    pictures = torch.from_numpy(pictures.reshape(STEPS, PAIRS, 64 + 2 * CROP_SIZE, 32, 3)).permute(0, 1, 4, 2, 3)
    pictures = pictures.double() / 255
    batches = []
    for batch in pictures:
        views = torch.stack((batch[:, :, :32], batch[:, :, 32:64]), 1).flatten(0, 1)
        corners = [(64 + i // 2 * CROP_SIZE, i % 2 * CROP_SIZE) for i in range(CROPS)]
        crops = [batch[:, :, y : y + CROP_SIZE, x : x + CROP_SIZE] for y, x in corners]
        batches.append((views, crops))
    return pairs, batches


def main():
    torch.set_num_threads(1)
    for program_or_file in (LAUNCH, cifar10.path("data_batch_1")):
        if not shutil.which(program_or_file) and not os.path.exists(program_or_file):
            print(f"1..0 # SKIP there is no {program_or_file}")
            return 77
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "frames.bin"), "wb") as file:
            file.write(cifar10.read_bytes("data_batch_1", PAIRS * STEPS))
        launch("filesink location=pairs.rgb", folder)
        pairs = numpy.fromfile(os.path.join(folder, "pairs.rgb"), numpy.uint8)
        views = torch.from_numpy(pairs.reshape(STEPS, 2 * PAIRS, 32, 32, 3)).permute(0, 1, 4, 2, 3)
        batches = views.double() / 255
        for run in RUNS:
            compare(folder, batches, *run)
            if run[2] != "adamw":
                compare_resumed(folder, batches[0], *run)
        pairs, batches = with_crops(folder)
        compare(folder, batches, "small crops", *RUNS[1][1:], pairs)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
