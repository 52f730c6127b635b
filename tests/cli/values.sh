# Sequences and optionals in and out of `run`.
"$PYTHON" -c 'import onnx, numpy' 2>/dev/null || skip "no Python with onnx"
"$PYTHON" - <<'END'
import numpy as np, onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh

def tensor(name, shape):
    return h.make_tensor_value_info(name, T.FLOAT, shape)

rows = h.make_tensor_sequence_value_info("rows", T.FLOAT, None)
more = h.make_tensor_sequence_value_info("more", T.FLOAT, None)
maybe = h.make_value_info("maybe", h.make_optional_type_proto(
    h.make_tensor_type_proto(T.FLOAT, None)))
there = h.make_tensor_value_info("there", T.BOOL, [])
graph = h.make_graph([
    h.make_node("SequenceInsert", ["rows", "x"], ["more"]),
    h.make_node("OptionalHasElement", ["maybe"], ["there"]),
    h.make_node("Neg", ["x"], ["y"]),
], "g", [rows, tensor("x", [2]), maybe], [more, there, tensor("y", [2])])
onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 18)],
                       ir_version=9), "values.onnx")
a = [np.array(v, np.float32) for v in ([1], [2, 3], [4, 5])]
np.savez("all.npz", **{"rows.0": a[0], "rows.1": a[1], "x": a[2], "maybe": a[0]})
np.savez("none.npz", x=a[2])
np.savez("bad.npz", y=a[2])
def put(name, proto):
    open(name, "wb").write(proto.SerializeToString())
import os
os.mkdir("set")
put("set/input_0.pb", nh.from_list(a[:2], "rows"))
put("set/input_1.pb", nh.from_array(a[2], "x"))
put("set/input_2.pb", nh.from_optional(None, "maybe", T.FLOAT))
put("set/output_0.pb", nh.from_list(a, "more"))
put("set/output_1.pb", nh.from_array(np.array(False), "there"))
put("set/output_2.pb", nh.from_array(-a[2], "y"))
END
try onnxquant run values.onnx --inputs all.npz -o out
find out | sort
try onnxquant run values.onnx --inputs none.npz
try onnxquant run values.onnx --inputs bad.npz
try onnxquant run values.onnx --inputs set --expect set
onnxquant run values.onnx --inputs set --expect set --json |
  "$PYTHON" -c 'import json, sys; o = json.load(sys.stdin)
print(o["passed"], o["failed"], o["outputs"])'
try onnxquant run values.onnx --inputs all.npz --expect set
try onnxquant run values.onnx
try onnxquant run values.onnx --inputs set --engine onnxruntime
