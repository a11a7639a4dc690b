#!/usr/bin/python3
"""simclrpublish in pipelines: standard output, and a real MQTT broker on this machine's loopback.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from launch import Launch, folder, run
import tap

SENDS = sys.argv[1] == 'yes'
FRAMES = 'videotestsrc num-buffers={} ! video/x-raw,width=16,height=16'
BROKER = shutil.which('mosquitto') or shutil.which('mosquitto', path='/usr/sbin')
SUBSCRIBER = shutil.which('mosquitto_sub')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Broker:
    def __init__(self, path, port, more=''):
        config = os.path.join(path, 'mosquitto.conf')
        with open(config, 'w') as file:
            file.write(f'listener {port} 127.0.0.1\n' + (more or 'allow_anonymous true\n'))
            if os.getuid() == 0:
                file.write('user root\n')
        self.port = port
        self.process = subprocess.Popen([BROKER, '-c', config], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
                return
            time.sleep(0.02)
        raise AssertionError('the broker does not listen')

    def subscribe(self, *options):
        """Returns once it is subscribed, as it says where its output is not kept back."""
        subscriber = subprocess.Popen(
            ['stdbuf', '-oL', SUBSCRIBER, '-p', str(self.port), '-d', *options],
            stdout=subprocess.PIPE, text=True)
        for line in subscriber.stdout:
            if 'SUBACK' in line:
                return subscriber
        raise AssertionError('not subscribed')

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


def with_broker(function):
    def test():
        if not SENDS:
            raise tap.Skip('MQTT was not built: there is no libmosquitto')
        if BROKER is None or SUBSCRIBER is None:
            raise tap.Skip('there is no mosquitto, or no mosquitto_sub, on this machine')
        with folder() as path:
            broker = Broker(path, free_port())
            try:
                function(path, broker)
            finally:
                broker.stop()
    return test


def lines_of(output):
    return [json.loads(line) for line in output.splitlines() if line.startswith('{')]


def publish(broker, settings=''):
    return f'simclrpublish fields=time stream=here mqtt-address=127.0.0.1:{broker.port} {settings}'


def test_lines_go_to_standard_output():
    lines = lines_of(run(f'{FRAMES.format(5)} ! simclrpublish ! fakesink', '-q'))
    assert [line['frame'] for line in lines] == list(range(5))
    assert lines[3]['running-time'] == 100000000


@with_broker
def test_every_line_of_a_short_stream_arrives_in_order(path, broker):
    for qos in (0, 1, 2):
        subscriber = broker.subscribe('-t', 'cameras/#', '-q', str(qos), '-C', '300', '-W', '30')
        run(f'{FRAMES.format(300)} ! {publish(broker, f"mqtt-topic=cameras/door mqtt-qos={qos} queue-size=300")} ! fakesink')
        lines = lines_of(subscriber.communicate()[0])
        assert [line['frame'] for line in lines] == list(range(300)), (qos, lines[:3], len(lines))


@with_broker
def test_the_last_line_is_retained(path, broker):
    run(f'{FRAMES.format(3)} ! {publish(broker, "mqtt-retain=true mqtt-topic=a/b")} ! fakesink')
    subscriber = subprocess.run([SUBSCRIBER, '-p', str(broker.port), '-t', 'a/b', '-C', '1', '-W', '30'],
                                capture_output=True, text=True)
    assert [line['frame'] for line in lines_of(subscriber.stdout)] == [2], subscriber.stdout


@with_broker
def test_a_broker_that_hangs_holds_up_nothing(path, broker):
    """Lines of 30 KB, far more of them than sockets hold."""
    subscriber = broker.subscribe('-t', 'simclr', '-C', '1', '-W', '30')
    source = 'videotestsrc is-live=true num-buffers=1000 ! video/x-raw,width=16,height=16,framerate=500/1'
    launch = Launch(f'{source} ! {publish(broker, "queue-size=20 fields=stream")} stream={"x" * 30000} ! fakesink')
    subscriber.communicate()
    broker.process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    assert launch.finish() == 0
    assert time.monotonic() - begin < 15, 'it waited for the broker'
    dropped = re.findall(r'does not keep up: (\d+) lines dropped', launch.output)
    assert dropped and 'queue holds 20 lines' in launch.output, launch.output


@with_broker
def test_a_broker_that_comes_back_gets_what_waited(path, broker):
    broker.stop()
    launch = Launch(f'videotestsrc is-live=true ! video/x-raw,width=16,height=16,framerate=30/1 ! {publish(broker)} ! fakesink')
    launch.wait_for('cannot be reached')
    again = Broker(path, broker.port)
    try:
        subscriber = again.subscribe('-t', 'simclr', '-C', '20', '-W', '30')
        lines = lines_of(subscriber.communicate()[0])
        assert [line['frame'] for line in lines] == list(range(lines[0]['frame'], lines[0]['frame'] + 20))
        launch.signal(signal.SIGINT)
        launch.finish()
    finally:
        again.stop()


def test_no_broker_ends_soon_and_is_said():
    if not SENDS:
        raise tap.Skip('MQTT was not built')
    begin = time.monotonic()
    output = run(f'{FRAMES.format(30)} ! simclrpublish mqtt-address=localhost:{free_port()} queue-size=10 ! fakesink')
    assert time.monotonic() - begin < 20
    assert 'cannot be reached' in output and 'does not keep up' in output, output


def test_what_is_no_address_or_topic_is_an_error():
    if not SENDS:
        raise tap.Skip('MQTT was not built')
    for settings in ('mqtt-address=localhost:no', 'mqtt-address=localhost mqtt-topic=a/#'):
        launch = Launch(f'{FRAMES.format(3)} ! simclrpublish {settings} ! fakesink')
        assert launch.finish() != 0
        assert 'cannot be published to' in launch.output, launch.output


def test_a_build_without_mqtt_says_so():
    if SENDS:
        raise tap.Skip('this build has MQTT')
    launch = Launch(f'{FRAMES.format(3)} ! simclrpublish mqtt-address=localhost ! fakesink')
    assert launch.finish() != 0 and 'no MQTT in this build' in launch.output, launch.output


tap.run(globals())
