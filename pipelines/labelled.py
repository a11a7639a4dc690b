"""Labelled pictures as the source of a pipeline: what linear-evaluation and fine-tune share.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import glob
import json
import lzma
import os
import shlex
import shutil
import subprocess
import sys

RECORD = 3073
CIFAR = ('rawvideoparse width=32 height=32 format=rgbp frame-size=3073 framerate=30/1 '
         'plane-offsets=<(int)1,(int)1025,(int)2049> plane-strides=<(int)32,(int)32,(int)32>')
DECODERS = {'png': ('image/png', 'pngdec'), 'jpg': ('image/jpeg', 'jpegdec'),
            'jpeg': ('image/jpeg', 'jpegdec')}


def fail(text):
    sys.exit(f'{os.path.basename(sys.argv[0])}: {text}')


def read_records(path):
    if not os.path.exists(path):
        fail(f'there is no {path}')
    with (lzma.open if path.endswith('.xz') else open)(path, 'rb') as file:
        data = file.read()
    if not data or len(data) % RECORD:
        fail(f'{path} is not in CIFAR-10\'s format: {len(data)} bytes are no whole records of {RECORD}')
    return data


def prepare_records(paths, folder, names):
    """One numbered file for each; returns the source and the labels."""
    labels = []
    for number, path in enumerate(paths):
        data = read_records(path)
        labels += data[::RECORD]
        with open(os.path.join(folder, f'{number:08}.bin'), 'wb') as file:
            file.write(data)
    if names and max(labels) >= len(names):
        fail(f'a picture has label {max(labels)}, but --names has {len(names)} lines')
    texts = [names[label] if names else str(label) for label in labels]
    return f'multifilesrc location={folder}/%08d.bin ! {CIFAR}', texts


def prepare_pictures(path, folder):
    """A numbered link for each picture: multifilesrc plays them in that order."""
    pictures = sorted(picture for suffix in DECODERS
                      for picture in glob.glob(os.path.join(glob.escape(path), '*', f'*.{suffix}')))
    kinds = {DECODERS[picture.rsplit('.', 1)[1]] for picture in pictures}
    if len(kinds) != 1:
        fail(f'{path} holds {len(kinds)} kinds of pictures; one folder a label, all PNG or all JPEG, is needed')
    for number, picture in enumerate(pictures):
        os.symlink(os.path.abspath(picture), os.path.join(folder, f'{number:08}'))
    caps, decoder = kinds.pop()
    texts = [os.path.basename(os.path.dirname(picture)) for picture in pictures]
    return f'multifilesrc location={folder}/%08d caps={caps},framerate=30/1 ! {decoder}', texts


def prepare(paths, folder, names):
    """Returns a source of frames, and the file of their labels."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if len(paths) == 1 and os.path.isdir(paths[0]):
        source, labels = prepare_pictures(paths[0], folder)
    else:
        source, labels = prepare_records(paths, folder, names)
    with open(folder + '.txt', 'w', encoding='utf-8') as file:
        file.writelines(label + '\n' for label in labels)
    return source + ' ! videoconvert', folder + '.txt'


def launch(description):
    words = ['gst-launch-1.0', '-q', *description.split()]
    print('\n$ ' + ' '.join(word if word == '!' else shlex.quote(word) for word in words), flush=True)
    if subprocess.run(words).returncode != 0:
        fail('the pipeline above failed')


def read_names(path):
    """The labels of binary files by number, or None."""
    if not path:
        return None
    with open(path, encoding='utf-8') as file:
        return [line.strip() for line in file]


def print_report(path, title):
    """What simclrclassifier found; returns its figures."""
    with open(path, encoding='utf-8') as file:
        figures = json.load(file)
    print(f'\n{title}: top-1 {100 * figures["top1"]:.2f} %, top-5 {100 * figures["top5"]:.2f} % of '
          f'{figures["frames"]} pictures\n\n{"label":24} {"pictures":>8} {"recall":>8} {"precision":>10}')
    for row in figures['classes']:
        print(f'{row["label"]:24} {row["frames"]:8} {100 * row["recall"]:7.1f}% {100 * row["precision"]:9.1f}%')
    return figures
