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
from unittest import mock

from launch import Launch, fail, folder, run
import tap

SENDS = sys.argv[1] == 'yes'
FRAMES = 'videotestsrc num-buffers={} ! video/x-raw,width=16,height=16'
LIVE = 'videotestsrc is-live=true ! video/x-raw,width=16,height=16,framerate=30/1'
BROKER = shutil.which('mosquitto') or shutil.which('mosquitto', path='/usr/sbin')
SUBSCRIBER = shutil.which('mosquitto_sub')
PASSWORDS = shutil.which('mosquitto_passwd')
OPENSSL = shutil.which('openssl')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Broker:
    def __init__(self, path, port, more='allow_anonymous true\n'):
        config = os.path.join(path, 'mosquitto.conf')
        self.log = os.path.join(path, 'mosquitto.log')
        with open(config, 'w') as file:
            file.write(f'log_dest file {self.log}\nlog_type all\nlistener {port} 127.0.0.1\n{more}')
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

    def read_log(self):
        with open(self.log) as file:
            return file.read()

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


def check_broker():
    if not SENDS:
        raise tap.Skip('MQTT was not built: there is no libmosquitto')
    if BROKER is None or SUBSCRIBER is None:
        raise tap.Skip('there is no mosquitto, or no mosquitto_sub, on this machine')


def with_broker(function):
    def test():
        check_broker()
        with folder() as path:
            broker = Broker(path, free_port())
            try:
                function(path, broker)
            finally:
                broker.stop()
    return test


class Authority:
    """A certificate authority of the test's own, and what it signs; files NAME.pem and NAME.key in the folder."""

    def __init__(self, path):
        self.path = path
        self.make('authority', '-x509', '-addext', 'basicConstraints=critical,CA:TRUE')
        self.make('stranger', '-x509', '-addext', 'basicConstraints=critical,CA:TRUE')

    def file(self, name):
        return os.path.join(self.path, name)

    def make(self, name, *options):
        subprocess.run(
            [OPENSSL, 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
             '-subj', f'/CN={name}', '-keyout', self.file(name + '.key'), '-out', self.file(name + '.pem'),
             *options], check=True, capture_output=True)

    def sign(self, name, names):
        self.make(name)
        with open(self.file('names'), 'w') as file:
            file.write(f'subjectAltName={names}\n')
        os.rename(self.file(name + '.pem'), self.file('request'))
        subprocess.run(
            [OPENSSL, 'x509', '-req', '-in', self.file('request'), '-CA', self.file('authority.pem'),
             '-CAkey', self.file('authority.key'), '-CAcreateserial', '-days', '2', '-extfile',
             self.file('names'), '-out', self.file(name + '.pem')], check=True, capture_output=True)
        return self


class TlsBroker(Broker):
    """Has a listener with TLS beside the plain one, which the subscribers use."""

    def __init__(self, path, name='broker', names='DNS:localhost,IP:127.0.0.1', more=''):
        self.authority = Authority(path).sign(name, names)
        self.tls_port = free_port()
        self.more = (f'allow_anonymous true\nlistener {self.tls_port} 127.0.0.1\nallow_anonymous true\n'
                     f'certfile {path}/{name}.pem\nkeyfile {path}/{name}.key\n' + more.format(path=path))
        self.path = path
        super().__init__(path, free_port(), self.more)

    def again(self):
        super().__init__(self.path, self.port, self.more)

    def publish(self, settings='', scheme='mqtts://', host='localhost'):
        return (f'simclrpublish fields=time stream=here mqtt-address={scheme}{host}:{self.tls_port} {settings}')

    def ca(self, name='authority'):
        return f'mqtt-ca-file={self.path}/{name}.pem'


@contextlib.contextmanager
def tls_broker(**settings):
    check_broker()
    if OPENSSL is None:
        raise tap.Skip('there is no openssl on this machine, to make certificates')
    with folder() as path:
        broker = TlsBroker(path, **settings)
        try:
            yield broker
        finally:
            broker.stop()


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


def assert_arrives(broker, publisher, count=20):
    subscriber = broker.subscribe('-t', 'simclr', '-C', str(count), '-W', '30')
    run(f'{FRAMES.format(count)} ! {publisher} ! fakesink')
    lines = lines_of(subscriber.communicate()[0])
    assert [line['frame'] for line in lines] == list(range(count)), lines


def test_tls_and_plain_reach_one_broker():
    with tls_broker() as broker:
        for host in ('localhost', '127.0.0.1'):
            assert_arrives(broker, broker.publish(broker.ca(), host=host))
        assert_arrives(broker, broker.publish(broker.ca(), scheme=''))  # as mosquitto_pub --cafile
        assert_arrives(broker, f'simclrpublish fields=time mqtt-address=mqtt://127.0.0.1:{broker.port}')


