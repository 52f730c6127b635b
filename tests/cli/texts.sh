# Texts into and out of `run`, and maps out of it.
"$PYTHON" -c 'import onnx, numpy' 2>/dev/null || skip "no Python with onnx"
"$PYTHON" - <<'END'
import os
import numpy as np, onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh

def save(name, nodes, inputs, outputs, inits=(), ml=4):
    graph = h.make_graph(nodes, "g", inputs, outputs, inits)
    onnx.save(h.make_model(graph, ir_version=9, opset_imports=[
        h.make_opsetid("", 20), h.make_opsetid("ai.onnx.ml", ml)]), name)

def info(name, t, shape):
    return h.make_tensor_value_info(name, t, shape)

tail = nh.from_array(np.array(["!"], dtype=object), "tail")
save("words.onnx", [h.make_node("StringConcat", ["x", "tail"], ["y"]),
                    h.make_node("StringSplit", ["x"], ["parts", "n"])],
     [info("x", T.STRING, [2, 2])],
     [info("y", T.STRING, [2, 2]), info("parts", T.STRING, [2, 2, None]),
      info("n", T.INT64, [2, 2])], [tail])
words = np.array([["a b", "\u00e4\u20ac\U0001f600"], ["", "longer"]])
np.save("unicode.npy", words)
np.save("big_endian.npy", words.astype(">U6"))
np.save("fortran.npy", np.asfortranarray(words))
np.save("bytes.npy", np.char.encode(words, "utf-8"))
np.save("numbers.npy", np.ones((2, 2), np.float32))
np.savez("words.npz", x=words)
def put(folder, name, array, what):
    os.makedirs(folder, exist_ok=True)
    t = nh.from_array(np.array(array, dtype=object), what)
    open(f"{folder}/{name}", "wb").write(t.SerializeToString())
put("set", "input_0.pb", words.tolist(), "x")
put("set", "output_0.pb", [[w + "!" for w in r] for r in words], "y")
put("wrong", "output_0.pb", [["a b!", "?"], ["!", "longer!"]], "y")

save("classes.onnx", [
    h.make_node("LinearClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml",
                classlabels_strings=["cat", "dog"], post_transform="SOFTMAX",
                coefficients=[1.0, 0.0, 0.0, 1.0], intercepts=[0.0, 0.0]),
    h.make_node("ZipMap", ["p"], ["maps"], domain="ai.onnx.ml",
                classlabels_strings=["cat", "dog"])],
    [info("x", T.FLOAT, ["n", 2])],
    [info("label", T.STRING, ["n"]), h.make_value_info(
        "maps", h.make_sequence_type_proto(h.make_map_type_proto(
            T.STRING, h.make_tensor_type_proto(T.FLOAT, []))))])
np.save("rows.npy", np.array([[2, 0], [0, 2], [1, 1]], np.float32))
END
show() {
  "$PYTHON" -c 'import numpy, sys
for name in sys.argv[1:]:
    a = numpy.load(name)
    print(name, a.dtype, ascii(a.tolist()))' "$@"
}
try onnxquant run words.onnx --inputs unicode.npy -o out
find out | sort
show out/*.npy
for other in big_endian.npy fortran.npy bytes.npy words.npz set; do
  try onnxquant run words.onnx --inputs $other --expect out
done
try onnxquant run words.onnx --inputs numbers.npy
try onnxquant run words.onnx --fill x=zeros

echo "--- test data"
try onnxquant run words.onnx --inputs set --expect set
try onnxquant run words.onnx --inputs set --expect wrong

echo "--- maps"
try onnxquant run classes.onnx --inputs rows.npy -o maps
find maps | sort
show maps/*/*.npy
cat maps/000000/*.json
try onnxquant run classes.onnx --inputs rows.npy --expect maps
