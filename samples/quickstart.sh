#!/usr/bin/env bash
# From a fresh Debian machine to a quantized model that onnxruntime runs:
# installs what is needed, builds, converts the sample network of
# samples/glyphs, and compares both in onnxruntime.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=samples/packages.sh
. samples/packages.sh
export ORT_DISABLE_TELEMETRY=1

build=${ONNXQUANT_BUILD:-build/quickstart}

install_packages "${BUILD_PACKAGES[@]}" python3 python3-venv
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DBUILD_TESTING=OFF >/dev/null
echo "building"
cmake --build "$build" --target onnxquant_program -- --quiet
onnxquant=$build/src/onnxquant

# onnxruntime is only the judge here: the conversion does not use it.
python=$(python_with "$build/venv" onnxruntime)
runtime=$("$python" -c 'import glob, onnxruntime, os
print(glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__),
                             "capi", "libonnxruntime.so*"))[0])')

echo
echo "== convert =="
"$onnxquant" quantize samples/glyphs/glyphs.onnx -o "$build/glyphs.int8.onnx" \
  --data samples/glyphs/calib --preprocess signed
echo
echo "== compare in onnxruntime =="
"$onnxquant" compare samples/glyphs/glyphs.onnx "$build/glyphs.int8.onnx" \
  --engine onnxruntime --onnxruntime "$runtime" \
  --data samples/glyphs/pictures --preprocess signed \
  --labels samples/glyphs/labels.txt --max-drop 2
echo
echo "The quantized model is $build/glyphs.int8.onnx"
