#!/usr/bin/python3
# The training step of benchmark-step in PyTorch: the same model, head, loss and optimizer, views in memory.
# Prints one JSON line a mode: float32, float32 channels last, bfloat16 autocast channels last.
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import contextlib
import json
import os
import resource
import statistics
import sys
import time

try:
    import torch
    import torchvision  # noqa: F401, the model below needs it
except ImportError as error:
    sys.exit(f"{error}: install python3-torch and python3-torchvision")

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
from simclr_torch import Encoder, ProjectionHead, nt_xent  # noqa: E402

MODES = ("float32", "float32-channels-last", "bfloat16-channels-last")


def make_step(arguments, mode):
    torch.manual_seed(1)
    stem = "cifar" if arguments.size <= 32 else "imagenet"
    encoder = Encoder(arguments.architecture, arguments.width, stem)
    head = ProjectionHead(2, encoder.embedding_size, encoder.embedding_size, 128)
    views = torch.rand(2 * arguments.pairs, 3, arguments.size, arguments.size)
    if mode != "float32":
        encoder = encoder.to(memory_format=torch.channels_last)
        views = views.to(memory_format=torch.channels_last)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.03, momentum=0.9, weight_decay=1e-6)

    def step():
        optimizer.zero_grad(set_to_none=True)
        narrow = mode.startswith("bfloat16")
        with torch.autocast("cpu", torch.bfloat16) if narrow else contextlib.nullcontext():
            z = head(encoder(views))
        nt_xent(z.float(), 0.5).backward()
        optimizer.step()

    return step


def measure(arguments, mode):
    step = make_step(arguments, mode)
    step()
    times, begin, processor = [], time.perf_counter(), time.process_time()
    while len(times) < 2 or time.perf_counter() - begin < arguments.seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    processor = (time.process_time() - processor) / len(times)
    return {
        "name": "step-{0.architecture}-{0.width:g}x-{0.size}-{0.pairs}pairs".format(arguments),
        "value": round(arguments.pairs / statistics.median(times), 3),
        "unit": "pairs/s",
        "lowest": round(arguments.pairs / max(times), 3),
        "highest": round(arguments.pairs / min(times), 3),
        "threads": torch.get_num_threads(),
        "provider": f"pytorch {torch.__version__}",
        "precision": mode,
        "processor_seconds": processor / arguments.pairs,
        "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--width", type=float, default=1)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0, help="0: one for each processor")
    parser.add_argument("--seconds", type=float, default=2, help="for each mode")
    parser.add_argument("--mode", choices=MODES, help="only this one")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads or len(os.sched_getaffinity(0)))
    for mode in [arguments.mode] if arguments.mode else MODES:
        print(json.dumps(measure(arguments, mode)), flush=True)


if __name__ == "__main__":
    main()
