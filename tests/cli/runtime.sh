# Exit status 5: onnxruntime is needed and not there; without need it is not.
signed='--data glyphs/calib --preprocess signed'
model=glyphs/glyphs.onnx

echo 'not a library' >libonnxruntime.so
for option in '--onnxruntime missing.so' '--onnxruntime ./libonnxruntime.so'; do
  onnxquant compare $model $model $signed $option 2>message
  echo "$option -> $?, $(grep -c '^onnxquant: error: .*hint: ' message) message"
done
onnxquant quantize $model -o out.onnx $signed --engine onnxruntime \
  --onnxruntime missing.so 2>message
echo "quantize -> $?, $(grep -c '^onnxquant: error: .*hint: ' message) message"
try onnxquant compare $model $model $signed --engine builtin --min-sqnr 300 -q
onnxquant doctor --onnxruntime missing.so >said
echo "doctor -> $?, $(grep -c 'onnxruntime: not found' said) finding"
ls