def test_a_certificate_of_another_authority_is_an_error():
    with tls_broker() as broker:
        begin = time.monotonic()
        fail(f'{FRAMES.format(3)} ! {broker.publish(broker.ca("stranger"))} ! fakesink', 'stranger.pem',
             'does not vouch for', 'certificate verify failed')
        fail(f'{LIVE} ! {broker.publish()} ! fakesink', "system's authorities do not vouch for")
        assert time.monotonic() - begin < 20
        assert 'New client connected' not in broker.read_log()


def test_a_certificate_for_another_host_is_an_error_unless_told():
    with tls_broker(names='DNS:elsewhere.example') as broker:
        fail(f'{LIVE} ! {broker.publish(broker.ca())} ! fakesink', 'is not for localhost', 'mqtt-insecure')
        assert_arrives(broker, broker.publish(broker.ca() + ' mqtt-insecure=true'))
        fail(f'{LIVE} ! {broker.publish(broker.ca("stranger") + " mqtt-insecure=true")} ! fakesink', 'does not vouch for')


def test_the_systems_authorities_serve_again_and_again():
    """OpenSSL's variable stands for the system's file; the broker goes and comes back."""
    with tls_broker() as broker:
        with mock.patch.dict(os.environ, SSL_CERT_FILE=os.path.join(broker.path, 'authority.pem')):
            launch = Launch(f'{LIVE} ! {broker.publish()} ! fakesink')
        broker.subscribe('-t', 'simclr', '-C', '5', '-W', '30').communicate()
        broker.stop()
        launch.wait_for('cannot be reached')
        broker.again()
        subscriber = broker.subscribe('-t', 'simclr', '-C', '20', '-W', '30')
        lines = lines_of(subscriber.communicate()[0])
        assert [line['frame'] for line in lines] == list(range(lines[0]['frame'], lines[0]['frame'] + 20))
        launch.signal(signal.SIGINT)
        launch.finish()


def test_a_certificate_of_its_own_lets_the_client_in():
    with tls_broker(more='require_certificate true\nuse_identity_as_username true\ncafile {path}/authority.pem\n') as broker:
        broker.authority.sign('camera', 'DNS:camera.example')
        own = f'{broker.ca()} mqtt-cert-file={broker.path}/camera.pem mqtt-key-file={broker.path}/camera.key'
        assert_arrives(broker, broker.publish(own))
        assert "u'camera'" in broker.read_log(), broker.read_log()
        # with TLS 1.3 the broker's reason is lost where it hangs up before the library has sent its first packet
        launch = Launch(f'{LIVE} ! {broker.publish(broker.ca())} ! fakesink')
        said = launch.wait_for('mqtt-cert-file, mqtt-key-file)')
        assert 'There is no TLS with' in said or 'hangs up on TLS' in said, said
        launch.signal(signal.SIGINT)
        launch.finish()
        older = os.path.join(broker.path, 'openssl.cnf')
        with open(older, 'w') as file:
            file.write('openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.2\n')
        with mock.patch.dict(os.environ, OPENSSL_CONF=older):
            fail(f'{LIVE} ! {broker.publish(broker.ca())} ! fakesink', 'There is no TLS with', 'handshake failure')
        fail(f'{LIVE} ! {broker.publish(own.replace("camera.key", "stranger.key"))} ! fakesink',
             'There is no TLS with', 'mqtt-key-file')


def test_what_does_not_speak_tls_is_said():
    with tls_broker() as broker:
        address = f'mqtts://127.0.0.1:{broker.port}'
        launch = Launch(f'{FRAMES.format(3)} ! simclrpublish mqtt-address={address} ! fakesink')
        launch.finish()
        assert re.search(f'(ERROR|WARNING).*{address}|{address}.* cannot be reached', launch.output), launch.output


