#!/usr/bin/python3
# SimCLR on CIFAR-10 in plain PyTorch and torchvision: what our pipelines' learning is compared with.
#   simclr_pytorch.py --epochs 1 --seed 1                    trains, logs JSON lines, evaluates at the end
#   simclr_pytorch.py --pairs pairs.rgb --checkpoint a.st    the same, on pairs and from weights of ours
#   simclr_pytorch.py --evaluate a.st                        only evaluates an encoder of ours
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import math
import os
import sys
import time

try:
    import numpy
    import torch
    from PIL import Image
    from torchvision import transforms
except ImportError as error:
    print(f"1..0 # SKIP {error}: install python3-torch and python3-torchvision")
    sys.exit(77)

import cifar10
import tensorfile
from simclr_torch import (ARCHITECTURES, Encoder, ProjectionHead, initialise_officially, load_encoder,
                          make_optimizer, nt_xent)  # fmt: skip


def make_augmentation(strength, size=32, areas=(0.08, 1)):
    """The official recipe for CIFAR-10: no blur."""
    jitter = transforms.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
    return transforms.Compose([
        transforms.RandomResizedCrop(size, areas, interpolation=transforms.InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(),
        transforms.RandomApply([jitter], 0.8),
        transforms.RandomGrayscale(0.2),
    ])  # fmt: skip


def augmented_batches(pictures, pairs, strength, seed, crops=0, crop_size=16):
    """Endless batches of bytes (2 * pairs, 32, 32, 3), rows a0 b0 a1 b1 ...; each epoch a permutation
    whose rest, less than a batch, is left out. With crops: of (views, crops), the latter (crops, pairs, ...)."""
    augment = make_augmentation(strength)
    augment_small = make_augmentation(strength, crop_size, (0.05, 0.3))
    order = numpy.random.default_rng(seed)
    torch.manual_seed(seed)  # torchvision's transforms draw from it

    def draw(chosen, times, transform):
        chosen = [i for i in chosen for _ in range(times)]
        return numpy.stack([numpy.asarray(transform(Image.fromarray(pictures[i]))) for i in chosen])

    while True:
        for chosen in order.permutation(len(pictures))[: len(pictures) // pairs * pairs].reshape(-1, pairs):
            views = draw(chosen, 2, augment)
            yield (views, [draw(chosen, 1, augment_small) for _ in range(crops)]) if crops else views


def dumped_batches(path, pairs):
    """What `... ! simclraugment size=32 ! filesink` wrote."""
    views = numpy.fromfile(path, numpy.uint8).reshape(-1, 32, 32, 3)
    yield from views[: len(views) // (2 * pairs) * 2 * pairs].reshape(-1, 2 * pairs, 32, 32, 3)


def to_tensor(views):
    return torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255


def replace_normalisation(module):
    """Group norm (Wu and He 2018) of 8 channels a group instead of batch norm, whose statistics are the batch's."""
    for name, child in module.named_children():
        if isinstance(child, torch.nn.modules.batchnorm._BatchNorm):
            setattr(module, name, torch.nn.GroupNorm(max(1, child.num_features // 8), child.num_features))
            torch.nn.init.constant_(module.get_submodule(name).weight, child.weight[0].item())
        else:
            replace_normalisation(child)


def make_model(arguments):
    torch.manual_seed(arguments.seed)
    encoder = Encoder(arguments.architecture, arguments.width, "cifar")
    size = encoder.embedding_size
    head = ProjectionHead(arguments.projection_layers, size, size, arguments.projection_size)
    if arguments.initialisation == "official":
        initialise_officially(encoder, head)
    if arguments.checkpoint:
        tensors, _ = tensorfile.read(arguments.checkpoint)
        load_encoder(encoder, tensors)
        head = ProjectionHead.from_checkpoint(tensors)
        for module in (*encoder.modules(), *head.modules()):
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.reset_running_stats()
    if arguments.normalisation == "group":
        replace_normalisation(encoder)
        replace_normalisation(head)
    return encoder, head


def rate_at(step, steps, arguments):
    """Linear warm-up, then constant or half a cosine."""
    rate = arguments.learning_rate
    if arguments.scaling == "sqrt":
        rate *= arguments.pairs**0.5
    elif arguments.scaling == "linear":
        rate *= arguments.pairs / 256
    if step < arguments.warmup_steps:
        return rate * step / arguments.warmup_steps
    if arguments.schedule == "cosine":
        done = (step - arguments.warmup_steps) / max(1, steps - arguments.warmup_steps)
        rate *= 0.5 * (1 + math.cos(math.pi * done))
    return rate


def multi_crop_loss(encoder, head, views, crops, temperature):
    """SwAV's multi-crop (Caron et al. 2020, section 3.3) with NT-Xent: small crops are to find both views of their
    picture, never each other; the mean over all such pairs and the usual one. views (2 * pairs, 3, size, size), crops
    a list of (pairs, 3, size, size). The encoder takes each size for itself, the head all of them, as SwAV's does."""
    representations = torch.cat((encoder(views), encoder(torch.cat(crops))))
    views, *small = head(representations).split([len(views), *map(len, crops)])
    losses = [nt_xent(views, temperature)]
    for one in small:
        losses += [nt_xent(torch.stack((one, views[side::2]), 1).flatten(0, 1), temperature) for side in (0, 1)]
    return sum(losses) / len(losses)


def log(**fields):
    print(json.dumps(fields), flush=True)


def train(encoder, head, batches, steps, arguments, look):
    """look (steps done, seconds of training) is called after each step."""
    optimizer = make_optimizer(
        arguments.optimizer, (encoder, head), 0, arguments.momentum, arguments.weight_decay
    )
    encoder.train()
    head.train()
    losses, seconds = [], 0
    for step in range(steps):
        start = time.time()
        views = next(batches, None)
        if views is None:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, arguments)
        optimizer.zero_grad()
        if arguments.crops:
            crops = [to_tensor(one) for one in views[1]]
            loss = multi_crop_loss(encoder, head, to_tensor(views[0]), crops, arguments.temperature)
        else:
            with torch.autocast("cpu", torch.bfloat16, enabled=arguments.autocast):
                projections = head(encoder(to_tensor(views)))
            loss = nt_xent(projections.float(), arguments.temperature)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        seconds += time.time() - start
        log(step=step + 1, loss=round(losses[-1], 5), rate=group["lr"])
        look(step + 1, seconds)
    if losses:
        log(steps=len(losses), first_loss=losses[0], last_losses=sum(losses[-10:]) / len(losses[-10:]),
            seconds=round(seconds, 1))  # fmt: skip


@torch.no_grad()
def embed(encoder, pictures):
    encoder.eval()
    return torch.cat([encoder(to_tensor(p)) for p in numpy.array_split(pictures, len(pictures) // 250)])


def knn_accuracy(train, train_labels, test, test_labels, neighbours=200, temperature=0.1):
    """Wu et al. 2018: votes of the most similar, each exp (similarity / temperature)."""
    train, test = (torch.nn.functional.normalize(h, dim=1) for h in (train, test))
    similarity, nearest = (test @ train.T).topk(neighbours)
    votes = torch.zeros(len(test), 10)
    votes.scatter_add_(1, train_labels[nearest], (similarity / temperature).exp())
    return (votes.argmax(1) == test_labels).float().mean().item()


def linear_accuracy(train, train_labels, test, test_labels, decay=1e-3):
    """Logistic regression on standardised features, by L-BFGS."""
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    train, test = ((h - mean) / deviation for h in (train, test))
    layer = torch.nn.Linear(train.shape[1], 10)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def objective():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(train), train_labels)
        loss = loss + decay / 2 * layer.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    return (layer(test).argmax(1) == test_labels).float().mean().item()


def evaluate(encoder, train_pictures, train_labels, arguments, **fields):
    test_pictures, test_labels = cifar10.read("test_batch", arguments.test_pictures)
    chosen = slice(0, arguments.train_pictures)
    features = (
        embed(encoder, train_pictures[chosen]), torch.from_numpy(train_labels[chosen]),
        embed(encoder, test_pictures), torch.from_numpy(test_labels),
    )  # fmt: skip
    log(knn=round(100 * knn_accuracy(*features), 2), linear=round(100 * linear_accuracy(*features), 2),
        train_pictures=len(features[1]), test_pictures=len(features[3]), **fields)  # fmt: skip


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--architecture", choices=ARCHITECTURES, default="resnet18")
    add("--width", type=float, default=0.25)
    add("--initialisation", choices=("official", "torch"), default="official")
    add("--normalisation", choices=("batch", "group"), default="batch", help="group: for training here only")
    add("--projection-layers", type=int, default=2)
    add("--projection-size", type=int, default=128)
    add("--batches", type=int, default=1, help="of the five training files")
    add("--pairs", dest="dump", metavar="FILE", help="pairs that simclraugment made, instead of torchvision's")
    add("--batch-size", dest="pairs", type=int, default=128, help="pairs")
    add("--crops", type=int, default=0, help="small crops of each picture beside its two views")
    add("--crop-size", type=int, default=16, help="pixels")
    add("--strength", type=float, default=0.5, help="of the colours' jitter")
    add("--temperature", type=float, default=0.5)
    add("--optimizer", choices=("sgd", "lars", "adamw"), default="sgd")
    add("--learning-rate", type=float, default=0.06)
    add("--scaling", choices=("none", "linear", "sqrt"), default="none")
    add("--momentum", type=float, default=0.9)
    add("--weight-decay", type=float, default=5e-4)
    add("--schedule", choices=("constant", "cosine"), default="constant")
    add("--warmup-steps", type=int, default=0)
    add("--epochs", type=int, default=1)
    add("--evaluate-every", type=int, default=0, help="epochs between evaluations; 0: only at the end")
    add("--steps", type=int, help="instead of epochs; 0 evaluates what is untrained")
    add("--seed", type=int, default=1)
    add("--autocast", action="store_true", help="bfloat16 where torch.autocast () takes it")
    add("--threads", type=int, default=len(os.sched_getaffinity(0)))
    add("--checkpoint", help="a file of ours to begin from")
    add("--evaluate", metavar="CHECKPOINT", help="evaluate an encoder of ours and train nothing")
    add("--train-pictures", type=int, default=10000, help="that the evaluation learns from")
    add("--test-pictures", type=int, default=10000)
    return parser.parse_args()


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    if not os.path.exists(cifar10.path("data_batch_1")):
        print(f"1..0 # SKIP there is no {cifar10.path('data_batch_1')}")
        sys.exit(77)
    files = [cifar10.read(f"data_batch_{i + 1}") for i in range(arguments.batches)]
    pictures, labels = (numpy.concatenate(parts) for parts in zip(*files))
    if arguments.evaluate:
        tensors, metadata = tensorfile.read(arguments.evaluate)
        encoder = Encoder(metadata["architecture"], float(metadata["width"]), metadata["stem"])
        load_encoder(encoder, tensors)
    else:
        encoder, head = make_model(arguments)
        if arguments.dump:
            batches = dumped_batches(arguments.dump, arguments.pairs)
        else:
            batches = augmented_batches(pictures, arguments.pairs, arguments.strength, arguments.seed, arguments.crops,
                                        arguments.crop_size)  # fmt: skip
        steps = arguments.steps
        if steps is None:
            steps = arguments.epochs * (len(pictures) // arguments.pairs)
        interval = arguments.evaluate_every * (len(pictures) // arguments.pairs)

        def look(step, seconds):
            if interval and step % interval == 0:
                epoch = step // interval * arguments.evaluate_every
                evaluate(encoder, pictures, labels, arguments, epoch=epoch, seconds=seconds)
                encoder.train()

        train(encoder, head, batches, steps, arguments, look)
    evaluate(encoder, pictures, labels, arguments)


if __name__ == "__main__":
    main()
