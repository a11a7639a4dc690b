#!/usr/bin/python3
"""What README prints runs as printed, with a small clip of our own where it names a package's.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
import tap

SOURCE = sys.argv[1]
WORK = tempfile.TemporaryDirectory()
CLIP = os.path.join(WORK.name, 'clip.webm')

with open(os.path.join(SOURCE, 'README.md')) as file:
    README = file.read()
TEACHING = '## Teach it two things'
BLOCKS = re.findall(r'^```(\w+)\n(.*?)^```', README, re.M | re.S)


def shell(command, typed=''):
    done = subprocess.run(['bash', '-c', command], cwd=WORK.name, capture_output=True, text=True,
                          timeout=100, input=typed, env=os.environ | {'CLIP': CLIP, 'GST_REGISTRY': WORK.name + '/r'})
    assert done.returncode == 0, f'{command}\n{done.stdout}{done.stderr}'
    assert 'CRITICAL' not in done.stderr and 'WARNING' not in done.stderr, done.stderr
    return done.stdout


def lines(begin):
    """What the README prints from one heading to the next, a shell's command each."""
    text = README[README.index(begin):]
    text = text.split('\n## ')[0]
    for language, block in re.findall(r'^```(\w+)\n(.*?)^```', text, re.M | re.S):
        if language == 'sh':
            yield from block.replace('\\\n', ' ').splitlines()


def commands():
    for heading in re.findall(r'^## .*', README, re.M):
        if heading != TEACHING:
            yield from (line for line in lines(heading)
                        if line.startswith(('gst-launch-1.0', 'simclr-export', 'simclr-search', '(yes ')))


def test_a_clip_is_made():
    shell('gst-launch-1.0 -q videotestsrc pattern=ball num-buffers=80 ! video/x-raw,width=320,height=240,'
          f'framerate=10/1 ! vp8enc deadline=1 ! webmmux ! filesink location={CLIP}')


def test_every_pipeline_runs():
    ran = [line for line in commands() if 'v4l2src' not in line]
    assert len(ran) >= 10, ran
    for line in ran:
        shell(line)
    for name, size in (('street.safetensors', 100000), ('street.f32', 80 * 128 * 4),
                       ('seen.webm', 10000), ('street.onnx', 100000), ('street.onnx.modelinfo', 100),
                       ('pair.png', 1000), ('scene-000.png', 1000), ('search.png', 1000)):
        assert os.path.getsize(os.path.join(WORK.name, name)) >= size, name


def test_pipelines_with_a_camera_parse():
    for line in commands():
        if 'v4l2src' in line:
            shell(line.replace('v4l2src', 'videotestsrc num-buffers=2', 1))


def test_two_things_are_taught():
    """The first is; a test picture is no camera, and nobody presses keys."""
    camera = 'videotestsrc is-live=true num-buffers={} pattern=ball ! video/x-raw,width=160,height=120'
    watch, teach, recognise = [line for line in lines(TEACHING) if line]
    watch = watch.replace('total-steps=300', 'total-steps=2').replace('batch-size=64', 'batch-size=8')
    assert 'step 2 of 2' in shell(watch.replace('v4l2src', camera.format(-1)))
    said = shell(teach.replace('v4l2src', camera.format(20)).replace('autovideosink', 'fakesink'), '1\n')
    assert said.startswith('learning cup') and 'written to things.safetensors' in said, said
    said = shell(recognise.replace('v4l2src', camera.format(5)).replace('autovideosink', 'fakesink'))
    assert 'label=(string)cup' in said, said


def test_python_runs():
    for language, block in BLOCKS:
        if language == 'python':
            subprocess.run(['/usr/bin/python3', '-c', block], cwd=WORK.name, check=True, timeout=60)


def test_scripts_run():
    """In a clone, with a folder of pictures; a short training tells as much."""
    os.symlink(os.path.join(SOURCE, 'pipelines'), os.path.join(WORK.name, 'pipelines'))
    os.mkdir(os.path.join(WORK.name, 'pictures'))
    for name, pattern in (('one', 'ball'), ('two', 'smpte'), ('three', 'checkers-8')):
        shell(f'gst-launch-1.0 -q videotestsrc pattern={pattern} num-buffers=1 ! videoconvert ! jpegenc ! '
              f'filesink location=pictures/{name}.jpg')
    scripts = [line for line in lines('## Pipelines') if line.startswith(('pipelines/pretrain', 'gjs', 'pipelines/embed',
                                                                          'pipelines/search', 'pipelines/map'))]
    assert len(scripts) == 5, scripts
    for line in scripts:
        if line.startswith('gjs') and not shutil.which('gjs'):
            continue
        said = shell(line.replace('encoder.safetensors', 'encoder.safetensors --steps 2 --batch 3')
                     if 'pretrain' in line else line)
        if 'search' in line:
            assert said.startswith('1.000  pictures/one.jpg'), said


def test_the_table_names_every_element():
    found = {line.split(':')[1].strip() for line in shell('gst-inspect-1.0').splitlines()
             if line.startswith('simclr:')}
    named = set(re.findall(r'^\| `(simclr\w+)` \|', README, re.M))
    assert found == named, (found, named)


def test_files_that_are_named_exist():
    for name in ('quickstart', 'install-packages', 'packages'):
        assert os.path.exists(os.path.join(SOURCE, 'pipelines', name)), name
    for name in re.findall(r'`(\w+\.(?:py|js)|\w+\.c(?=` \())`', README):
        assert os.path.exists(os.path.join(SOURCE, 'pipelines', name)), name
    assert os.access(os.path.join(SOURCE, 'tests', 'run'), os.X_OK)


tap.run(globals())