def test_tls_files_are_checked_before_they_are_used():
    if not SENDS:
        raise tap.Skip('MQTT was not built')
    if OPENSSL is None:
        raise tap.Skip('there is no openssl on this machine')
    with folder() as path:
        Authority(path)
        encrypted = os.path.join(path, 'encrypted.key')
        subprocess.run([OPENSSL, 'pkey', '-in', path + '/stranger.key', '-aes128', '-passout', 'pass:x', '-out',
                        encrypted], check=True)
        cert = f'mqtt-cert-file={path}/stranger.pem'
        for settings, *texts in (
                (f'mqtt-ca-file={path}/none.pem', f'mqtt-ca-file="{path}/none.pem"', 'No such file'),
                (f'mqtt-ca-file={path}/authority.key', f'mqtt-ca-file="{path}/authority.key"', 'CERTIFICATE'),
                (cert, 'mqtt-cert-file and mqtt-key-file go together'),
                (f'{cert} mqtt-key-file={path}/stranger.pem', 'mqtt-key-file="', 'PRIVATE KEY'),
                (f'{cert} mqtt-key-file={encrypted}', encrypted, 'is encrypted')):
            fail(f'{FRAMES.format(3)} ! simclrpublish mqtt-address=localhost {settings} ! fakesink', *texts)
        fail(f'{FRAMES.format(3)} ! simclrpublish mqtt-address=mqtt://localhost mqtt-ca-file={path}/authority.pem '
             '! fakesink', 'mqtt-address="mqtt://localhost"', 'is without TLS')


def test_a_user_with_the_right_password_is_let_in():
    check_broker()
    if PASSWORDS is None:
        raise tap.Skip('there is no mosquitto_passwd on this machine')
    with folder() as path:
        passwords = os.path.join(path, 'passwords')
        subprocess.run([PASSWORDS, '-b', '-c', passwords, 'door', 'secret'], check=True, capture_output=True)
        broker = Broker(path, free_port(), f'password_file {passwords}\n')
        try:
            user = 'mqtt-username=door mqtt-client-id=camera-1 mqtt-keep-alive=17 mqtt-password='
            run(f'{FRAMES.format(3)} ! {publish(broker, user + "secret")} ! fakesink')
            connected = re.search('New client connected .*', broker.read_log())[0]
            assert re.search(r"as camera-1 \(p2, c1, k17, u'door'\)", connected), connected
            for settings in (user + 'wrong', ''):
                fail(f'{LIVE} ! {publish(broker, settings)} ! fakesink', 'does not let us in', 'mqtt-password', 'not authorised')
        finally:
            broker.stop()


@with_broker
def test_the_last_will_is_published_when_the_client_is_lost(path, broker):
    will = 'mqtt-will-topic=state/door mqtt-will-payload=gone mqtt-will-retain=true mqtt-will-qos=1'
    lines = broker.subscribe('-t', 'simclr', '-C', '1', '-W', '30')
    launch = Launch(f'{LIVE} ! {publish(broker, will)} ! fakesink')
    lines.communicate()
    wills = broker.subscribe('-t', 'state/door', '-C', '1', '-W', '30')
    launch.signal(signal.SIGKILL)
    launch.finish()
    assert 'gone\n' in wills.communicate()[0]
    late = subprocess.run([SUBSCRIBER, '-p', str(broker.port), '-t', 'state/door', '-C', '1', '-W', '30'],
                          capture_output=True, text=True)
    assert late.stdout == 'gone\n', late.stdout


@with_broker
def test_a_client_that_says_goodbye_has_no_last_will(path, broker):
    """What comes first under its topic is what is published after it."""
    wills = broker.subscribe('-t', 'state/door', '-C', '1', '-W', '30')
    run(f'{FRAMES.format(3)} ! {publish(broker, "mqtt-will-topic=state/door mqtt-will-payload=gone")} ! fakesink')
    run(f'{FRAMES.format(3)} ! {publish(broker, "mqtt-topic=state/door")} ! fakesink')
    said = wills.communicate()[0]
    assert 'gone' not in said and lines_of(said), said


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
    for settings, text in (
            ('mqtt-address=localhost:no', 'mqtt-address="localhost:no"'),
            ('mqtt-address=http://localhost', 'neither mqtt:// nor mqtts://'),
            ('mqtt-address=mqtts://', 'mqtt-address="mqtts://"'),
            ('mqtt-address=mqtt://user:word@localhost/a/b', 'mqtt-username'),
            ('mqtt-address=localhost mqtt-topic=a/#', 'mqtt-topic="a/#"'),
            ('mqtt-address=localhost mqtt-will-topic=a/#', 'mqtt-will-topic="a/#"'),
            ('mqtt-address=localhost mqtt-will-payload=gone', 'mqtt-will-topic'),
            ('mqtt-address=localhost mqtt-password=secret', 'mqtt-username')):
        fail(f'{FRAMES.format(3)} ! simclrpublish {settings} ! fakesink', 'cannot be published', text)


def test_a_build_without_mqtt_says_so():
    if SENDS:
        raise tap.Skip('this build has MQTT')
    launch = Launch(f'{FRAMES.format(3)} ! simclrpublish mqtt-address=localhost ! fakesink')
    assert launch.finish() != 0 and 'no MQTT in this build' in launch.output, launch.output


tap.run(globals())
