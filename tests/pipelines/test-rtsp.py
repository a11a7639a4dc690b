#!/usr/bin/python3
"""A network camera as it is in life: it stalls, changes its picture, loses packets, goes away and comes back.

    test-rtsp.py FOLDER-OF-APPLICATIONS

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..'))
import tap  # noqa: E402

APPLICATIONS = sys.argv[1]
CLIP = os.path.join(os.environ.get('SIMCLR_TEST_DATA', ''), 'feeds', 'desk_coin.webm')
PATIENCE = 30

try:
    import gi
    gi.require_version('Gst', '1.0')
    gi.require_version('GstRtspServer', '1.0')
    from gi.repository import Gst
    Gst.init(None)
    missing = [name for name in ('rtspsrc', 'rtph264depay', 'avdec_h264', 'x264enc', 'breakmydata')
               if Gst.ElementFactory.find(name) is None]
    MISSING = 'no ' + ', '.join(missing) if missing else None
except (ImportError, ValueError) as problem:
    MISSING = str(problem)

ENCODER = 'width=0.0625 batch-size=4 seed=1 threads=1'


class Camera:
    """The server, a process of its own that can be stopped and killed."""

    def __init__(self, port=0, *options):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, 'rtsp_camera.py'), '--port', str(port), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.source = f'rtspsrc location=rtsp://127.0.0.1:{self.port}/camera latency=100'

    def order(self, text):
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def camera(*options, port=0):
    if MISSING:
        raise tap.Skip(MISSING)
    server = Camera(port, *options)
    try:
        yield server
    finally:
        server.kill()


class View:
    """A display that embeds and a trainer, fed by a camera, in this process."""

    def __init__(self, source, folder, damage=''):
        self.pipeline = Gst.parse_launch(
            f'{source} ! {damage} rtph264depay ! avdec_h264 ! videoconvert ! video/x-raw,format=RGB ! tee name=t '
            f't. ! queue max-size-buffers=4 leaky=downstream ! simclrencoder model=rtsp threads=1 ! '
            'fakesink name=display sync=true signal-handoffs=true async=false '
            't. ! queue leaky=downstream ! simclrreplay name=memory min-fill=8 capacity=64 storage-size=20 ! '
            f'simclraugment size=16 temporal-window=200000000 ! simclrencoder model=rtsp {ENCODER} ! '
            f'simclrtrainer name=trainer async=false checkpoint-interval=10 location={folder}/c.safetensors')
        self.trainer, self.memory = (self.pipeline.get_by_name(name) for name in ('trainer', 'memory'))
        self.display = self.pipeline.get_by_name('display')
        self.display.connect('handoff', self.look)
        self.frames = self.embedded = 0
        self.size = None

    def look(self, sink, buffer, pad):
        self.frames += 1
        self.embedded += buffer.get_custom_meta('SimclrEmbedding') is not None
        caps = pad.get_current_caps().get_structure(0)
        self.size = (caps.get_int('width')[1], caps.get_int('height')[1])

    def __enter__(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        return self

    def __exit__(self, *problem):
        began = time.monotonic()
        self.pipeline.set_state(Gst.State.NULL)
        if problem[0] is None:
            assert time.monotonic() - began < 10

    def wait_for(self, condition):
        """Until it holds; an error of any element is a failure."""
        bus, end = self.pipeline.get_bus(), time.monotonic() + PATIENCE
        while not condition():
            message = bus.timed_pop_filtered(
                100 * Gst.MSECOND, Gst.MessageType.ERROR | Gst.MessageType.EOS | Gst.MessageType.LATENCY)
            if message is not None and message.type == Gst.MessageType.LATENCY:
                self.pipeline.recalculate_latency()
            elif message is not None:
                text = message.parse_error() if message.type == Gst.MessageType.ERROR else 'EOS'
                raise AssertionError(text)
            assert time.monotonic() < end, (self.frames, self.embedded, self.step(), self.size)

    def step(self):
        return self.trainer.get_property('step')

    def wait_for_progress(self):
        """Frames on the display, embedded, and steps of training, all anew."""
        frames, embedded, step = self.frames, self.embedded, self.step()
        seen = self.memory.get_property('stats').get_uint64('seen')[1]
        self.wait_for(lambda: self.frames > frames + 5 and self.embedded > embedded and self.step() > step + 2 and
                      self.memory.get_property('stats').get_uint64('seen')[1] > seen + 5)


def test_a_camera_is_watched_and_learned_from():
    for protocols in ('udp', 'tcp'):
        with camera() as server, tempfile.TemporaryDirectory() as folder:
            with View(f'{server.source} protocols={protocols}', folder) as view:
                view.wait_for_progress()
                query = Gst.Query.new_latency()
                assert view.pipeline.query(query)
                live, least, most = query.parse_latency()
                # that of the jitter buffer and of the decoder, whatever training does
                assert live and 100 * Gst.MSECOND <= least < Gst.SECOND, (live, least, most)
            assert os.path.exists(f'{folder}/c.safetensors')


def test_the_picture_changes_in_the_middle():
    with camera() as server, tempfile.TemporaryDirectory() as folder:
        with View(server.source, folder) as view:
            for size in ((64, 48), (96, 80), (32, 32)):
                server.order(f'size {size[0]}x{size[1]}')
                view.wait_for(lambda: view.size == size)
                view.wait_for_progress()


def test_packets_are_lost_and_broken():
    for damage in ('identity drop-probability=0.05 !', 'breakmydata skip=20 probability=0.0005 !'):
        with camera() as server, tempfile.TemporaryDirectory() as folder:
            with View(server.source, folder, damage) as view:
                for _ in range(3):
                    view.wait_for_progress()


def test_a_camera_stalls():
    with camera() as server, tempfile.TemporaryDirectory() as folder:
        with View(server.source + ' protocols=tcp', folder) as view:
            view.wait_for_progress()
            server.process.send_signal(signal.SIGSTOP)
            step = view.step()
            view.wait_for(lambda: view.step() > step + 20)  # training goes on from memory
            server.process.send_signal(signal.SIGCONT)
            view.wait_for_progress()


def test_times_jump():
    with camera() as server, tempfile.TemporaryDirectory() as folder:
        with View(server.source, folder) as view:
            pad = view.memory.get_static_pad('sink').get_peer()
            for offset in (3600 * Gst.SECOND, -Gst.SECOND, 0):
                view.wait_for_progress()
                pad.set_offset(offset)
            view.wait_for_progress()


def watch(server, folder, *options, guard=''):
    path = f'{folder}/statistics'
    description = (f'{server.source} ! rtph264depay ! avdec_h264 ! {guard} videoconvert ! simclrreplay min-fill=8 capacity=64 '
                   f'storage-size=20 location={folder}/m.safetensors ! simclraugment size=16 ! '
                   f'simclrencoder {ENCODER} ! simclrtrainer location={folder}/c.safetensors')
    process = subprocess.Popen(
        [os.path.join(APPLICATIONS, 'simclr-watch'), '--statistics=' + path, *options, *description.split()],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return process, path


def read_steps(path):
    with open(path) as file:
        return [json.loads(line)['step'] for line in file.read().splitlines()]


def wait_for_steps(process, path, more):
    """So many more than there are now."""
    end = time.monotonic() + PATIENCE
    target = (read_steps(path)[-1] if os.path.exists(path) and read_steps(path) else 0) + more
    while not os.path.exists(path) or not read_steps(path) or read_steps(path)[-1] < target:
        assert process.poll() is None and time.monotonic() < end, (process.poll(), target)
        time.sleep(0.05)


def test_a_camera_goes_away_and_comes_back():
    clip = ['--clip', CLIP] if os.path.exists(CLIP) else []
    with tempfile.TemporaryDirectory() as folder, camera(*clip) as server:
        process, path = watch(server, folder, '--reconnect=1')
        wait_for_steps(process, path, 10)
        server.kill()
        wait_for_steps(process, path, 0)
        with camera(*clip, port=server.port):
            wait_for_steps(process, path, 50)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
        assert 'Trying again' in output, output
        steps = read_steps(path)
        # no step is taken twice: each run goes on where the one before was (whose last messages may have come too late)
        assert all(a < b for a, b in zip(steps, steps[1:])), (steps, output)
        assert os.path.exists(f'{folder}/m.safetensors')


def test_a_stall_counts_as_gone_where_somebody_watches():
    with tempfile.TemporaryDirectory() as folder, camera() as server:
        if Gst.ElementFactory.find('watchdog') is None:
            raise tap.Skip('no watchdog')
        process, path = watch(server, folder, '--reconnect=1', guard='watchdog timeout=1000 !')
        wait_for_steps(process, path, 5)
        server.process.send_signal(signal.SIGSTOP)
        for line in process.stdout:
            if 'Trying again' in line:
                break
        server.process.send_signal(signal.SIGCONT)
        wait_for_steps(process, path, 50)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output


def test_without_a_file_nothing_is_begun_anew():
    if MISSING:
        raise tap.Skip(MISSING)
    done = subprocess.run([os.path.join(APPLICATIONS, 'simclr-watch'), '--reconnect=1', 'videotestsrc', '!',
                           'simclraugment', '!', 'simclrencoder', '!', 'simclrtrainer'],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and 'location' in done.stderr, done.stderr


tap.run(globals())
