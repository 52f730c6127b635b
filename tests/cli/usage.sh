# Exit status 2: words that are wrong, with the cure.
signed='--data glyphs/calib --preprocess signed'
model=glyphs/glyphs.onnx

onnxquant 2>&1 | head -1
try onnxquant quantise
try onnxquant quantize
try onnxquant quantize $model
try onnxquant quantize $model -o out.onnx
try onnxquant quantize $model -o out.onnx --data glyphs/calib
try onnxquant quantize $model -o out.onnx --data glyphs/calib --preprocess signd
try onnxquant quantize $model extra -o out.onnx $signed
try onnxquant quantize $model -o out.onnx $signed --sample 4
try onnxquant quantize $model -o out.onnx $signed --samples
try onnxquant quantize $model -o out.onnx $signed --samples four
try onnxquant quantize $model -o out.onnx $signed --samples=0
try onnxquant quantize $model -o out.onnx $signed --json=yes
try onnxquant quantize $model -o out.onnx $signed -x
try onnxquant quantize $model -o out.onnx $signed --frobnicate
try onnxquant quantize $model -o out.onnx $signed --method mze
try onnxquant quantize $model -o out.onnx $signed --method percentile:101
try onnxquant quantize $model -o out.onnx $signed --target ort-cup
try onnxquant quantize $model -o out.onnx $signed --weights s9
try onnxquant quantize $model -o out.onnx $signed --per-tensor --per-channel
try onnxquant quantize $model -o out.onnx $signed --no-pass fold_batchnrm
try onnxquant quantize $model -o out.onnx $signed --dim bach=1
try onnxquant quantize $model -o out.onnx $signed --shape imag=1,3,32,32
try onnxquant quantize $model -o out.onnx $signed --shard 4/4
try onnxquant quantize $model -o out.onnx $signed --max-memory 1X
try onnxquant quantize $model -o out.onnx $signed --max-drop 1
try onnxquant quantize $model -o out.onnx $signed --gate min-sqrn=3
try onnxquant quantize $model -o out.onnx $signed --no-check --min-sqnr 3
try onnxquant quantize $model -o out.onnx $signed --stats x.oqstats
try onnxquant quantize $model -o out.onnx $signed --report out.html
try onnxquant quantize $model -o - $signed --json
try onnxquant quantize $model -o $model $signed
ln -s $model link.onnx
try onnxquant quantize $model -o link.onnx $signed
try onnxquant calibrate $model $signed
try onnxquant calibrate $model -o out.oqstats
try onnxquant merge -o all.oqstats
try onnxquant merge a.oqstats
try onnxquant compare $model --data glyphs/calib
try onnxquant compare $model $model
try onnxquant compare $model $model $signed --engine builtin --scores score
try onnxquant compare $model $model $signed --engine builtin --map scores
try onnxquant compare $model $model $signed --engine builtin --max-drop 1
try onnxquant run
try onnxquant run $model
try onnxquant explain $model --node stem/con
try onnxquant inspect
try onnxquant ops everything
try onnxquant help quantise
ls
