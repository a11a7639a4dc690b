"""gst-launch-1.0 as a user runs it, for the tests of this folder.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import json
import os
import re
import resource
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

DATA = os.environ.get('SIMCLR_TEST_DATA', '')

TIME_LIMIT = 100

# Quick: a twin of ResNet-18 on pictures of 16x16, four pairs in a batch.
FRAMES = 'videotestsrc pattern=ball ! video/x-raw,format=RGB,width=40,height=30'
PAIRS = 'simclraugment size=16 seed=1'
ENCODER = 'simclrencoder width=0.0625 batch-size=4 seed=1 threads=1'


class Output(str):
    """In a failed assertion its end is enough."""

    def __repr__(self):
        return '...\n' + self[-3000:]

    __str__ = __repr__


class Launch:
    """One gst-launch-1.0 in the background; its output is read line by line."""

    def __init__(self, pipeline, *options, file_size_limit=None):
        command = [os.environ.get('GST_LAUNCH', 'gst-launch-1.0'), '-m', *options]
        environment = dict(os.environ)
        if 'SIMCLR_PRELOAD' in environment:
            environment['LD_PRELOAD'] = environment['SIMCLR_PRELOAD']

        def limit():
            if file_size_limit is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_limit, file_size_limit))

        self.lines = []
        self.process = subprocess.Popen(
            command + shlex.split(pipeline), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors='replace', env=environment,
            preexec_fn=limit)
        # a hang becomes an exit status that no test expects
        self.alarm = threading.Timer(TIME_LIMIT, self.process.kill)
        self.alarm.start()

    def wait_for(self, text, times=1):
        for line in self.process.stdout:
            self.lines.append(line)
            times -= text in line
            if times == 0:
                return line
        raise AssertionError(f'"{text}" did not come:\n' + ''.join(self.lines))

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        rest, _ = self.process.communicate()
        self.alarm.cancel()
        self.lines += rest.splitlines(keepends=True)
        return self.process.returncode

    @property
    def output(self):
        return Output(''.join(self.lines))


def run(pipeline, *options, **settings):
    """Runs a pipeline that must end well and returns its output."""
    launch = Launch(pipeline, *options, **settings)
    status = launch.finish()
    assert status == 0 and 'ERROR' not in launch.output, f'{pipeline}\n{status}\n{launch.output!r}'
    return launch.output


def fail(pipeline, *texts, **settings):
    """Runs a pipeline that must end with an error in which the texts stand."""
    launch = Launch(pipeline, **settings)
    status = launch.finish()
    assert status > 0, f'{pipeline}\n{status}\n{launch.output}'
    for text in ('ERROR', *texts):
        assert text in launch.output, f'no "{text}":\n{launch.output}'
    return launch.output


def values(output, field):
    """A field of all messages simclr-training."""
    return [float(value) for line in output.splitlines() if 'simclr-training' in line
            for value in re.findall(rf'\b{field}=\([a-z0-9]+\)([-+.e0-9a-z]+)', line)]


def read_safetensors(path):
    """Names, shapes and offsets of a whole file; anything else is an exception."""
    with open(path, 'rb') as file:
        length, = struct.unpack('<Q', file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop('__metadata__')
    assert max(tensor['data_offsets'][1] for tensor in header.values()) == len(data)
    return header, metadata


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix='simclr-test-') as path:
        yield path


def location(path):
    return f'location={shlex.quote(path)}'
