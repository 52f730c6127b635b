"""What onnxruntime makes of a quantized model."""
import collections
import os

import numpy as np
import onnx
import onnxruntime as ort

INTEGER_LAYERS = ("QLinearConv", "QGemm", "QLinearMatMul",
                  "MatMulIntegerToFloat")
FLOAT_LAYERS = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul",
                "FusedMatMul", "ConvTranspose", "MatMulNBits")
MOVERS = ("DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements",
          "MaxPool", "ReduceMax", "ReduceMin", "Reshape", "Resize", "Slice",
          "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze")
LINEAR = ("Conv", "Gemm", "MatMul", "ConvTranspose")
LEVELS = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def session(path, level, save_to=None):
    options = ort.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if save_to:
        options.optimized_model_filepath = save_to
        options.log_severity_level = 4
    return ort.InferenceSession(path, options,
                                providers=["CPUExecutionProvider"])


def graphs_of(graph):
    """The graph and all bodies in it."""
    yield graph
    for n in graph.node:
        for a in n.attribute:
            for g in [a.g] if a.HasField("g") else a.graphs:
                yield from graphs_of(g)


def nodes_of(model):
    return [n for g in graphs_of(model.graph) for n in g.node]


def bytes_of(model):
    """Names of the values of 8 bits."""
    small = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
    found = {t.name for g in graphs_of(model.graph) for t in g.initializer
             if t.data_type in small}
    for n in nodes_of(model):
        made = (n.op_type == "QuantizeLinear" or
                n.op_type.startswith("QLinear") or
                n.op_type == "QGemm" and len(n.input) > 7 and n.input[7] or
                n.op_type in MOVERS and n.input[0] in found)
        if made:
            found.update(n.output)
    return found


def optimised(path):
    saved = path + ".optimised"
    session(path, "extended", saved)
    model = onnx.load(saved, load_external_data=False)
    os.remove(saved)
    return model


def census(model):
    """Operators of the optimised graph; "uint8:Op" counts those among them
    whose first input is of 8 bits."""
    small = bytes_of(model)
    found = collections.Counter()
    for n in nodes_of(model):
        found[n.op_type] += 1
        if n.input and n.input[0] in small:
            found["uint8:" + n.op_type] += 1
    return found


def repeated(model):
    """Names of nodes that compute what another one does: the runtime keeps one
    of them."""
    same, seen, names = {}, set(), set()
    for n in model.graph.node:
        inputs = tuple(same.get(x, x) for x in n.input)
        attrs = tuple(sorted(a.SerializeToString() for a in n.attribute))
        key = (n.domain, n.op_type, inputs, attrs)
        if key in seen:
            names.add(n.name)
        seen.add(key)
        same.update((o, (key, i)) for i, o in enumerate(n.output))
    return names


def read_plan(path):
    """[(runs on integers, operator, name, reason)]"""
    rows = []
    for line in open(path, encoding="utf-8"):
        words = line.rstrip("\n").split(" ", 3)
        rows.append((words[0] == "int8", *words[1:]))
    return rows


def output_scales(model):
    """Scale of every output that comes from a DequantizeLinear."""
    made_by = {o: n for n in model.graph.node for o in n.output}
    numbers = {t.name: t for t in model.graph.initializer}
    found = {}
    for o in model.graph.output:
        n = made_by.get(o.name)
        if n is not None and n.op_type == "DequantizeLinear":
            scale = onnx.numpy_helper.to_array(numbers[n.input[1]])
            found[o.name] = float(scale.reshape(-1)[0])
    return found


def sqnr(want, got):
    want = np.asarray(want, np.float64)
    error = float(np.sum((want - np.asarray(got, np.float64)) ** 2))
    power = float(np.sum(want ** 2))
    if error == 0:
        return float("inf")
    return 10 * np.log10(power / error) if power > 0 else -float("inf")


def step_of(values):
    """A 255th of the spread of floats; what float32 has, if that is less."""
    v = np.asarray(values, np.float64)
    v = v[np.isfinite(v)]
    if v.size == 0:
        return 1.0
    return max(float(np.ptp(v)) / 255, 1e-5 * float(np.max(np.abs(v))), 1e-30)


def steps_apart(a, b, scale):
    """How many steps of the scale; infinite where only one is finite."""
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a),
                                                np.isfinite(b)):
        return float("inf")
    m = np.isfinite(a)
    return float(np.max(np.abs(a[m] - b[m]), initial=0)) / scale


# ---- pieces ----------------------------------------------------------------
def cut(path):
    """The model with every QuantizeLinear an output, and what reads it an input
    of that name with "@" behind."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    g = model.graph
    kinds = {v.name: v for v in list(g.value_info) + list(g.output)}
    codes = [n.output[0] for n in g.node if n.op_type == "QuantizeLinear"]
    wanted = set(codes)
    for n in g.node:
        for i, x in enumerate(n.input):
            if x in wanted:
                n.input[i] = x + "@"
    for name in codes:
        kind = kinds.get(name) or onnx.helper.make_tensor_value_info(
            name, onnx.TensorProto.UINT8, None)
        g.output.append(kind)
        fed = onnx.ValueInfoProto()
        fed.CopyFrom(kind)
        fed.name = name + "@"
        g.input.append(fed)
    onnx.save(model, path + ".cut")
    return path + ".cut"


def distance(theirs, ours):
    """In steps of the codes, or of floats."""
    if ours.dtype.itemsize == 1:
        return int(np.abs(theirs.astype(int) - ours.astype(int)).max(initial=0))
    return steps_apart(theirs, ours, step_of(ours))


def check_pieces(base, feeds, limits=(1, 2)):
    """Each piece between one quantization and the next, by both engines on the
    same codes: how many steps they are apart, at most, without and with
    optimisations."""
    names = open(base + ".codes", encoding="utf-8").read().split("\n")[:-1]
    ours = {n: np.load(f"{base}.code.{i}.npy") for i, n in enumerate(names)}
    path = cut(base + ".quant.onnx")
    worst, errors = {"none": 0, "all": 0}, []
    feeds = {**feeds, **{n + "@": v for n, v in ours.items()}}
    for level, limit in zip(("none", "all"), limits):
        s = session(path, level)
        fed = {i.name: feeds[i.name] for i in s.get_inputs()}
        for name, theirs in zip(names, s.run(names, fed)):
            d = distance(theirs, ours[name])
            worst[level] = max(worst[level], d)
            if d > limit * 1.0001:
                errors.append(f"{name}: {d:.2f} steps from onnxruntime "
                              f"({level})")
    os.remove(path)
    return errors, worst
