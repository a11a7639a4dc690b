#!/bin/bash
# clang-format 14 has nothing to change in any C file.
# SPDX-License-Identifier: LGPL-2.1-or-later
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in clang-format-14 clang-format; do
  if command -v "$tool" >/dev/null && "$tool" --version | grep -q 'version 14\.'; then
    find lib plugins pipelines tests -name '*.[ch]' -print0 | xargs -0 "$tool" --dry-run --Werror
    exit
  fi
done
echo 'clang-format 14 is not installed'
exit 77
