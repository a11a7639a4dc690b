# Ordered streams with labels, made of CIFAR-10, of GTSRB's tracks and of real clips: what a camera would see, in its
# order, and pictures to evaluate an encoder with that it did not see.
# SPDX-License-Identifier: LGPL-2.1-or-later
import csv
import glob
import lzma
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'reference'))
import cifar10  # noqa: E402

DATA = os.path.dirname(cifar10.FOLDER)
BACKGROUNDS, BACKGROUND_FRAMES = 4, 40
CLIP_SIZE, CLIP_RATE = 64, 10  # of the clips: pixels, frames a second


@dataclass
class Stream:
    frames: numpy.ndarray  # (n, height, width, 3) bytes, in the order seen
    train: tuple  # pictures and labels that the classifiers learn from
    test: tuple  # pictures and labels, not in the stream
    first: list  # the classes that it begins with
    seen: int  # frames after which those do not come again; 0: they do
    encoder: str = 'architecture=resnet18 stem=cifar'
    neighbours: int = 200  # of kNN: no more than a class has pictures
    times: tuple = ()  # of the test pictures, seconds; empty: no neighbouring moments are asked for


def load(batches, n):
    parts, left = [], n
    for batch in batches:
        if left > 0:
            parts.append(cifar10.read(batch, min(left, 10000)))
            left -= 10000
    return numpy.concatenate([p for p, _ in parts]), numpy.concatenate([l for _, l in parts])


def jitter(picture, random):
    """The same scene a moment later: moved by up to two pixels, a little lighter or darker."""
    padded = numpy.pad(picture, ((2, 2), (2, 2), (0, 0)), mode='reflect')
    y, x = random.integers(0, 5, 2)
    moved = padded[y:y + 32, x:x + 32].astype(float) * random.uniform(0.97, 1.03)
    return numpy.clip(numpy.rint(moved + random.normal(0, 1.5, moved.shape)), 0, 255).astype(numpy.uint8)


def block_order(labels, random):
    return [i for c in range(10) for i in random.permutation(numpy.flatnonzero(labels == c))]


def walk_order(pictures, labels, random):
    """Pictures of one class, each like the one before; with one chance in 50 another class comes."""
    small = pictures.reshape(-1, 8, 4, 8, 4, 3).mean((2, 4)).reshape(len(pictures), -1)
    left = {c: list(random.permutation(numpy.flatnonzero(labels == c))) for c in range(10)}
    order, kind = [], 0
    while any(left.values()):
        if not left[kind] or random.random() < 0.02:
            kind = random.choice([c for c in range(10) if left[c]])
        candidates = left[kind][-32:]
        if order:
            distances = numpy.square(small[candidates] - small[order[-1]]).sum(1)
            chosen = candidates[int(distances.argmin())]
        else:
            chosen = candidates[0]
        left[kind].remove(chosen)
        order.append(chosen)
    return order


def cifar(order, a, random):
    """blocks or camera: each picture stays for a.hold frames, jittered. The classifiers learn from other pictures, where
    there are enough."""
    n = max(a.frames // a.hold, 1)
    pictures, labels = load([f'data_batch_{i}' for i in range(1, 6)], max(n + BACKGROUNDS, a.evaluate))
    train = pictures[-a.evaluate:], labels[-a.evaluate:]
    backgrounds, pictures, labels = pictures[n:n + BACKGROUNDS], pictures[:n], labels[:n]
    sequence, seen = [], 0
    if order == 'blocks':
        sequence = [(pictures[i], a.hold) for i in block_order(labels, random)]
        first, seen = [0, 1], a.hold * int(numpy.isin(labels, [0, 1]).sum())
    else:
        walk = walk_order(pictures, labels, random)
        first = list(dict.fromkeys(labels[walk]))[:2]
        for step, i in enumerate(walk):
            sequence.append((pictures[i], max(1, int(random.geometric(1 / a.hold)))))
            if step % 16 == 15 and len(backgrounds):
                sequence.append((backgrounds[random.integers(len(backgrounds))], BACKGROUND_FRAMES))
    frames = [jitter(picture, random) for picture, times in sequence for _ in range(times)]
    return Stream(numpy.stack(frames[:a.frames]), train, load(['test_batch'], a.test), first, seen)


def gtsrb(a, random):
    """The tracks in the order filmed, but for one of each kind of sign, which is for testing."""
    with lzma.open(os.path.join(DATA, 'gtsrb', 'tracks.bin.xz')) as file:
        records = numpy.frombuffer(file.read(), numpy.uint8).reshape(-1, cifar10.RECORD)
    pictures = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
    labels = records[:, 0].astype(int)
    with open(os.path.join(DATA, 'gtsrb', 'tracks.csv')) as file:
        tracks = numpy.array([(int(row['class']) << 20) + int(row['track']) for row in csv.DictReader(file)])
    held_out = [random.choice(numpy.unique(tracks[labels == c])) for c in numpy.unique(labels)]
    test = numpy.isin(tracks, held_out)
    first = list(dict.fromkeys(labels[~test]))[:4]
    seen = int(numpy.flatnonzero(numpy.isin(labels[~test], first)).max()) + 1
    return Stream(pictures[~test], (pictures[~test], labels[~test]), (pictures[test], labels[test]), first, seen,
                  neighbours=20)


def decode(clip):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'frames')
        subprocess.run(f'gst-launch-1.0 -q filesrc location={clip} ! matroskademux ! vp8dec ! videorate ! '
                       f'video/x-raw,framerate={CLIP_RATE}/1 ! videoscale ! videoconvert ! video/x-raw,format=RGB,'
                       f'width={CLIP_SIZE},height={CLIP_SIZE} ! filesink location={path}'.split(), check=True)
        return numpy.fromfile(path, numpy.uint8).reshape(-1, CLIP_SIZE, CLIP_SIZE, 3)


def feeds(a, random):
    """The first halves of the clips one after the other; their second halves are for testing. A label is a scene."""
    clips = sorted(glob.glob(os.path.join(DATA, 'feeds', '*.webm')))
    clips = [decode(clips[i]) for i in random.permutation(len(clips))]
    halves = [numpy.array_split(clip[:-(len(clip) % 2) or None], 2) for clip in clips]
    sides = []
    for side in (0, 1):
        labels = numpy.concatenate([numpy.full(len(h[side]), c) for c, h in enumerate(halves)])
        sides.append((numpy.concatenate([h[side] for h in halves]), labels))
    times = numpy.concatenate([numpy.arange(len(h[1])) / CLIP_RATE for h in halves])
    return Stream(sides[0][0], *sides, [0, 1], len(halves[0][0]) + len(halves[1][0]),
                  f'architecture=resnet18 stem=imagenet input-size={CLIP_SIZE}', 20, times)


ORDERS = {'blocks': lambda a, random: cifar('blocks', a, random),
          'camera': lambda a, random: cifar('camera', a, random), 'gtsrb': gtsrb, 'feeds': feeds}
