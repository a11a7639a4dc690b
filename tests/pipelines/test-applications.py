#!/usr/bin/python3
"""The small applications in pipelines/ on inputs whose answers are known.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import array
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
import tap

FOLDER = sys.argv[1]


def run(name, *arguments, status=0):
    done = subprocess.run([os.path.join(FOLDER, 'simclr-' + name), *map(str, arguments)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == status, f'{name} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout + done.stderr


def png_size(path):
    with open(path, 'rb') as file:
        head = file.read(24)
    assert head[:8] == b'\x89PNG\r\n\x1a\n', head
    return struct.unpack('>II', head[16:24])


def in_folder(function):
    def test():
        with tempfile.TemporaryDirectory() as folder:
            function(folder)
    return test


def write_floats(path, rows):
    with open(path, 'wb') as file:
        array.array('f', [value for row in rows for value in row]).tofile(file)


@in_folder
def test_neighbours_count_what_is_near(folder):
    path = os.path.join(folder, 'walk.f32')
    # a steady walk along an arc: the most similar allowed frame is always just half a second away
    write_floats(path, [(math.cos(k / 50), math.sin(k / 50)) for k in range(100)])
    text = run('neighbours', '--size=2', '--rate=10', path)
    assert text.startswith('100.0 % of 100 frames'), text
    # there and back at once: frame k and k + 50 look alike, and they are five seconds apart
    write_floats(path, [(math.cos(k % 50 / 50), math.sin(k % 50 / 50)) for k in range(100)])
    text = run('neighbours', '--size=2', '--rate=10', path)
    assert text.startswith('  0.0 % of 100 frames'), text
    # from the middle on there is no double
    text = run('neighbours', '--size=2', '--rate=10', '--from=50', path)
    assert text.startswith('100.0 % of 50 frames'), text


@in_folder
def test_guessing_is_what_guessing_would_get(folder):
    path = os.path.join(folder, 'bytes')
    with open(path, 'wb') as file:
        file.write(bytes(range(1, 31)))
    shares = []
    for row in range(30):
        apart = [abs(row - other) for other in range(30) if abs(row - other) >= 5]
        shares.append(sum(distance <= 20 for distance in apart) / len(apart))
    text = run('neighbours', '--bytes', '--size=1', '--rate=10', path)
    assert f'(guessing: {100 * sum(shares) / 30:.1f} %)' in text, text


@in_folder
def test_files_that_are_no_embeddings_are_refused(folder):
    path = os.path.join(folder, 'odd')
    with open(path, 'wb') as file:
        file.write(bytes(30))
    assert '30 bytes' in run('neighbours', '--size=2', '--rate=10', path, status=1)
    assert 'nowhere' in run('neighbours', '--size=2', '--rate=10', 'nowhere', status=1)
    run('neighbours', path, status=1)


@in_folder
def test_a_curve_is_drawn(folder):
    path, picture = os.path.join(folder, 'statistics'), os.path.join(folder, 'curve.png')
    with open(path, 'w') as file:
        for step in range(1, 50):
            file.write(json.dumps({'step': step, 'loss': 5 / step}) + '\n')
        file.write('{"step": 50}\n')  # skipped: no loss
    run('curve', path, picture)
    assert png_size(picture) == (800, 480)
    with open(path, 'w') as file:
        file.write('{"step": 1, "loss": 5}\n')
    assert 'two steps' in run('curve', path, picture, status=1)
    with open(path, 'a') as file:
        file.write('no json\n')
    assert 'line 2' in run('curve', path, picture, status=1)


@in_folder
def test_pairs_are_drawn(folder):
    picture = os.path.join(folder, 'pairs.png')
    frames = 'videotestsrc ! video/x-raw,format=RGB,width=64,height=48 ! simclraugment size=40 seed=1'
    run('pairs', '--pairs=3', '--zoom=2', picture, frames)
    assert png_size(picture) == (3 * 84 + 4, 2 * 80 + 3 * 4)
    assert 'nonsense' in run('pairs', picture, 'nonsense', status=1)


@in_folder
def test_watching_shows_and_writes_every_step(folder):
    statistics, encoder = os.path.join(folder, 'steps'), os.path.join(folder, 'encoder.safetensors')
    pipeline = ('videotestsrc pattern=snow num-buffers=32 ! video/x-raw,format=RGB,width=40,height=30'
                ' ! simclrreplay policy=all epochs=0 num-samples=24 seed=1'
                ' ! simclraugment size=16 seed=1'
                ' ! simclrencoder architecture=resnet18 width=0.125 stem=cifar batch-size=8 seed=1'
                f' ! simclrtrainer total-steps=3 location={encoder}')
    text = run('watch', '--statistics=' + statistics, *pipeline.split())
    assert 'step 3 of 3, loss ' in text, text
    with open(statistics) as file:
        steps = [json.loads(line) for line in file]
    assert [step['step'] for step in steps] == [1, 2, 3], steps
    assert all(math.isfinite(step['loss']) and 'learning-rate' in step for step in steps), steps
    assert os.path.getsize(encoder) > 10000


@in_folder
def test_an_encoder_is_exported(folder):
    encoder, model = os.path.join(folder, 'encoder.safetensors'), os.path.join(folder, 'encoder.onnx')
    run('watch', *('videotestsrc num-buffers=16 ! video/x-raw,format=RGB,width=40,height=30'
                   ' ! simclrreplay policy=all epochs=0 num-samples=16 seed=1 ! simclraugment size=16 seed=1'
                   ' ! simclrencoder architecture=resnet18 width=0.125 stem=cifar batch-size=8 seed=1'
                   f' ! simclrtrainer total-steps=1 location={encoder}').split())
    try:
        text = run('export', encoder, model)
    except AssertionError as error:
        if 'built without protobuf-c' in str(error):
            raise tap.Skip('libsimclr was built without protobuf-c')
        raise
    assert 'input (batch, 3, 16, 16)' in text and 'embedding (batch, 64)' in text, text
    text = run('export', '--output=projection', '--size=24', encoder, model)
    assert 'input (batch, 3, 24, 24)' in text and 'embedding (batch, 128)' in text, text
    with open(model + '.modelinfo') as file:
        assert 'dims=-1,3,24,24' in file.read()
    assert 'nowhere' in run('export', '/nowhere.safetensors', model, status=1)
    assert 'representation' in run('export', '--size=1', '--output=h', encoder, model, status=1)
    run('export', encoder, status=1)


def test_watching_reports_errors():
    assert 'nowhere' in run('watch', 'filesrc', 'location=/nowhere', '!', 'fakesink', status=1)
    run('watch', 'nonsense', status=1)
    run('watch', status=1)
    run('watch', 'videotestsrc', 'num-buffers=3', '!', 'fakesink')


tap.run(globals())
