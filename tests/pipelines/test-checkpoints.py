#!/usr/bin/python3
"""Checkpoints through everything that ends a run early: signals, kills, full disks, bad files.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import random
import signal

from launch import (ENCODER, FRAMES, Launch, PAIRS, fail, folder, location, read_safetensors, run,
                    values)
import tap


def trainer(path, *settings):
    return ' '.join(['simclrtrainer async=false', location(path), *settings])


def check_checkpoint(path):
    """It is whole, and both sides take it."""
    _, metadata = read_safetensors(path)
    run(f'videotestsrc num-buffers=1 ! simclrencoder {location(path)} ! fakesink')
    return int(metadata['training_step'])


def test_a_resumed_run_is_the_same_run_bit_for_bit():
    def part(path, samples, queue):
        return (f'{FRAMES.replace("videotestsrc", "videotestsrc num-buffers=20")} ! '
                f'simclrreplay policy=all epochs=3 seed=2 num-samples={samples} ! {PAIRS} ! '
                f'{ENCODER} ! {queue} {trainer(path, "resume=true total-steps=8 warmup-steps=2")}')

    with folder() as path:
        whole, halves = (os.path.join(path, name) for name in ('whole', 'halves'))
        for queue in ('', 'queue !'):
            run(part(whole, 32, queue))
            output = run(part(halves, 16, queue))
            assert values(output, 'step') == [1, 2, 3, 4], output
            output = run(part(halves, 32, queue))
            assert values(output, 'step') == [5, 6, 7, 8], output
            with open(whole, 'rb') as a, open(halves, 'rb') as b:
                assert a.read() == b.read()
            os.remove(whole)
            os.remove(halves)


def test_an_interrupt_leaves_a_checkpoint():
    sources = {'plain': FRAMES,
               'live': FRAMES.replace('videotestsrc', 'videotestsrc is-live=true') + ',framerate=200/1',
               'replay': f'{FRAMES} ! simclrreplay min-fill=8 ! queue'}
    for source in sources.values():
        for option in ([], ['-e']):
            with folder() as path:
                file = os.path.join(path, 'c.safetensors')
                launch = Launch(f'{source} ! {PAIRS} ! {ENCODER} ! queue ! '
                                f'{trainer(file, "checkpoint-interval=0")}', *option)
                launch.wait_for('simclr-training', 2)
                launch.signal(signal.SIGINT)
                status = launch.finish()
                assert status == 0, f'{status}\n{launch.output}'
                assert 'ERROR' not in launch.output, launch.output
                last = values(launch.output, 'step')[-1]
                assert check_checkpoint(file) >= last, launch.output
                assert os.listdir(path) == ['c.safetensors']


def test_a_kill_in_the_middle_of_writing_leaves_a_whole_file():
    with folder() as path:
        file = os.path.join(path, 'c.safetensors')
        step = 0
        for attempt in range(6):
            launch = Launch(f'{FRAMES} ! {PAIRS} ! {ENCODER} ! '
                            f'{trainer(file, "checkpoint-interval=1 resume=true")}')
            # nearly all of the time is spent writing; which part of it differs each time
            launch.wait_for('simclr-checkpoint', 2 + attempt)
            launch.signal(signal.SIGKILL)
            launch.finish()
            resumed = check_checkpoint(file)
            assert resumed >= step + 2 + attempt, (resumed, step)
            step = resumed


def test_a_kill_at_any_moment_loses_one_interval_at_most():
    interval, moments = 5, random.Random(1)
    source = FRAMES.replace('videotestsrc', 'videotestsrc is-live=true') + ',framerate=200/1'
    with folder() as path:
        pattern = os.path.join(path, 'c-%05d.safetensors')
        memory = os.path.join(path, 'memory')
        for _ in range(6):
            launch = Launch(f'{source} ! simclrreplay min-fill=8 capacity=64 {location(memory)} save-interval=0 '
                            f'resume=true ! {PAIRS} ! {ENCODER} ! '
                            f'{trainer(pattern, f"checkpoint-interval={interval} max-files=2 resume=true")}')
            launch.wait_for('simclr-training', moments.randint(1, 4 * interval))
            launch.signal(signal.SIGKILL)
            launch.finish()
            # what was printed had happened
            last = int(values(launch.output, 'step')[-1])
            files = sorted(name for name in os.listdir(path) if name.startswith('c-'))
            if last > interval:
                assert check_checkpoint(os.path.join(path, files[-1])) >= last - interval, (files, launch.output)
            assert len(files) <= 3, files  # one may have been written, and none deleted yet


def test_a_full_disk_is_an_error_and_keeps_the_old_file():
    with folder() as path:
        file = os.path.join(path, 'c.safetensors')
        run(f'{FRAMES} ! {PAIRS} ! {ENCODER} ! {trainer(file, "total-steps=1")}')
        with open(file, 'rb') as whole:
            before = whole.read()
        output = fail(f'{FRAMES} ! {PAIRS} ! {ENCODER} ! '
                      f'{trainer(file, "total-steps=4 checkpoint-interval=2 resume=true")}',
                      'Could not write the checkpoint', file, file_size_limit=50000)
        assert 'training goes on' in output, output
        # gst-launch-1.0 stops printing at an error, whatever is still on the bus
        steps = values(output, 'step')
        assert steps and steps == [2, 3, 4][:len(steps)], output
        with open(file, 'rb') as whole:
            assert whole.read() == before
        assert os.listdir(path) == ['c.safetensors']


def test_bad_files_are_errors_and_stay():
    with folder() as path:
        good = os.path.join(path, 'good.safetensors')
        bad = os.path.join(path, 'bad.safetensors')
        run(f'{FRAMES} ! {PAIRS} ! {ENCODER} ! {trainer(good, "total-steps=1")}')
        with open(good, 'rb') as file:
            whole = file.read()
        header = int.from_bytes(whole[:8], 'little')
        hostile = {
            'empty': b'',
            'short': whole[:5],
            'header only': whole[:8 + header],
            'cut': whole[:-1],
            'longer': whole + b'x',
            'huge header': b'\xff' * 7 + b'\x7f' + whole[8:],
            'no header': bytes(8) + whole,
            'text': b'GIF89a' * 100,
            'nested': (10000).to_bytes(8, 'little') + b'[' * 10000,
            'overlong tensor': whole.replace(b'"data_offsets":[0,', b'"data_offsets":[9,', 1),
        }
        for name, content in hostile.items():
            with open(bad, 'wb') as file:
                file.write(content)
            fail(f'videotestsrc num-buffers=1 ! simclrencoder {location(bad)} ! fakesink', bad)
            fail(f'{FRAMES} ! {PAIRS} ! {ENCODER} ! {trainer(bad, "resume=true")}', bad)
            with open(bad, 'rb') as file:
                assert file.read() == content, name


def test_the_embedding_of_a_checkpoint_is_that_of_the_trained_encoder():
    with folder() as path:
        file = os.path.join(path, 'c.safetensors')
        run(f'{FRAMES} ! {PAIRS} ! {ENCODER} ! {trainer(file, "total-steps=2")}')
        output = run(f'videotestsrc num-buffers=3 ! simclrencoder {location(file)} ! '
                     'fakesink silent=false', '-v')
        assert 'embedding-size = 32' in output, output
        assert 'untrained' not in output, output


tap.run(globals())
