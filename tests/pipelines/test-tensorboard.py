#!/usr/bin/python3
"""Curves for TensorBoard, by simclrtrainer in a pipeline: read by their definition, and by TensorBoard.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import glob
import os
import re
import shlex
import shutil
import signal
import struct
import sys

from launch import ENCODER, FRAMES, PAIRS, Launch, folder, location, run, values
from eventfile import curves
import tap

WRITES = sys.argv[1] == 'yes'

FIELDS = {'train/contrast_loss': 'loss', 'train/contrast_acc': 'contrastive-accuracy',
          'train/contrast_entropy': 'contrastive-entropy', 'learning_rate': 'learning-rate',
          'train/gradient_norm': 'gradient-norm', 'train/pairs_per_second': 'pairs-per-second',
          'train/skipped_steps': 'skipped-steps', 'health/embedding_deviation': 'embedding-deviation',
          'health/effective_rank': 'effective-rank', 'health/collapsed_dimensions': 'collapsed-dimensions',
          'health/alignment': 'alignment', 'health/uniformity': 'uniformity'}
TRAINER = 'simclrtrainer optimizer=sgd learning-rate=0.1 learning-rate-scaling=none'


def pipeline(frames, settings):
    return f'{FRAMES.replace("ball", f"ball num-buffers={frames}")} ! {PAIRS} ! {ENCODER} ! {TRAINER} {settings}'


def writes(function):
    def test():
        if not WRITES:
            raise tap.Skip('event files were not built: there is no protobuf-c')
        with folder() as path:
            function(path, os.path.join(path, 'curves with a space'))
    test.__name__ = function.__name__
    return test


def to_float(number):
    return struct.unpack('f', struct.pack('f', number))[0]


@writes
def test_curves_are_the_messages(path, logs):
    output = run(pipeline(40, f'tensorboard={shlex.quote(logs)}'))
    found, times = curves(logs)
    assert set(found) == set(FIELDS), set(found) ^ set(FIELDS)
    assert times == sorted(times)
    for tag, field in FIELDS.items():
        steps, numbers = zip(*found[tag])
        assert steps == tuple(range(1, 11)), (tag, steps)
        for number, said in zip(numbers, values(output, field), strict=True):
            assert abs(number - to_float(said)) <= 1e-6 * abs(said), (tag, number, said)


@writes
def test_the_probe_has_curves(path, logs):
    labels = os.path.join(path, 'labels')
    with open(labels, 'w') as file:
        file.write('a\nb\n' * 4)
    output = run(pipeline(8, f'tensorboard={shlex.quote(logs)} labels={labels}'))
    found, _ = curves(logs)
    assert set(found) == set(FIELDS) | {'train/supervised_acc', 'train/supervised_loss'}
    for tag, field in (('train/supervised_acc', 'probe-accuracy'), ('train/supervised_loss', 'probe-loss')):
        numbers = [number for step, number in found[tag]]
        assert len(numbers) == 2
        assert all(abs(a - b) <= 1e-6 * abs(b) for a, b in zip(numbers, values(output, field), strict=True))


@writes
def test_fine_tuning_has_its_own(path, logs):
    labels = os.path.join(path, 'labels')
    with open(labels, 'w') as file:
        file.write('a\nb\n' * 4)
    output = run(pipeline(8, f'tensorboard={shlex.quote(logs)} labels={labels} loss=cross-entropy'))
    found, _ = curves(logs)
    fields = {tag: field for tag, field in FIELDS.items() if not tag.startswith(('train/contrast', 'health/'))}
    fields |= {'train/supervised_acc': 'accuracy', 'train/supervised_loss': 'loss'}
    assert set(found) == set(fields), found
    for tag, field in fields.items():
        assert [number for _, number in found[tag]] == [to_float(said) for said in values(output, field)], tag


@writes
def test_an_interval_leaves_points_out(path, logs):
    run(pipeline(40, f'tensorboard={shlex.quote(logs)} tensorboard-interval=4'))
    assert [step for step, _ in curves(logs)[0]['learning_rate']] == [1, 4, 8]


@writes
def test_a_killed_run_is_resumed_without_a_seam(path, logs):
    """The first run goes on beyond its last checkpoint before it dies; the second replaces those steps."""
    checkpoint = os.path.join(path, 'encoder.safetensors')
    settings = f'tensorboard={shlex.quote(logs)} {location(checkpoint)} checkpoint-interval=5'
    launch = Launch(pipeline(-1, settings))
    launch.wait_for('simclr-checkpoint')
    launch.wait_for('simclr-training', 3)
    shutil.copy(checkpoint, checkpoint + '.kept')
    launch.signal(signal.SIGKILL)
    launch.finish()
    # a checkpoint that the run is known to have gone beyond
    shutil.move(checkpoint + '.kept', checkpoint)
    before = [step for step, _ in curves(logs)[0]['train/contrast_loss']]
    output = run(pipeline(400, settings + f' resume=true total-steps={before[-1] + 5}'))
    first = int(values(output, 'step')[0])
    assert 1 < first <= before[-1] + 1, (first, before)
    found, _ = curves(logs)
    assert len(glob.glob(glob.escape(logs) + '/*')) == 2
    steps, losses = zip(*found['train/contrast_loss'])
    assert steps == tuple(range(1, before[-1] + 6)), steps
    assert all(abs(a - b) < 1e-5 for a, b in zip(losses[first - 1:], values(output, 'loss'), strict=True))


@writes
def test_a_full_disk_is_said_once_and_training_goes_on(path, logs):
    output = run(pipeline(80, f'tensorboard={shlex.quote(logs)}'), file_size_limit=3000)
    assert len(values(output, 'loss')) == 20
    assert len(re.findall('^WARNING.*could not be written|^WARNING.*training goes on', output, re.M)) == 1, output
    assert 'File too large' in output or 'No space' in output, output
    assert 2 <= len(curves(logs)[0]['learning_rate']) < 20


@writes
def test_a_folder_that_cannot_be_is_said_and_training_goes_on(path, logs):
    with open(logs, 'w'):
        pass
    output = run(pipeline(8, f'tensorboard={shlex.quote(logs)}'))
    assert 'cannot be written to; training goes on without' in output, output
    assert len(values(output, 'loss')) == 2


@writes
def test_a_real_tensorboard_reads_it(path, logs):
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        raise tap.Skip('there is no TensorBoard for Python here')
    run(pipeline(8, f'tensorboard={shlex.quote(logs)}'))
    run(pipeline(12, f'tensorboard={shlex.quote(logs)}'))  # replaces the first
    accumulator = EventAccumulator(logs, size_guidance={'tensors': 0, 'scalars': 0})
    accumulator.Reload()
    found, _ = curves(logs)
    assert set(accumulator.Tags()['scalars']) == set(FIELDS), accumulator.Tags()
    for tag in FIELDS:
        assert [(event.step, event.value) for event in accumulator.Scalars(tag)] == found[tag]


def test_a_build_without_says_so():
    if WRITES:
        raise tap.Skip('this build writes event files')
    launch = Launch(pipeline(8, 'tensorboard=curves'))
    assert launch.finish() != 0
    assert 'tensorboard="curves"' in launch.output and 'protobuf-c' in launch.output, launch.output


tap.run(globals())
