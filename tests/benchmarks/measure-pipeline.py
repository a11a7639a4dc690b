#!/usr/bin/python3
# The training step of benchmark-step as users run it: one gst-launch-1.0 line, replay and augmentation
# included. Prints one JSON line of the same name. Frames are made up and kept by simclrreplay.
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")
MESSAGE = re.compile(r"simclr-training, step=\(guint64\)(\d+)")


def make_pipeline(a):
    frame, strength = (32, 0.5) if a.size <= 32 else (None, 1)
    width, height = (frame, frame) if frame else (640, 480)
    blur = 0 if a.size <= 32 else 0.5
    return (
        f"videotestsrc pattern=snow num-buffers=64 ! video/x-raw,format=RGB,width={width},height={height} ! "
        "simclrreplay policy=all epochs=1000000 seed=1 ! "
        f"simclraugment size={a.size} strength={strength} blur-probability={blur} seed=1 ! "
        f"queue max-size-buffers={2 * a.pairs} max-size-bytes=0 max-size-time=0 ! "
        f"simclrencoder architecture={a.architecture} width={a.width:g} batch-size={a.pairs} "
        f"provider={a.provider} precision={a.precision} threads={a.threads} seed=1 ! "
        "simclrtrainer optimizer=sgd learning-rate=0.03 learning-rate-scaling=none temperature=0.5"
    )


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(a, environment):
    """Times of steps, processor seconds and peak memory. Two steps warm up."""
    command = ["gst-launch-1.0", "-m", *make_pipeline(a).split()]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    times, said, processor = [], [], None
    for line in process.stdout:
        found = MESSAGE.search(line)
        if not found:
            said = [*said[-20:], line]
            continue
        if int(found[1]) >= 2:
            times.append(time.perf_counter())
            processor = processor or processor_seconds(process.pid)
        if len(times) > 3 and times[-1] - times[0] > a.seconds:
            break
    else:
        sys.exit("".join(["the pipeline ended by itself:\n", *said]))
    used = processor_seconds(process.pid) - processor
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    _, _, usage = os.wait4(process.pid, 0)
    return [b - a for a, b in zip(times, times[1:])], used, usage.ru_maxrss // 1024


def main():
    parser = argparse.ArgumentParser(description="Training by pipeline, in pairs a second.")
    parser.add_argument("build", help="build folder, whose plugin is used")
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--width", type=float, default=1)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0, help="0: one for each processor")
    parser.add_argument("--provider", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seconds", type=float, default=2)
    a = parser.parse_args()
    build = os.path.abspath(a.build)
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(
            os.environ,
            GST_PLUGIN_PATH_1_0=os.path.join(build, "plugins"),
            GST_REGISTRY_1_0=os.path.join(folder, "registry"),
            LD_LIBRARY_PATH=os.path.join(build, "lib", "simclr"),
            OPENBLAS_NUM_THREADS="1",
        )
        times, used, peak = measure(a, environment)
    print(json.dumps({
        "name": f"step-{a.architecture}-{a.width:g}x-{a.size}-{a.pairs}pairs",
        "value": round(a.pairs / statistics.median(times), 3), "unit": "pairs/s",
        "lowest": round(a.pairs / max(times), 3), "highest": round(a.pairs / min(times), 3),
        "threads": a.threads or len(os.sched_getaffinity(0)), "provider": f"pipeline, {a.provider}",
        "precision": a.precision, "processor_seconds": used / len(times) / a.pairs,
        "peak_mebibytes": peak,
    }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
