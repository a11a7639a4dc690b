#!/usr/bin/python3
"""Adds up meson's test logs: failures with their output, skips with their reason, one line of totals.

SPDX-License-Identifier: LGPL-2.1-or-later

Each argument is a build folder. A test program that speaks TAP counts once for each of its points.
"""
import json
import os
import re
import sys

POINT = re.compile(r'(not )?ok\b\s*\d*\s*(?:-\s*)?(.*?)\s*(?:#\s*(skip|todo)\b\S*\s*(.*))?$', re.I)
PLAN = re.compile(r'1\.\.0\s*(?:#\s*skip\S*\s*(.*))?$', re.I)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else 'no reason given'


def count(test):
    """Returns passed, [failed names], [(skipped name, reason)] of one entry of testlog.json."""
    name, output = test['name'], test.get('stdout') or ''
    passed, failed, skipped = 0, [], []
    for line in output.splitlines():
        if match := PLAN.match(line):
            skipped.append((name, match[1] or 'no reason given'))
        elif match := POINT.match(line):
            point = f'{name} {match[2]}'.strip()
            directive = (match[3] or '').lower()
            if directive == 'skip':
                skipped.append((point, match[4] or 'no reason given'))
            elif match[1] and directive != 'todo':
                failed.append(point)
            else:
                passed += 1
    if test['result'] in ('OK', 'EXPECTEDFAIL'):
        passed = passed or not skipped
    elif test['result'] == 'SKIP':
        skipped = skipped or [(name, last_line(output + (test.get('stderr') or '')))]
    elif not failed:
        failed.append(f'{name} ({test["result"].lower()})')
    return int(passed), failed, skipped


def main():
    passed, failed, skipped = 0, [], []
    for folder in sys.argv[1:]:
        path = os.path.join(folder, 'meson-logs', 'testlog.json')
        tests = [json.loads(line) for line in open(path)] if os.path.exists(path) else []
        if not tests:
            failed.append(f'{folder}: did not build or ran no test')
        for test in tests:
            ok, bad, away = count(test)
            passed += ok
            failed += [f'{folder}: {name}' for name in bad]
            skipped += [(f'{folder}: {name}', reason) for name, reason in away]
            if bad:
                print(f'\n== {folder}: {test["name"]}: {test["result"]}, '
                      f'exit status {test.get("returncode")}')
                for stream in ('stdout', 'stderr'):
                    print('\n'.join((test.get(stream) or '').splitlines()[-200:]))
    print()
    for name, reason in skipped:
        print(f'skipped: {name}: {reason}')
    for name in failed:
        print(f'failed: {name}')
    print(f'{passed} passed, {len(failed)} failed, {len(skipped)} skipped')
    return 1 if failed or not passed else 0


sys.exit(main())
