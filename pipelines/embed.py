#!/usr/bin/python3
"""Embeds the pictures of a folder, or the frames of a video, into a table.

SPDX-License-Identifier: LGPL-2.1-or-later

    pipelines/embed.py encoder.safetensors PICTURES table.csv

The table has a line for each picture: its name, and the numbers of its embedding, scaled to unit length. search.py and
map.py read it, and so does anything that reads CSV.
"""
import argparse
import csv
import os

from pictures import Embedder, list_pictures, read_frames, run

BATCH = 32


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('encoder', help='weights that simclrtrainer or torchvision wrote (safetensors)')
    parser.add_argument('source', help='a folder of pictures, or a video')
    parser.add_argument('table', help='where the table is written (CSV)')
    parser.add_argument('--frames', type=int, default=1000, help='of a video, at most (%(default)s)')
    return parser.parse_args()


def name_frames(options):
    """Yields (name, frame); a video's frames are numbered."""
    if os.path.isdir(options.source):
        for path in list_pictures(options.source):
            for frame in read_frames(path):
                yield path, frame
    else:
        for number, frame in enumerate(read_frames(options.source, options.frames)):
            yield f'{options.source}#{number}', frame


def main():
    options = read_arguments()
    embedder = Embedder(options.encoder)
    count = 0
    with open(options.table, 'w', newline='', encoding='utf-8') as file:
        table = csv.writer(file)
        table.writerow(['picture', *(f'd{column}' for column in range(embedder.size))])
        names, frames = [], []

        def write():
            for name, row in zip(names, embedder.embed(frames) if frames else []):
                table.writerow([name, *(f'{value:.6g}' for value in row)])
            names.clear()
            frames.clear()

        for count, (name, frame) in enumerate(name_frames(options), 1):
            names.append(name)
            frames.append(frame)
            if len(frames) == BATCH:
                write()
        write()
    if count == 0:
        raise ValueError(f'{options.source} holds no pictures')
    print(f'{count} embeddings of {embedder.size} numbers written to {options.table}')


if __name__ == '__main__':
    run(main)
