#!/usr/bin/env bash
# Installs what the tests need, builds with AddressSanitizer and UBSan and runs
# everything; then again as a release, where the fast kernels, the symbols and
# the shared library are what users get.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=samples/packages.sh
. samples/packages.sh
export ORT_DISABLE_TELEMETRY=1

build=$(realpath -m "${ONNXQUANT_BUILD:-build/test}")
jobs=$(nproc)

install_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
python=$(python_with "$build/venv" onnxruntime onnx numpy pillow)

for preset in dev release; do
  echo "== $preset: build =="
  cmake --preset "$preset" -B "$build/$preset" \
    -DONNXQUANT_PYTHON="$python" >/dev/null
  cmake --build "$build/$preset" -- --quiet
done
failed=0
echo "== dev: tests =="
ctest --test-dir "$build/dev" --output-on-failure -j "$jobs" || failed=1
# Mutated files find what sanitizers see; without them they only take time.
echo "== release: tests =="
ctest --test-dir "$build/release" --output-on-failure -j "$jobs" -LE fuzz ||
  failed=1
exit $failed
