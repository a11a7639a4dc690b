#!/bin/bash
# In `meson devenv` gst-launch-1.0 and Python find everything that is built, and nothing is installed.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   test-devenv.sh MESON BUILD [python]
set -euo pipefail
meson=$1 build=$2 python=${3:-}

number=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset GST_PLUGIN_PATH LD_LIBRARY_PATH GI_TYPELIB_PATH
export GST_REGISTRY="$work/registry"

check () { # check NAME COMMAND...: one TAP point, the command runs inside the environment
  local name=$1
  shift
  number=$((number + 1))
  if "$meson" devenv -C "$build" "$@" >"$work/log" 2>&1; then
    echo "ok $number $name"
  else
    echo "not ok $number $name"
    sed 's/^/# /' "$work/log"
    failed=1
  fi
}

check gst-launch-runs-an-element gst-launch-1.0 -q videotestsrc num-buffers=4 ! \
  video/x-raw,format=RGB,width=48,height=36 ! simclraugment size=32 seed=1 ! fakesink
check gst-inspect-shows-the-plugin gst-inspect-1.0 simclr
if [[ -n "$python" ]]; then
  check python-finds-library-and-elements /usr/bin/python3 -c "
import gi
gi.require_version('Gst', '1.0')
gi.require_version('Simclr', '1.0')
from gi.repository import Gst, Simclr
Simclr.Weights.new_random(Simclr.Architecture.RESNET18, 0.25, Simclr.Stem.CIFAR, 32, 1)
Gst.init(None)
assert Gst.ElementFactory.make('simclraugment').props.size > 0"
fi
echo "1..$number"
exit $failed
