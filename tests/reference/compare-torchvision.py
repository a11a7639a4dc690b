#!/usr/bin/python3
# Files both ways between libsimclr and torchvision: the same weights give the same embedding.
# Argument: the program reference-tool. Exits with 77 (skipped) where PyTorch is not installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
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
from simclr_torch import Encoder, ProjectionHead, load_encoder

TOOL = sys.argv[1]
TOLERANCE = 1e-4
failures = 0


def check(name, error):
    global failures
    failures += not error < TOLERANCE
    print(f"{name}: normalised error {error:.2e}{'' if error < TOLERANCE else '  FAILED'}")


def normalised_error(a, b):
    return numpy.linalg.norm(a - b) / numpy.linalg.norm(b)


def embed_here(folder, weights, views, output="representation"):
    """views: (n, size, size, 3)"""
    pictures, result = os.path.join(folder, "pictures"), os.path.join(folder, "embeddings")
    views.astype("<f4").tofile(pictures)
    subprocess.run([TOOL, "embed", weights, output, pictures, result], check=True)
    return numpy.fromfile(result, "<f4").reshape(len(views), -1)


def embed_there(model, views):
    with torch.no_grad():
        return model.eval()(torch.from_numpy(views).permute(0, 3, 1, 2)).numpy()


def make_views(size):
    return numpy.random.default_rng(5).random((2, size, size, 3), numpy.float32)


def from_here_to_there(folder, architecture, width, stem, size, model):
    """A checkpoint of ours loads into torchvision's class with no missing key but the classifier's."""
    path = os.path.join(folder, "checkpoint.safetensors")
    subprocess.run([TOOL, "checkpoint", architecture, str(width), stem, str(size), path], check=True)
    tensors, metadata = tensorfile.read(path)
    load_encoder(model, tensors)
    assert metadata["format"] == "simclr", metadata
    model.fc = torch.nn.Identity()
    views = make_views(size)
    name = f"{architecture}, width {width}, {stem} stem, ours there"
    h = embed_there(model, views)
    check(name, normalised_error(embed_here(folder, path, views), h))
    with torch.no_grad():
        z = ProjectionHead.from_checkpoint(tensors).eval()(torch.from_numpy(h))
        z = torch.nn.functional.normalize(z, dim=1)
    check(f"{name}, projection", normalised_error(embed_here(folder, path, views, "projection"), z.numpy()))


def randomise(model):
    """Statistics and scales as a trained model may have them; torchvision's start as 0 and 1."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.0)
            torch.nn.init.normal_(layer.bias, 0, 0.2)
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 1.5)


def from_there_to_here(folder, name, model, size):
    """A bare state dict, classifier and batch counts included, no metadata."""
    randomise(model)
    path = os.path.join(folder, "state.safetensors")
    tensorfile.write(path, {name: tensor.numpy() for name, tensor in model.state_dict().items()})
    model.fc = torch.nn.Identity()
    views = make_views(size)
    check(f"{name}, theirs here", normalised_error(embed_here(folder, path, views), embed_there(model, views)))


def from_inside_a_model(folder, name, wrap):
    """An encoder as other implementations of SimCLR keep it; wrap makes their model of a ResNet."""
    resnet = torchvision.models.resnet18()
    randomise(resnet)
    path = os.path.join(folder, "model.safetensors")
    state = torch.nn.ModuleDict(wrap(resnet)).state_dict()
    tensorfile.write(path, {name: tensor.numpy() for name, tensor in state.items()})
    resnet.fc = torch.nn.Identity()
    views = make_views(224)
    check(f"{name}, theirs here", normalised_error(embed_here(folder, path, views), embed_there(resnet, views)))


def wrap_as_lightly(resnet):
    return {"backbone": torch.nn.Sequential(*list(resnet.children())[:-1])}


def wrap_as_sthalles(resnet):
    resnet.fc = torch.nn.Sequential(torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, 128))
    return {"backbone": resnet}


def main():
    torch.manual_seed(6)
    with tempfile.TemporaryDirectory() as folder:
        from_here_to_there(folder, "resnet18", 1, "imagenet", 64, torchvision.models.resnet18())
        from_here_to_there(folder, "resnet50", 1, "imagenet", 64, torchvision.models.resnet50())
        from_here_to_there(folder, "resnet18", 0.25, "cifar", 32, Encoder("resnet18", 0.25, "cifar"))
        from_here_to_there(folder, "resnet34", 0.1, "cifar", 24, Encoder("resnet34", 0.1, "cifar"))
        for name in ("resnet18", "resnet50"):
            from_there_to_here(folder, name, getattr(torchvision.models, name)(), 224)
        from_inside_a_model(folder, "a model as lightly's", wrap_as_lightly)
        from_inside_a_model(folder, "a model as sthalles'", wrap_as_sthalles)
        from_there_to_here(folder, "resnet18, cifar stem", Encoder("resnet18", 0.5, "cifar"), 32)
    return 1 if failures else 0


if __name__ == "__main__":
    torch.set_num_threads(1)  # two would wait for each other on a busy machine
    sys.exit(main())
