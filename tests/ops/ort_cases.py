#!/usr/bin/env python3
"""ort_cases.py [HERE] OUT: models of one node with random attributes and inputs,
and what onnxruntime computes for them, in the layout of the official cases:
OUT/float/node/CASE for results that agree within a tolerance, OUT/steps/node for
quantized results, which agree up to one step.

Everything is drawn from a fixed seed per case.  What onnxruntime refuses is
named and left out.  HERE is not used: ort_outputs.py has an argument there.
"""
import os
import pathlib
import sys
import zlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"
ML = "ai.onnx.ml"
F32, F16 = np.float32, np.float16
left_out = []


def write_pb(path, v, name):
    t = numpy_helper.from_array(np.ascontiguousarray(v).reshape(v.shape), name)
    path.write_bytes(t.SerializeToString())


def case(out, name, op, inputs, attrs, n_out=1, domain="", opset=13,
         kind="float", constant=(), seen=None):
    """inputs: arrays, or None for one that is absent; `constant`: positions of
    those that are initializers; n_out: outputs, or a list of bools."""
    ins, feeds, inits, infos = [], {}, [], []
    for i, v in enumerate(inputs):
        if v is None:
            ins.append("")
            continue
        x = f"x{i}"
        ins.append(x)
        if i in constant:
            inits.append(numpy_helper.from_array(v, x))
            continue
        feeds[x] = v
        infos.append(helper.make_tensor_value_info(
            x, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape))
    wanted = [True] * n_out if isinstance(n_out, int) else n_out
    outs = [f"y{i}" if w else "" for i, w in enumerate(wanted)]
    node = helper.make_node(op, ins, outs, domain=domain, **attrs)
    ys = [helper.make_empty_tensor_value_info(y) for y in outs if y]
    g = helper.make_graph([node], name, infos, ys, inits)
    sets = [helper.make_opsetid("", opset)]
    if domain == MS:
        sets.append(helper.make_opsetid(MS, 1))
    if domain == ML:
        sets.append(helper.make_opsetid(ML, 3))
    m = helper.make_model(g, opset_imports=sets, ir_version=10)
    opt = ort.SessionOptions()
    opt.intra_op_num_threads = 1
    opt.log_severity_level = 4
    opt.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        s = ort.InferenceSession(m.SerializeToString(), opt,
                                 providers=["CPUExecutionProvider"])
        results = s.run(None, feeds)
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
    if seen is not None:
        seen.append(name)


