"""Writes the seeds of the ONNX fuzz targets: python make_onnx_seeds.py corpus"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def info(name, shape=(2,), dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs=("x",), outputs=("y",), inits=(), **kw):
    graph = helper.make_graph(
        nodes, "g", [info(n) for n in inputs], [info(n) for n in outputs],
        list(inits), value_info=kw.pop("value_info", []))
    opsets = [helper.make_opsetid("", 17)] + kw.pop("opsets", [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **kw)


def attributes():
    node = helper.make_node(
        "Thing", ["x", ""], ["y"], domain="my", name="n", f=0.5, i=-1, s="text",
        fs=[1.0, 2.0], ii=[1, 2, 3], ss=["a", ""],
        t=numpy_helper.from_array(np.array([1.5], np.float32), "t"))
    return model([node], opsets=[helper.make_opsetid("my", 1)])


def tensors():
    typed = helper.make_tensor("typed", FLOAT, [2], [1.0, 2.0])
    ints = helper.make_tensor("ints", TensorProto.INT8, [3], [1, -2, 3])
    half = helper.make_tensor("half", TensorProto.FLOAT16, [2], [1.0, 2.0])
    nibbles = helper.make_tensor("nibbles", TensorProto.INT4, [3], [1, -2, 3])
    texts = helper.make_tensor("texts", TensorProto.STRING, [2], [b"a", b""])
    raw = numpy_helper.from_array(np.arange(4, dtype=np.int64), "raw")
    return model([helper.make_node("Relu", ["x"], ["y"])],
                 inits=[typed, ints, half, nibbles, texts, raw])


def control():
    def branch(name, op):
        return helper.make_graph([helper.make_node(op, ["x"], [name])], name,
                                 [], [info(name)])

    cond = numpy_helper.from_array(np.array(True), "c")
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("a", "Relu"),
                            else_branch=branch("b", "Abs"))
    return model([node], inits=[cond], value_info=[info("y"), info("gone")])


def functions():
    body = helper.make_function(
        "my", "Twice", ["a"], ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)])
    m = model([helper.make_node("Twice", ["x"], ["y"], domain="my")],
              opsets=[helper.make_opsetid("my", 1)], functions=[body])
    helper.set_model_props(m, {"key": "value"})
    m.doc_string = "doc"
    return m


def external():
    m = tensors()
    t = m.graph.initializer[5]
    t.ClearField("raw_data")
    t.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w"), ("offset", "0"), ("length", "32")):
        entry = t.external_data.add()
        entry.key, entry.value = key, value
    return m


def data_files():
    a = numpy_helper.from_array(np.array([1, 2], np.float32), "a")
    s = helper.make_tensor("s", TensorProto.STRING, [2], [b"a", b"bc"])
    seq = numpy_helper.from_list([np.array([1.0]), np.array([2.0, 3.0])])
    opt = numpy_helper.from_optional(np.array([1, 2], np.int64))
    yield "tensor", b"\0" + a.SerializeToString()
    yield "texts", b"\0" + s.SerializeToString()
    yield "sequence", b"\1" + seq.SerializeToString()
    yield "optional", b"\2" + opt.SerializeToString()


def net(nodes, inputs, outputs, **consts):
    inits = [numpy_helper.from_array(np.asarray(v), k)
             for k, v in consts.items()]
    graph = helper.make_graph(
        nodes, "g", [info(n, s) for n, s in inputs.items()],
        [info(n, s) for n, s in outputs.items()], inits)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                             ir_version=8)


def ramp(*shape):
    n = int(np.prod(shape))
    return (np.arange(n, dtype=np.float32) - n / 2).reshape(shape) / n


def nets():
    node = helper.make_node
    yield "convolutions", net(
        [node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 0, 0]),
         node("BatchNormalization", ["c", "s", "b", "b", "s"], ["n"]),
         node("Clip", ["n", "zero", "six"], ["r"]),
         node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
         node("GlobalAveragePool", ["p"], ["a"]),
         node("Flatten", ["a"], ["f"]),
         node("Gemm", ["f", "v"], ["y"], transB=1)],
        {"x": (1, 2, 4, 4)}, {"y": (1, 3)}, w=ramp(2, 2, 2, 2), b=ramp(2),
        s=np.ones(2, np.float32), zero=np.float32(0), six=np.float32(6),
        v=ramp(3, 2))
    yield "attention", net(
        [node("MatMul", ["x", "q"], ["a"]), node("MatMul", ["x", "k"], ["b"]),
         node("Transpose", ["b"], ["t"], perm=[0, 2, 1]),
         node("MatMul", ["a", "t"], ["m"]),
         node("Softmax", ["m"], ["s"], axis=-1),
         node("MatMul", ["s", "x"], ["o"]), node("Add", ["o", "x"], ["r"]),
         node("LayerNormalization", ["r", "g"], ["y"], axis=-1)],
        {"x": ("n", 3, 4)}, {"y": ("n", 3, 4)}, q=ramp(4, 2), k=ramp(4, 2),
        g=np.ones(4, np.float32))
    yield "moves", net(
        [node("Resize", ["x", "", "scales"], ["r"], mode="linear"),
         node("Slice", ["r", "from", "to"], ["c"]),
         node("Concat", ["c", "x"], ["j"], axis=1),
         node("Shape", ["j"], ["s"]), node("Reshape", ["j", "shape"], ["f"]),
         node("Gather", ["f", "ids"], ["g"], axis=1),
         node("Split", ["g"], ["y", "z"], axis=1)],
        {"x": (1, 1, 2, 2)}, {"y": (1, 2), "z": (1, 2)},
        scales=np.array([1, 1, 2, 2], np.float32),
        **{"from": np.array([0, 0, 1, 1]), "to": np.array([1, 1, 3, 3])},
        shape=np.array([1, -1]), ids=np.array([0, 3, 5, -1]))
    yield "recurrent", net(
        [node("LSTM", ["x", "w", "r", "b"], ["h", "y"], hidden_size=2)],
        {"x": (2, 1, 3)}, {"y": (1, 1, 2)}, w=ramp(1, 8, 3), r=ramp(1, 8, 2),
        b=ramp(1, 16))
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("MatMul", ["a", "w"], ["b"]),
         node("Relu", ["b"], ["c"])], "body",
        [info("i", (), TensorProto.INT64), info("go", (), TensorProto.BOOL),
         info("a", (1, 2))],
        [info("on", (), TensorProto.BOOL), info("b", (1, 2)),
         info("c", (1, 2))])
    yield "loop", net(
        [node("Loop", ["trips", "", "x"], ["y", "all"], body=body)],
        {"x": (1, 2)}, {"y": (1, 2), "all": (3, 1, 2)}, trips=np.int64(3),
        w=ramp(2, 2))


def main(folder):
    models = [attributes, tensors, control, functions, external]
    for target in ("fuzz_wire", "fuzz_decode"):
        to = pathlib.Path(folder, target)
        to.mkdir(parents=True, exist_ok=True)
        for make in models:
            (to / make.__name__).write_bytes(make().SerializeToString())
    to = pathlib.Path(folder, "fuzz_model")
    to.mkdir(parents=True, exist_ok=True)
    for name, m in nets():
        onnx.checker.check_model(m, full_check=True)
        (to / name).write_bytes(m.SerializeToString())
    to = pathlib.Path(folder, "fuzz_tensor_file")
    to.mkdir(parents=True, exist_ok=True)
    for name, data in data_files():
        (to / name).write_bytes(data)


main(sys.argv[1])
