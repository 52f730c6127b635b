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
            domain, version or {MS: 1, ML: 3}[domain]))
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
         kind="float", constant=(), instead=None, version=None):
    """inputs: arrays, or None for one that is absent; `constant`: positions of
    those that are initializers; n_out: outputs, or a list of bools; `instead`:
    inputs that mean the same, where onnxruntime does not take these."""
    wanted = [True] * n_out if isinstance(n_out, int) else n_out
    outs = [f"y{i}" if w else "" for i, w in enumerate(wanted)]
    m, feeds = build(name, op, inputs, attrs, outs, domain, opset, constant,
                     version)
    try:
        results = run(*(build(name, op, instead, attrs, outs, domain, opset,
                              constant, version) if instead else (m, feeds)))
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


# ---- quantized operators ----------------------------------------------------
def quantized(rng, *shape, dtype=None):
    dtype = dtype or rng.choice([np.uint8, np.int8])
    i = np.iinfo(dtype)
    return rng.integers(i.min, i.max + 1, shape).astype(dtype)


def scale_of(rng, *shape):
    return (rng.random(shape) * .05 + .01).astype(F32)


def zero_of(rng, v, *shape):
    return rng.integers(max(np.iinfo(v.dtype).min, -60),
                        min(np.iinfo(v.dtype).max, 160),
                        shape).astype(v.dtype)


def q_conv(out):
    for i in range(24):
        name = f"ort_qlinear_conv_{i}"
        rng = rng_of(name)
        g = int(rng.choice([1, 1, 2, 4]))
        ci, co = (int(x) * g for x in rng.integers(1, 10, 2))
        if i % 8 == 7:
            g, ci = 1, 600  # more terms than a float holds
        n, (h, w) = int(rng.integers(1, 3)), rng.integers(4, 9, 2)
        k = [int(x) for x in rng.integers(1, 4, 2)]
        x = quantized(rng, n, ci, h, w, dtype=np.uint8 if i % 2 else np.int8)
        wt = quantized(rng, co, ci // g, *k,
                       dtype=np.int8 if i % 2 or i % 3 else np.uint8)
        if x.dtype == np.int8 and wt.dtype != np.int8:
            wt = wt.view(np.int8)
        each = rng.random() < .5
        ws = scale_of(rng, co) if each else scale_of(rng)
        wz = np.zeros(co if each else (), wt.dtype)
        if wt.dtype == np.uint8:
            wz = wz + np.uint8(128)
        y = np.array(0, x.dtype)
        ins = [x, scale_of(rng), zero_of(rng, x), wt, ws, wz,
               np.array(rng.random() * 2 + .5, F32), zero_of(rng, y)]
        if rng.random() < .5:
            ins.append(rng.integers(-3000, 3000, co).astype(np.int32))
        attrs = {"group": g, "pads": [int(v) for v in rng.integers(0, 2, 4)],
                 "strides": [int(v) for v in rng.integers(1, 3, 2)]}
        case(out, name, "QLinearConv", ins, attrs, kind="steps",
             constant=(1, 2, 3, 4, 5, 6, 7, 8))
        if i < 8:
            name = f"ort_conv_integer_{i}"
            x = x.view(np.uint8)
            wt = wt.view(np.uint8)
            case(out, name, "ConvInteger", [x, wt, zero_of(rng, x), None][:3],
                 attrs, kind="steps")