def rng_of(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def normal(rng, *shape, dtype=F32, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(dtype)


def maybe(rng, v, p=0.5):
    return v if rng.random() < p else None


# ---- RNN, GRU, LSTM ---------------------------------------------------------
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
ACTS = {"RNN": 1, "GRU": 2, "LSTM": 3}
# ThresholdedRelu jumps: a rounding would be seen.
GATE_NAMES = ["Tanh", "Sigmoid", "ScaledTanh", "HardSigmoid", "Softsign"]
NAMES = GATE_NAMES + ["Relu", "Affine", "LeakyRelu", "Elu", "Softplus"]


def recurrent(out):
    for op in GATES:
        for i in range(24):
            name = f"ort_{op.lower()}_{i}"
            rng = rng_of(name)
            way = ["forward", "reverse", "bidirectional"][i % 3]
            d = 2 if way == "bidirectional" else 1
            t, b = int(rng.integers(1, 8)), int(rng.integers(1, 7))
            n, h = int(rng.integers(1, 20)), int(rng.integers(1, 40))
            g = GATES[op]
            ins = [normal(rng, t, b, n), normal(rng, d, g * h, n, scale=.5),
                   normal(rng, d, g * h, h, scale=.3),
                   maybe(rng, normal(rng, d, 2 * g * h)),
                   maybe(rng, rng.integers(1, t + 1, b).astype(np.int32)),
                   maybe(rng, normal(rng, d, b, h))]
            attrs = {"hidden_size": h, "direction": way}
            if op == "LSTM":
                ins += [maybe(rng, normal(rng, d, b, h)),
                        maybe(rng, normal(rng, d, 3 * h))]
            if op == "GRU":
                attrs["linear_before_reset"] = int(rng.integers(2))
            if i >= 9:
                # Gates that are not bounded make states explode.
                acts = [str(rng.choice(NAMES if k % ACTS[op] == ACTS[op] - 1
                                       and op != "RNN" else GATE_NAMES))
                        for k in range(ACTS[op] * d)]
                attrs["activations"] = acts
                # Affine and ScaledTanh have no defaults of their own.
                if {"Affine", "ScaledTanh"} & set(acts) or rng.random() < .5:
                    attrs["activation_alpha"] = [
                        float(x) for x in rng.random(len(acts)) * .5 + .1]
                    attrs["activation_beta"] = [
                        float(x) for x in rng.random(len(acts)) * .5 + .1]
            if i >= 12 and rng.random() < .5:
                attrs["clip"] = float(rng.random() + .2)
            case(out, name, op, ins, attrs, n_out=3 if op == "LSTM" else 2,
                 opset=[7, 14, 22][i % 3])


# ---- Attention and its kin of the default domain ----------------------------
def attention(out):
    for i in range(40):
        name = f"ort_attention_{i}"
        rng = rng_of(name)
        b, kv = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        h = kv * int(rng.integers(1, 3))
        q, k, p = (int(x) for x in rng.integers(1, 9, 3))
        d, dv = int(rng.integers(1, 17)), int(rng.integers(1, 17))
        past = rng.random() < .4
        three = i % 2 == 0
        attrs = {"is_causal": int(rng.integers(2))}
        if past and attrs["is_causal"]:
            k = q  # else onnxruntime is not what the operator text says
        total = k + (p if past else 0)
        if three:
            attrs.update(q_num_heads=h, kv_num_heads=kv)
            ins = [normal(rng, b, q, h * d), normal(rng, b, k, kv * d),
                   normal(rng, b, k, kv * dv)]
        else:
            ins = [normal(rng, b, h, q, d), normal(rng, b, kv, k, d),
                   normal(rng, b, kv, k, dv)]
        mask = None
        kind = int(rng.integers(4))
        shape = [(q, total), (b, 1, q, total), (b, h, q, total)][i % 3]
        if kind == 1:
            mask = normal(rng, *shape)
        if kind == 2:
            mask = rng.random(shape) < .7
            mask[..., 0] = True
        ins += [mask]
        if past:
            ins += [normal(rng, b, kv, p, d), normal(rng, b, kv, p, dv)]
        if rng.random() < .4:
            attrs["softcap"] = float(rng.random() * 3 + .5)
        if rng.random() < .4:
            attrs["scale"] = float(rng.random() + .1)
        n_out = [True, past, past, False]
        case(out, name, "Attention", ins, attrs, n_out, opset=23)


def rotary(out):
    for i in range(12):
        name = f"ort_rotary_{i}"
        rng = rng_of(name)
        b, n, h, half = (int(x) for x in rng.integers(1, 6, 4))
        d = 2 * half + (4 if i % 3 == 2 else 0)
        attrs = {"interleaved": i % 2}
        if d != 2 * half:
            attrs["rotary_embedding_dim"] = 2 * half
        if i % 4 < 2 or d != 2 * half:
            attrs["num_heads"] = h
        x = normal(rng, b, n, h * d) if i % 4 < 2 else normal(rng, b, h, n, d)
        at = i % 5 < 3
        shape = (16, half) if at else (b, n, half)
        ins = [x, normal(rng, *shape), normal(rng, *shape)]
        if at:
            ins.append(rng.integers(0, 16, (b, n)))
        case(out, name, "RotaryEmbedding", ins, attrs, opset=23)


GROUPS = [recurrent, attention, rotary]


def main(argv):
    out = pathlib.Path(argv[-1])
    for group in GROUPS:
        group(out)
    for line in left_out:
        print("left out", line)
    (out / "complete").write_text("")


if __name__ == "__main__":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    main(sys.argv)
