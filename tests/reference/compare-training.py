#!/usr/bin/python3
# Twenty training steps on fixed views, here and in PyTorch (double precision), from one checkpoint that is
# written by hand: the losses and the weights must stay together, for every optimizer and provider, and with
# projection heads of one to three layers.
# Argument: the program reference-tool. Exits with 77 (skipped) where PyTorch is not installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
import math
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
    import torchvision  # noqa: F401, the model below needs it
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-torch and python3-torchvision")
    sys.exit(77)

import tensorfile
from simclr_torch import Encoder, ProjectionHead, nt_xent

TOOL = sys.argv[1]
STEPS, PAIRS, SIZE, WIDTH, OUT, TEMPERATURE = 20, 16, 16, 0.125, 16, 0.5
WARMUP, TOTAL = 4, 30  # the schedule turns within the steps
# Of the losses and of all weights, and of the way that the weights went in these steps (AdamW: see make_models).
TOLERANCE = 1e-4
WAY_TOLERANCES = {"sgd": 1e-3, "lars": 1e-3, "adamw": 2e-2}

# Properties of the trainer; decay is stronger than anyone would choose, so that twenty steps show it.
# SHIFTS: where BatchNorm's shifts start, see make_models().
CASES = {
    "sgd": {"learning-rate": 0.02, "momentum": 0.9, "weight-decay": 1e-2},
    "lars": {"learning-rate": 0.3, "momentum": 0.9, "weight-decay": 1e-2, "trust-coefficient": 0.01},
    "adamw": {"learning-rate": 1e-4, "momentum": 0.9, "weight-decay": 3},
}
SHIFTS = {"sgd": 2.5, "lars": 2.5, "adamw": 1.8}
LAYERS = {"sgd": 2, "lars": 3, "adamw": 1}  # of the projection head
PROVIDERS = ("openblas", "onednn")


class Lars:
    """LARS with classic momentum as the official code's: vectors neither decay nor adapt."""

    def __init__(self, parameters, settings):
        self.parameters, self.settings = list(parameters), settings
        self.momentum = [torch.zeros_like(parameter) for parameter in self.parameters]

    def step(self, rate):
        settings = self.settings
        with torch.no_grad():
            for parameter, momentum in zip(self.parameters, self.momentum):
                gradient, trust = parameter.grad, 1.0
                if parameter.dim() > 1:
                    gradient = gradient + settings["weight-decay"] * parameter
                    if parameter.norm() > 0 and gradient.norm() > 0:
                        trust = settings["trust-coefficient"] * parameter.norm() / gradient.norm()
                momentum.mul_(settings["momentum"]).add_(gradient * (rate * trust))
                parameter.sub_(momentum)


class Torch:
    """PyTorch's own optimizers; vectors do not decay."""

    def __init__(self, method, parameters, settings):
        parameters = list(parameters)
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings["weight-decay"]},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0},
        ]
        if method == "sgd":
            self.optimizer = torch.optim.SGD(groups, lr=1, momentum=settings["momentum"])
        else:
            self.optimizer = torch.optim.AdamW(groups, lr=1, betas=(settings["momentum"], 0.999))

    def step(self, rate):
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()


def make_models(shift, layers):
    """With a high shift most of what enters a ReLU lies above zero: every element that rounding moves over
    the edge kicks the two sides apart, and PyTorch's own float32 from its double precision just as far.
    AdamW makes steps of one size from any gradient, also from the rounding of one that is zero, so that its
    rate is low."""
    torch.manual_seed(8)
    encoder = Encoder("resnet18", WIDTH, "cifar")
    head = ProjectionHead(layers, encoder.embedding_size, encoder.embedding_size, OUT)
    for name, layer in [*encoder.named_modules(), *(("head", layer) for layer in head.layers[:-1])]:
        if isinstance(layer, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            torch.nn.init.constant_(layer.weight, 0.5 if name.endswith("bn2") else 1.0)
            torch.nn.init.constant_(layer.bias, shift)
    for layer in head.layers:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, 0, 0.1)
    return encoder, head


def state(encoder, head):
    tensors = dict(encoder.state_dict())
    tensors.update({"projection_head." + name: value for name, value in head.tensors().items()})
    return {
        name: value.detach().numpy().astype("<f4")
        for name, value in tensors.items()
        if not name.endswith("num_batches_tracked")
    }


def write_checkpoint(path, method, encoder, head):
    """As simclrtrainer would have written it before the first step."""
    tensors = state(encoder, head)
    trained = [name for name in tensors if "running_" not in name]
    for buffer in ["exp_avg", "exp_avg_sq"] if method == "adamw" else ["momentum"]:
        tensors.update({f"optimizer.{buffer}.{name}": tensors[name] * 0 for name in trained})
    metadata = {
        "format": "simclr", "version": "1", "architecture": "resnet18", "width": str(WIDTH),
        "stem": "cifar", "input_size": str(SIZE), "normalization": "none", "step": "0", "seed": "0",
        "optimizer": method, "optimizer_step": "0", "training_step": "0", "pairs_seen": "0",
        "skipped_steps": "0",
    }  # fmt: skip
    tensorfile.write(path, tensors, metadata)