def q_product(out):
    for i in range(12):
        name = f"ort_q_product_{i}"
        rng = rng_of(name)
        m, k, n = (int(v) for v in rng.integers(1, 12, 3))
        if i % 4 == 3:
            k = 700
        b = [2] if i % 3 == 2 else []
        a8 = np.uint8 if i % 2 else np.int8
        a, w = quantized(rng, *b, m, k, dtype=a8), quantized(
            rng, k, n, dtype=np.int8)
        each = i % 4 > 1
        ws = scale_of(rng, n) if each else scale_of(rng)
        wz = np.zeros(n if each else (), np.int8)
        y = np.array(0, a8)
        case(out, name + "_matmul", "QLinearMatMul",
             [a, scale_of(rng), zero_of(rng, a), w, ws, wz,
              np.array(rng.random() * 3 + 1, F32), zero_of(rng, y)], {},
             kind="steps", constant=(1, 2, 4, 5, 6, 7))
        case(out, name + "_integer", "MatMulInteger",
             [a, w, zero_of(rng, a), wz], {}, kind="steps")
        case(out, name + "_to_float", "MatMulIntegerToFloat",
             [a, w, scale_of(rng), ws, zero_of(rng, a), wz,
              maybe(rng, normal(rng, n))], {}, domain=MS)
        case(out, name + "_dynamic", "DynamicQuantizeMatMul",
             [normal(rng, *b, m, k), w, ws, wz, maybe(rng, normal(rng, n))],
             {}, domain=MS)
        ta, tb = int(rng.integers(2)), int(rng.integers(2))
        a, w = quantized(rng, *((k, m) if ta else (m, k)),
                         dtype=a8), w.T.copy() if tb else w
        attrs = {"transA": ta, "transB": tb, "alpha": 1.5 if i % 2 else 1.0}
        ins = [a, scale_of(rng), zero_of(rng, a), w, ws, wz,
               maybe(rng, rng.integers(-3000, 3000, n).astype(np.int32))]
        if i % 3 == 0:
            case(out, name + "_gemm", "QGemm", ins, attrs, domain=MS)
        else:
            ins += [np.array(rng.random() * 3 + 1, F32), zero_of(rng, y)]
            case(out, name + "_gemm", "QGemm", ins, attrs, domain=MS,
                 kind="steps", constant=(1, 2, 4, 5, 7, 8))


