# Shards anywhere, merged in any order: one file, the bytes of a single run.
signed='--data glyphs/calib --preprocess signed'
model=glyphs/glyphs.onnx

try onnxquant calibrate $model -o whole.oqstats $signed
for i in 0 1 2; do
  onnxquant calibrate $model -o $i.oqstats $signed --shard $i/3 --threads $((i + 1)) -q
done
try onnxquant merge 0.oqstats 1.oqstats 2.oqstats -o a.oqstats
onnxquant merge 2.oqstats 0.oqstats 1.oqstats -o b.oqstats -q
printf '1.oqstats\n2.oqstats\n' >list.txt
onnxquant merge @list.txt 0.oqstats -o c.oqstats -q
onnxquant merge 0.oqstats 1.oqstats -o ab.oqstats -q
onnxquant merge 2.oqstats ab.oqstats -o d.oqstats -q
for merged in a b c d; do same whole.oqstats $merged.oqstats; done
for n in 1 2 3 8; do
  onnxquant calibrate $model -o threads.oqstats $signed --threads $n -q
  same whole.oqstats threads.oqstats
done

# What does not belong together.
try onnxquant merge 0.oqstats 0.oqstats -o twice.oqstats
try onnxquant merge 0.oqstats whole.oqstats -o twice.oqstats
onnxquant calibrate $model -o raw.oqstats --data glyphs/calib --preprocess raw -q
try onnxquant merge 0.oqstats raw.oqstats -o mixed.oqstats
try onnxquant merge 0.oqstats 1.oqstats -o 0.oqstats

# Statistics instead of data.
try onnxquant quantize $model -o s.onnx --stats whole.oqstats -q
onnxquant quantize $model -o t.onnx $signed --no-check -q
same s.onnx t.onnx
try onnxquant quantize $model -o s.onnx --stats whole.oqstats --min-sqnr 10
try onnxquant quantize $model -o s.onnx --stats whole.oqstats --eval glyphs/pictures \
  --preprocess signed --min-sqnr 10 -q
onnxquant quantize $model -o other.onnx $signed -q
try onnxquant quantize $model -o s.onnx --stats whole.oqstats --no-pass fold_batchnorm
onnxquant inspect whole.oqstats | sed -n -e '1p' -e '3p' -e 's/^\(image\) .*/\1/p'
ls
