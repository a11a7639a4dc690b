#!/usr/bin/python3
"""The small applications in pipelines/ on inputs whose answers are known.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import array
import json
import math
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
import tap

FOLDER = sys.argv[1]
OVERLAY = sys.argv[2]  # or another element where it was not built
DATA = os.environ.get('SIMCLR_TEST_DATA', '')


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


class Teacher:
    """A simclr-teach that is shown the frames it is given, and told what is written to it."""

    ENCODER = 'simclrencoder width=0.25 seed=1 input-size=32 threads=1'

    def __init__(self, classifier, size=32, *options):
        frames, self.frames = os.pipe()
        pipeline = (f'fdsrc fd={frames} ! rawvideoparse width={size} height={size} format=rgb framerate=10/1'
                    f' ! {self.ENCODER} ! simclrclassifier {classifier} ! {OVERLAY} ! fakesink')
        self.process = subprocess.Popen(
            [os.path.join(FOLDER, 'simclr-teach'), *options, *shlex.split(pipeline)], pass_fds=[frames],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', bufsize=1, env=os.environ | {'LC_ALL': 'C.UTF-8'})
        os.close(frames)
        # a hang becomes an exit status that no test expects
        self.alarm = threading.Timer(60, self.process.kill)
        self.alarm.start()

    def show(self, frame, times=1):
        for _ in range(times):
            assert os.write(self.frames, frame) == len(frame)

    def say(self, line):
        self.process.stdin.write(line + '\n')

    def hear(self, begin):
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if re.match(begin, line):
                return line.strip()
        raise AssertionError(f'"{begin}" did not come: {lines}')

    def wait_for_examples(self, count, label):
        while True:
            self.say('list')
            labels = int(self.hear(r'\d+ labels').split()[0])
            if f'{label}: {count} examples' in [self.hear('  ') for _ in range(labels)]:
                return

    def finish(self):
        self.say('quit')
        text = self.process.communicate()[0]
        self.alarm.cancel()
        os.close(self.frames)
        assert self.process.returncode == 0, text
        return text


def stripes(size, turned):
    return bytes(255 * ((x if turned else y) // 4 % 2) for y in range(size) for x in range(size) for _ in 'rgb')


@in_folder
def test_what_is_shown_is_taught_by_keyboard(folder):
    path = os.path.join(folder, 'taught.safetensors')
    lying, standing = stripes(32, False), stripes(32, True)
    teacher = Teacher(f'mode=fit method=prototype location={path}', 32, '--names=lying,gestreifte Säule')
    teacher.say('label lying')
    teacher.hear('learning lying')
    teacher.show(lying, 6)
    teacher.wait_for_examples(6, 'lying')
    teacher.say('stop')
    assert teacher.hear('learned') == 'learned lying: 6 examples'
    teacher.say('2')
    teacher.hear('learning gestreifte Säule')
    teacher.show(standing, 5)
    teacher.wait_for_examples(5, 'gestreifte Säule')
    teacher.say('stop')
    teacher.hear('learned gestreifte Säule: 5')
    for frame, label in ((lying, 'lying'), (standing, 'gestreifte Säule'), (lying, 'lying')):
        teacher.show(frame)
        teacher.hear(label + r' \(')
    teacher.say('save')
    teacher.hear('saved')
    teacher.say('unlearn lying')
    assert teacher.hear('unlearned') == 'unlearned lying: 6 examples'
    teacher.show(lying)
    teacher.hear(r'unknown \(')
    teacher.say('lable lying')
    teacher.hear('label NAME')
    assert f'written to {path}\n' in teacher.finish()

    teacher = Teacher(f'method=prototype location={path}')
    teacher.show(standing)
    teacher.hear(r'gestreifte Säule \(')
    teacher.finish()


def read_clip(folder, name, size):
    """The frames of one of the clips, scaled."""
    clip, raw = os.path.join(DATA, 'feeds', name + '.webm'), os.path.join(folder, name)
    if not os.path.exists(clip):
        raise tap.Skip('the clips are not there')
    subprocess.run(['gst-launch-1.0', '-q', 'filesrc', 'location=' + clip, *shlex.split(
        f'! matroskademux ! vp8dec ! videoconvertscale ! video/x-raw,format=RGB,width={size},height={size} '
        f'! filesink location={raw}')], check=True, timeout=60, stdout=subprocess.DEVNULL)
    with open(raw, 'rb') as file:
        data = file.read()
    return [data[at:at + 3 * size * size] for at in range(0, len(data), 3 * size * size)]


@in_folder
def test_two_objects_of_real_clips_are_told_apart(folder):
    clips = {name: read_clip(folder, name, 64) for name in ('toy_robot', 'desk_coin')}
    teacher = Teacher('method=prototype messages=frame novelty-threshold=0', 64)
    for name, frames in clips.items():
        teacher.say('label ' + name)
        teacher.hear('learning')
        for frame in frames[:len(frames) // 2:len(frames) // 10]:
            teacher.show(frame)
        count = len(frames[:len(frames) // 2:len(frames) // 10])
        teacher.wait_for_examples(count, name)
        teacher.say('stop')
        teacher.hear('learned')
    right = total = 0
    for name, frames in clips.items():
        for frame in frames[len(frames) // 2::7]:
            teacher.show(frame)
            right += teacher.hear(r'.* \(\d').startswith(name)
            total += 1
    teacher.finish()
    assert total > 20 and right >= 0.9 * total, (right, total)


@in_folder
def test_moments_are_found(folder):
    encoder, index = os.path.join(folder, 'encoder.safetensors'), os.path.join(folder, 'index')
    picture, sheet = os.path.join(folder, 'picture.png'), os.path.join(folder, 'sheet.png')
    run('watch', *('videotestsrc num-buffers=16 ! video/x-raw,format=RGB,width=40,height=30'
                   ' ! simclrreplay policy=all epochs=0 num-samples=16 seed=1 ! simclraugment size=16 seed=1'
                   ' ! simclrencoder architecture=resnet18 width=0.125 stem=cifar batch-size=8 seed=1'
                   f' ! simclrtrainer total-steps=1 location={encoder}').split())
    for pattern in 'ball', 'smpte', 'snow':
        run('watch', *(f'videotestsrc pattern={pattern} num-buffers=30 ! video/x-raw,format=RGB,width=64,height=48,'
                       f'framerate=10/1 ! simclrencoder location={encoder} ! simclrindex location={index} '
                       f'stream={pattern} source={pattern}.webm interval=0 min-change=0 ! fakesink').split())
    run('watch', *('videotestsrc pattern=smpte num-buffers=1 ! video/x-raw,format=RGB,width=64,height=48 ! pngenc'
                   f' ! filesink location={picture}').split())

    def search(*arguments):
        return json.loads(run('search', '--json', f'--sheet={sheet}', *arguments))

    found = search(f'--encoder={encoder}', '--matches=3', '--apart=1', index, picture)
    assert [match['stream'] for match in found] == ['smpte'] * 3, found
    assert all(match['similarity'] > 0.99 and match['source'] == 'smpte.webm' for match in found), found
    times = sorted(match['time'] for match in found)
    assert times[1] - times[0] >= 1e9 and times[2] - times[1] >= 1e9, times
    assert png_size(sheet) == (12 + 188 + 24 + 3 * 188, 12 + 180)

    found = search('--at=0:00:01.52', '--stream=ball', '--in=ball', '--apart=0', '--matches=29', '--from=0.5', index)
    assert {match['time'] for match in found} == {k * 10**8 for k in range(5, 30) if k != 15}, found
    assert sorted(found, key=lambda match: -match['similarity']) == found
    assert png_size(sheet) == (12 + 188 + 24 + 5 * 188, 12 + 5 * 180)

    text = run('search', '--sheet=', '--at=2', '--stream=snow', '--matches=1', index)
    assert re.fullmatch(r'\d\.\d{3}  0:00:0\d\.\d  \w+  \w+\.webm\n', text), text
    assert 'nowhere' in run('search', '--at=1', 'nowhere', status=1)
    assert '--encoder' in run('search', index, picture, status=1)
    assert 'no time' in run('search', '--at=noon', index, status=1)
    assert '"attic"' in run('search', '--at=1', '--stream=attic', index, status=1)
    assert 'encoder.safetensors' in run('search', f'--encoder={encoder}', index, encoder, status=1)
    run('search', index, status=1)


def test_teaching_needs_a_classifier():
    assert 'no simclrclassifier' in run('teach', 'videotestsrc', '!', 'fakesink', status=1)
    run('teach', 'nonsense', status=1)


tap.run(globals())
