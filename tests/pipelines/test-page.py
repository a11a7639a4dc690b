#!/usr/bin/python3
"""pipelines/curves.html: it needs nothing but itself, knows the trainer's fields, and computes what it says.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import math
import os
import re
import shutil
import subprocess

from launch import ENCODER, FRAMES, PAIRS, folder, run
import tap

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'pipelines', 'curves.html')
NODE = shutil.which('node') or shutil.which('nodejs')

with open(PAGE, encoding='utf-8') as file:
    TEXT = file.read()
ARITHMETIC = re.search(r'<script id="arithmetic">(.*?)</script>', TEXT, re.DOTALL).group(1)


def evaluate(expression, *values):
    """What the page's own code makes of values."""
    if NODE is None:
        raise tap.Skip('there is no node to run the page\'s code')
    names = ', '.join(f'a{k}' for k in range(len(values)))
    code = f'{ARITHMETIC}\nconst [{names}] = JSON.parse(require("fs").readFileSync(0, "utf8"));\n' \
           f'console.log(JSON.stringify({expression}, (key, value) => value === undefined ? "undefined" : value));'
    done = subprocess.run([NODE, '-e', code], input=json.dumps(values), capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_is_fetched_from_elsewhere():
    code = re.sub('<!--.*?-->', '', TEXT, flags=re.DOTALL)
    assert not re.search(r'https?:(?!//www\.w3\.org/2000/svg)', code)
    assert not re.search(r'\b(src|href)=|@import|url\(|innerHTML|eval', code)


def test_the_fields_of_a_training_run_have_names_and_units():
    with folder() as path:
        labels = os.path.join(path, 'labels')
        with open(labels, 'w') as file:
            file.write('a\nb\n' * 2)
        output = ''.join(
            run(f'{FRAMES.replace("ball", "ball num-buffers=4")} ! {PAIRS} ! {ENCODER} ! '
                f'simclrtrainer labels={labels} optimizer=sgd loss={loss}') for loss in ('nt-xent', 'cross-entropy'))
    messages = re.findall(r'simclr-training, (.*);', output)
    assert len(messages) == 2
    told = {name for message in messages for name in re.findall(r'([a-z-]+)=\(', message)}
    known = set(re.findall(r"^  '([a-z-]+)': \{name:", ARITHMETIC, re.M))
    hidden = set(re.findall(r"'([a-z-]+)'", re.search(r'new Set\((.*?)\)', ARITHMETIC).group(1)))
    assert told == known | hidden, told ^ (known | hidden)


def test_lines_are_parsed():
    lines = [{'step': 1, 'loss': 5.5}, {'step': 2}, {'step': 3, 'loss': 4.5, 'odd-one': 1}]
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    assert evaluate('parseLines(a0)', text) == {'points': lines, 'broken': 0}
    assert evaluate('parseLines(a0)', text + '{"step": 4, "lo') == {'points': lines, 'broken': 0}
    assert evaluate('parseLines(a0)', 'no\n[1]\n\nnull\n{"loss": 1}\n' + text) == {'points': lines, 'broken': 4}
    resumed = evaluate('parseLines(a0).points.map(point => point.loss)', text + '{"step": 2, "loss": 9}\n')
    assert resumed == [5.5, 9]
    assert evaluate('listFields([parseLines(a0)])', text) == ['loss', 'odd-one']


def test_smoothing_is_the_mean_without_a_bias():
    values = [4, None, 2, 7, 1]
    got = evaluate('smooth(a0.map(x => x === null ? NaN : x), 0.8)', values)
    for k, value in enumerate(got):
        if values[k] is None:
            assert value is None
            continue
        known = [x for x in values[:k + 1] if x is not None]
        weights = [0.8 ** (len(known) - 1 - i) for i in range(len(known))]
        mean = sum(w * x for w, x in zip(weights, known)) / sum(weights)
        assert math.isclose(value, mean, rel_tol=1e-12), (k, value, mean)


def test_thinning_keeps_means_and_the_end():
    steps = list(range(1, 1001))
    got = evaluate('thin(a0, a1, 100)', steps, [2 * step for step in steps])
    assert got['steps'] == list(range(10, 1001, 10))
    assert got['values'] == [2 * (step - 4.5) for step in got['steps']]
    assert evaluate('thin(a0, a1, 100)', [3], [5]) == {'steps': [3], 'values': [5]}


def test_ticks_are_round_and_inside():
    for low, high in ((0, 1), (2.9, 6.1), (-3.4, -0.9), (0, 1e-4), (0, 123456), (5, 5)):
        found = evaluate('ticks(a0, a1, 4)', low, high)
        assert 1 <= len(found) <= 10 and (low == high or len(found) >= 2), (low, high, found)
        assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) + 1e-12 for tick in found), (low, high, found)
        assert all(len(f'{abs(tick):.3g}'.replace('.', '')) <= 6 for tick in found), found


def test_numbers_are_short():
    numbers = [0, 3.14159265, -0.00012345, 12345, 2.5e7]
    assert evaluate('a0.map(formatNumber)', numbers) == ['0', '3.142', '-1.23e-4', '12.35k', '25M']


tap.run(globals())
