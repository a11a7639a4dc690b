#!/usr/bin/python3
# Twenty steps of fine-tuning and of distillation on fixed views, here and in PyTorch (double precision), from one
# checkpoint that is written by hand: losses and weights must stay together, from the representation and from layers
# of the projection head. Then a fine-tuned ResNet-18 goes into torchvision's model as a whole.
# Argument: the program reference-tool. Exits with 77 (skipped) where PyTorch is not installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
    import torchvision
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-torch and python3-torchvision")
    sys.exit(77)

import tensorfile
from simclr_torch import Encoder, Lars, ProjectionHead

TOOL = sys.argv[1]
STEPS, PAIRS, SIZE, WIDTH, LABELS, TEMPERATURE = 20, 16, 16, 0.125, 5, 2.0
TOLERANCE, WAY_TOLERANCE = 1e-4, 1e-3  # of losses and weights; of the way that the weights went
PROVIDERS = ("openblas", "onednn")
TRUST = 2.0  # of LARS, so high that the encoder moves at these rates
# Optimizer, head-layer, loss, learning rate: representations are larger than what comes out of a head's BatchNorm.
CASES = [
    ("sgd", 0, "cross-entropy", 1e-3), ("sgd", 1, "cross-entropy", 2e-2), ("lars", 0, "cross-entropy", 1e-3),
    ("lars", 3, "cross-entropy", 1e-3), ("sgd", 0, "distillation", 2e-4), ("lars", 2, "distillation", 1e-3),
]  # fmt: skip
MOMENTUM, DECAY = 0.9, 1e-2


