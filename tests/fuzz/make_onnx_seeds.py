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


ML = "ai.onnx.ml"


def value(name, what):
    """A shape of floats, (type, shape), or a TypeProto."""
    if isinstance(what, onnx.TypeProto):
        return helper.make_value_info(name, what)
    typed = len(what) == 2 and isinstance(what[1], tuple)
    return info(name, what[1], what[0]) if typed else info(name, what)


def net(nodes, inputs, outputs, opset=17, ml=None, **consts):
    inits = [numpy_helper.from_array(np.asarray(v), k)
             for k, v in consts.items()]
    graph = helper.make_graph(
        nodes, "g", [value(n, s) for n, s in inputs.items()],
        [value(n, s) for n, s in outputs.items()], inits)
    opsets = [helper.make_opsetid("", opset)]
    if ml is not None:
        opsets.append(helper.make_opsetid(ML, ml))
    return helper.make_model(graph, ir_version=8, opset_imports=opsets)


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


TEXT, INT = TensorProto.STRING, TensorProto.INT64
BOOL = TensorProto.BOOL


def words(*w):
    return np.array(w, dtype=object)


def text_nets():
    node = helper.make_node
    yield "texts", net(
        [node("StringConcat", ["x", "tail"], ["c"]),
         node("StringSplit", ["c"], ["s", "n"], delimiter=" ", maxsplit=2),
         node("RegexFullMatch", ["c"], ["m"],
              pattern="(?:[a-z]+|\\\\w{2,3}?)[^,]*(b|.)$"),
         node("Unique", ["x"], ["u", "first", "", ""]),
         node("Equal", ["c", "x"], ["y"])],
        {"x": (TEXT, (3,))}, {"y": (BOOL, (3,)), "s": (TEXT, (3, None)),
                              "n": (INT, (3,)), "m": (BOOL, (3,)),
                              "u": (TEXT, (None,))},
        opset=20, tail=words(" b c"))
    yield "tokens", net(
        [node("StringNormalizer", ["x"], ["l"], case_change_action="LOWER",
              stopwords=["abc"], is_case_sensitive=0),
         node("LabelEncoder", ["l"], ["k"], domain=ML,
              keys_strings=["a b,c", "-1.5"], values_int64s=[3, 0],
              default_int64=1),
         node("TfIdfVectorizer", ["k"], ["t"], max_gram_length=2,
              max_skip_count=1, min_gram_length=1, mode="TFIDF",
              ngram_counts=[0, 2], ngram_indexes=[0, 1, 2],
              pool_int64s=[0, 3, 3, 0], weights=[1.0, 0.5, 2.0]),
         node("Cast", ["t"], ["z"], to=TEXT),
         node("Cast", ["z"], ["n"], to=FLOAT),
         node("Cast", ["n"], ["y"], to=TEXT)],
        {"x": (TEXT, (3,))}, {"y": (TEXT, (3,)), "t": (3,)},
        opset=20, ml=4)


def map_of(key, item):
    return helper.make_map_type_proto(
        key, helper.make_tensor_type_proto(item, ()))


def ml_nets():
    node = helper.make_node
    yield "maps", net(
        [node("LinearClassifier", ["x"], ["label", "raw"], domain=ML,
              classlabels_strings=["a", "b", ""], post_transform="SOFTMAX",
              coefficients=[1.0, -1.0, 0.5, 2.0, 0.0, 1.0],
              intercepts=[0.0, 0.1, 0.2]),
         node("Normalizer", ["raw"], ["p"], domain=ML, norm="L1"),
         node("ZipMap", ["p"], ["y"], domain=ML,
              classlabels_strings=["a", "b", ""])],
        {"x": ("n", 2)}, {"label": (TEXT, ("n",)),
                          "y": helper.make_sequence_type_proto(
                              map_of(TEXT, FLOAT))}, ml=4)
    yield "map_input", net(
        [node("DictVectorizer", ["x"], ["y"], domain=ML,
              string_vocabulary=["abc", "b"])],
        {"x": map_of(TEXT, FLOAT)}, {"y": (2,)}, ml=4)
    yield "trees", net(
        [node("TreeEnsembleRegressor", ["x"], ["y"], domain=ML, n_targets=2,
              nodes_treeids=[0, 0, 0, 1], nodes_nodeids=[0, 1, 2, 0],
              nodes_featureids=[0, 0, 0, 0], nodes_values=[0.5, 0.0, 0.0, 0.0],
              nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
              nodes_truenodeids=[1, 0, 0, 0], nodes_falsenodeids=[2, 0, 0, 0],
              nodes_missing_value_tracks_true=[1, 0, 0, 0],
              target_treeids=[0, 0, 1], target_nodeids=[1, 2, 0],
              target_ids=[0, 1, 0], target_weights=[1.0, 2.0, 3.0])],
        {"x": ("n", 2)}, {"y": ("n", 2)}, ml=3)
    yield "trees_of_5", net(
        [node("TreeEnsemble", ["x"], ["y"], domain=ML, n_targets=1,
              tree_roots=[0], nodes_featureids=[1, 0],
              nodes_splits=numpy_helper.from_array(
                  np.array([0.5, 1.0], np.float32)),
              nodes_modes=numpy_helper.from_array(np.array([0, 6], np.uint8)),
              nodes_truenodeids=[1, 0], nodes_trueleafs=[0, 1],
              nodes_falsenodeids=[2, 1], nodes_falseleafs=[1, 1],
              membership_values=numpy_helper.from_array(
                  np.array([1, 100, np.nan], np.float32)),
              leaf_targetids=[0, 0, 0], leaf_weights=numpy_helper.from_array(
                  np.array([1, 2, 3], np.float32)))],
        {"x": ("n", 2)}, {"y": ("n", 1)}, ml=5)


