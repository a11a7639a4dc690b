#!/usr/bin/python3
# ResNet-18 to 152 with projection heads of 1 to 3 layers, here and in PyTorch (double precision) from the
# same weights on the same views: both modes, NT-Xent, every gradient, the running statistics; each provider in
# float32, the providers against each other, and the embeddings in bfloat16.
#   compare-models.py MODEL-TOOL [--float32]      the latter: how far PyTorch's own float32 is off, too
# Exits with 77 (skipped) where PyTorch is not installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
import copy
import os
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
    import torchvision  # noqa: F401, the models need it
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-torch and python3-torchvision")
    sys.exit(77)

import tensorfile
from simclr_torch import (Encoder, ProjectionHead, floats, gradients, move_off_edges, nt_xent,
                          randomise, running, state)  # fmt: skip

TOOL = sys.argv[1]
VIEWS, TEMPERATURE = 8, 0.5
# architecture, width, stem, input size, layers of the head, seed
MODELS = [
    ("resnet18", 1, "imagenet", 64, 2, 1),
    ("resnet18", 0.25, "cifar", 32, 1, 2),
    ("resnet34", 0.25, "imagenet", 64, 3, 3),
    ("resnet50", 1, "imagenet", 64, 2, 4),
    ("resnet50", 0.25, "cifar", 32, 3, 5),
    ("resnet101", 0.25, "imagenet", 64, 3, 6),
    ("resnet152", 0.25, "imagenet", 64, 1, 7),
]
# What is compared: the result's tensors by how their names begin, and how far off they may be in float32.
FIGURES = {
    "embedding": ("embeddings.inference", 2e-5),
    "projection": ("projections.inference", 2e-5),
    "training embedding": ("embeddings.training", 2e-5),
    "training projection": ("projections.training", 2e-5),
    "loss": ("loss", 2e-5),
    "loss gradient": ("gradient.projections", 2e-4),
    "head gradient": ("grad.projection_head.", 2e-4),
    "head input gradient": ("gradient.embeddings", 2e-4),
    "encoder gradients": ("grad.", 2e-4),
    "running statistics": ("after.", 2e-5),
}
# BatchNorm over eight views magnifies what eight bits round away.
BFLOAT16 = {"embedding": 2e-2, "training embedding": 3e-2}

failures = 0


def normalised_error(ours, theirs):
    """Infinite where anything is not a number."""
    error = numpy.linalg.norm(ours.astype("f8") - theirs) / max(numpy.linalg.norm(theirs.astype("f8")), 1e-30)
    return error if numpy.isfinite(error) else numpy.inf


def worst_error(ours, theirs, prefix):
    """Of all tensors of that prefix, each by itself; and the name of the worst."""
    names = [name for name in theirs if name.startswith(prefix)]
    assert names, prefix
    return max((normalised_error(ours[name].ravel(), theirs[name].ravel()), name) for name in names)


def make_model(architecture, width, stem, size, layers, seed):
    """Encoder, head, views (n, channels, size, size)."""
    torch.manual_seed(seed)
    encoder = Encoder(architecture, width, stem)
    head = ProjectionHead(layers, encoder.embedding_size, encoder.embedding_size, 16)
    randomise(encoder)
    randomise(head)
    if layers == 3:  # with a shift at the end, as lightly's
        head.layers[-1].bias.requires_grad_(True)
    else:
        torch.nn.init.zeros_(head.layers[-1].bias)
    views = torch.rand(VIEWS, 3, size, size)
    move_off_edges((encoder.double(), head.double()), views.double())
    return encoder.float(), head.float(), views


def write_model(path, model, encoder, head, views):
    architecture, width, stem, size, *_ = model
    metadata = {
        "format": "simclr", "version": "1", "architecture": architecture, "width": str(width), "stem": stem,
        "input_size": str(size), "normalization": "none", "step": "0", "seed": "0", "name": "",
        "temperature": str(TEMPERATURE),
    }  # fmt: skip
    tensors = {**state(encoder), **state(head, "projection_head.")}
    tensors["views"] = views.permute(0, 2, 3, 1).contiguous().numpy()
    tensorfile.write(path, tensors, metadata)


def compute_there(encoder, head, views):
    """By the names of model-tool.c; encoder and head change."""
    result = {}
    with torch.no_grad():
        h = encoder.eval()(views)
        result["embeddings.inference"] = h
        result["projections.inference"] = torch.nn.functional.normalize(head.eval()(h), dim=1)
    h = encoder.train()(views)
    h.retain_grad()
    z = head.train()(h)
    z.retain_grad()
    loss = nt_xent(z, TEMPERATURE)
    loss.backward()
    result.update({"embeddings.training": h, "projections.training": z, "loss": loss.reshape(1)})
    result.update({"gradient.embeddings": h.grad, "gradient.projections": z.grad})
    result = {name: floats(value) for name, value in result.items()}
    for module, prefix in ((encoder, ""), (head, "projection_head.")):
        result.update(gradients(module, "grad." + prefix))
        result.update(running(module, "after." + prefix))
    return result


def compute_here(path, provider, precision):
    """None where this build or processor cannot."""
    result = path + ".result"
    done = subprocess.run([TOOL, path, result, provider, precision, "2"], stderr=subprocess.PIPE, text=True)
    if done.returncode == 77:
        print(f"# {provider} in {precision} is not to be had here: {done.stderr.strip()}")
        return None
    assert done.returncode == 0, done.stderr
    return tensorfile.read(result)[0]


def report(name, figures, ours, theirs):
    """figures: some of FIGURES with their tolerances."""
    global failures
    words = []
    for figure, (prefix, tolerance) in figures.items():
        error, worst = worst_error(ours, theirs, prefix)
        wrong = not error < tolerance
        failures += wrong
        words.append(f"{figure} {error:.1e}" + (f" FAILED, at most {tolerance:g}: {worst}" if wrong else ""))
    print(f"{name}: {', '.join(words)}", flush=True)


def compare(folder, model):
    architecture, width, stem, size, layers, _ = model
    name = f"{architecture}, width {width}, {stem} stem, {size}x{size}, head of {layers}"
    path = os.path.join(folder, "model.safetensors")
    encoder, head, views = make_model(*model)
    write_model(path, model, encoder, head, views)
    if "--float32" in sys.argv:
        single = compute_there(copy.deepcopy(encoder), copy.deepcopy(head), views)
    truth = compute_there(encoder.double(), head.double(), views.double())
    if "--float32" in sys.argv:
        report(f"{name}, PyTorch's float32", {f: (prefix, 1) for f, (prefix, _) in FIGURES.items()}, single, truth)
    results = [compute_here(path, provider, "float32") for provider in ("openblas", "onednn")]
    for provider, result in zip(("openblas", "onednn"), results):
        if result is not None:
            report(f"{name}, {provider}", FIGURES, result, truth)
    if None not in results:
        report(f"{name}, onednn against openblas", FIGURES, results[1], results[0])
    half = compute_here(path, "auto", "bfloat16")
    if half is not None:
        figures = {figure: (FIGURES[figure][0], tolerance) for figure, tolerance in BFLOAT16.items()}
        report(f"{name}, bfloat16", figures, half, truth)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            compare(folder, model)
    return 1 if failures else 0


if __name__ == "__main__":
    torch.set_num_threads(1)  # two would wait for each other on a busy machine
    sys.exit(main())
