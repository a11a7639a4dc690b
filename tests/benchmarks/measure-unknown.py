#!/usr/bin/python3
"""How well `unknown` works when few things were taught: of 24 real clips some are taught by a few frames of their first
halves; the frames of their second halves are to be named rightly, those of all other clips to be called unknown.

SPDX-License-Identifier: LGPL-2.1-or-later

    measure-unknown.py CLIPS [--taught=2] [--draws=60] [--steps=600] [--encoder=FILE]... [--learn=CLIP,CLIP...]

CLIPS is a folder of .webm clips, one scene each (feeds/ of the test data). Runs where GStreamer and Python find plugin
and library. The encoder learns from the clips' first halves, or from those of the clips named by --learn, or is the
one given. Frames are taught spread over the first half, or as a row of neighbours, a fifth of a second apart,
as somebody does who shows a thing for a moment.

For each rule: the share of the taught clips' frames named rightly and known, the share of foreign frames called unknown,
their mean, and the AUROC of the score, means over the draws. `library` is SimclrClassifier's rule with the
threshold of simclrclassifier. The others are here to compare it with: `one distance`, twice the distance within which 95 %
of all examples have another one in the other half of their label or in another label; `centred`, the library's after
the mean of all clips was taken away, which nobody has who teaches two things (its AUROC is what counts: the threshold is
not made for it).
"""
import argparse
import glob
import os
import random
import subprocess
import tempfile

import gi
import numpy

gi.require_version('Simclr', '1.0')
from gi.repository import Simclr  # noqa: E402

SIZE, RATE, THRESHOLD = 64, 15, 2
RAW = f'rawvideoparse format=rgb width={SIZE} height={SIZE} framerate={RATE}/1'
MODEL = f'architecture=resnet18 width=0.25 stem=imagenet input-size={SIZE} seed=1'


def launch(description):
    subprocess.run(['gst-launch-1.0', '-q', *description.split()], check=True)


def decode(clip, folder):
    path = os.path.join(folder, 'clip')
    launch(f'filesrc location={clip} ! matroskademux ! vp8dec ! videorate drop-only=true max-rate={RATE} ! videoscale ! '
           f'videoconvert ! video/x-raw,format=RGB,width={SIZE},height={SIZE} ! filesink location={path}')
    return numpy.fromfile(path, 'u1').reshape(-1, SIZE, SIZE, 3)