class Model(torch.nn.Module):
    """Encoder, the first layers of a projection head, and a linear layer over labels."""

    def __init__(self, width, head_layer, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = Encoder("resnet18", width, "cifar")
        size = self.encoder.embedding_size
        self.head = ProjectionHead(3, size, size, 16)
        self.head_layer = head_layer
        self.fc = torch.nn.Linear(16 if head_layer == 3 else size, LABELS)
        # nothing near the edge of a ReLU: see compare-training.py
        for name, layer in [*self.encoder.named_modules(), *(("head", layer) for layer in self.head.layers[:-1])]:
            if isinstance(layer, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
                torch.nn.init.constant_(layer.weight, 0.5 if name.endswith("bn2") else 1.0)
                torch.nn.init.constant_(layer.bias, 2.5)
        for layer in self.head.layers:
            if isinstance(layer, torch.nn.Linear):
                torch.nn.init.normal_(layer.weight, 0, 0.1)

    def used_layers(self):
        """Dense, BatchNorm and ReLU of each; the last one has no ReLU."""
        return self.head.layers[: 3 * self.head_layer]

    def forward(self, views):
        return self.fc(self.used_layers()(self.encoder(views)))

    def tensors(self):
        tensors = dict(self.encoder.state_dict())
        if self.head_layer:
            tensors.update({"projection_head." + name: value for name, value in self.head.tensors().items()})
        tensors.update({"fc.weight": self.fc.weight, "fc.bias": self.fc.bias})
        return {
            name: value.detach().numpy().astype("<f4")
            for name, value in tensors.items()
            if not name.endswith("num_batches_tracked")
        }

    def trained(self):
        """What a step changes: the last layer of the head has no shift, and layers behind head_layer rest."""
        used = [*self.encoder.parameters(), *self.used_layers().parameters(), *self.fc.parameters()]
        return [parameter for parameter in used if parameter.requires_grad]


def write_checkpoint(path, method, tensors, head_layer, size, width, stem):
    """As simclrtrainer would have written it before the first step."""
    trained = [name for name in tensors if "running_" not in name]
    metadata = {
        "format": "simclr", "version": "1", "architecture": "resnet18", "width": str(width), "stem": stem,
        "input_size": str(size), "normalization": "none", "step": "0", "seed": "0", "optimizer": method,
        "training_step": "0", "pairs_seen": "0", "skipped_steps": "0", "head_layer": str(head_layer),
        "labels": json.dumps([str(number) for number in range(LABELS)]),
    }  # fmt: skip
    momenta = {f"optimizer.momentum.{name}": tensors[name] * 0 for name in trained}
    tensorfile.write(path, {**tensors, **momenta}, metadata)


def make_optimizer(method, model, rate):
    """Vectors do not decay; LARS does not adapt them, nor the linear layer."""
    weights = [p for p in model.trained() if p.dim() > 1 and p is not model.fc.weight]
    vectors = [p for p in model.trained() if p.dim() == 1]
    groups = [
        {"params": weights, "weight_decay": DECAY, "adapt": True},
        {"params": [model.fc.weight], "weight_decay": DECAY, "adapt": False},
        {"params": vectors, "weight_decay": 0, "adapt": False},
    ]
    if method == "lars":
        for group in groups:
            group["lr"] = rate
        return Lars(groups, MOMENTUM, TRUST)
    for group in groups:
        del group["adapt"]
    return torch.optim.SGD(groups, lr=rate, momentum=MOMENTUM)


def label_views():
    """As reference-tool labels them."""
    return torch.tensor([-1 if view // 2 % 8 == 7 else view // 2 % LABELS for view in range(2 * PAIRS)])


def train_there(method, model, rate, views, teacher):
    model = model.double().train()
    optimizer = make_optimizer(method, model, rate)
    views = torch.from_numpy(views).permute(0, 3, 1, 2).double()
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        if teacher is None:
            loss = torch.nn.functional.cross_entropy(model(views), label_views(), ignore_index=-1)
        else:
            with torch.no_grad():
                wanted = (teacher.double().eval()(views) / TEMPERATURE).softmax(1)
            log_given = (model(views) / TEMPERATURE).log_softmax(1)
            loss = TEMPERATURE**2 * -(wanted * log_given).sum(1).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, model.tensors()


def train_here(folder, method, head_layer, loss, rate, provider, steps=STEPS):
    """Losses and state; None where this build has no such provider."""
    checkpoint, pictures, saved, teacher = (
        os.path.join(folder, name) for name in ("checkpoint", "views", "saved", "teacher")
    )
    properties = {
        "optimizer": method, "loss": loss, "head-layer": head_layer, "learning-rate": rate, "momentum": MOMENTUM,
        "weight-decay": DECAY, "trust-coefficient": TRUST, "distillation-temperature": TEMPERATURE, "learning-rate-scaling": "none", "schedule": "constant",
    }  # fmt: skip
    arguments = [f"{name}={value}" for name, value in properties.items()]
    arguments.append(f"labels={LABELS}" if loss == "cross-entropy" else f"teacher={teacher}")
    done = subprocess.run(
        [TOOL, "train", checkpoint, pictures, str(steps), saved, provider, *arguments],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode == 77:
        print(f"# this build has no provider {provider}")
        return None
    done.check_returncode()
    return [float(line) for line in done.stdout.split()], tensorfile.read(saved)[0]


def make_views(size):
    """Pairs of patches with a little noise: see compare-training.py."""
    rng = numpy.random.default_rng(9)
    patches = rng.random((PAIRS, 1, 4, 4, 3), numpy.float32)
    patches = patches.repeat(size // 4, 2).repeat(size // 4, 3)
    noise = rng.random((PAIRS, 2, size, size, 3), numpy.float32)
    return (0.8 * patches + 0.2 * noise).reshape(-1, size, size, 3)


def distance(ours, theirs, names):
    """|ours - theirs| / |theirs| over all those tensors."""
    a, b = (numpy.concatenate([side[name].ravel() for name in names]) for side in (ours, theirs))
    return numpy.linalg.norm(a - b) / numpy.linalg.norm(b)


def compare(folder, method, head_layer, loss, rate):
    """Yields whether each line is fine."""
    views = make_views(SIZE)
    views.astype("<f4").tofile(os.path.join(folder, "views"))
    model, teacher = Model(WIDTH, head_layer, 8), None
    before = model.tensors()
    write_checkpoint(os.path.join(folder, "checkpoint"), method, before, head_layer, SIZE, WIDTH, "cifar")
    if loss == "distillation":
        teacher = Model(2 * WIDTH, 1, 10)
        for tensor in teacher.fc.parameters():
            tensor.data.mul_(10)  # an opinion
        write_checkpoint(os.path.join(folder, "teacher"), method, teacher.tensors(), 1, SIZE, 2 * WIDTH, "cifar")
    their_losses, theirs = train_there(method, model, rate, views, teacher)
    for provider in PROVIDERS:
        result = train_here(folder, method, head_layer, loss, rate, provider)
        if result is None:
            continue
        losses, ours = result
        trained, running = ([n for n in before if ("running_" in n) == wanted] for wanted in (False, True))
        loss_error = max(abs(a - b) for a, b in zip(losses, their_losses))
        error, running_error = distance(ours, theirs, trained), distance(ours, theirs, running)
        way = error / distance(before, theirs, trained)
        fine = len(losses) == STEPS and max(loss_error, error, running_error) < TOLERANCE and way < WAY_TOLERANCE
        print(
            f"{loss}, {method}, layer {head_layer}, {provider}: loss {their_losses[0]:.4f} to {their_losses[-1]:.4f}, "
            f"at most {loss_error:.1e} apart; weights {error:.1e} apart, {way:.1e} of their way, running statistics "
            f"{running_error:.1e}{'' if fine else '  FAILED'}"
        )
        yield fine


def compare_with_torchvision(folder):
    """The whole model, strictly, and the same probabilities as fc of our embeddings."""
    torch.manual_seed(11)
    make_views(32).astype("<f4").tofile(os.path.join(folder, "views"))
    model = torchvision.models.resnet18(num_classes=LABELS)
    tensors = {
        name: value.detach().numpy().astype("<f4")
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    write_checkpoint(os.path.join(folder, "checkpoint"), "sgd", tensors, 0, 32, 1, "imagenet")
    _, saved = train_here(folder, "sgd", 0, "cross-entropy", 0.02, "openblas", steps=3)
    state = {name: torch.from_numpy(tensor) for name, tensor in saved.items() if not name.startswith("optimizer.")}
    model.load_state_dict(state)  # strict
    views, h = (os.path.join(folder, name) for name in ("views", "h"))
    subprocess.run([TOOL, "embed", os.path.join(folder, "saved"), "representation", views, h], check=True)
    ours = torch.from_numpy(numpy.fromfile(h, "<f4").reshape(2 * PAIRS, -1)) @ state["fc.weight"].T + state["fc.bias"]
    with torch.no_grad():
        theirs = model.eval()(torch.from_numpy(make_views(32)).permute(0, 3, 1, 2))
    error = float((ours - theirs).norm() / theirs.norm())
    fine = error < TOLERANCE
    print(f"torchvision's resnet18(num_classes={LABELS}): logits {error:.1e} apart{'' if fine else '  FAILED'}")
    return fine


def main():
    with tempfile.TemporaryDirectory() as folder:
        results = [fine for case in CASES for fine in compare(folder, *case)]
        results.append(compare_with_torchvision(folder))
    return 0 if all(results) else 1


if __name__ == "__main__":
    torch.set_num_threads(1)  # two would wait for each other on a busy machine
    sys.exit(main())
