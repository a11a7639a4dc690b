#!/usr/bin/python3
# What the machine's matrix products reach, in GFLOP/s: what a training step is held against.
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import statistics
import sys
import time

try:
    import torch
except ImportError as error:
    sys.exit(f"{error}: install python3-torch")

SIZE = 2048
torch.set_num_threads(len(os.sched_getaffinity(0)))
seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1
for precision, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
    a, b = (torch.rand(SIZE, SIZE).to(kind) for _ in range(2))
    out = a @ b
    times, begin = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        times.append(time.perf_counter() - start)
    rates = [2 * SIZE**3 / seconds / 1e9 for seconds in times]
    print(json.dumps({
        "name": f"product-{precision}", "value": round(statistics.median(rates), 1), "unit": "GFLOP/s",
        "lowest": round(min(rates), 1), "highest": round(max(rates), 1),
        "threads": torch.get_num_threads(), "provider": f"torch {torch.__version__}",
        "precision": precision,
    }), flush=True)  # fmt: skip
