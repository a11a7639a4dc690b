#!/usr/bin/python3
# The figures of benchmark-loss in PyTorch: NT-Xent forward and backward over batches of 128 floats.
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import os
import statistics
import sys
import time

try:
    import torch
except ImportError as error:
    sys.exit(f"{error}: install python3-torch")

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
from simclr_torch import nt_xent  # noqa: E402

COLUMNS = 128


def measure(pairs, seconds):
    z = torch.randn(2 * pairs, COLUMNS, requires_grad=True)
    times, begin = [], None
    while begin is None or len(times) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        z.grad = None
        nt_xent(z, 0.5).backward()
        if begin is None:  # the first one warms up
            begin, processor = time.perf_counter(), time.process_time()
            continue
        times.append(time.perf_counter() - start)
    return {
        "name": f"ntxent-{pairs}",
        "value": round(1e3 * statistics.median(times), 4),
        "unit": "ms",
        "lowest": round(1e3 * min(times), 4),
        "highest": round(1e3 * max(times), 4),
        "threads": torch.get_num_threads(),
        "provider": f"torch {torch.__version__}",
        "precision": "float32",
        "processor_seconds": (time.process_time() - processor) / len(times),
    }


parser = argparse.ArgumentParser(description="NT-Xent, forward and backward, in PyTorch.")
parser.add_argument("--threads", type=int, default=0, help="0: one for each processor")
parser.add_argument("--seconds", type=float, default=2, help="altogether")
parser.add_argument("--pairs", type=int, help="only this many")
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads or len(os.sched_getaffinity(0)))
torch.manual_seed(1)
counts = [arguments.pairs] if arguments.pairs else [64, 256, 512, 2048]
for count in counts:
    print(json.dumps(measure(count, arguments.seconds / len(counts))), flush=True)
