"""ort_cases.py - writes models of one node with random attributes and inputs, and
what onnxruntime computes for them, in the layout of the official cases:
OUT/float/node/CASE.  For scripts next to this one; what every operator of the
other domains is asked is in differ/.

Everything is drawn from a fixed seed per case.  What onnxruntime refuses is
named and left out.
"""
import zlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

ML = "ai.onnx.ml"
F32 = np.float32
left_out = []


def write_pb(path, v, name):
    t = numpy_helper.from_array(np.ascontiguousarray(v).reshape(v.shape), name)
    path.write_bytes(t.SerializeToString())


def build(name, op, inputs, attrs, outs, domain, opset, constant,
          version=None):
    """The model, and what to feed it.  `version`: of a domain other than the
    default one."""
    ins, feeds, inits, infos = [], {}, [], []
    for i, v in enumerate(inputs):
        if v is None:
            ins.append("")
            continue
        v = np.asarray(v)  # numpy likes to make scalars of arrays
        x = f"x{i}"
        ins.append(x)
        if i in constant:
            inits.append(numpy_helper.from_array(v, x))
            continue
        feeds[x] = v
        infos.append(helper.make_tensor_value_info(
            x, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape))
    node = helper.make_node(op, ins, outs, domain=domain, **attrs)
    ys = [helper.make_empty_tensor_value_info(y) for y in outs if y]
    g = helper.make_graph([node], name, infos, ys, inits)
    sets = [helper.make_opsetid("", opset)]
    if domain:
        sets.append(helper.make_opsetid(
            domain, version or {ML: 3}[domain]))
    return helper.make_model(g, opset_imports=sets, ir_version=10), feeds


def run(model, feeds):
    opt = ort.SessionOptions()
    opt.intra_op_num_threads = 1
    opt.log_severity_level = 4
    opt.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    s = ort.InferenceSession(model.SerializeToString(), opt,
                             providers=["CPUExecutionProvider"])
    return s.run(None, feeds)


def case(out, name, op, inputs, attrs, n_out=1, domain="", opset=13,
         kind="float", constant=(), version=None):
    """inputs: arrays, or None for one that is absent; `constant`: positions of
    those that are initializers; n_out: outputs, or a list of bools."""
    wanted = [True] * n_out if isinstance(n_out, int) else n_out
    outs = [f"y{i}" if w else "" for i, w in enumerate(wanted)]
    m, feeds = build(name, op, inputs, attrs, outs, domain, opset, constant,
                     version)
    try:
        results = run(m, feeds)
    except Exception as e:  # onnxruntime has a dozen classes of its own
        left_out.append(f"{name}: {str(e).splitlines()[0][:200]}")
        return
    del m.graph.output[:]
    for y, v in zip([y for y in outs if y], results):
        m.graph.output.append(helper.make_tensor_value_info(
            y, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape))
    folder = out / kind / "node" / f"test_{name}"
    data = folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(m.SerializeToString())
    for i, (x, v) in enumerate(feeds.items()):
        write_pb(data / f"input_{i}.pb", v, x)
    for i, v in enumerate(results):
        write_pb(data / f"output_{i}.pb", v, f"y{i}")


def rng_of(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def normal(rng, *shape, dtype=F32, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(dtype)
