#!/usr/bin/python3
"""Embedding pipelines: any video in, frames or tensors out.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os

from launch import DATA, fail, folder, location, run
import tap

ENCODER = 'simclrencoder width=0.0625 seed=1 threads=1'


def embed(source, path, *settings):
    """The bytes of all embeddings."""
    run(f'{source} ! {ENCODER} {" ".join(settings)} ! other/tensors ! filesink {location(path)}')
    with open(path, 'rb') as file:
        return file.read()


def test_any_video_is_embedded():
    for caps in ('format=RGB,width=1,height=1', 'format=GRAY8,width=1,height=1',
                 'format=BGR,width=3,height=301', 'format=RGBx,width=301,height=3',
                 'format=BGRx,width=99,height=77', 'format=I420,width=33,height=17'):
        run(f'videotestsrc num-buffers=2 ! video/x-raw,{caps} ! videoconvert ! {ENCODER} ! fakesink')


def test_batches_change_when_not_what_embeddings_are():
    source = 'videotestsrc num-buffers=7 ! video/x-raw,format=RGB,width=32,height=32'
    with folder() as path:
        file = os.path.join(path, 'e')
        single = embed(source, file)
        assert len(single) == 7 * 32 * 4
        for size in (2, 7, 100):
            batched = embed(source, file, f'batch-size={size}')
            assert len(batched) == len(single)


def test_the_same_seed_gives_the_same_embeddings():
    source = 'videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=32,height=32'
    with folder() as path:
        a, b, c = (embed(source, os.path.join(path, 'e'), f'seed={seed}') for seed in (5, 5, 6))
        assert a == b
        assert a != c


def test_video_that_changes_size_is_embedded():
    sources = ' '.join(f'videotestsrc num-buffers=3 ! video/x-raw,format={f},width={w},height={h} ! c.'
                       for f, w, h in (('RGB', 40, 30), ('GRAY8', 21, 45), ('BGRx', 64, 8)))
    for size in (1, 2):
        output = run(f'concat name=c ! {ENCODER} batch-size={size} ! fakesink silent=false {sources}',
                     '-v')
        assert output.count('last-message = chain') == 9, output


def test_embeddings_and_frames_reach_a_stock_element():
    with folder() as path:
        file = os.path.join(path, 'frame.png')
        run(f'videotestsrc num-buffers=1 ! {ENCODER} ! videoconvert ! pngenc ! filesink '
            f'{location(file)}')
        with open(file, 'rb') as png:
            assert png.read(8) == b'\x89PNG\r\n\x1a\n'


def test_a_live_stream_with_batches_keeps_its_pace():
    # a batch takes 150 ms to come together; 100 ms late is allowed, on a busy machine
    output = run(f'videotestsrc is-live=true num-buffers=20 ! video/x-raw,framerate=20/1,width=32,'
                 f'height=32 ! videoconvert ! {ENCODER} batch-size=4 ! fakesink sync=true qos=true '
                 'processing-deadline=100000000 silent=false', '-v')
    assert output.count('last-message = chain') == 20, output
    assert 'dropped' not in output, output


def test_training_and_embedding_share_a_model():
    output = run('videotestsrc num-buffers=60 pattern=ball ! video/x-raw,format=RGB,width=40,height=30 '
                 '! tee name=t t. ! queue ! simclraugment size=16 ! simclrencoder width=0.0625 '
                 'batch-size=4 model=shared threads=1 ! simclrtrainer async=false total-steps=5 '
                 't. ! queue ! simclrencoder model=shared threads=1 width=0.0625 ! '
                 'fakesink silent=false async=false', '-v')
    assert output.count('last-message = chain') == 60, output
    assert 'Could not' not in output, output


def test_a_clip_is_embedded():
    clip = os.path.join(DATA, 'feeds', 'desk_coin.webm')
    if not os.path.exists(clip):
        raise tap.Skip('no feeds/desk_coin.webm in SIMCLR_TEST_DATA')
    run(f'filesrc {location(clip)} ! matroskademux ! vp8dec ! videoconvert ! {ENCODER} batch-size=8 '
        'batch-timeout=1000000000 ! fakesink')


def test_errors_name_what_to_change():
    fail('videotestsrc num-buffers=1 ! simclrencoder location=/nowhere/w.safetensors ! fakesink',
         '/nowhere/w.safetensors', 'location')
    fail('videotestsrc num-buffers=1 ! simclrencoder output=projection ! fakesink',
         'output=projection')


tap.run(globals())
