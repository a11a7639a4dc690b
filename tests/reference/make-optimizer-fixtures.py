#!/usr/bin/python3
# Makes fixtures/optimizers.safetensors: where torch's SGD and AdamW, and LARS as its authors and the
# official SimCLR code define it, lead some tensors in 20 steps. In double precision.
# SPDX-License-Identifier: LGPL-2.1-or-later
import os

import numpy
import torch

import tensorfile
from simclr_torch import Lars

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "optimizers.safetensors")

STEPS = 20
# name, shape, whether decay and adaptation apply
TENSORS = [
    ("convolution", (8, 4, 3, 3), True),
    ("large", (129, 128), True),
    ("zero", (6, 5), True),
    ("still", (7, 3), True),
    ("bias", (10,), False),
    ("scale", (8,), False),
    ("shift", (33,), False),
]
# name, method, momentum, decay, trust coefficient, learning rate
RUNS = [
    ("lars", "lars", 0.9, 1e-4, 1e-3, 2.0),
    ("lars-strong-decay", "lars", 0.9, 0.5, 0.01, 0.3),
    ("lars-no-decay", "lars", 0.5, 0.0, 1e-3, 2.0),
    ("sgd", "sgd", 0.9, 5e-4, 0.0, 0.06),
    ("sgd-plain", "sgd", 0.0, 0.1, 0.0, 0.1),
    ("adamw", "adamw", 0.9, 0.05, 0.0, 1e-2),
    ("adamw-no-decay", "adamw", 0.8, 0.0, 0.0, 1e-3),
]
# Every 16th number of the large tensor is enough.
STRIDE = 16

table = numpy.random.default_rng(5).standard_normal(997).astype(numpy.float32)


def initial(number, name, count):
    if name == "zero":
        return numpy.zeros(count)
    return 0.1 * table[(numpy.arange(count) * 5 + 11 * number) % 997].astype(float)


def gradient(number, name, step, values):
    """A loss's gradient that depends on where the values are, and changes with the step."""
    if name == "still":
        return numpy.zeros(values.size)
    index = numpy.arange(values.size)
    return table[(index * 7 + 37 * step + 101 * number) % 997].astype(float) + 0.5 * values.ravel()


def rate_of(step, rate):
    return rate * (1 + step % 5) / 5


def run(method, momentum, decay, trust, rate):
    weights = [
        torch.nn.Parameter(torch.tensor(initial(i, name, numpy.prod(shape)).reshape(shape)))
        for i, (name, shape, _) in enumerate(TENSORS)
    ]
    groups = [
        {
            "params": [w for w, tensor in zip(weights, TENSORS) if tensor[2] == adapt],
            "weight_decay": decay if adapt else 0.0,
            "adapt": adapt,
        }
        for adapt in (True, False)
    ]
    if method == "lars":
        optimizer = Lars(groups, momentum, trust)
    elif method == "sgd":
        optimizer = torch.optim.SGD(groups, lr=rate, momentum=momentum)
    else:
        optimizer = torch.optim.AdamW(groups, lr=rate, betas=(momentum, 0.999), eps=1e-8)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate_of(step, rate)
        for i, (name, shape, _) in enumerate(TENSORS):
            values = weights[i].detach().numpy()
            weights[i].grad = torch.tensor(gradient(i, name, step, values).reshape(shape))
        optimizer.step()
    return [w.detach().numpy() for w in weights]


tensors, metadata = {"table": table}, {}
for run_name, *settings in RUNS:
    for key, value in zip(("method", "momentum", "decay", "trust", "rate"), settings):
        metadata[f"{run_name}.{key}"] = str(value)
    for (name, shape, _), values in zip(TENSORS, run(*settings)):
        flat = values.ravel()
        tensors[f"{run_name}.{name}"] = (flat[::STRIDE] if name == "large" else flat).astype(numpy.float32)
metadata["runs"] = " ".join(name for name, *_ in RUNS)
tensorfile.write(FILE, tensors, metadata)
