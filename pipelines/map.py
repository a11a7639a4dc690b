#!/usr/bin/python3
"""Draws a map of a table of embeddings: what looks alike to the encoder lies together.

SPDX-License-Identifier: LGPL-2.1-or-later

    pipelines/map.py table.csv map.png

The two directions in which the embeddings of embed.py differ most (principal components) become left to right and
bottom to top. Pictures are drawn as they are, a video's frames as dots from the first (dark) to the last (bright).
"""
import argparse
import colorsys
import operator
import os
import random

import cairo

from pictures import read_frames, read_table, run

SIDE, MARGIN, THUMBNAIL = 1000, 60, 64


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('table', help='what embed.py wrote (CSV)')
    parser.add_argument('map', help='where the picture is written (PNG)')
    parser.add_argument('--pictures', type=int, default=300, help='drawn at most, others are dots (%(default)s)')
    return parser.parse_args()


def dot(a, b):
    return sum(map(operator.mul, a, b))


def project(rows, count=2, rounds=50):
    """The coordinates of each row along the first principal components, by power iteration: the component in which
    rows differ most grows fastest when it is multiplied by their scatter again and again."""
    size = len(rows[0])
    mean = [sum(column) / len(rows) for column in zip(*rows)]
    rows = [[value - middle for value, middle in zip(row, mean)] for row in rows]
    draw, coordinates = random.Random(1), []
    for _ in range(count):
        axis = [draw.gauss(0, 1) for _ in range(size)]
        for _ in range(rounds):
            along = [dot(row, axis) for row in rows]
            axis = [dot(along, column) for column in zip(*rows)]
            length = dot(axis, axis) ** 0.5
            if length == 0:
                break  # nothing is left that differs
            axis = [value / length for value in axis]
        along = [dot(row, axis) for row in rows]
        coordinates.append(along)
        rows = [[value - shift * part for value, part in zip(row, axis)] for row, shift in zip(rows, along)]
    return list(zip(*coordinates))


def place(points):
    """Stretches the map to the picture."""
    low = [min(axis) for axis in zip(*points)]
    high = [max(axis) for axis in zip(*points)]
    for point in points:
        x, y = ((value - least) / (most - least) if most > least else 0.5
                for value, least, most in zip(point, low, high))
        yield MARGIN + x * (SIDE - 2 * MARGIN), SIDE - MARGIN - y * (SIDE - 2 * MARGIN)


def draw_picture(context, x, y, path):
    for pixels, width, height in read_frames(path):
        stride = cairo.ImageSurface.format_stride_for_width(cairo.Format.RGB24, width)
        data = bytearray(pixels.get_data())  # RGBx, where cairo has BGRx on machines like this one
        data[0::4], data[2::4] = data[2::4], data[0::4]
        surface = cairo.ImageSurface.create_for_data(data, cairo.Format.RGB24, width, height, stride)
        factor = THUMBNAIL / max(width, height)
        context.save()
        context.translate(x - width * factor / 2, y - height * factor / 2)
        context.scale(factor, factor)
        context.set_source_surface(surface)
        context.paint()
        context.restore()


def main():
    options = read_arguments()
    names, rows = read_table(options.table)
    surface = cairo.ImageSurface(cairo.Format.RGB24, SIDE, SIDE)
    context = cairo.Context(surface)
    context.set_source_rgb(1, 1, 1)
    context.paint()
    for number, (name, (x, y)) in enumerate(zip(names, place(project(rows)))):
        if number < options.pictures and os.path.exists(name):
            draw_picture(context, x, y, name)
        else:
            share = number / len(names)
            context.set_source_rgb(*colorsys.hsv_to_rgb(0.65 - 0.5 * share, 0.8, 0.4 + 0.5 * share))
            context.arc(x, y, 5, 0, 7)
            context.fill()
    surface.write_to_png(options.map)
    print(f'{len(names)} embeddings drawn to {options.map}')


if __name__ == '__main__':
    run(main)
