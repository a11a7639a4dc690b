#!/usr/bin/python3
"""Finds the pictures of a table that look most like a given one.

SPDX-License-Identifier: LGPL-2.1-or-later

    pipelines/search.py encoder.safetensors table.csv PICTURE

embed.py writes the table, with the same encoder. Prints similarity (the cosine, 1 at most) and name, the most similar
first.
"""
import argparse

from pictures import Embedder, read_frames, read_table, run  # asks for the versions of what comes next
from gi.repository import GLib, Simclr


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('encoder', help='the encoder that the table was made with (safetensors)')
    parser.add_argument('table', help='what embed.py wrote (CSV)')
    parser.add_argument('picture', help='a picture, or a video whose first frame it is')
    parser.add_argument('--count', type=int, default=10, help='how many are shown (%(default)s)')
    return parser.parse_args()


def main():
    options = read_arguments()
    names, rows = read_table(options.table)
    embedder = Embedder(options.encoder)
    if len(rows[0]) != embedder.size:
        raise ValueError(f'{options.table} has embeddings of {len(rows[0])} numbers, {options.encoder} makes '
                         f'{embedder.size}')
    wanted, = embedder.embed(read_frames(options.picture))
    index = Simclr.Index.new(0)  # in memory; Simclr.Index.open() keeps one in a folder, as simclrindex does
    for place, (name, row) in enumerate(zip(names, rows)):
        index.add(row, place, None, name, None, 0, 0)
    for match in index.search(wanted, options.count, None, GLib.MININT64, GLib.MAXINT64, 0):
        print(f'{match.similarity:.3f}  {match.source}')


if __name__ == '__main__':
    run(main)
