#!/usr/bin/python3
"""The recipe pipelines/fine-tune runs; a run that was stopped goes on exactly; what it leaves is a torchvision model.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import lzma
import os
import re
import subprocess
import sys

from launch import DATA, PAIRS, fail, folder, read_safetensors, run, values
import tap

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
RECIPE = os.path.join(ROOT, 'pipelines', 'fine-tune')
TINY = 'simclrencoder width=0.0625 batch-size=4 seed=1 threads=1'


def recipe(path, *arguments):
    environment = dict(os.environ)
    if 'SIMCLR_PRELOAD' in environment:
        environment['LD_PRELOAD'] = environment['SIMCLR_PRELOAD']
    done = subprocess.run([sys.executable, RECIPE, *arguments],
                          cwd=path, capture_output=True, text=True, timeout=100, env=environment)
    return done.returncode, done.stdout + done.stderr


def top1(text, name, pictures):
    return float(re.search(rf'{name}: top-1 ([\d.]+) %, top-5 [\d.]+ % of {pictures} pictures', text)[1])


def test_a_share_of_cifars_labels():
    source = os.path.join(DATA, 'cifar10', 'test_batch.bin.xz')
    if not os.path.exists(source):
        raise tap.Skip('no cifar10/test_batch.bin.xz in SIMCLR_TEST_DATA')
    with lzma.open(source) as file:
        data = file.read(3073 * 700)
    with folder() as path:
        for name, begin, end in ('a.bin', 0, 400), ('b.bin', 400, 700):
            with open(os.path.join(path, name), 'wb') as file:
                file.write(data[3073 * begin:3073 * end])
        status, text = recipe(path, 'width=0.125', '--train', 'a.bin', '--test', 'b.bin', '--fraction', '0.5',
                              '--epochs', '10', '--batch-size', '16', '--student', 'width=0.0625',
                              '--student-epochs', '4')
        assert status == 0, text
        # guessing gets 10 %
        assert top1(text, 'fine-tuned', 300) > 14 and top1(text, 'student', 300) > 11, text
        steps = re.findall(r'total-steps=(\d+)', text)
        assert 'label-fraction=0.5' in text and 120 <= int(steps[0]) <= 130 and steps[1] == '100', text
        for name, step in zip(('fine-tuned', 'student'), steps):  # as many as the pictures make
            _, metadata = read_safetensors(os.path.join(path, 'out', 'fine-tune', f'{name}.safetensors'))
            assert metadata['training_step'] == step, metadata
        header, metadata = read_safetensors(os.path.join(path, 'out', 'fine-tune', 'student.safetensors'))
        assert json.loads(metadata['labels']) == [str(number) for number in range(10)], metadata
        assert header['fc.weight']['shape'] == [10, 32] and header['fc.bias']['shape'] == [10]


def test_folders_of_pictures_and_a_layer_of_the_head():
    with folder() as path:
        run(f'videotestsrc pattern=snow num-buffers=8 ! video/x-raw,format=RGB,width=32,height=32 ! {PAIRS} ! {TINY} ! '
            f'simclrtrainer projection-layers=3 location={path}/encoder.safetensors')
        for part in 'train', 'test':
            for name in 'smpte', 'checkers-8':
                os.makedirs(os.path.join(path, part, name))
                run(f'videotestsrc pattern={name} num-buffers=4 ! video/x-raw,format=RGB,width=32,height=32 ! pngenc ! '
                    f'multifilesink location={path}/{part}/{name}/%d.png')
        status, text = recipe(path, 'encoder.safetensors', '--train', 'train', '--test', 'test', '--fraction', '1',
                              '--head-layer', '1', '--batch-size', '4', '--epochs', '40', '--out', 'here')
        assert status == 0 and 'top-1 100.00 %' in text, text
        header, metadata = read_safetensors(os.path.join(path, 'here', 'fine-tuned.safetensors'))
        assert metadata['head_layer'] == '1' and json.loads(metadata['labels']) == ['checkers-8', 'smpte'], metadata
        assert header['fc.weight']['shape'] == [2, 32] and 'projection_head.layers.6.weight' in header


def test_a_stopped_run_goes_on_exactly():
    with folder() as path:
        labels, teacher = (os.path.join(path, name) for name in ('labels', 'teacher'))
        with open(labels, 'w', encoding='utf-8') as file:
            file.write('a\nb\n' * 6)

        def train(name, loss, steps, resume='false'):
            return values(run(
                f'videotestsrc pattern=snow num-buffers=12 ! video/x-raw,format=RGB,width=24,height=24 ! '
                f'simclrreplay policy=all epochs=0 seed=2 labels={labels} label-fraction=0.7 ! {PAIRS} ! {TINY} ! '
                f'simclrtrainer labels={labels} {loss} optimizer=sgd learning-rate=0.02 schedule=constant '
                f'total-steps={steps} resume={resume} location={path}/{name}'), 'loss')

        train('teacher', 'loss=cross-entropy', 6)
        for loss in 'loss=cross-entropy', f'loss=distillation teacher={teacher}':
            whole = train('whole', loss, 8)
            half = train('half', loss, 4)
            rest = train('half', loss, 8, 'true')
            assert whole == half + rest and len(whole) == 8, (whole, half, rest)
            with open(f'{path}/whole', 'rb') as one, open(f'{path}/half', 'rb') as other:
                assert one.read() == other.read()
        fail(f'{PAIRS.join(("videotestsrc num-buffers=8 ! ", ""))} ! {TINY} ! simclrtrainer optimizer=sgd resume=true '
             f'location={teacher}', 'fine-tuned on labels')


def test_what_is_wrong_is_said():
    with folder() as path:
        with open(os.path.join(path, 'text'), 'w', encoding='utf-8') as file:
            file.write('no record')
        for arguments, word in ((('nowhere', '--train', 'text'), 'text is not in CIFAR'),
                                (('width=0.1', '--train', 'nowhere'), 'there is no nowhere')):
            status, text = recipe(path, *arguments, '--test', 'text', '--size', '32')
            assert status == 1 and word in text, text


tap.run(globals())
