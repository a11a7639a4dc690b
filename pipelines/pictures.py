"""Pictures and videos as pixels, tables of embeddings as lists: what the examples beside this share.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import array
import csv
import os
import sys

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstApp', '1.0')  # gives appsink its methods
gi.require_version('Simclr', '1.0')
from gi.repository import GLib, Gst, GstApp, Simclr

Gst.init(None)

KINDS = ('.jpg', '.jpeg', '.png', '.webp', '.bmp')


def list_pictures(folder):
    """The paths of all pictures under a folder, sorted."""
    return sorted(os.path.join(place, name) for place, _, names in os.walk(folder)
                  for name in names if name.lower().endswith(KINDS))


def read_frames(path, most=1, size=None):
    """Yields (pixels, width, height), RGBx bytes, of up to `most` frames of a picture or a video, with `size` scaled to
    that height."""
    pipeline = Gst.parse_launch('filesrc name=source ! decodebin ! videoconvert ! videoscale name=scale ! capsfilter '
                                'name=caps ! appsink name=sink sync=false max-buffers=4')
    pipeline.get_by_name('source').props.location = path
    # rows of RGB are padded to four bytes, those of RGBx need not be
    caps = 'video/x-raw,format=RGBx,pixel-aspect-ratio=1/1'
    pipeline.get_by_name('caps').props.caps = Gst.Caps.from_string(caps + (f',height={size}' if size else ''))
    sink = pipeline.get_by_name('sink')
    pipeline.set_state(Gst.State.PLAYING)
    try:
        for _ in range(most if pipeline.get_state(20 * Gst.SECOND)[0] != Gst.StateChangeReturn.FAILURE else 0):
            sample = sink.try_pull_sample(20 * Gst.SECOND)
            if sample is None:
                break
            facts, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
            pixels = GLib.Bytes.new(buffer.extract_dup(0, buffer.get_size()))
            yield pixels, facts.get_value('width'), facts.get_value('height')
        message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        if message:
            raise OSError(f'{path}: {message.parse_error()[0].message}')
    finally:
        pipeline.set_state(Gst.State.NULL)


class Embedder:
    """An encoder file, asked for embeddings of whole pictures."""

    def __init__(self, location):
        weights = Simclr.Weights.load(location)
        self.encoder = Simclr.Encoder(weights=weights)
        self.place = (weights.get_input_size(), weights.get_normalization())
        self.size = weights.get_embedding_size(Simclr.Output.REPRESENTATION)

    def embed(self, frames):
        """One array of floats, of unit length, for each (pixels, width, height)."""
        views = b''.join(Simclr.evaluation_view_to_bytes(pixels, width, height, 4 * width, Simclr.PixelFormat.RGBX,
                                                         *self.place).get_data()
                         for pixels, width, height in frames)
        floats = array.array('f', self.encoder.encode_bytes(
            GLib.Bytes.new(views), Simclr.Output.REPRESENTATION).get_data())
        rows = [floats[at:at + self.size] for at in range(0, len(floats), self.size)]
        return [scale(row) for row in rows]


def scale(row):
    length = sum(value * value for value in row) ** 0.5 or 1
    return array.array('f', [value / length for value in row])


def read_table(path):
    """The names and the embeddings that embed.py wrote."""
    with open(path, newline='', encoding='utf-8') as file:
        rows = list(csv.reader(file))[1:]
    if not rows:
        sys.exit(f'{path} holds no embeddings')
    return [row[0] for row in rows], [array.array('f', map(float, row[1:])) for row in rows]


def run(main):
    """Errors of files, pipelines and the library become a line instead of a traceback."""
    try:
        main()
    except (GLib.Error, OSError, ValueError) as error:
        sys.exit(f'{os.path.basename(sys.argv[0])}: {getattr(error, "message", error)}')
