#!/usr/bin/python3
"""Frames are taught and recognised by pipelines, and the recipe pipelines/linear-evaluation runs.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import lzma
import os
import re
import signal
import subprocess
import sys

from launch import DATA, Launch, fail, folder, location, run
import tap

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
RECIPE = os.path.join(ROOT, 'pipelines', 'linear-evaluation')
ENCODER = 'simclrencoder width=0.25 seed=1 input-size=32 threads=1'
CIFAR = ('rawvideoparse width=32 height=32 format=rgbp frame-size=3073 framerate=30/1 '
         'plane-offsets="<(int)1,(int)1025,(int)2049>" plane-strides="<(int)32,(int)32,(int)32>"')


def pattern(name, frames=6):
    return f'videotestsrc pattern={name} num-buffers={frames} ! video/x-raw,format=RGB,width=32,height=32'


def labels_said(output):
    return [re.search(r' label=\(string\)("[^"]*"|[^,]*),', line)[1] for line in output.splitlines()
            if 'simclr-classification,' in line]


def png_size(path):
    with open(path, 'rb') as file:
        head = file.read(24)
    assert head[:8] == b'\x89PNG\r\n\x1a\n', head
    return [int.from_bytes(head[at:at + 4], 'big') for at in (16, 20)]


def write_lines(path, lines):
    with open(path, 'w', encoding='utf-8') as file:
        file.writelines(line + '\n' for line in lines)


def test_what_was_shown_is_recognised():
    with folder() as path:
        learned = location(os.path.join(path, 'learned.safetensors'))
        run(f'{pattern("smpte")} ! {ENCODER} ! simclrclassifier mode=fit label=bars {learned} ! fakesink')
        run(f'{pattern("checkers-8")} ! {ENCODER} ! videoconvert ! '
            f'simclrclassifier mode=fit resume=true label=checkers {learned} ! fakesink')
        for method in 'knn', 'linear', 'prototype':
            for name, label in ('smpte', 'bars'), ('checkers-8', 'checkers'):
                output = run(f'{pattern(name)} ! {ENCODER} ! simclrclassifier method={method} {learned} ! fakesink')
                assert labels_said(output) == [label], output
        output = run(f'{pattern("pinwheel")} ! {ENCODER} ! simclrclassifier {learned} ! fakesink')
        assert labels_said(output) == ['unknown'] and 'simclr-novelty, active=(boolean)true' in output, output


def test_files_of_labels_teach_and_judge():
    with folder() as path:
        files = {name: os.path.join(path, name) for name in
                 ('learned', 'train.txt', 'test.txt', 'report.json', 'confusion.png')}
        write_lines(files['train.txt'], ['Straße, nachts'] * 4 + ['"quoted" \\ 猫'] * 4)
        write_lines(files['test.txt'], ['Straße, nachts'] * 3 + ['"quoted" \\ 猫'] * 3)
        both = 'concat name=c {} ! c. {} ! c. c. ! ' + ENCODER
        for frames, tensors in (4, ''), (3, 'batch-size=4 ! other/tensors'):
            settings = (f'mode=fit method=linear labels={files["train.txt"]}' if not tensors else
                        f'labels={files["test.txt"]} report={files["report.json"]} confusion={files["confusion.png"]}')
            output = run(f'{both.format(pattern("smpte", frames), pattern("checkers-8", frames))} {tensors} ! '
                         f'simclrclassifier {settings} {location(files["learned"])} ! fakesink')
        assert 'simclr-evaluation, frames=(guint64)6, top1=(double)1,' in output, output
        with open(files['report.json'], encoding='utf-8') as file:
            report = json.load(file)
        assert report['confusion'] == [[3, 0], [0, 3]], report
        assert {row['label'] for row in report['classes']} == {'Straße, nachts', '"quoted" \\ 猫'}
        assert min(png_size(files['confusion.png'])) > 100


def test_an_interrupt_keeps_what_was_taught():
    with folder() as path:
        learned = os.path.join(path, 'learned.safetensors')
        launch = Launch(f'{pattern("smpte", -1).replace("videotestsrc", "videotestsrc is-live=true")} ! {ENCODER} ! '
                        f'simclrclassifier mode=fit label=bars {location(learned)} ! identity silent=false ! fakesink', '-v')
        launch.wait_for('chain', 5)
        launch.signal(signal.SIGINT)
        assert launch.finish() == 0, launch.output
        assert os.listdir(path) == ['learned.safetensors']
        output = run(f'{pattern("smpte")} ! {ENCODER} ! simclrclassifier {location(learned)} ! fakesink')
        assert labels_said(output) == ['bars'], output


def test_what_does_not_fit_is_said():
    with folder() as path:
        learned, labels = (os.path.join(path, name) for name in ('learned', 'labels'))
        write_lines(labels, ['bars'] * 3)
        fail(f'{pattern("smpte")} ! {ENCODER} ! simclrclassifier mode=fit labels={labels} ! fakesink',
             'labels=', labels, '3 lines', 'frame 4')
        output = run(f'{pattern("smpte", 2)} ! {ENCODER} ! simclrclassifier mode=fit labels={labels} '
                     f'{location(learned)} ! fakesink')
        assert 'only 2 frames' in output, output
        fail(f'{pattern("smpte")} ! {ENCODER.replace("0.25", "0.125")} ! simclrclassifier {location(learned)} ! '
             'fakesink', learned, '64 floats', '128')
        with open(learned, 'r+b') as file:
            file.truncate(os.path.getsize(learned) - 1)
        fail(f'{pattern("smpte")} ! {ENCODER} ! simclrclassifier {location(learned)} ! fakesink', 'location=', learned)


def recipe(path, *arguments):
    environment = dict(os.environ)
    if 'SIMCLR_PRELOAD' in environment:
        environment['LD_PRELOAD'] = environment['SIMCLR_PRELOAD']
    done = subprocess.run([sys.executable, RECIPE, *arguments],
                          cwd=path, capture_output=True, text=True, timeout=100, env=environment)
    return done.returncode, done.stdout + done.stderr


def make_encoder(path, source, steps):
    run(f'{source} ! simclraugment size=32 strength=0.5 blur-probability=0 seed=1 ! simclrencoder width=0.125 '
        f'batch-size=16 seed=1 threads=1 ! simclrtrainer async=false optimizer=sgd learning-rate=0.03 '
        f'learning-rate-scaling=none temperature=0.5 total-steps={steps} location={path}/encoder.safetensors')


def test_the_recipe_evaluates_cifar_files():
    source = os.path.join(DATA, 'cifar10', 'test_batch.bin.xz')
    if not os.path.exists(source):
        raise tap.Skip('no cifar10/test_batch.bin.xz in SIMCLR_TEST_DATA')
    with lzma.open(source) as file:
        data = file.read(3073 * 1500)
    with folder() as path:
        for name, begin, end in ('a.bin', 0, 600), ('b.bin', 600, 1100), ('c.bin', 1100, 1500):
            with open(os.path.join(path, name), 'wb') as file:
                file.write(data[3073 * begin:3073 * end])
        make_encoder(path, f'filesrc location={path}/a.bin blocksize=307300 ! {CIFAR} ! videoconvert ! '
                     'simclrreplay policy=all epochs=0 seed=1', 60)
        for method in 'linear', 'knn':
            status, text = recipe(path, 'encoder.safetensors', '--train', 'a.bin', 'b.bin', '--test', 'c.bin',
                                  '--method', method)
            assert status == 0, text
            # guessing gets 10 %
            top1 = float(re.search(rf'{method}: top-1 ([\d.]+) %, top-5 [\d.]+ % of 400 pictures', text)[1])
            assert top1 > 16, text


def test_the_recipe_evaluates_folders_of_pictures():
    with folder() as path:
        make_encoder(path, 'videotestsrc pattern=snow ! video/x-raw,format=RGB,width=32,height=32', 1)
        for part in 'train', 'test':
            for name in 'smpte', 'checkers-8':
                os.makedirs(os.path.join(path, part, name))
                run(f'{pattern(name, 3)} ! pngenc ! multifilesink location={path}/{part}/{name}/%d.png')
        status, text = recipe(path, 'encoder.safetensors', '--train', 'train', '--test', 'test', '--batch-size', '2')
        assert status == 0 and 'top-1 100.00 %' in text and 'checkers-8' in text, text


def test_the_recipe_says_what_is_wrong():
    with folder() as path:
        write_lines(os.path.join(path, 'text'), ['no record'])
        for arguments, word in (('text', 'text is not in CIFAR'), ('nowhere', 'there is no nowhere'), ('.', 'kinds')):
            status, text = recipe(path, 'e.safetensors', '--train', arguments, '--test', 'text')
            assert status == 1 and word in text, text


tap.run(globals())
