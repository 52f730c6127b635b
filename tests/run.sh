#!/usr/bin/env bash
# Installs what the tests need, builds with AddressSanitizer and UBSan, runs
# everything; then builds a release and runs what only makes sense there.
set -euo pipefail
cd "$(dirname "$0")/.."
. samples/packages.sh
export ORT_DISABLE_TELEMETRY=1

build=${ONNXQUANT_BUILD:-build/test}
jobs=$(nproc)

# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES libcmocka-dev zstd python3 python3-venv \
  libasan8 libubsan1
python=$(python_with "$build/venv" onnxruntime onnx numpy pillow)

cmake --preset dev -B "$build/dev" -DONNXQUANT_PYTHON="$PWD/$python" >/dev/null
cmake --build "$build/dev"
cmake --preset release -B "$build/release" \
  -DONNXQUANT_PYTHON="$PWD/$python" >/dev/null
cmake --build "$build/release"

# Leaks inside onnxruntime and OpenBLAS are not ours to report.
ctest --test-dir "$build/dev" --output-on-failure -j "$jobs"
ctest --test-dir "$build/release" --output-on-failure -j "$jobs" -L release
