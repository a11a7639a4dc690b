#!/usr/bin/python3
"""Pretrains an encoder on a folder of pictures, or on a video, without labels, by libsimclr alone.

SPDX-License-Identifier: LGPL-2.1-or-later

    pipelines/pretrain.py PICTURES encoder.safetensors

The same as `... ! simclrreplay ! simclraugment ! simclrencoder ! simclrtrainer` does, written out as a loop: two random
views of each picture of a batch, a forward pass, a step.
"""
import argparse
import os
import random
import sys

from pictures import GLib, Simclr, list_pictures, read_frames, run


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('source', help='a folder of pictures, or a video')
    parser.add_argument('encoder', help='where the encoder is written (safetensors)')
    parser.add_argument('--steps', type=int, default=300, help='batches to learn from (%(default)s)')
    parser.add_argument('--batch', type=int, default=32, help='pictures of a batch (%(default)s)')
    parser.add_argument('--size', type=int, default=64, help='pixels of a view, both ways (%(default)s)')
    parser.add_argument('--width', type=float, default=0.25, help='of the ResNet-18, times 64 channels (%(default)s)')
    parser.add_argument('--frames', type=int, default=2000, help='of a video, at most (%(default)s)')
    parser.add_argument('--temperature', type=float, default=0.2, help='of the loss (%(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='for all that is random (%(default)s)')
    return parser.parse_args()


def read_source(options):
    """All frames in memory, scaled to what crops of this size need."""
    paths = list_pictures(options.source) if os.path.isdir(options.source) else [options.source]
    most = 1 if os.path.isdir(options.source) else options.frames
    frames = [frame for path in paths for frame in read_frames(path, most, 2 * options.size)]
    if len(frames) < options.batch:
        raise ValueError(f'{options.source} holds {len(frames)} pictures, fewer than a batch of {options.batch}')
    return frames


def make_views(augment, frames, first):
    """The pairs of a batch as float32, rows a0 b0 a1 b1 ...; `first` numbers the pairs, so that each is drawn anew."""
    size = augment.props.size
    views = []
    for number, (pixels, width, height) in enumerate(frames, first):
        for view in (0, 1):
            draw = augment.draw(number, view, width, height)
            cropped = augment.apply(pixels, width, height, 4 * width, Simclr.PixelFormat.RGBX, draw)
            views.append(Simclr.evaluation_view_to_bytes(cropped, size, size, 3 * size, Simclr.PixelFormat.RGB, size,
                                                         Simclr.Normalization.NONE).get_data())
    return GLib.Bytes.new(b''.join(views))


def main():
    options = read_arguments()
    frames = read_source(options)
    print(f'{len(frames)} pictures, {options.steps} steps of {options.batch}')

    weights = Simclr.Weights.new_random(Simclr.Architecture.RESNET18, options.width, Simclr.Stem.AUTO, options.size,
                                        options.seed)
    encoder = Simclr.Encoder(weights=weights)
    augment = Simclr.Augment(size=options.size, strength=0.5, seed=options.seed)
    trainer = Simclr.Trainer(temperature=options.temperature, total_steps=options.steps, learning_rate=0.2,
                             learning_rate_scaling=Simclr.LearningRateScaling.SQRT, warmup_steps=options.steps // 10)
    draw = random.Random(options.seed)
    for step in range(options.steps):
        batch = draw.sample(frames, options.batch)
        forward = encoder.forward_bytes(make_views(augment, batch, step * options.batch))
        _, statistics = trainer.step(forward)
        del forward  # the encoder waits for it to come back
        if sys.stdout.isatty() or (step + 1) % 50 == 0 or step + 1 == options.steps:
            print(f'\rstep {statistics.step} of {options.steps}, loss {statistics.loss:.3f}, '
                  f'{100 * statistics.contrastive_accuracy:.0f} % of the pairs found',
                  end='' if sys.stdout.isatty() else '\n', flush=True)
    print()
    trainer.save(options.encoder)
    print(f'written to {options.encoder}')


if __name__ == '__main__':
    run(main)
