# From a float model to a checked int8 model, the same bytes every time.
signed='--data glyphs/calib --preprocess signed'
model=glyphs/glyphs.onnx

onnxquant quantize $model -o a.onnx $signed >said
echo "-> $?"
grep -c 'nodes int8' said
grep -cE 'SQNR [0-9.]+ dB, cosine 0\.99[0-9]+, same top-1 [0-9.]+ % on 13 samples held out' said

onnxquant quantize $model -o b.onnx $signed -q
same a.onnx b.onnx
for n in 1 2 3 8; do
  onnxquant quantize $model -o threads.onnx $signed -q --threads $n
  same a.onnx threads.onnx
done
# Where files lie does not show.
cp -r glyphs/calib here
(cd here && "$PROGRAM" quantize ../$model -o ../moved.onnx --data . \
  --preprocess signed -q)
same a.onnx moved.onnx
onnxquant quantize $model -o - $signed >stream.onnx 2>/dev/null
same a.onnx stream.onnx

# An unchanged result keeps its time.
touch -d 2001-01-01 a.onnx
onnxquant quantize $model -o a.onnx $signed -q
date -r a.onnx +%Y

# Gates.
try onnxquant quantize $model -o c.onnx $signed -q --min-sqnr 10 --min-cosine 0.9 \
  --min-agreement 50 --require-int8 80 --max-size-ratio 0.6
onnxquant quantize $model -o d.onnx $signed -q --min-sqnr 200 --require-int8 99.99 \
  --gate max-size-ratio=0.01 2>message
echo "-> $?"
grep -oE 'gate [a-z0-9-]+ failed' message
same a.onnx d.onnx

# Which nodes: a plan, exclusions, words that match nothing.
onnxquant quantize $model --dry-run $signed | tail -1 | sed -E 's/[0-9.]+/N/g'
try onnxquant quantize $model -o e.onnx $signed --exclude 'invert?/*' --exclude-op Gemm \
  --exclude stem/con --exclude-op Convolution -q
onnxquant quantize $model -o e.onnx $signed --exclude stem/con \
  --exclude-op Convolution 2>&1 | grep warning
int8() {
  onnxquant explain $model "$@" | grep ' int8 ' | cut -d/ -f1 | cut -d' ' -f1 |
    sort -u | tr '\n' ' '
  echo
}
int8
int8 --exclude 'invert?/*' --exclude-op Gemm
int8 --only 'invert1/*' --only classifier
onnxquant quantize --target help | cut -d' ' -f1

# Everything at once.
onnxquant quantize $model -o f.onnx --data glyphs/calib --eval glyphs/pictures \
  --eval-labels glyphs/labels.txt --preprocess signed --max-drop 5 \
  --save-float prepared.onnx --report report.json --method mse |
  sed -nE 's/.*same top-1 [0-9.]+ % on/same top-1 on/p; s/^  (top-1 accuracy) .*/\1/p'
onnxquant run prepared.onnx --inputs glyphs/calib --preprocess signed -o float -q
onnxquant run $model --inputs glyphs/calib --preprocess signed --expect float | tail -1
ls