def body_nets():
    node = helper.make_node

    def graph(nodes, inputs, outputs):
        return helper.make_graph(
            nodes, "body", [value(n, s) for n, s in inputs.items()],
            [value(n, s) for n, s in outputs.items()])

    yield "bodies", net(
        [node("Conv", ["x", "w"], ["c"], pads=[0, 1, 1, 0]),
         node("If", ["go"], ["y"],
              then_branch=graph([node("Conv", ["c", "w"], ["t"]),
                                 node("Relu", ["t"], ["r"]),
                                 node("Conv", ["r", "w"], ["a"])],
                                {}, {"a": ("n", 2, None, None)}),
              else_branch=graph([node("Conv", ["c", "w"], ["b"],
                                      pads=[1, 1, 1, 1])],
                                {}, {"b": ("n", 2, None, None)}))],
        {"x": ("n", 2, 4, 4), "go": (BOOL, ())},
        {"y": ("n", 2, None, None)}, w=ramp(2, 2, 2, 2))
    yield "scan", net(
        [node("Scan", ["h", "x"], ["y", "all"], num_scan_inputs=1,
              scan_input_axes=[1], scan_output_axes=[-1],
              scan_input_directions=[1],
              body=graph([node("MatMul", ["v", "w"], ["m"]),
                          node("Add", ["m", "s"], ["o"]),
                          node("Identity", ["o"], ["e"])],
                         {"s": (1, 2), "v": (1, 2)},
                         {"o": (1, 2), "e": (1, 2)}))],
        {"x": (1, 3, 2), "h": (1, 2)}, {"y": (1, 2), "all": (1, 2, 3)},
        w=ramp(2, 2))
    list_of = helper.make_sequence_type_proto(
        helper.make_tensor_type_proto(FLOAT, None))
    yield "sequences", net(
        [node("SplitToSequence", ["x", "parts"], ["q"], axis=1),
         node("Loop", ["trips", "", "q"], ["r"],
              body=graph([node("SequenceAt", ["in", "i"], ["a"]),
                          node("Concat", ["a", "a"], ["b"], axis=0),
                          node("SequenceInsert", ["in", "b", "i"], ["out"]),
                          node("Identity", ["on"], ["off"])],
                         {"i": (INT, ()), "on": (BOOL, ()), "in": list_of},
                         {"off": (BOOL, ()), "out": list_of})),
         node("SequenceMap", ["r"], ["m"],
              body=graph([node("Relu", ["e"], ["f"])],
                         {"e": (None, None)}, {"f": (None, None)})),
         node("ConcatFromSequence", ["m"], ["y"], axis=0),
         node("SequenceLength", ["m"], ["n"])],
        {"x": (2, 4)}, {"y": (None, 2), "n": (INT, ()), "r": list_of},
        trips=np.int64(3), parts=np.array([2, 2]))


