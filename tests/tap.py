"""Runs the functions test_* of a script as a TAP test program.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import sys
import traceback


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


def run(functions):
    """functions is globals () of the script; returns only through sys.exit."""
    tests = {name: f for name, f in functions.items() if name.startswith('test_') and callable(f)}
    failures = 0
    print(f'1..{len(tests)}')
    for number, (name, function) in enumerate(tests.items(), 1):
        title = name[len('test_'):].replace('_', '-')
        try:
            function()
            print(f'ok {number} {title}')
        except Skip as reason:
            print(f'ok {number} {title} # SKIP {reason}')
        except Exception:
            failures += 1
            print(f'not ok {number} {title}')
            print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()))
        sys.stdout.flush()
    sys.exit(1 if failures else 0)