def learn(clips, steps, folder):
    numpy.concatenate([clip[:len(clip) // 2:3] for clip in clips]).tofile(os.path.join(folder, 'train'))
    launch(f'filesrc location={folder}/train ! {RAW} ! simclrreplay policy=all epochs=0 seed=1 ! simclraugment '
           f'size={SIZE} strength=0.5 seed=1 ! simclrencoder {MODEL} batch-size=64 ! simclrtrainer temperature=0.2 '
           f'learning-rate=0.2 learning-rate-scaling=sqrt projection-size=64 warmup-steps=10 total-steps={steps} '
           f'location={folder}/encoder.safetensors')
    return f'{folder}/encoder.safetensors'


def embed(clips, encoder, folder):
    numpy.concatenate(clips).tofile(os.path.join(folder, 'all'))
    launch(f'filesrc location={folder}/all ! {RAW} ! simclrencoder {encoder} batch-size=32 ! other/tensors ! '
           f'filesink location={folder}/embeddings')
    rows = numpy.fromfile(os.path.join(folder, 'embeddings'), 'f4').reshape(sum(map(len, clips)), -1)
    return numpy.split(rows, numpy.cumsum([len(clip) for clip in clips])[:-1])


def spread(rows, most):
    return rows[numpy.arange(most) * len(rows) // most] if len(rows) > most else rows


def neighbours(rows, most):
    return rows[::max(1, min(RATE // 5, len(rows) // most))][:most]


def unit(rows):
    return rows / numpy.maximum(numpy.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def library(method):
    def rule(examples, labels, rows):
        classifier = Simclr.Classifier(method=method, threads=1)
        classifier.teach(examples.ravel().tolist(), [str(label) for label in labels])
        flat = rows.ravel().tolist()
        return numpy.array(classifier.get_novelty(flat)) / THRESHOLD, numpy.array(classifier.predict(flat)).astype(int)
    return rule


def one_distance(examples, labels, rows):
    examples, rows = unit(examples), unit(rows)
    counts = numpy.bincount(labels)
    halves = 2 * labels + numpy.concatenate([2 * numpy.arange(n) >= n for n in counts])
    distances = 1 - examples @ examples.T
    distances[halves[:, None] == halves[None]] = 9
    ordered = numpy.sort(distances.min(1))
    edge = max(ordered[int(0.95 * (len(ordered) - 1) + 0.5)], 1e-3)
    means = unit(numpy.stack([examples[labels == k].mean(0) for k in range(len(counts))]))
    return (1 - (rows @ examples.T).max(1)) / edge / THRESHOLD, (rows @ means.T).argmax(1)


def auroc(odd, familiar):
    familiar = numpy.sort(familiar)
    places = [numpy.searchsorted(familiar, odd, side) for side in ('left', 'right')]
    return numpy.mean(places) / len(familiar)


def measure(rule, scenes, drawn, count, pick):
    taught = [pick(scenes[i][:len(scenes[i]) // 2], count) for i in drawn]
    known = [spread(scenes[i][len(scenes[i]) // 2:], 60) for i in drawn]
    foreign = [spread(scene, 20) for i, scene in enumerate(scenes) if i not in drawn]
    labels = numpy.repeat(numpy.arange(len(drawn)), [len(part) for part in taught])
    truth = numpy.repeat(numpy.arange(len(drawn)), [len(part) for part in known])
    score, named = rule(numpy.concatenate(taught), labels, numpy.concatenate(known + foreign))
    n = len(truth)
    right = (named[:n] == truth) & (score[:n] <= 1)
    return (numpy.mean([right[truth == k].mean() for k in range(len(drawn))]), (score[n:] > 1).mean(),
            auroc(score[n:], score[:n]))


def report(name, scenes, draws):
    means = numpy.mean(numpy.concatenate([spread(unit(scene), 40) for scene in scenes]), 0)
    rules = {'one distance': (one_distance, scenes),
             'library': (library(Simclr.ClassifierMethod.PROTOTYPE), scenes),
             'library, knn': (library(Simclr.ClassifierMethod.KNN), scenes),
             'centred': (library(Simclr.ClassifierMethod.PROTOTYPE), [unit(scene) - means for scene in scenes])}
    for count in (5, 20):
        for pick in (spread, neighbours):
            for rule, (function, rows) in rules.items():
                known, unknown, area = numpy.mean([measure(function, rows, drawn, count, pick) for drawn in draws], 0)
                print(f'{name}: {count} frames, {"spread" if pick is spread else "in a row"}, {rule}: named rightly '
                      f'{100 * known:.1f} %, foreign unknown {100 * unknown:.1f} %, mean {50 * (known + unknown):.1f} '
                      f'%, AUROC {area:.3f}', flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('clips')
    parser.add_argument('--taught', type=int, default=2)
    parser.add_argument('--draws', type=int, default=60)
    parser.add_argument('--steps', type=int, default=600)
    parser.add_argument('--encoder', action='append', default=[], help='take this one instead of training')
    parser.add_argument('--learn', help='clips to train with, and to teach: their names, with commas between')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(glob.glob(os.path.join(options.clips, '*.webm')))
        names = [os.path.basename(path).removesuffix('.webm') for path in paths]
        clips = [decode(path, folder) for path in paths]
        rng = random.Random(1)
        chosen = [names.index(name) for name in options.learn.split(',')] if options.learn else []
        draws = [chosen] if chosen else [rng.sample(range(len(clips)), options.taught) for _ in range(options.draws)]
        encoders = options.encoder or [learn([clips[i] for i in chosen] or clips, options.steps, folder)]
        for encoder in encoders:
            report(os.path.basename(encoder), embed(clips, f'location={encoder}', folder), draws)
        report('untrained', embed(clips, MODEL, folder), draws)


if __name__ == '__main__':
    main()
