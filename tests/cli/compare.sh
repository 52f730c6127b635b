# Two models on the same data; gates; labels.
signed='--data glyphs/pictures --preprocess signed --engine builtin'
model=glyphs/glyphs.onnx
onnxquant quantize $model -o q.onnx --data glyphs/calib --preprocess signed -q

onnxquant compare $model q.onnx $signed --labels glyphs/labels.txt |
  sed -E 's/[0-9]+\.[0-9]+|[0-9]+ k?B/N/g; s/ +/ /g'
try onnxquant compare $model q.onnx $signed --labels glyphs/labels.txt --max-drop 3 \
  --min-sqnr 15 --min-cosine 0.99 --min-agreement 90 --max-size-ratio 0.5 \
  --max-latency-ratio 1000 -q
onnxquant compare $model q.onnx $signed --labels glyphs/labels.txt --max-drop -100 \
  --min-sqnr 200 --min-cosine 1 --max-size-ratio 0.001 \
  --max-latency-ratio 0.00001 -q 2>message
echo "-> $?"
grep -oE 'gate [a-z-]+ failed' message
# A model is itself.
try onnxquant compare $model $model $signed --min-sqnr 300 --min-agreement 100 \
  --no-latency -q
try onnxquant compare $model q.onnx $signed --map scores=scores --min-cosine 0.9 -q
try onnxquant compare $model q.onnx $signed --map scores=score -q

# Labels from folders, and labels that cannot be right.
mkdir -p classes/0 classes/1
cp glyphs/pictures/0_*.png classes/0
cp glyphs/pictures/1_*.png classes/1
try onnxquant compare $model q.onnx --data classes --preprocess signed \
  --labels folders --engine builtin --no-latency --max-drop 50 -q
sed 's/ .*/ 7/' glyphs/labels.txt >wrong.txt
onnxquant compare $model q.onnx $signed --labels wrong.txt --no-latency 2>&1 |
  grep -oE 'is near chance: .*'
