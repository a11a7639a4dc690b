#!/usr/bin/python3
"""Training runs from every kind of source, and how they end.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import random

from launch import DATA, ENCODER, FRAMES, PAIRS, fail, folder, location, run, values
import tap

# gst-launch-1.0 may itself hang on what goes wrong before preroll: async=false spares it that
TRAINER = 'simclrtrainer async=false temperature=0.5 optimizer=sgd learning-rate=0.05 learning-rate-scaling=none'


def check_three_steps(output):
    assert values(output, 'step') == [1, 2, 3], output
    assert 'Got EOS' in output, output
    assert 'step 3 of 3' in output, output


def test_enough_steps_end_a_source_without_end():
    check_three_steps(run(f'{FRAMES} ! {PAIRS} ! {ENCODER} ! {TRAINER} total-steps=3'))


def test_enough_steps_end_a_live_source():
    live = FRAMES.replace('videotestsrc', 'videotestsrc is-live=true') + ',framerate=300/1'
    check_three_steps(run(f'{live} ! {PAIRS} ! {ENCODER} ! {TRAINER} total-steps=3'))


def test_enough_steps_end_a_run_with_queues():
    check_three_steps(
        run(f'{FRAMES} ! queue ! {PAIRS} ! queue ! {ENCODER} ! queue ! {TRAINER} total-steps=3'))


def test_enough_steps_end_a_run_with_a_replay_memory():
    for queue in ('', 'queue !'):
        check_three_steps(run(f'{FRAMES} ! simclrreplay min-fill=8 ! {queue} {PAIRS} ! {ENCODER} '
                              f'! {queue} {TRAINER} total-steps=3'))


def test_enough_steps_end_a_file():
    with folder() as path:
        raw = os.path.join(path, 'frames.rgb')
        run(f'{FRAMES.replace("videotestsrc", "videotestsrc num-buffers=50")} ! filesink '
            f'{location(raw)}')
        check_three_steps(
            run(f'filesrc {location(raw)} ! rawvideoparse format=rgb width=40 height=30 ! {PAIRS} '
                f'! {ENCODER} ! {TRAINER} total-steps=3'))


def test_enough_steps_end_one_branch_of_a_tee_only():
    source = FRAMES.replace('videotestsrc', 'videotestsrc num-buffers=60')
    output = run(f'{source} ! tee name=t t. ! queue ! {PAIRS} ! {ENCODER} ! {TRAINER} total-steps=3 '
                 't. ! queue ! identity silent=false ! fakesink async=false', '-v')
    assert values(output, 'step') == [1, 2, 3], output
    assert output.count('last-message = chain') == 60, output


def test_other_branches_of_a_tee_preroll_without_a_batch():
    source = FRAMES.replace('videotestsrc', 'videotestsrc num-buffers=20')
    trainer = TRAINER.replace('async=false ', '')
    for queue in ('queue', 'queue max-size-buffers=2'):
        output = run(f'{source} ! tee name=t t. ! {queue} ! {PAIRS} ! {ENCODER} ! {trainer} t. ! {queue} ! fakesink')
        assert values(output, 'step') == [1, 2, 3, 4, 5], output


def test_a_clip_is_trained_on():
    clip = os.path.join(DATA, 'feeds', 'desk_coin.webm')
    if not os.path.exists(clip):
        raise tap.Skip('no feeds/desk_coin.webm in SIMCLR_TEST_DATA')
    # the clip may be decoded faster than three steps are taken, and its end ends the run
    output = run(f'filesrc {location(clip)} ! matroskademux ! vp8dec ! videoconvert ! '
                 f'simclrreplay min-fill=8 min-samples-per-frame=2 ! {PAIRS} ! {ENCODER} ! '
                 f'{TRAINER} total-steps=3')
    check_three_steps(output)


def test_streams_shorter_than_a_batch_end_well():
    for n in (1, 3):
        source = FRAMES.replace('videotestsrc', f'videotestsrc num-buffers={n}')
        output = run(f'{source} ! {PAIRS} ! {ENCODER} ! {TRAINER}')
        assert 'nothing was learned' in output and 'Got EOS' in output, output


def test_odd_frames_are_trained_on():
    for caps in ('format=RGB,width=1,height=1', 'format=GRAY8,width=1,height=1',
                 'format=BGR,width=3,height=201', 'format=BGRx,width=201,height=3',
                 'format=GRAY8,width=33,height=17'):
        output = run(f'videotestsrc num-buffers=9 ! video/x-raw,{caps} ! {PAIRS} ! {ENCODER} ! '
                     f'{TRAINER}')
        assert values(output, 'step') == [1, 2], output


def test_frames_that_change_size_are_trained_on():
    sources = ' '.join(f'videotestsrc num-buffers=6 ! video/x-raw,format={f},width={w},height={h} ! c.'
                       for f, w, h in (('RGB', 40, 30), ('GRAY8', 21, 45), ('BGRx', 64, 8)))
    output = run(f'concat name=c ! {PAIRS} ! {ENCODER} ! {TRAINER} {sources}')
    assert values(output, 'step') == [1, 2, 3, 4], output


def test_frames_without_pairs_are_an_error():
    fail(f'{FRAMES} ! {ENCODER} ! {TRAINER}', 'simclraugment')


def make_pictures(path, n, size):
    """n pictures that differ in colour and in the direction of a gradient."""
    draw = random.Random(1)
    with open(path, 'wb') as file:
        for _ in range(n):
            ends = [[draw.randrange(256) for _ in range(3)] for _ in range(2)]
            down = draw.random() < 0.5
            for y in range(size):
                for x in range(size):
                    share = (y if down else x) / (size - 1)
                    file.write(bytes(int(a + share * (b - a)) for a, b in zip(*ends)))


def test_the_loss_falls():
    with folder() as path:
        raw = os.path.join(path, 'pictures.rgb')
        make_pictures(raw, 64, 24)
        output = run(f'filesrc {location(raw)} ! rawvideoparse format=rgb width=24 height=24 ! '
                     'simclrreplay policy=all epochs=0 seed=1 ! simclraugment size=16 seed=1 '
                     'strength=0.3 grayscale-probability=0 blur-probability=0 ! '
                     f'simclrencoder width=0.125 batch-size=16 seed=1 threads=1 ! {TRAINER} '
                     'total-steps=80')
    losses = values(output, 'loss')
    assert len(losses) == 80
    assert sum(losses[-20:]) < sum(losses[:20]) - 20 * 0.2, losses


tap.run(globals())
