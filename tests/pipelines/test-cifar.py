#!/usr/bin/python3
"""CIFAR-10's binary file through stock elements into training, a few steps of it.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import lzma
import math
import os
import sys

from launch import DATA, folder, location, run, values
import tap

RECORD = 3073
PARSE = ('rawvideoparse width=32 height=32 format=rgbp frame-size=3073 '
         'plane-offsets="<(int)1,(int)1025,(int)2049>" plane-strides="<(int)32,(int)32,(int)32>" '
         'framerate=30/1 ! videoconvert')
BATCH = 64
STEPS = 24


def read_records(name, n):
    path = os.path.join(DATA, 'cifar10', name)
    if not os.path.exists(path):
        raise tap.Skip(f'no cifar10/{name} in SIMCLR_TEST_DATA')
    with lzma.open(path) as file:
        return file.read(n * RECORD)


def train(*settings):
    with folder() as path:
        raw = os.path.join(path, 'batch.bin')
        with open(raw, 'wb') as file:
            file.write(read_records('data_batch_1.bin.xz', BATCH * STEPS))
        output = run(f'filesrc {location(raw)} blocksize=307300 ! {PARSE} ! '
                     'simclrreplay policy=all epochs=1 seed=1 ! simclraugment size=32 strength=0.5 '
                     'blur-probability=0 seed=1 ! simclrencoder architecture=resnet18 width=0.125 '
                     f'batch-size={BATCH} seed=1 ! simclrtrainer {" ".join(settings)}')
    losses = values(output, 'loss')
    assert len(losses) == STEPS, output
    return losses


def test_the_loss_starts_at_chance_and_falls():
    losses = train('temperature=0.5 optimizer=sgd learning-rate=0.06 learning-rate-scaling=none '
                   'weight-decay=0.0005')
    assert abs(losses[0] - math.log(2 * BATCH - 1)) < 0.5, losses
    assert sum(losses[-6:]) / 6 < sum(losses[:6]) / 6 - 0.05, losses


def test_the_small_batch_recipe_with_lars_learns_too():
    losses = train('temperature=0.2 optimizer=lars learning-rate=0.2 learning-rate-scaling=sqrt '
                   'projection-layers=2 projection-size=64')
    assert sum(losses[-6:]) / 6 < sum(losses[:6]) / 6 - 0.05, losses


tap.run(globals())
