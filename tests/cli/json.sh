# --json prints one object that is valid, with the keys of the contract.
command -v python3 >/dev/null || skip "python3 is missing"
signed='--data glyphs/calib --preprocess signed'
model=glyphs/glyphs.onnx

cat >check.py <<'P'
import json, sys
# Keys that must be there: "a" or "a.b"; "[]" goes into the first of a list.
def look(o, path):
    for key in path.split("."):
        if key == "[]":
            o = o[0]
        elif key not in o:
            return False
        else:
            o = o[key]
    return True
text = sys.stdin.read()
o = json.loads(text, parse_constant=lambda s: sys.exit("not JSON: " + s))
missing = [k for k in sys.argv[1:] if not look(o, k)]
print("schema", o["schema_version"], "missing:", " ".join(missing) or "none")
P
keys() { python3 check.py "$@"; }

onnxquant quantize $model -o q.onnx $signed --json | keys model output target \
  samples nodes.total nodes.eligible nodes.quantized nodes.float macs.int8 \
  macs.float macs.percent_int8 weights.total weights.quantized bytes.before \
  bytes.after check.samples check.split check.sqnr_db check.cosine \
  check.top1_agreement seconds.load seconds.optimize seconds.calibrate \
  seconds.tune seconds.write seconds.check seconds.total peak_rss_bytes warnings
onnxquant quantize $model --dry-run --json | keys nodes.quantized node_list.[].why
onnxquant quantize $model -o q.onnx $signed -q --report report.json
keys <report.json node_list.[].why value_list.[].scale check.outputs.[].name
onnxquant calibrate $model -o s.oqstats $signed --json | keys samples tensors \
  seconds samples_per_second peak_rss_bytes
onnxquant merge s.oqstats -o t.oqstats --json | keys files samples tensors
onnxquant compare $model q.onnx $signed --engine builtin --min-sqnr 300 --json \
  2>/dev/null | keys engine samples outputs.[].name outputs.[].sqnr_db \
  outputs.[].cosine outputs.[].max_abs top1_agreement top5_agreement latency_ms \
  gates.[].name gates.[].limit gates.[].value gates.[].ok
onnxquant compare $model q.onnx --data glyphs/pictures --preprocess signed \
  --labels glyphs/labels.txt --engine builtin --json | keys top1.[] top5.[]
onnxquant run $model --inputs glyphs/calib --preprocess signed -o out -q
onnxquant run $model --inputs glyphs/calib --preprocess signed --expect out --json |
  keys passed failed outputs.[].name outputs.[].max_abs outputs.[].max_rel \
  outputs.[].ok
onnxquant inspect $model --json | keys ir_version opsets.[].version inputs.[].name \
  inputs.[].shape outputs.[].type nodes.[].name nodes.[].op nodes.[].params \
  nodes.[].bytes nodes.[].macs nodes.[].quantizable nodes.[].why totals.params
onnxquant inspect s.oqstats --json | keys samples tensors.[].lo
onnxquant explain $model --json | keys nodes.[].why
onnxquant explain $model $signed --json | keys values.[].scale
onnxquant ops --json | keys operators.[].domain operators.[].op
onnxquant doctor --json | keys version engine tried onnxruntime