def rate_of(step, base):
    """The official schedule: linear warm-up, half a cosine to zero."""
    if step < WARMUP:
        return base * step / WARMUP
    return base * (1 + math.cos(math.pi * (step - WARMUP) / (TOTAL - WARMUP))) / 2


def train_there(method, settings, encoder, head, views):
    encoder, head = encoder.double().train(), head.double().train()
    parameters = [p for p in [*encoder.parameters(), *head.parameters()] if p.requires_grad]
    optimizer = Lars(parameters, settings) if method == "lars" else Torch(method, parameters, settings)
    views = torch.from_numpy(views).permute(0, 3, 1, 2).double()
    losses = []
    for step in range(STEPS):
        for parameter in parameters:
            parameter.grad = None
        loss = nt_xent(head(encoder(views)), TEMPERATURE)
        loss.backward()
        optimizer.step(rate_of(step, settings["learning-rate"]))
        losses.append(loss.item())
    return losses, state(encoder, head)


def train_here(folder, method, settings, checkpoint, views, provider):
    """Losses and state; None where this build has no such provider."""
    pictures, saved = os.path.join(folder, "views"), os.path.join(folder, "saved.safetensors")
    views.astype("<f4").tofile(pictures)
    properties = {
        **settings, "optimizer": method, "temperature": TEMPERATURE, "projection-size": OUT,
        "projection-layers": LAYERS[method],
        "learning-rate-scaling": "none", "schedule": "cosine", "warmup-steps": WARMUP,
        "total-steps": TOTAL,
    }  # fmt: skip
    arguments = [f"{name}={value}" for name, value in properties.items()]
    done = subprocess.run(
        [TOOL, "train", checkpoint, pictures, str(STEPS), saved, provider, *arguments],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode == 77:
        print(f"# this build has no provider {provider}")
        return None
    done.check_returncode()
    return [float(line) for line in done.stdout.split()], tensorfile.read(saved)[0]


def make_views():
    """Pairs of patches with a little noise; pictures of noise alone all look the same to an encoder, and
    its BatchNorm would magnify rounding instead of pictures."""
    rng = numpy.random.default_rng(9)
    patches = rng.random((PAIRS, 1, 4, 4, 3), numpy.float32)
    patches = patches.repeat(SIZE // 4, 2).repeat(SIZE // 4, 3)
    noise = rng.random((PAIRS, 2, SIZE, SIZE, 3), numpy.float32)
    return (0.8 * patches + 0.2 * noise).reshape(-1, SIZE, SIZE, 3)


def distance(ours, theirs, names):
    """|ours - theirs| / |theirs| over all those tensors."""
    a, b = (numpy.concatenate([side[name].ravel() for name in names]) for side in (ours, theirs))
    return numpy.linalg.norm(a - b) / numpy.linalg.norm(b)


def compare(folder, method, settings):
    """Yields whether each line is fine."""
    views = make_views()
    encoder, head = make_models(SHIFTS[method], LAYERS[method])
    before = state(encoder, head)
    checkpoint = os.path.join(folder, "checkpoint.safetensors")
    write_checkpoint(checkpoint, method, encoder, head)
    results = {provider: train_here(folder, method, settings, checkpoint, views, provider) for provider in PROVIDERS}
    results = {provider: result for provider, result in results.items() if result is not None}
    truth = train_there(method, settings, encoder, head, views)
    for provider, result in results.items():
        yield compare_run(f"{method}, head of {LAYERS[method]}, {provider}", before, result, truth)
    if len(results) == 2:
        names = f"{method}, onednn against openblas"
        yield compare_run(names, before, results["onednn"], results["openblas"])


def compare_run(name, before, ours, theirs):
    """ours and theirs: the losses and the state after them."""
    (losses, our_state), (their_losses, their_state) = ours, theirs
    trained, running = ([n for n in sorted(before) if ("running_" in n) == wanted] for wanted in (False, True))
    loss_error = max(abs(a - b) for a, b in zip(losses, their_losses))
    error = distance(our_state, their_state, trained)
    running_error = distance(our_state, their_state, running)
    way = error / distance(before, their_state, trained)
    fine = len(losses) == STEPS and max(loss_error, error, running_error) < TOLERANCE
    fine = fine and way < WAY_TOLERANCES[name.split(",")[0]]
    print(
        f"{name}: loss {their_losses[0]:.4f} to {their_losses[-1]:.4f}, at most {loss_error:.1e} apart; weights "
        f"{error:.1e} apart, {way:.1e} of their way, running statistics {running_error:.1e}"
        f"{'' if fine else '  FAILED'}"
    )
    return fine


def main():
    with tempfile.TemporaryDirectory() as folder:
        results = [fine for method, settings in CASES.items() for fine in compare(folder, method, settings)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    torch.set_num_threads(1)  # two would wait for each other on a busy machine
    sys.exit(main())