def q_map(out):
    for i in range(10):
        rng = rng_of(f"ort_q_map_{i}")
        t = np.uint8 if i % 2 else np.int8

        def value(*shape):
            v = quantized(rng, *shape, dtype=t)
            return [v, scale_of(rng), zero_of(rng, v)]

        def result():
            return [scale_of(rng), zero_of(rng, np.array(0, t))]

        sa, sb = [((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (1, 4)), ((3, 1), (3, 5)),
                  ((4,), (2, 4)), ((2, 5), ())][i % 5]
        for op in "QLinearAdd", "QLinearMul":
            case(out, f"ort_{op.lower()}_{i}", op,
                 value(*sa) + value(*sb) + result(), {}, domain=MS,
                 kind="steps")
        if sb:
            c = rng.random(sb) < .5
            case(out, f"ort_qlinear_where_{i}", "QLinearWhere",
                 [c] + value(*sa) + value(*sb) + result(), {}, domain=MS,
                 kind="steps", constant=(2, 3, 5, 6, 7, 8))
        axis = i % 3 - 1
        parts = []
        for k in range(1, 4):
            shape = [2, 3]
            shape[axis] = k
            parts += value(*shape)
        case(out, f"ort_qlinear_concat_{i}", "QLinearConcat",
             result() + parts, {"axis": axis}, domain=MS, kind="steps")
        case(out, f"ort_qlinear_sigmoid_{i}", "QLinearSigmoid",
             value(3, 50) + [np.array(1 / 256, F32), np.array(
                 0 if i % 2 else -128, t)], {}, domain=MS, kind="steps")
        case(out, f"ort_qlinear_leaky_{i}", "QLinearLeakyRelu",
             value(3, 50) + result(), {"alpha": .3} if i % 3 else {},
             domain=MS, kind="steps")
        case(out, f"ort_qlinear_softmax_{i}", "QLinearSoftmax",
             value(3, 4, 5) + [np.array(1 / 256, F32), np.array(
                 0 if i % 2 else -128, t)],
             {"axis": i % 3 - 1, "opset": 13 if i % 4 > 1 else 12}, domain=MS,
             kind="steps")
        last = i % 2
        shape = (2, 7, 6, 3) if last else (2, 3, 7, 6)
        case(out, f"ort_qlinear_global_{i}", "QLinearGlobalAveragePool",
             value(*shape) + result(), {"channels_last": last}, domain=MS,
             kind="steps")
        case(out, f"ort_qlinear_pool_{i}", "QLinearAveragePool",
             value(*shape) + result(),
             {"channels_last": last, "kernel_shape": [3, 2],
              "pads": [1, 0, 1, 1], "strides": [2, 1 + i % 3],
              "count_include_pad": i // 2 % 2, "ceil_mode": i // 3 % 2},
             domain=MS, kind="steps")


def q_linear(out):
    kinds = [np.int8, np.uint8, np.int16, np.uint16]
    for i in range(12):
        name = f"ort_ms_quantize_{i}"
        rng = rng_of(name)
        t = kinds[i % 4]
        each = i % 3 == 2
        s = scale_of(rng, 4) if each else scale_of(rng)
        z = rng.integers(0, 100, s.shape).astype(t)
        attrs = {"axis": 1} if each else {}
        case(out, name, "QuantizeLinear", [normal(rng, 2, 4, 5), s, z], attrs,
             domain=MS, kind="steps")
        case(out, f"ort_ms_dequantize_{i}", "DequantizeLinear",
             [quantized(rng, 2, 4, 5, dtype=t), s, z], attrs, domain=MS)


# ---- fused operators ---------------------------------------------------------
def fused_conv(out):
    acts = [{}, {"activation": "Relu"}, {"activation": "Tanh"},
            {"activation": "Sigmoid"},
            {"activation": "LeakyRelu", "activation_params": [.3]},
            {"activation": "Clip", "activation_params": [-.5, 1.]},
            {"activation": "HardSigmoid", "activation_params": [.3, .4]}]
    for i in range(14):
        name = f"ort_fused_conv_{i}"
        rng = rng_of(name)
        g = 1 + i % 2
        ci, co, n, h = (int(v) for v in rng.integers(1, 6, 4))
        x, w = normal(rng, n, ci * g, h + 2, 7), normal(rng, co * g, ci, 3, 2)
        attrs = dict(acts[i % 7], group=g, pads=[1, 0, 1, 1])
        ins = [x, w, maybe(rng, normal(rng, co * g))]
        if i > 6:
            ins.append(normal(rng, n, co * g, h + 2, 7))
        case(out, name, "FusedConv", ins, attrs, domain=MS)


def fused_products(out):
    acts = [{"activation": "Relu"}, {"activation": "Sigmoid"},
            {"activation": "LeakyRelu", "activation_alpha": .2},
            {"activation": "HardSigmoid", "activation_alpha": .3,
             "activation_beta": .4}]
    for i in range(16):
        name = f"ort_fused_gemm_{i}"
        rng = rng_of(name)
        m, k, n = (int(v) for v in rng.integers(1, 9, 3))
        ta, tb = int(rng.integers(2)), int(rng.integers(2))
        case(out, name, "FusedGemm",
             [normal(rng, *((k, m) if ta else (m, k))),
              normal(rng, *((n, k) if tb else (k, n))),
              maybe(rng, normal(rng, n))],
             dict(acts[i % 4], transA=ta, transB=tb,
                  alpha=float(rng.random() + .5)), domain=MS)
        b, c = (int(v) for v in rng.integers(1, 4, 2))
        pa, pb = i // 2 % 2, i // 4 % 2

        def factor(rows, cols, trans, batch):
            r, l = (cols, rows) if trans else (rows, cols)
            # The first axis is the one but last of the product's factor.
            return normal(rng, *((r, b, c, l) if batch else (b, c, r, l)))

        case(out, f"ort_fused_matmul_{i}", "FusedMatMul",
             [factor(m, k, ta, pa), factor(k, n, tb, pb)],
             {"transA": ta, "transB": tb, "transBatchA": pa,
              "transBatchB": pb, "alpha": float(rng.random() + .5)},
             domain=MS)


def gelus(out):
    for i in range(3):
        rng = rng_of(f"ort_gelu_{i}")
        x, b = normal(rng, 2, 3, 20, scale=3), normal(rng, 20)
        case(out, f"ort_gelu_{i}", "Gelu", [x], {}, domain=MS)
        case(out, f"ort_bias_gelu_{i}", "BiasGelu", [x, b], {}, domain=MS)
        case(out, f"ort_fast_gelu_{i}", "FastGelu", [x] + [b] * (i % 2), {},
             domain=MS)
        case(out, f"ort_quick_gelu_{i}", "QuickGelu", [x],
             {"alpha": 1.3} if i else {}, domain=MS)


def fused_norms(out):
    for i in range(8):
        rng = rng_of(f"ort_norm_{i}")
        b, n, h = (int(v) for v in rng.integers(2, 9, 3))
        x = normal(rng, b, n, h)
        s = normal(rng, *[(b, n, h), (1, n, h), (n, h), (b, n, h)][i % 4])
        g, beta, bias = normal(rng, h), normal(rng, h), normal(rng, h)
        attrs = {"epsilon": 1e-5}
        case(out, f"ort_skip_norm_{i}", "SkipLayerNormalization",
             [x, s, g, maybe(rng, beta), maybe(rng, bias)], attrs,
             [True, False, False, i % 2 == 1], domain=MS)
        case(out, f"ort_skip_simple_{i}", "SkipSimplifiedLayerNormalization",
             [x, s, g, maybe(rng, bias)], attrs,
             [True, False, False, i % 2 == 1], domain=MS)
        case(out, f"ort_simple_norm_{i}", "SimplifiedLayerNormalization",
             [x, g], attrs, 1 + i % 2)
        case(out, f"ort_old_layer_norm_{i}", "LayerNormalization",
             [x, g, beta], attrs, 1, opset=12)
        ids = [rng.integers(0, k, (b, n)).astype(np.int32) for k in (9, 2, 2)]
        seg = i % 2 == 0
        case(out, f"ort_embed_{i}", "EmbedLayerNormalization",
             [ids[0], ids[1] if seg else None, normal(rng, 9, h),
              normal(rng, 12, h), normal(rng, 2, h) if seg else None, g, beta]
             + ([ids[2]] if i % 4 > 1 else []), attrs,
             [True, i % 4 > 1, i > 3], domain=MS)


def key_mask(rng, kind, b, q, total):
    if kind == 1:
        return rng.integers(1, total + 1, b).astype(np.int32)
    shape = {2: (b, total), 3: (b, q, total)}.get(kind)
    if shape is None:
        return None
    m = (rng.random(shape) < .7).astype(np.int32)
    m[..., 0] = 1
    return m


def ms_attention(out):
    for i in range(24):
        name = f"ort_ms_attention_{i}"
        rng = rng_of(name)
        b, q, n, d, h = (int(v) for v in rng.integers(1, 7, 5))
        d *= 2
        p = int(rng.integers(1, 6)) if i % 3 == 2 else 0
        dv = d + 3 if i % 6 == 1 else d
        cols = n * (2 * d + dv)
        attrs = {"num_heads": n, "unidirectional": int(rng.integers(2))}
        if dv != d:
            attrs["qkv_hidden_sizes"] = [n * d, n * d, n * dv]
        if i % 4 == 3:
            attrs["scale"] = .4
        bias = normal(rng, b if i % 2 else 1, n, q, q + p)
        ins = [normal(rng, b, q, h), normal(rng, h, cols, scale=.5),
               normal(rng, cols), key_mask(rng, i % 4, b, q, q + p),
               normal(rng, 2, b, n, p, d) if p else None,
               bias if i % 5 == 4 and not p else None]
        case(out, name, "Attention", ins, attrs, 2 if p else 1, domain=MS)


def multi_head(out):
    for i in range(30):
        name = f"ort_multi_head_{i}"
        rng = rng_of(name)
        b, q, k, n, d = (int(v) for v in rng.integers(1, 7, 5))
        form = i % 5
        dv = d + 2 if form == 0 and i % 6 == 0 else d
        p = int(rng.integers(1, 6)) if form == 4 else 0
        if form == 2:
            k = q
        h = n * d
        ins = [normal(rng, b, q, h), normal(rng, b, k, h),
               normal(rng, b, k, n * dv)]
        plain = None
        if form == 1:  # packed keys and values
            plain = ins
            ins = [ins[0], np.stack([v.reshape(b, k, n, d) for v in ins[1:]],
                                    3), None]
        elif form == 2:  # all packed
            plain = ins
            ins = [np.stack([v.reshape(b, k, n, d) for v in ins], 3), None,
                   None]
        elif form == 3:  # keys and values of another step
            ins[1:] = [normal(rng, b, n, k, d), normal(rng, b, n, k, d)]
        attrs = {"num_heads": n}
        if form in (0, 2) and k == q:
            attrs["unidirectional"] = int(rng.integers(2))
        more = [maybe(rng, normal(rng, 2 * h + n * dv))
                if form in (0, 2, 4) else None,
                key_mask(rng, [0, 1, 2, 3][i % 4], b, q, k + p),
                normal(rng, 1 if i % 2 else b, n, q, k + p)
                if i % 3 == 2 else None]
        if p:
            more += [normal(rng, b, n, p, d), normal(rng, b, n, p, dv)]
        case(out, name, "MultiHeadAttention", ins + more, attrs,
             3 if p else 1, domain=MS, instead=plain and plain + more)


def group_query(out):
    for i in range(24):
        name = f"ort_group_query_{i}"
        rng = rng_of(name)
        b, kv, q, half = (int(v) for v in rng.integers(1, 5, 4))
        n, d = kv * int(rng.integers(1, 4)), 16 * half
        step = i % 3  # 0: prompt, 1: next token, 2: next token in a buffer
        p = int(rng.integers(2, 8))
        if step:
            q = 1
        total = q if step == 0 else p + 1 if step == 1 else p
        x = normal(rng, b, q, n * d)
        k, v = normal(rng, b, q, kv * d), normal(rng, b, q, kv * d)
        if i % 4 == 3:
            x, k, v = np.concatenate([x, k, v], -1), None, None
        past = [None, None]
        if step:
            past = [normal(rng, b, kv, p, d), normal(rng, b, kv, p, d)]
        lens = np.full(b, total - 1, np.int32)
        attrs = {"num_heads": n, "kv_num_heads": kv}
        ins = [x, k, v, *past, lens, np.array([total], np.int32)]
        if i % 2:
            attrs.update(do_rotary=1, rotary_interleaved=i // 2 % 2)
            ins += [normal(rng, 32, d // 2), normal(rng, 32, d // 2)]
        if i % 5 == 2:
            attrs["local_window_size"] = 2
        if i % 5 == 3:
            attrs["softcap"] = 2.5
        case(out, name, "GroupQueryAttention", ins, attrs, 3, domain=MS)


def ms_rotary(out):
    for i in range(12):
        name = f"ort_ms_rotary_{i}"
        rng = rng_of(name)
        b, n, h, half = (int(v) for v in rng.integers(1, 6, 4))
        half *= 8
        d = 2 * half + (8 if i % 3 == 2 else 0)
        attrs = {"interleaved": i % 2}
        if d != 2 * half:
            attrs.update(rotary_embedding_dim=2 * half, num_heads=h)
        x = normal(rng, b, n, h * d) if i % 4 < 2 else normal(rng, b, h, n, d)
        at = (np.array([3]) if i % 5 < 2 else rng.integers(0, 16, (b, n)))
        case(out, name, "RotaryEmbedding",
             [x, at.astype(np.int64), normal(rng, 16, half),
              normal(rng, 16, half)], attrs, domain=MS)


def blocks(out):
    for i in range(18):
        name = f"ort_nbits_{i}"
        rng = rng_of(name)
        bits = [4, 8, 2][i % 3]
        block = int(rng.choice([16, 32]))
        m, n = (int(v) for v in rng.integers(1, 12, 2))
        k = block * int(rng.integers(1, 4)) + (5 if i % 4 == 3 else 0)
        nb = -(-k // block)
        w = rng.integers(0, 256, (n, nb, block * bits // 8)).astype(np.uint8)
        zero = rng.integers(0, 256, (n, -(-nb * bits // 8))).astype(np.uint8)
        ins = [normal(rng, 2, m, k), w, scale_of(rng, n, nb),
               zero if i % 2 else None]
        if i % 5 == 4:
            ins += [None, normal(rng, n)]
        attrs = {"K": k, "N": n, "bits": bits, "block_size": block}
        case(out, name, "MatMulNBits", ins, attrs, domain=MS,
             constant=(1, 2, 3, 4, 5))
    for i in range(12):
        name = f"ort_gather_blocks_{i}"
        rng = rng_of(name)
        bits = [4, 8][i % 2]
        rows, nb = 7, int(rng.integers(1, 4))
        data = rng.integers(0, 256, (rows, nb * 16 * bits // 8)).astype(
            np.uint8)
        zero = rng.integers(0, 256, (rows, -(-nb * bits // 8))).astype(
            np.uint8)
        at = rng.integers(-rows, rows, (2, 3) if i % 3 else (4,))
        ins = [data, at, scale_of(rng, rows, nb)] + [zero] * (i // 2 % 2)
        case(out, name, "GatherBlockQuantized", ins,
             {"bits": bits, "block_size": 16, "quantize_axis": 1}, domain=MS,
             constant=(0, 2, 3))


GROUPS = [recurrent, attention, rotary, q_conv, q_product, q_map, q_linear,
          fused_conv, fused_products, gelus, fused_norms, ms_attention,
          multi_head, group_query, ms_rotary, blocks]


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
