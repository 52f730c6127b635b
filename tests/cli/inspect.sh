# Shapes as they follow, with expressions of named sizes.
"$PYTHON" -c 'import onnx, numpy' 2>/dev/null || skip "no Python with onnx"
"$PYTHON" - <<'END'
import numpy as np, onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh

def const(name, v, t=np.int64):
    return nh.from_array(np.array(v, t), name)

graph = h.make_graph([
    h.make_node("Shape", ["x"], ["s"], "shape"),
    h.make_node("Slice", ["s", "zero", "two"], ["lead"], "lead"),
    h.make_node("Concat", ["lead", "tail"], ["to"], "to", axis=0),
    h.make_node("Reshape", ["x", "to"], ["heads"], "heads"),
    h.make_node("Concat", ["x", "x"], ["long"], "long", axis=1),
    h.make_node("Unsqueeze", ["x", "one"], ["image"], "image"),
    h.make_node("Conv", ["image", "w"], ["half"], "half", strides=[2, 2],
                pads=[1, 1, 1, 1]),
    h.make_node("MatMul", ["x", "m"], ["y"], "project"),
], "g", [h.make_tensor_value_info("x", T.FLOAT, ["batch", "seq", 64])],
    [h.make_tensor_value_info(n, T.FLOAT, None)
     for n in ("heads", "half", "long", "y")],
    [const("zero", [0]), const("one", [1]), const("two", [2]),
     const("tail", [4, -1]), const("w", np.ones((8, 1, 3, 3)), np.float32),
     const("m", np.ones((64, 32)), np.float32)])
onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)],
                       ir_version=8), "sizes.onnx")
END
onnxquant inspect sizes.onnx | cut -c1-70
onnxquant inspect sizes.onnx --dim batch=2 --dim seq=10 | sed 's/ *int8:.*//;s/ *float:.*//'
onnxquant inspect sizes.onnx --json | "$PYTHON" -c 'import json, sys
o = json.load(sys.stdin)
for n in o["outputs"]: print(n)
for n in o["nodes"]: print(n["name"], n["outputs"])'
