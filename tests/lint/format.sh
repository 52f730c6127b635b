#!/usr/bin/env bash
# format.sh ROOT: every C file is as clang-format 14 leaves it, every shell
# script as shellcheck wants it.  Exit 77 (skipped) where neither is installed.
set -uo pipefail
cd "$1" || exit 2
failed=0 ran=

if command -v clang-format-14 >/dev/null; then
  ran="clang-format"
  find include src samples tests -name '*.[ch]' -print0 |
    xargs -0 clang-format-14 --dry-run -Werror || failed=1
fi
if command -v shellcheck >/dev/null; then
  ran="$ran shellcheck"
  grep -rlE '^#!.*sh$' samples tests .ci | sort |
    xargs shellcheck -x -S warning || failed=1
fi
if [ -z "$ran" ]; then
  echo "SKIPPED: neither clang-format-14 nor shellcheck is installed"
  exit 77
fi
echo "ran: $ran"
exit $failed
