#!/usr/bin/python3
# Makes fixtures/*.safetensors and fixtures/torchvision-names.txt with PyTorch and torchvision, in double precision.
# SPDX-License-Identifier: LGPL-2.1-or-later
import os

import torch
import torchvision

import tensorfile
from simclr_torch import (ARCHITECTURES, Encoder, ProjectionHead, floats, gradients, nt_xent, randomise,
                          running, state)  # fmt: skip

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")

# name, architecture, width, stem, input size, seed. The odd widths give channel counts that no vector
# divides. The seeds are such that no input of a ReLU or of the max pooling lies so near its edge that
# float32's rounding carries it over: one element there moves a small batch's gradient by a thousandth.
MODELS = [
    ("resnet18-cifar", "resnet18", 0.0625, "cifar", 32, 15),
    ("resnet18-imagenet", "resnet18", 0.05, "imagenet", 64, 9),
    ("resnet50-cifar", "resnet50", 0.04, "cifar", 16, 14),
    ("resnet50-imagenet", "resnet50", 0.0625, "imagenet", 64, 13),
]
VIEWS = 8
TEMPERATURE = 0.5


def make_model(name, architecture, width, stem, size, seed):
    torch.manual_seed(seed)
    encoder = Encoder(architecture, width, stem)
    features = encoder.embedding_size
    head = ProjectionHead(2, features, features, 16)
    randomise(encoder)
    randomise(head)
    with torch.no_grad():
        head.layers[-1].bias.zero_()
    views = torch.rand(VIEWS, 3, size, size).to(torch.float16)  # half the size in the repository
    tensors = {**state(encoder), **state(head, "projection_head.")}
    tensors["views"] = views.permute(0, 2, 3, 1).contiguous().numpy()

    encoder.double().eval()
    head.double().eval()
    tensors["embeddings.inference"] = floats(encoder(views.double()))
    tensors["projections.inference"] = floats(
        torch.nn.functional.normalize(head(encoder(views.double())), dim=1)
    )
    encoder.train()
    head.train()
    h = encoder(views.double())
    h.retain_grad()
    z = head(h)
    z.retain_grad()
    loss = nt_xent(z, TEMPERATURE)
    loss.backward()
    tensors["embeddings.training"] = floats(h)
    tensors["projections.training"] = floats(z)
    tensors["loss"] = floats(loss.reshape(1))
    tensors["gradient.embeddings"] = floats(h.grad)
    tensors["gradient.projections"] = floats(z.grad)
    tensors.update(gradients(encoder, "grad."))
    tensors.update(gradients(head, "grad.projection_head."))
    tensors.update(running(encoder, "after."))
    tensors.update(running(head, "after.projection_head."))
    metadata = {
        "format": "simclr",
        "version": "1",
        "architecture": architecture,
        "width": str(width),
        "stem": stem,
        "input_size": str(size),
        "normalization": "none",
        "step": "0",
        "seed": "0",
        "name": name,
        "temperature": str(TEMPERATURE),
    }
    tensorfile.write(os.path.join(FOLDER, name + ".safetensors"), tensors, metadata)


def make_heads():
    """Heads of 1, 2 and 3 layers alone, with a random gradient from above; prefix: the layer count."""
    torch.manual_seed(20200214)
    rows, size, hidden, out = 11, 19, 23, 13
    tensors = {}
    for layers in (1, 2, 3):
        head = ProjectionHead(layers, size, hidden, out)
        randomise(head)
        with torch.no_grad():
            head.layers[-1].bias.zero_()
        prefix = f"{layers}."
        h, dz = torch.randn(rows, size), torch.randn(rows, out)
        tensors.update(state(head, prefix + "projection_head."))
        tensors.update({prefix + "h": floats(h), prefix + "dz": floats(dz)})
        head.double().eval()
        tensors[prefix + "z.inference"] = floats(head(h.double()))
        head.train()
        h = h.double().requires_grad_()
        z = head(h)
        z.backward(dz.double())
        tensors[prefix + "z"] = floats(z)
        tensors[prefix + "dh"] = floats(h.grad)
        tensors.update(gradients(head, prefix + "grad.projection_head."))
        tensors.update(running(head, prefix + "after.projection_head."))
    tensorfile.write(os.path.join(FOLDER, "projection-heads.safetensors"), tensors)


def make_names():
    """Every tensor's name and shape: architecture, width, stem, name, shape."""
    with open(os.path.join(FOLDER, "torchvision-names.txt"), "w") as file:
        models = [(a, 1, "imagenet", getattr(torchvision.models, a)()) for a in ARCHITECTURES]
        models += [
            (a, width, stem, Encoder(a, width, stem))
            for a, width, stem in (
                ("resnet18", 1, "cifar"),
                ("resnet18", 0.05, "cifar"),
                ("resnet18", 0.001, "imagenet"),
                ("resnet34", 0.25, "imagenet"),
                ("resnet50", 0.3, "cifar"),
                ("resnet50", 2, "imagenet"),
            )
        ]
        for architecture, width, stem, model in models:
            for name, tensor in model.state_dict().items():
                if not name.startswith("fc.") and not name.endswith("num_batches_tracked"):
                    shape = ",".join(map(str, tensor.shape))
                    print(architecture, width, stem, name, shape, file=file)


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.makedirs(FOLDER, exist_ok=True)
    for model in MODELS:
        make_model(*model)
    make_heads()
    make_names()
