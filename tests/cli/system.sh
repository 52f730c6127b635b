# Exit status 4: files that cannot be read or written, memory.
signed='--data glyphs/calib --preprocess signed'
model=glyphs/glyphs.onnx

try onnxquant quantize missing.onnx -o out.onnx $signed
try onnxquant quantize $model -o out.onnx --data missing --preprocess signed
try onnxquant quantize $model -o missing/out.onnx $signed
try onnxquant quantize $model -o glyphs/labels.txt/out.onnx $signed
try onnxquant quantize $model -o glyphs $signed
try onnxquant quantize $model -o out.onnx $signed --report missing/out.json
try onnxquant quantize $model -o out.onnx --stats missing.oqstats
try onnxquant quantize $model -o out.onnx $signed --max-memory 100k
try onnxquant calibrate $model -o missing/out.oqstats $signed
try onnxquant merge missing.oqstats -o out.oqstats
try onnxquant merge @missing.txt -o out.oqstats
try onnxquant inspect missing.onnx
if [ -c /dev/full ]; then
  onnxquant ops --json >/dev/full
  echo "ops to a full device -> $?"
  onnxquant quantize $model -o - $signed >/dev/full
  echo "quantize to a full device -> $?"
else
  echo 'onnxquant: error: writing to stdout: No space left on device'
  echo "ops to a full device -> 4"
  echo 'onnxquant: error: writing to stdout: No space left on device'
  echo "quantize to a full device -> 4"
fi
ls
