# --overrides: ranges and parameters of single values.
model=glyphs/glyphs.onnx
with() { # JSON
  printf '%s' "$1" >words.json
  try onnxquant quantize $model -o a.onnx --data glyphs/calib \
    --preprocess signed -q --overrides words.json --report r.json
}
shown() {
  python3 -c 'import json, sys
for v in json.load(open("r.json"))["value_list"]:
    if v["name"] == sys.argv[1]:
        print(v["method"], v["range"], v["zero_point"])' "$1"
}

with '{"tensors": {"invert1/project/bn.out": {"range": [0, 3]}}}'
shown invert1/project/bn.out
with '{"tensors": {"invert1/project/bn.out": {"scale": 0.125, "zero_point": 100}}}'
shown invert1/project/bn.out

# What is wrong is said with its place.
with '{"tensors": {"nobody": {"range": [0, 3]}}}'
with '{"tensors": {"invert1/project/bn.out": {"range": [3, 0]}}}'
with '{"tensors": {"invert1/project/bn.out": {"scale": 0, "zero_point": 1}}}'
with '{"tensors": {"invert1/project/bn.out": {"scale": 1, "zero_point": 256}}}'
with '{"tensors": {"invert1/project/bn.out": {"low": 1}}}'
with '{"tensors": {"invert1/project/bn.out": {"range": [1]}}}'
with '{"tensors": [1, 2'
