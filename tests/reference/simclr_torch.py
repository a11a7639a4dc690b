# SimCLR's model, loss and optimizers in PyTorch on torchvision's blocks: the other implementation of the tests.
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
        """The state without what the head has not, unless it learns: the last shift."""
        shift = None if self.layers[-1].bias.requires_grad else f"layers.{len(self.layers) - 1}.bias"
        return {name: value for name, value in self.state_dict().items() if name != shift}

    @classmethod
    def from_checkpoint(cls, tensors):
        """The head of a checkpoint; tensors: name to numpy array."""
        prefix = "projection_head."
        state = {n[len(prefix) :]: torch.from_numpy(t) for n, t in tensors.items() if n.startswith(prefix)}
        dense = [tensor for tensor in state.values() if tensor.dim() == 2]
        head = cls(len(dense), dense[0].shape[1], dense[0].shape[0], dense[-1].shape[0])
        missing = head.load_state_dict(state, strict=False).missing_keys
        shift = f"layers.{len(head.layers) - 1}.bias"
        assert all(n == shift or n.endswith("num_batches_tracked") for n in missing), missing
        nn.init.zeros_(head.get_parameter(shift))
        return head


def randomise(module):
    """Numbers that let every gradient flow, and that float32 holds exactly. Blocks add little to their
    shortcut, for else 50 layers magnify rounding."""
    last = {
        f"{name}.bn{3 if isinstance(block, Bottleneck) else 2}"
        for name, block in module.named_modules()
        if isinstance(block, (BasicBlock, Bottleneck))
    }
    for name, layer in module.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.weight.data.normal_(0, (2 / layer.weight[0].numel()) ** 0.5)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(*(0.1, 0.4) if name in last else (0.5, 1.5))
            layer.bias.data.uniform_(-0.5, 1.5).mul_(layer.weight.data)


def move_off_edges(modules, views):
    """Shifts BatchNorms, so that nothing that enters a ReLU in training lies near its edge: an element that
    rounding carries over it would change a gradient of few views by percents, in any implementation (in
    PyTorch's float32 too). Every channel is shifted by a little, to where its values leave the widest gap."""
    last, handles = None, []

    def remember(layer, inputs, output):
        nonlocal last
        last = layer

    def shift(layer, inputs):
        x = inputs[0]
        values, _ = x.transpose(0, 1).flatten(1).sort(1)
        gaps, middles = values.diff(dim=1), (values[:, 1:] + values[:, :-1]) / 2
        near = middles.abs() <= 0.1 * values.std(1, keepdim=True)
        best = torch.where(near.any(1), (gaps * near).argmax(1), middles.abs().argmin(1))
        old = last.bias.clone()
        last.bias.sub_(middles.gather(1, best[:, None])[:, 0]).copy_(last.bias.float())
        return x + (last.bias - old).reshape(-1, *[1] * (x.dim() - 2))

    for layer in (layer for module in modules for layer in module.modules()):
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            handles.append(layer.register_forward_hook(remember))
        elif isinstance(layer, nn.ReLU):
            handles.append(layer.register_forward_pre_hook(shift))
    statistics = [(t, t.clone()) for module in modules for t in module.buffers()]
    with torch.no_grad():
        for module in modules:
            views = module.train()(views)
        for tensor, before in statistics:
            tensor.copy_(before)
    for handle in handles:
        handle.remove()


def floats(tensor):
    return tensor.detach().to(torch.float32).numpy()


def state(module, prefix=""):
    """All tensors of an encoder or a head but the counts of batches."""
    tensors = module.tensors() if isinstance(module, ProjectionHead) else module.state_dict()
    return {
        prefix + name: floats(value.clone())
        for name, value in tensors.items()
        if not name.endswith("num_batches_tracked")
    }


def gradients(module, prefix):
    return {
        prefix + name: floats(value.grad)
        for name, value in module.named_parameters()
        if value.requires_grad
    }


def running(module, prefix):
    return {name: value for name, value in state(module, prefix).items() if "running_" in name}


def load_encoder(encoder, tensors):
    """Takes the encoder of a checkpoint of ours; tensors: name to numpy array."""
    state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    keys = encoder.load_state_dict(state, strict=False)
    assert all(name.startswith("fc.") for name in keys.missing_keys), keys.missing_keys
    foreign = [n for n in keys.unexpected_keys if not n.startswith(("projection_head.", "optimizer."))]
    assert not foreign, foreign


def initialise_officially(encoder, head):
    """As the official code: convolutions truncated normal of variance 1 / fan-in, blocks start as the
    identity, dense layers normal of deviation 0.01."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            deviation = module.weight[0].numel() ** -0.5 / 0.87962566103423978
            nn.init.trunc_normal_(module.weight, 0, deviation, -2 * deviation, 2 * deviation)
        elif isinstance(module, (BasicBlock, Bottleneck)):
            nn.init.zeros_((module.bn3 if isinstance(module, Bottleneck) else module.bn2).weight)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)


class Lars(torch.optim.Optimizer):
    """You et al. 2017 (1708.03888), momentum over steps that include the learning rate."""

    def __init__(self, groups, momentum, trust):
        super().__init__(groups, {"lr": 0, "momentum": momentum, "trust": trust, "weight_decay": 0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                update = weight.grad + group["weight_decay"] * weight
                trust = 1.0
                if group["adapt"] and weight.norm() > 0 and update.norm() > 0:
                    trust = group["trust"] * weight.norm() / update.norm()
                state = self.state[weight]
                state.setdefault("velocity", torch.zeros_like(weight))
                state["velocity"].mul_(group["momentum"]).add_(group["lr"] * trust * update)
                weight.sub_(state["velocity"])


def make_optimizer(method, modules, rate, momentum, decay, trust=1e-3):
    """Weights of one dimension (BatchNorm's) are not decayed, and LARS does not adapt their rate."""
    weights = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.dim() > 1], "weight_decay": decay, "adapt": True, "lr": rate},
        {"params": [p for p in weights if p.dim() == 1], "weight_decay": 0, "adapt": False, "lr": rate},
    ]
    if method == "lars":
        return Lars(groups, momentum, trust)
    if method == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=momentum)
    return torch.optim.AdamW(groups, lr=rate, betas=(momentum, 0.999), eps=1e-8)


def nt_xent(z, temperature):
    """Equation 1 of the paper, mean over all views; rows a0 b0 a1 b1 ..."""
    z = nn.functional.normalize(z, dim=1)
    similarity = z @ z.T / temperature
    similarity.fill_diagonal_(float("-inf"))
    positives = torch.arange(len(z), device=z.device) ^ 1
    return nn.functional.cross_entropy(similarity, positives)
