# Exit status 3: models and samples that are not valid or not supported.
signed='--data glyphs/calib --preprocess signed'
model=glyphs/glyphs.onnx

echo 'not a model' >text.onnx
: >empty.onnx
head -c 20000 $model >cut.onnx
try onnxquant quantize text.onnx -o out.onnx $signed
try onnxquant inspect empty.onnx
try onnxquant inspect cut.onnx
try onnxquant inspect text.oqstats
cp text.onnx text.oqstats
try onnxquant quantize $model -o out.onnx --stats text.oqstats
try onnxquant merge text.oqstats -o out.oqstats

mkdir bad && cp glyphs/calib/0_0.png glyphs/calib/1_0.png bad
head -c 100 glyphs/calib/2_0.png >bad/2_0.png
try onnxquant quantize $model -o out.onnx --data bad --preprocess signed
try onnxquant quantize $model -o out.onnx --data bad --preprocess signed \
  --on-bad-sample skip -q
ls out.onnx && rm out.onnx
mkdir none
try onnxquant quantize $model -o out.onnx --data none --preprocess signed
try onnxquant quantize $model -o out.onnx $signed --only nothing
head -3 glyphs/labels.txt >three.txt
try onnxquant compare $model $model $signed --engine builtin --labels three.txt
try onnxquant compare $model $model --data glyphs/pictures --preprocess signed \
  --labels glyphs/labels.txt --label-offset 90 --engine builtin

# What is quantized already stays as it is.
onnxquant quantize $model -o once.onnx $signed -q
try onnxquant quantize once.onnx -o twice.onnx $signed
ls
