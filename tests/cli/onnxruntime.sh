# The same through onnxruntime, where the tests have a Python with it.
[ -n "$PYTHON" ] || skip "ONNXQUANT_PYTHON is not set"
library=$("$PYTHON" -c 'import glob, onnxruntime, os
print(glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__),
                             "capi", "libonnxruntime.so*"))[0])') ||
  skip "that Python has no onnxruntime"
export ONNXQUANT_ORT_LIB=$library
signed='--data glyphs/calib --preprocess signed'
model=glyphs/glyphs.onnx

onnxquant quantize $model -o q.onnx $signed -q
onnxquant quantize $model -o r.onnx $signed -q --engine onnxruntime --min-sqnr 10
echo "-> $?"
# onnxruntime is the default judge, and finds integers inside.
onnxquant compare $model q.onnx --data glyphs/pictures --preprocess signed \
  --labels glyphs/labels.txt --max-drop 3 --min-sqnr 15 --min-agreement 90 --json >c.json
echo "-> $?"
"$PYTHON" - <<'P'
import json
c = json.load(open("c.json"))
print(c["engine"], bool(c["runtime_version"]), c["kernels"]["int8"] >= 15,
      c["kernels"]["float"] <= 2, len(c["latency_ms"]), c["warnings"])
P
try onnxquant compare q.onnx r.onnx $signed --min-cosine 0.99 -q
onnxquant run $model --inputs glyphs/calib --preprocess signed -o out -q \
  --engine onnxruntime
onnxquant run $model --inputs glyphs/calib --preprocess signed --expect out | tail -1
onnxquant calibrate $model -o s.oqstats $signed --engine onnxruntime -q
onnxquant doctor | grep -c "onnxruntime: $library"
