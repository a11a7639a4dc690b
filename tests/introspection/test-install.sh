#!/bin/bash
# An installed tree serves C by pkg-config, gst-inspect-1.0 by its plugin folder, Python by its typelib.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   test-install.sh MESON BUILD PREFIX LIBDIR COMPILER...
set -euo pipefail
meson=$1 build=$2 prefix=$3 libdir=$4
shift 4

number=0
check () { # check NAME COMMAND...: one TAP point
  local name=$1 log="$tree/log"
  shift
  number=$((number + 1))
  if "$@" >"$log" 2>&1; then
    echo "ok $number $name"
  else
    echo "not ok $number $name"
    sed 's/^/# /' "$log"
    failed=1
  fi
}

tree=$(mktemp -d)
failed=0
trap 'rm -rf "$tree"' EXIT
lib="$tree$prefix/$libdir"

check installs "$meson" install -C "$build" --no-rebuild --destdir "$tree"

# The tree is not where it will be used, so the file that pkg-config reads is moved with it.
pkgconfig="$tree/pkgconfig"
mkdir "$pkgconfig"
sed "s|^prefix=.*|prefix=$tree$prefix|" "$lib/pkgconfig/simclr-1.0.pc" >"$pkgconfig/simclr-1.0.pc"
cat >"$tree/user.c" <<'C'
#include <simclr/simclr.h>

int
main (void)
{
  g_autoptr (SimclrWeights) weights = simclr_weights_new_random (
      SIMCLR_ARCHITECTURE_RESNET18, 0.25, SIMCLR_STEM_CIFAR, 32, 1, NULL);
  return simclr_weights_get_embedding_size (weights, SIMCLR_OUTPUT_REPRESENTATION) != 128;
}
C
compile () {
  local flags
  flags=$(PKG_CONFIG_PATH="$pkgconfig" pkg-config --cflags --libs simclr-1.0) &&
    "$@" -Wall -Werror "$tree/user.c" -o "$tree/user" $flags
}
check compiles-against-the-headers compile "$@"
check runs env LD_LIBRARY_PATH="$lib" "$tree/user"

inspect () {
  GST_PLUGIN_SYSTEM_PATH='' GST_PLUGIN_PATH="$lib/gstreamer-1.0" GST_REGISTRY="$tree/registry" \
    LD_LIBRARY_PATH="$lib" gst-inspect-1.0 "$@"
}
check plugin-is-found inspect simclr
check presets-are-installed test -s "$tree$prefix/share/gstreamer-1.0/presets/GstSimclrAugment.prs"

if [[ -e "$lib/girepository-1.0/Simclr-1.0.typelib" ]]; then
  check typelib-loads env GI_TYPELIB_PATH="$lib/girepository-1.0" LD_LIBRARY_PATH="$lib" \
    /usr/bin/python3 -c "
import gi
gi.require_version('Simclr', '1.0')
from gi.repository import Simclr
Simclr.Weights.new_random(Simclr.Architecture.RESNET18, 0.25, Simclr.Stem.CIFAR, 32, 1)"
  check gir-is-installed test -s "$tree$prefix/share/gir-1.0/Simclr-1.0.gir"
fi
echo "1..$number"
exit $failed
