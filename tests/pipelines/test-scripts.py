#!/usr/bin/python3
"""The scripts in pipelines/ that use libsimclr by introspection: learn from pictures, table them, search and map them.

SPDX-License-Identifier: LGPL-2.1-or-later

    test-scripts.py PIPELINES
"""
import csv
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
import tap

PIPELINES = sys.argv[1]
WORK = tempfile.TemporaryDirectory()
ENVIRONMENT = os.environ | {'GST_REGISTRY': WORK.name + '/registry', 'PYTHONDONTWRITEBYTECODE': '1'}
PATTERNS = ('ball', 'smpte', 'checkers-8', 'circular')


def run(*words, status=0):
    done = subprocess.run(words, cwd=WORK.name, capture_output=True, text=True, timeout=100, env=ENVIRONMENT)
    assert done.returncode == status, f'{words}: {done.returncode}\n{done.stdout}{done.stderr}'
    assert 'Traceback' not in done.stderr and 'CRITICAL' not in done.stderr, done.stderr
    return done.stdout + done.stderr


def script(name, *arguments, status=0):
    return run('/usr/bin/python3', os.path.join(PIPELINES, name), *arguments, status=status)


def gst_launch(text):
    run('gst-launch-1.0', '-q', *text.split())


def path(*parts):
    return os.path.join(WORK.name, *parts)


def test_pictures_are_made():
    for pattern in PATTERNS:
        os.makedirs(path('pictures', pattern))
        gst_launch(f'videotestsrc pattern={pattern} num-buffers=6 horizontal-speed=1 ! video/x-raw,width=62,height=50 ! '
                   f'videoconvert ! pngenc ! multifilesink location=pictures/{pattern}/%d.png')
    gst_launch('videotestsrc pattern=ball num-buffers=20 ! video/x-raw,width=64,height=48 ! vp8enc deadline=1 ! webmmux ! '
               'filesink location=clip.webm')


def test_an_encoder_learns_from_a_folder():
    text = script('pretrain.py', 'pictures', 'encoder.safetensors', '--steps=4', '--batch=8', '--size=32', '--width=0.125')
    assert '24 pictures, 4 steps of 8' in text and 'step 4 of 4' in text, text
    assert os.path.getsize(path('encoder.safetensors')) > 100000
    assert '7 pictures, fewer than a batch' not in text
    assert '24 pictures, fewer than a batch of 25' in script('pretrain.py', 'pictures', 'x', '--batch=25', status=1)


def test_and_from_a_video():
    text = script('pretrain.py', 'clip.webm', 'clip.safetensors', '--steps=1', '--batch=8', '--size=32', '--width=0.125',
                  '--frames=16')
    assert '16 pictures' in text, text


def read_table(name):
    with open(path(name), newline='', encoding='utf-8') as file:
        return list(csv.reader(file))


def test_pictures_become_a_table():
    text = script('embed.py', 'encoder.safetensors', 'pictures', 'table.csv')
    assert text.startswith('24 embeddings of 64 numbers'), text
    head, *rows = read_table('table.csv')
    assert head[:2] == ['picture', 'd0'] and len(head) == 65
    assert [row[0] for row in rows] == sorted(f'pictures/{pattern}/{k}.png' for pattern in PATTERNS for k in range(6))
    for row in rows:
        assert abs(sum(float(value) ** 2 for value in row[1:]) - 1) < 1e-4, row


def test_frames_become_a_table():
    script('embed.py', 'encoder.safetensors', 'clip.webm', 'clip.csv', '--frames=7')
    assert [row[0] for row in read_table('clip.csv')[1:]] == [f'clip.webm#{k}' for k in range(7)]


def test_the_picture_itself_is_found_first():
    lines = script('search.py', 'encoder.safetensors', 'table.csv', 'pictures/smpte/3.png', '--count=6').splitlines()
    assert len(lines) == 6 and lines[0].startswith('1.000'), lines
    assert all('/smpte/' in line for line in lines[:4]), lines
    similarities = [float(line.split()[0]) for line in lines]
    assert similarities == sorted(similarities, reverse=True)


def png_size(name):
    with open(path(name), 'rb') as file:
        head = file.read(24)
    assert head[:8] == b'\x89PNG\r\n\x1a\n', head
    return struct.unpack('>II', head[16:24])


def test_a_map_is_drawn():
    try:
        import cairo
    except ImportError:
        raise tap.Skip('python3-cairo is not installed')
    for table in ('table.csv', 'clip.csv'):
        script('map.py', table, table + '.png')
        assert png_size(table + '.png') == (1000, 1000)
        image = cairo.ImageSurface.create_from_png(path(table + '.png'))
        colours = {bytes(image.get_data()[at:at + 3]) for at in range(0, 4000000, 4 * 97)}
        assert len(colours) > 2, colours


def test_errors_are_a_line():
    for words in (('embed.py', '/nowhere', 'pictures', 'x.csv'), ('embed.py', 'encoder.safetensors', '/nowhere', 'x.csv'),
                  ('search.py', 'encoder.safetensors', 'table.csv', 'table.csv'),
                  ('search.py', 'encoder.safetensors', '/nowhere', 'pictures/smpte/3.png')):
        text = script(*words, status=1)
        assert text.startswith(words[0]) and len(text.splitlines()) == 1, text


def test_javascript_compares_two_pictures():
    if not shutil.which('gjs'):
        raise tap.Skip('gjs is not installed')
    compare = os.path.join(PIPELINES, 'compare.js')
    same = float(run('gjs', '-m', compare, 'encoder.safetensors', *['pictures/smpte/3.png'] * 2))
    other = float(run('gjs', '-m', compare, 'encoder.safetensors', 'pictures/smpte/3.png', 'pictures/checkers-8/3.png'))
    assert same == 1 and other < 1, (same, other)
    assert 'nowhere' in run('gjs', '-m', compare, 'encoder.safetensors', '/nowhere', '/nowhere', status=1)


def test_scripts_are_short():
    for name in os.listdir(PIPELINES):
        if name.endswith(('.py', '.js')):
            with open(os.path.join(PIPELINES, name), encoding='utf-8') as file:
                assert len(file.readlines()) < 150, name


tap.run(globals())
