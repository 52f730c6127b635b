#!/usr/bin/env bash
# run_case.sh CASE PROGRAM GLYPHS WORK [PYTHON]: runs CASE in an empty folder
# with a link `glyphs` to the sample model, and compares what it prints (both
# streams, in order) with CASE's .expected file.
set -u
case=$1 program=$2 glyphs=$3 work=$4 python=${5:-}
expected=${case%.sh}.expected

rm -rf "$work" && mkdir -p "$work/home" && cd "$work/home" || exit 1
ln -s "$glyphs" glyphs
export PROGRAM=$program PYTHON=$python
export LC_ALL=C TERM=dumb TMPDIR=$work/tmp ORT_DISABLE_TELEMETRY=1
# Nothing of this machine's onnxruntime: cases name theirs.
unset ONNXQUANT_ORT_LIB ORT_DYLIB_PATH
mkdir -p "$TMPDIR"

# Shows a command, what it says, and how it ends.
try() {
  echo "\$ $*"
  "$@"
  local status=$?
  [ $status = 0 ] || echo "-> $status"
}
onnxquant() { "$PROGRAM" "$@"; }
same() { cmp "$@" && echo "same bytes: $*"; }
skip() {
  echo "SKIPPED: $*" >&2
  exit 77
}
export -f try onnxquant same skip

bash "$case" >"$work/output" 2>&1
status=$?
if [ $status = 77 ]; then
  grep SKIPPED: "$work/output"
  exit 77
fi
if [ $status != 0 ]; then
  cat "$work/output"
  echo "the case itself ended with $status"
  exit 1
fi
# Times and memory differ from run to run.
sed -E -e 's/^  [0-9.]+ s \(.*$/  TIME AND MEMORY/' \
  -e 's/ in [0-9.]+ s \([0-9.]+ per second\), [0-9.]+ .B$/ in TIME/' \
  -e 's/ samples in [0-9.]+ s$/ samples in TIME/' "$work/output" >"$work/seen"
if [ -n "$(ls -A "$TMPDIR")" ]; then
  echo "temporary files are left: $(ls -A "$TMPDIR")" >>"$work/seen"
fi
if [ -n "${ONNXQUANT_RENEW:-}" ]; then
  cp "$work/seen" "$expected"
fi
diff -u "$expected" "$work/seen"