def size_nets():
    node = helper.make_node
    yield "symbols", net(
        [node("Conv", ["x", "w"], ["c"], strides=[2, 1], dilations=[1, 2],
              pads=[0, 1, 2, 1]),
         node("Shape", ["c"], ["s"]),
         node("Gather", ["s", "two"], ["h"]), node("Gather", ["s", "one"], ["k"]),
         node("Mul", ["h", "k"], ["hk"]), node("Div", ["hk", "two"], ["d"]),
         node("Sub", ["d", "one"], ["e"]), node("Max", ["e", "one"], ["f"]),
         node("Unsqueeze", ["h", "zero"], ["hs"]),
         node("Concat", ["zeros", "neg", "hs"], ["to"], axis=0),
         node("Reshape", ["c", "to"], ["r"]),
         node("Slice", ["r", "zero", "hs", "one_at"], ["y"]),
         node("Range", ["zero_at", "f", "one"], ["z"]),
         node("ConstantOfShape", ["hs"], ["o"])],
        {"x": ("n", 2, "h", "w")}, {"y": ("n", "a", "b"), "z": (INT, ("k",)),
                                    "o": ("h2",)},
        w=ramp(2, 2, 2, 2), two=np.int64(2), one=np.int64(1), zero=np.array([0]),
        zero_at=np.int64(0), one_at=np.array([1]), zeros=np.array([0]),
        neg=np.array([-1]))
    yield "channels_last", net(
        [node("Conv", ["x", "w", "b"], ["c"], strides=[2, 1],
              dilations=[1, 2], pads=[2, 0, 1, 3]),
         node("Clip", ["c", "low", "high"], ["r"]),
         node("Conv", ["r", "deep"], ["d"], group=3, auto_pad="SAME_LOWER",
              strides=[1, 3]),
         node("Conv", ["d", "thin"], ["e"], pads=[0, 0, 1, 0]),
         node("ConvTranspose", ["e", "up"], ["t"], strides=[2, 3],
              output_padding=[1, 2], pads=[1, 0, 0, 1]),
         node("MaxPool", ["t"], ["m"], kernel_shape=[3, 2], ceil_mode=1,
              strides=[2, 2], pads=[1, 0, 1, 1]),
         node("AveragePool", ["m"], ["a"], kernel_shape=[2, 2],
              count_include_pad=1, pads=[1, 1, 0, 0]),
         node("Concat", ["a", "a"], ["j"], axis=1),
         node("Resize", ["j", "", "scales"], ["u"], mode="nearest"),
         node("GlobalAveragePool", ["u"], ["y"])],
        {"x": ("n", 2, 5, 7)}, {"y": ("n", 4, 1, 1)}, w=ramp(3, 2, 3, 2),
        b=ramp(3), deep=ramp(3, 1, 2, 3), thin=ramp(2, 3, 1, 1),
        up=ramp(2, 2, 2, 2), low=np.float32(-0.5), high=np.float32(0.5),
        scales=np.array([1, 1, 2, 3], np.float32))
    yield "one_axis", net(
        [node("Conv", ["x", "w"], ["c"], strides=[3], pads=[4, 1]),
         node("PRelu", ["c", "slope"], ["p"]),
         node("InstanceNormalization", ["p", "s", "b"], ["y"])],
        {"x": (1, 2, "t")}, {"y": (1, 2, "u")}, w=ramp(2, 2, 3),
        slope=ramp(2, 1), s=ramp(2), b=ramp(2))


def late_nets():
    node = helper.make_node
    yield "einsum_of_ten_axes", net(
        [node("Einsum", ["x", "b", "c", "d", "e"], ["y"],
              equation="abcde,fghij,adfi,bcgh,ej->ja")],
        {"x": (2, 2, 2, 2, 2)}, {"y": (2, 2)}, b=ramp(2, 2, 2, 2, 2),
        c=ramp(2, 2, 2, 2), d=ramp(2, 2, 2, 2), e=ramp(2, 2))
    yield "deformed", net(
        [node("DeformConv", ["x", "w", "at", "", "mask"], ["y"],
              strides=[2], pads=[1, 0])],
        {"x": (1, 2, 5)}, {"y": (1, 2, 3)}, opset=19, w=ramp(2, 2, 2),
        at=4 * ramp(1, 2, 3), mask=ramp(1, 2, 3))
    m = net(
        [node("Momentum", ["r", "t", "x", "g", "v"], ["y", "z"], alpha=0.9,
              beta=0.5, mode="nesterov", norm_coefficient=0.1,
              domain="ai.onnx.preview.training")],
        {"x": (2,)}, {"y": (2,), "z": (2,)}, r=np.float32(0.1), t=np.int64(1),
        g=ramp(2), v=ramp(2))
    m.opset_import.append(helper.make_opsetid("ai.onnx.preview.training", 1))
    yield "momentum", m


def main(folder):
    models = [attributes, tensors, control, functions, external]
    for target in ("fuzz_wire", "fuzz_decode"):
        to = pathlib.Path(folder, target)
        to.mkdir(parents=True, exist_ok=True)
        for make in models:
            (to / make.__name__).write_bytes(make().SerializeToString())
    to = pathlib.Path(folder, "fuzz_model")
    to.mkdir(parents=True, exist_ok=True)
    for name, m in (*nets(), *text_nets(), *ml_nets(), *body_nets(),
                    *size_nets(), *late_nets()):
        onnx.checker.check_model(m, full_check=True)
        (to / name).write_bytes(m.SerializeToString())
    to = pathlib.Path(folder, "fuzz_tensor_file")
    to.mkdir(parents=True, exist_ok=True)
    for name, data in data_files():
        (to / name).write_bytes(data)


main(sys.argv[1])
