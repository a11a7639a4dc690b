#!/usr/bin/python3
"""A network camera for tests: an RTSP server on this machine that sends H.264, from a clip or a moving ball.

    rtsp_camera.py [--port PORT] [--clip FILE] [--size WIDTHxHEIGHT]

Says on which port it listens, in one line. Lines on its standard input are orders: `size WIDTHxHEIGHT` changes the
picture in the middle of the stream. It ends with its input. A clip that ends ends the stream, as if the camera were
unplugged.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import argparse
import sys
import threading

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def make_caps(size):
    width, height = size.split('x')
    return f'video/x-raw,format=I420,width={width},height={height}'


class Camera:
    def __init__(self, arguments):
        self.size, self.filter = arguments.size, None
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address('127.0.0.1')
        self.server.set_service(str(arguments.port))
        source = (f'filesrc location="{arguments.clip}" ! matroskademux ! vp8dec' if arguments.clip else
                  'videotestsrc is-live=true pattern=ball ! video/x-raw,framerate=30/1')
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(
            f'( {source} ! videoconvert ! videoscale ! capsfilter name=size caps={make_caps(self.size)} ! '
            'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=500 ! '
            'rtph264pay name=pay0 config-interval=-1 )')
        factory.set_shared(True)
        factory.connect('media-configure', self.configure)
        self.server.get_mount_points().add_factory('/camera', factory)
        self.server.attach(None)

    def configure(self, factory, media):
        self.filter = media.get_element().get_by_name('size')
        self.filter.set_property('caps', Gst.Caps.from_string(make_caps(self.size)))

    def obey(self, order, value):
        assert order == 'size', order
        self.size = value
        if self.filter is not None:
            self.filter.set_property('caps', Gst.Caps.from_string(make_caps(value)))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--clip')
    parser.add_argument('--size', default='64x48')
    Gst.init(None)
    camera = Camera(parser.parse_args())
    loop = GLib.MainLoop()

    def listen():
        for line in sys.stdin:
            GLib.idle_add(lambda words: camera.obey(*words), line.split())
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    print(camera.server.get_bound_port(), flush=True)
    loop.run()


if __name__ == '__main__':
    main()
