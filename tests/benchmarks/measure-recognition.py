#!/usr/bin/python3
"""Teaching by showing, measured: an encoder learns from the first halves of real clips without labels, then
simclrclassifier is shown five frames of each scene and names the scene of every frame of the second halves. And
novelty: with half of the scenes taught, frames of the other half are the odd events.

SPDX-License-Identifier: LGPL-2.1-or-later

    measure-recognition.py CLIPS [--steps=600] [--frames=5] [--encoder=FILE] [--folder=FOLDER]

CLIPS is a folder of .webm clips, one scene each (feeds/ of the test data). Runs where GStreamer finds the plugin.
AUROC: the chance that an odd frame has the higher novelty than a familiar one (a frame of a taught scene's second
half), over all such pairs, ties half.
"""
import argparse
import glob
import os
import re
import subprocess
import tempfile

SIZE, RATE = 64, 5
RAW = f'rawvideoparse format=rgb width={SIZE} height={SIZE} framerate={RATE}/1'
MODEL = 'architecture=resnet18 width=0.25 stem=imagenet input-size=64 seed=1'


def launch(description):
    done = subprocess.run(['gst-launch-1.0', '-m', *description.split()], capture_output=True, text=True)
    assert done.returncode == 0 and 'ERROR' not in done.stdout, description + done.stdout[-2000:] + done.stderr
    return done.stdout


def decode(clip, folder):
    """A clip's frames, five a second, as bytes."""
    path = os.path.join(folder, 'frames')
    launch(f'filesrc location={clip} ! matroskademux ! vp8dec ! videorate ! video/x-raw,framerate={RATE}/1 ! '
           f'videoscale ! videoconvert ! video/x-raw,format=RGB,width={SIZE},height={SIZE} ! filesink location={path}')
    with open(path, 'rb') as file:
        data = file.read()
    step = SIZE * SIZE * 3
    return [data[at:at + step] for at in range(0, len(data) - step + 1, step)]


def write(folder, name, frames):
    """frames: list of (label, picture)"""
    path = os.path.join(folder, name)
    with open(path + '.rgb', 'wb') as pictures, open(path + '.txt', 'w') as labels:
        for label, picture in frames:
            pictures.write(picture)
            labels.write(label + '\n')
    return path


def classify(path, encoder, settings):
    return launch(f'filesrc location={path}.rgb ! {RAW} ! simclrencoder {encoder} batch-size=32 ! other/tensors ! '
                  f'simclrclassifier labels={path}.txt {settings} ! fakesink')


def find(name, output):
    return float(re.search(rf' {name}=\(double\)([\d.e-]+)', output.split('simclr-evaluation')[1])[1])


def novelties(output):
    return [float(value) for value in re.findall(r'simclr-classification,.*? novelty=\(double\)([\d.e+-]+)', output)]


def auroc(odd, familiar):
    return sum((a > b) + (a == b) / 2 for a in odd for b in familiar) / len(odd) / len(familiar)


def pick(frames, count):
    """Frames spread evenly, labelled, the others left out."""
    taught = {len(frames) * i // count for i in range(count)}
    return [(label if i in taught else '', picture) for i, (label, picture) in enumerate(frames)]


def measure(name, encoder, scenes, folder, count):
    learned = f'location={folder}/learned'
    teach = write(folder, 'teach', [row for first, _ in scenes for row in pick(first, count)])
    test = write(folder, 'test', [row for _, second in scenes for row in second])
    for method in ('prototype', 'knn', 'linear'):
        classify(teach, encoder, f'mode=fit method={method} {learned}')
        output = classify(test, encoder, f'{learned} messages=never novelty-threshold=0')
        print(f'{name}: {count} frames a scene, {method}: {100 * find("top1", output):.1f} % of the scenes named',
              flush=True)
    results, over = [], []
    for odd in (0, 1):
        taught = [scene for i, scene in enumerate(scenes) if i % 2 != odd]
        others = [scene for i, scene in enumerate(scenes) if i % 2 == odd]
        teach = write(folder, 'teach', [row for first, _ in taught for row in first])
        classify(teach, encoder, f'mode=fit method=prototype {learned}')
        figures = [novelties(classify(write(folder, 'test', [row for _, second in part for row in second]), encoder,
                                      f'{learned} messages=frame')) for part in (others, taught)]
        results.append(auroc(*figures))
        over.append([sum(value > 2 for value in part) / len(part) for part in figures])
    print(f'{name}: AUROC of novelty {sum(results) / 2:.3f}; above threshold 2: '
          f'{50 * (over[0][0] + over[1][0]):.1f} % of odd, {50 * (over[0][1] + over[1][1]):.1f} % of familiar frames')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('clips')
    parser.add_argument('--steps', type=int, default=600)
    parser.add_argument('--frames', type=int, default=5)
    parser.add_argument('--encoder', help='take this one instead of training')
    parser.add_argument('--folder', help='keep files here')
    options = parser.parse_args()
    folder = options.folder or tempfile.mkdtemp()
    scenes = []
    for clip in sorted(glob.glob(os.path.join(options.clips, '*.webm'))):
        name = os.path.basename(clip).removesuffix('.webm')
        frames = [(name, picture) for picture in decode(clip, folder)]
        scenes.append((frames[:len(frames) // 2], frames[len(frames) // 2:]))
    print(f'{len(scenes)} scenes, {sum(len(a) + len(b) for a, b in scenes)} frames', flush=True)
    encoder = options.encoder or os.path.join(folder, 'encoder.safetensors')
    if not options.encoder:
        path = write(folder, 'train', [row for first, _ in scenes for row in first])
        launch(f'filesrc location={path}.rgb ! {RAW} ! simclrreplay policy=all epochs=0 seed=1 ! simclraugment '
               f'size={SIZE} strength=0.5 seed=1 ! simclrencoder {MODEL} batch-size=64 ! simclrtrainer temperature=0.2 '
               f'learning-rate=0.2 learning-rate-scaling=sqrt projection-size=64 warmup-steps=10 '
               f'total-steps={options.steps} location={encoder}')
    measure('untrained', MODEL, scenes, folder, options.frames)
    measure('trained', f'location={encoder}', scenes, folder, options.frames)


if __name__ == '__main__':
    main()
