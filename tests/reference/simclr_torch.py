# SimCLR's model and loss in PyTorch on torchvision's blocks: the other implementation of the tests.
# SPDX-License-Identifier: LGPL-2.1-or-later
import math

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

ARCHITECTURES = {
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
    "resnet152": (Bottleneck, [3, 8, 36, 3]),
}


class Encoder(ResNet):
    """torchvision's ResNet without its classifier, with a width multiplier and the CIFAR stem."""

    def __init__(self, architecture, width=1, stem="imagenet"):
        block, layers = ARCHITECTURES[architecture]
        super().__init__(block, layers)
        planes = [max(1, math.floor(base * width + 0.5)) for base in (64, 128, 256, 512)]
        self.inplanes = planes[0]
        if stem == "cifar":
            self.conv1 = nn.Conv2d(3, planes[0], 3, 1, 1, bias=False)
            self.maxpool = nn.Identity()
        else:
            self.conv1 = nn.Conv2d(3, planes[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(planes[0])
        self.layer1 = self._make_layer(block, planes[0], layers[0])
        self.layer2 = self._make_layer(block, planes[1], layers[1], stride=2)
        self.layer3 = self._make_layer(block, planes[2], layers[2], stride=2)
        self.layer4 = self._make_layer(block, planes[3], layers[3], stride=2)
        self.fc = nn.Identity()
        self.embedding_size = planes[3] * block.expansion


class ProjectionHead(nn.Module):
    """1 to 3 dense layers without bias, each with BatchNorm, the last one without shift."""

    def __init__(self, layers, size, hidden, out):
        super().__init__()
        modules = []
        for layer in range(layers):
            last = layer == layers - 1
            modules.append(nn.Linear(size, out if last else hidden, bias=False))
            modules.append(nn.BatchNorm1d(out if last else hidden))
            if not last:
                modules.append(nn.ReLU())
            size = hidden
        modules[-1].bias.requires_grad_(False)
        self.layers = nn.Sequential(*modules)

    def forward(self, h):
        return self.layers(h)

    def tensors(self):
        """The state without what the head has not: the last shift."""
        shift = f"layers.{len(self.layers) - 1}.bias"
        return {name: value for name, value in self.state_dict().items() if name != shift}


def nt_xent(z, temperature):
    """Equation 1 of the paper, mean over all views; rows a0 b0 a1 b1 ..."""
    z = nn.functional.normalize(z, dim=1)
    similarity = z @ z.T / temperature
    similarity.fill_diagonal_(float("-inf"))
    positives = torch.arange(len(z), device=z.device) ^ 1
    return nn.functional.cross_entropy(similarity, positives)
