# Outputs to files, and against files.
model=glyphs/glyphs.onnx
mkdir two && cp glyphs/calib/0_0.png glyphs/calib/1_0.png two

try onnxquant run $model --inputs two --preprocess signed -o out
find out | sort
try onnxquant run $model --inputs two --preprocess signed --expect out
try onnxquant run $model --inputs two --preprocess raw --expect out -q 2>/dev/null
try onnxquant run $model --inputs two/0_0.png --preprocess signed --expect out/000000 -q
try onnxquant run $model --inputs two/0_0.png --preprocess signed --expect out/000001 \
  -q 2>/dev/null
try onnxquant run $model --inputs two/0_0.png --preprocess signed --expect out/000001 \
  --atol 1000 -q
try onnxquant run $model --inputs two/0_0.png --preprocess signed --expect two -q

# What the model was really fed can be fed again.
onnxquant run $model --inputs two --preprocess signed --dump-inputs fed -q
try onnxquant run $model --inputs fed --expect out
