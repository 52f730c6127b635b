"""table.py - how each operator's inputs and attributes are drawn, how near the
results have to be, and where onnxruntime is not followed (DEVIATIONS)."""
import numpy as np
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from draw import F16, F32, F64, I8, I32, I64, U8, Row, Skip

ROWS = []
MS = "com.microsoft"
# Of one or a few roundings per element; a value near zero is as good
# relatively.
NEAR = dict(rtol=2e-6, atol=1e-7, range=0.0)


def rows(ops, draw, **more):
    for op in ops.split():
        ROWS.append(Row(op, draw, **more))


def row(op, **more):
    """For rows of which the drawing needs a name."""
    def add(draw):
        rows(op, draw, **more)
        return draw
    return add


# ---- one input -------------------------------------------------------------
def unary(ops, attrs=lambda d: {}, **more):
    rows(ops, lambda d: ([d.x()], attrs(d)), **more)


unary("Abs Neg Ceil Floor Relu Round", special=.4, exact=True, scale=4)
# The sign of NaN is not said.
unary("Sign", special=.4, exact=True, specials=[np.inf, -np.inf, -0.0, 1e-40])
unary("Not", exact=True)
unary("BitwiseNot", exact=True, wide=True)
unary("Identity", exact=True, special=.3, wide=True)
rows("IsNaN", lambda d: [d.x(t="T1")], exact=True, special=.8, type="T1")
rows("IsInf", lambda d: ([d.x(t="T1")], {
    "detect_negative": d.bit(), "detect_positive": d.bit()}),
     exact=True, special=.8, type="T1")
unary("Reciprocal", special=.3, **NEAR)
unary("Sqrt", special=.3, low=0, high=9, **NEAR)
unary("Exp", special=.3, scale=4, **NEAR)
unary("Log", special=.3, low=1e-3, high=9, rtol=2e-6, atol=2e-7, range=0.0)
unary("Sin Cos Tanh Erf Asinh Atan Sigmoid Softsign", special=.3, scale=3,
      rtol=2e-6, atol=3e-7, range=0.0)
# Poles are steep.
unary("Tan", special=.3, scale=3, rtol=1e-5, atol=1e-6, range=0.0)
unary("Asin Acos Atanh", special=.3, low=-1, high=1, rtol=2e-6, atol=3e-7,
      range=0.0)
unary("Acosh", special=.3, low=1, high=9, rtol=2e-6, atol=3e-7, range=0.0)
unary("Sinh Cosh", special=.3, scale=3, **NEAR)
unary("Softplus Mish", special=.3, scale=4, rtol=2e-6, atol=3e-7, range=0.0)
unary("HardSwish", special=.3, scale=4, rtol=2e-6, atol=3e-7, range=0.0,
      double=1, why="its sixth is of float")
unary("Elu Celu", lambda d: {"alpha": d.opt(d.f(.1, 3))}, special=.3, scale=3,
      rtol=2e-6, atol=3e-7, range=0.0)
unary("LeakyRelu ThresholdedRelu", lambda d: {"alpha": d.opt(d.f(.1, 2))},
      special=.3, scale=3, **NEAR)
unary("Selu", lambda d: {"alpha": d.opt(d.f(.5, 3)),
                         "gamma": d.opt(d.f(.5, 3))}, special=.3, scale=3,
      rtol=2e-6, atol=3e-7, range=0.0)
unary("HardSigmoid", lambda d: {"alpha": d.opt(d.f(.05, 1)),
                                "beta": d.opt(d.f(0, 1))}, special=.3,
      scale=3, rtol=2e-6, atol=3e-7, range=0.0)
unary("Shrink", lambda d: {"bias": d.opt(float(d.i(0, 2))),
                           "lambd": d.opt(float(d.i(0, 3)))}, special=.2,
      scale=3, double=1, why="onnxruntime computes in float",
      # Below zero they are not defined.
      without=(U8, np.uint16, np.uint32, np.uint64), **NEAR)
unary("Gelu", lambda d: {"approximate": d.opt(d.pick("none", "tanh"))},
      special=.2, scale=2, rtol=2e-6, atol=5e-7, range=0.0)
unary("Swish", lambda d: {"alpha": d.opt(d.f(.1, 3))}, special=.2, scale=3,
      rtol=2e-6, atol=5e-7, range=0.0)
rows("Shape", lambda d: ([d.x()], {
    "start": d.opt(d.i(-6, 6)) if d.v >= 15 else None,
    "end": d.opt(d.i(-6, 6)) if d.v >= 15 else None}), exact=True)
rows("Size", lambda d: [d.x()], exact=True)
rows("NonZero", lambda d: [d.whole(d.shape(), d.t(), 0, 1) if d.t() not in (
    np.bool_, F32, F64, F16) else d.x(low=-2, high=2).round().astype(d.t())
    if d.t() != np.bool_ else d.x()], exact=True)


def cast(d, t):
    """Floats that fit into integers: what does not, is not defined."""
    x = d.t(t)
    if x in (F16, F32, F64):
        return d.x(t=t, low=-100, high=100, special=False)
    return d.x(t=t)


@row("Cast", range=0, rtol=0, atol=0, type="T1", wide=True)
def _(d):
    x, to = cast(d, "T1"), d.t("T2")
    if np.issubdtype(to, np.unsignedinteger) and x.dtype.kind == "f":
        x = np.abs(x)
    if x.dtype.kind == "f" and np.issubdtype(to, np.integer):
        x = x.clip(max(np.iinfo(to).min, -100), min(np.iinfo(to).max, 100))
    return [x], {"to": int(helper.np_dtype_to_tensor_dtype(np.dtype(to)))}


@row("CastLike", exact=True, type="T1", wide=True)
def _(d):
    x, to = cast(d, "T1"), d.t("T2")
    if np.issubdtype(to, np.unsignedinteger) and x.dtype.kind == "f":
        x = np.abs(x)
    if x.dtype.kind == "f" and np.issubdtype(to, np.integer):
        x = x.clip(max(np.iinfo(to).min, -100), min(np.iinfo(to).max, 100))
    return [x, d.x(t=to)]


@row("BitCast", exact=True, type="T1", wide=True)
def _(d):
    x, to = d.x(t="T1"), np.dtype(d.t("T2"))
    if to.itemsize != x.itemsize or np.bool_ in (to.type, x.dtype.type):
        raise Skip("sizes differ")
    return [x], {"to": int(helper.np_dtype_to_tensor_dtype(to))}


# ---- two inputs and more ---------------------------------------------------
def two(d, t="T", **more):
    a, b = d.pair()
    return d.x(a, t, **more), d.x(b, t, **more)


rows("Add Sub Mul", lambda d: [*two(d)], special=.2, wide=True, **NEAR)
rows("And Or Xor", lambda d: [*two(d)], exact=True)
rows("BitwiseAnd BitwiseOr BitwiseXor", lambda d: [*two(d)], exact=True,
     wide=True)
rows("Equal Greater Less GreaterOrEqual LessOrEqual", lambda d: [
    *(v if v.dtype.kind in "bui" else np.round(v) for v in two(d))],
     exact=True, special=.3)


@row("Div", special=.2, **NEAR)
def _(d):
    x, y = two(d)
    if y.dtype.kind in "iu":
        y = np.where(y == 0, 3, y).astype(y.dtype)
    return [x, y]


@row("Mod", special=0, **NEAR)
def _(d):
    x, y = two(d)
    if y.dtype.kind in "iu":
        y = np.where(y == 0, 3, y).astype(y.dtype)
        return [x, y], {"fmod": d.bit()}
    # A quotient next to a whole number would jump.
    return [(x * 4).round().astype(x.dtype),
            np.where(y < 0, -3, 2.5).astype(x.dtype)], {"fmod": 1}


@row("Pow", special=.1, rtol=1e-5, atol=1e-6, range=0.0, low=.1, high=3)
def _(d):
    a, b = d.pair()
    x = d.x(a)
    t = d.t("T1") if d.v >= 12 else d.t()
    if x.dtype.kind == "i" or np.issubdtype(t, np.integer):
        return [d.x(a, low=1, high=5, special=False),
                d.x(b, t, low=0, high=4, special=False)]
    return [x, d.x(b, t, low=-2, high=3)]


rows("BitShift", lambda d: (lambda a, b: (
    [d.x(a), d.whole(b, d.t(), 0, np.dtype(d.t()).itemsize * 8 - 1)],
    {"direction": d.pick("LEFT", "RIGHT")}))(*d.pair()), exact=True, wide=True)


@row("PRelu", special=.2, **NEAR)
def _(d):
    s = d.shape()
    return [d.x(s), d.x(d.part(s))]


@row("Sum Mean", special=.1)
def _(d):
    s = d.shape()
    n = d.i(1, 4)
    return [d.x(s if d.v < 8 or k == 0 else d.part(s)) for k in range(n)]


@row("Max Min", exact=True, special=.3, wide=True)
def _(d):
    s = d.shape()
    n = d.i(1, 4)
    return [d.x(s if d.v < 8 or k == 0 else d.part(s)) for k in range(n)]


@row("Where", exact=True, special=.3)
def _(d):
    s = d.shape()
    return [d.x(d.part(s), np.bool_), d.x(s), d.x(d.part(s))]


@row("Clip", exact=True, special=.2)
def _(d):
    if d.v < 11:
        return [d.x()], {
            "min": d.opt(d.f(-1, 0)), "max": d.opt(d.f(0, 1))}
    x = d.x()
    low, high = (d.x((), low=-4, high=0, special=False),
                 d.x((), low=0, high=5, special=False))
    if d.v >= 13 and d.p(.1):
        low, high = high, low
    return [x, d.opt(low), d.opt(high)]


@row("Range", range=1e-5)
def _(d):
    t = d.t()
    if t in (F32, F64):
        a, step = d.i(-20, 20) / 4, d.pick(.25, .5, 1.5, -.75)
    else:
        a, step = d.i(-9, 9), d.pick(1, 2, 3, -1, -4)
    b = a + step * d.i(-1, 12)
    return [np.array(v, t) for v in (a, b, step)]


# ---- sums over axes --------------------------------------------------------
def reduce(d):
    s = d.shape()
    axes = d.axes(len(s), negative=d.v >= 11)
    attrs = {"keepdims": d.bit()}
    x = d.x(s)
    inputs = d.v >= (13 if d.op == "ReduceSum" else 18)
    if inputs:
        attrs["noop_with_empty_axes"] = d.bit()
        return [x, d.opt(np.array(axes, I64), .8)], attrs
    attrs["axes"] = axes if axes and d.p(.8) else None
    return [x], attrs


rows("ReduceSum ReduceMean ReduceL1 ReduceL2 ReduceSumSquare", reduce,
     special=.05, atol=1e-5,
     why="sums cancel: their error is of the terms' size")
rows("ReduceProd", lambda d: (lambda v: (
    [v[0][0].clip(0, 2), *v[0][1:]] if v[0][0].dtype.kind in "iu" else v[0],
    v[1]))(reduce(d)), rtol=1e-5)
rows("ReduceLogSum", lambda d: (lambda v: (
    [np.abs(v[0][0]) + v[0][0].dtype.type(1), *v[0][1:]], v[1]))(reduce(d)))
rows("ReduceLogSumExp", reduce, special=.1, specials=[np.inf, -np.inf, 0.0])
# What the largest of NaN and numbers is, is not said.
rows("ReduceMax ReduceMin", reduce, exact=True, special=.1, wide=True,
     specials=[np.inf, -np.inf, -0.0, 1e-40])


@row("ArgMax ArgMin", exact=True, hollow=False)
def _(d):
    s = d.shape(1)
    x = d.x(s)
    return [x.round().astype(x.dtype)], {
        "axis": d.opt(d.axis(len(s), d.v >= 11)), "keepdims": d.bit(),
        "select_last_index": d.bit() if d.v >= 12 else None}


@row("CumSum", atol=1e-5, special=.1)
@row("CumProd", rtol=1e-5)
def _(d):
    s = d.shape(1)
    at = np.array(d.axis(len(s)), d.t("T2"))
    return [d.x(s), at.reshape(d.pick((), (1,)) if d.op == "CumSum" else ())], {
        "exclusive": d.bit(), "reverse": d.bit()}


@row("Softmax LogSoftmax", scale=3)
@row("Hardmax", exact=True)
def _(d):
    s = d.shape(1)
    return [d.x(s)], {"axis": d.opt(d.axis(len(s), d.v >= 11))}


@row("LpNormalization")
def _(d):
    s = d.shape(1)
    return [d.x(s)], {"axis": d.opt(d.axis(len(s))), "p": d.opt(d.i(1, 2))}


@row("MeanVarianceNormalization", range=1e-4,
     why="a channel of equal values is divided by nearly nothing")
def _(d):
    s = tuple(d.i(2, 5) for _ in range(4))
    return [d.x(s)], {"axes": d.opt(d.axes(4, 1, False), .6)}


@row("LRN")
def _(d):
    s = d.shape(3, 4)
    return [d.x(s)], {"size": d.pick(1, 2, 3, 5), "alpha": d.opt(d.f(1e-4, 1)),
                      "beta": d.opt(d.f(.3, 1)), "bias": d.opt(d.f(.5, 2))}


@row("InstanceNormalization", range=1e-4, atol=1e-4,
     why="a plane of one value is divided by the root of epsilon")
def _(d):
    s = d.shape(3, 5)
    return [d.x(s), d.x(s[1:2]), d.x(s[1:2])], {"epsilon": d.opt(d.f(1e-3, 1))}


@row("BatchNormalization")
def _(d):
    s = d.shape(2, 5)
    t, u = [("T", "T"), ("T", "U"), ("T1", "T2")][(d.v >= 14) + (d.v >= 15)]
    c = s[1:2]
    return [d.x(s), d.x(c, t), d.x(c, t), d.x(c, u),
            d.x(c, u, low=.1, high=3)], {
        "epsilon": d.opt(d.f(1e-5, 1e-2)), "momentum": d.opt(d.f(.5, 1))}


@row("LayerNormalization", range=1e-4, also=[(1, 16)],
     why="a row of one value is divided by the root of epsilon")
def _(d):
    s = d.shape(1, 4)
    axis = d.axis(len(s))
    w = s[axis:]
    n = d.pick(1, 1, 3)
    v = d.x(w, "T" if d.v >= 17 else "V")
    return [d.x(s), v, d.opt(d.x(w, v.dtype.type))], {
        "axis": axis if axis != -1 or d.p() else None,
        "epsilon": d.opt(d.f(1e-4, 1e-1))}, n


@row("RMSNormalization")
def _(d):
    s = d.shape(1, 4)
    axis = d.axis(len(s))
    return [d.x(s), d.x(s[axis:], "V")], {
        "axis": axis if axis != -1 or d.p() else None,
        "epsilon": d.opt(d.f(1e-4, 1e-1))}


@row("GroupNormalization", range=1e-4, double=1,
     why="a group of one value is divided by the root of epsilon; in float")
def _(d):
    g, k = d.i(1, 3), d.i(1, 3)
    s = (d.dim(), g * k, *d.shape(1, 2))
    return [d.x(s), d.x((g * k,)), d.x((g * k,))], {
        "num_groups": g, "epsilon": d.opt(d.f(1e-3, 1e-1))}


# ---- products --------------------------------------------------------------
def sizes(d):
    """Of a product; some fill blocks of a kernel, or have more terms of 8 bits
    than a float holds."""
    if d.p(.15):
        return d.ints(3, 20, 90)
    if d.p(.03):
        return d.dim(8), 700, d.dim(8)
    return [d.dim(8), d.dim(20), d.dim(8)]


def factors(d, low=0):
    m, k, n = sizes(d)
    if d.hollow:
        m, k, n = [(0, k, n), (m, 0, n), (m, k, 0)][d.i(0, 2)]
    s = d.shape(low, 2, 4) if not d.hollow else ()
    a, b = s + (m, k), d.part(s) + (k, n)
    if d.p(.15):
        a = (k,)
    elif d.p(.15):
        b = (k,)
    return a, b


rows("MatMul", lambda d: [d.x(s) for s in factors(d)], atol=1e-5,
     why="sums cancel: their error is of the terms' size")


@row("MatMulInteger", exact=True, type="T1")
def _(d):
    a, b = factors(d)
    za, zb = d.opt(d.x((), "T1")), d.opt(d.x(
        d.pick((), (b[-1],)) if len(b) == 2 else (), "T2"))
    if zb is not None and za is None:
        za = d.x((), "T1")
    return [d.x(a, "T1"), d.x(b, "T2"), za, zb]


@row("Gemm", atol=1e-5, special=.02)
def _(d):
    m, k, n = sizes(d)
    if d.hollow:
        m, k, n = [(0, k, n), (m, 0, n), (m, k, 0)][d.i(0, 2)]
    ta, tb = d.bit(), d.bit()
    c = d.x(d.part((m, n)))
    if c.dtype.kind == "f" and c.ndim == 0 and d.v < 7:
        raise Skip("a scalar")
    return [d.x((k, m) if ta else (m, k)), d.x((n, k) if tb else (k, n)),
            d.opt(c, .7) if d.v >= 11 else c], {
        "transA": ta, "transB": tb, "alpha": d.opt(d.f(-2, 2)),
        "beta": d.opt(d.pick(0.0, d.f(-2, 2)))}


EINSUM = ("ij,jk->ik bij,bjk->bik ...ij,...jk->...ik bhqd,bhkd->bhqk "
          "bqhd,bkhd->bhqk ...i->... abc,cd,de->abe ...ij->...ji bn,anm,bm->ba "
          "b...,b...->b... ii->i ii-> iji->j").split()


def equation(d):
    """Up to three terms of up to four letters; some left out of the result."""
    terms = ["".join(str(c) for c in d.rng.permutation(list("abcde"))[:d.i(
        0, 4)]) for _ in range(d.i(1, 3))]
    out = [c for c in sorted(set("".join(terms))) if d.p(.6)]
    d.rng.shuffle(out)
    return ",".join(terms) + d.pick("->" + "".join(out), "->" + "".join(out),
                                    "")


@row("Einsum", atol=1e-5, range=1e-5, hollow=False,
     why="sums cancel: their error is of the terms' size")
def _(d):
    eq = d.pick(d.pick(*EINSUM), equation(d))
    size = {c: d.dim(5) for c in "abcdefghijklmnopqrstuvwxyz"}
    dots = d.shape(0, 2, 3)
    ins = []
    for term in eq.split("->")[0].split(","):
        s = []
        for c in term.replace("...", "."):
            s += dots if c == "." else [size[c]]
        ins.append(d.x(s))
    if d.p(.3):
        eq = eq.replace(",", ", ").replace("->", " -> ")
    return ins, {"equation": eq}


@row("Det", rtol=1e-4, atol=1e-5, why="pivots cancel", hollow=False)
def _(d):
    n = d.i(1, 4)
    return [d.x(d.shape(0, 2, 4) + (n, n))]


# ---- windows ---------------------------------------------------------------
def window(d, rank, dilation=True, ceil=False, pads=True, high=4):
    """Attributes of a window that fits in one of at least 8 of each axis."""
    k = d.ints(rank, 1, high)
    y = {"kernel_shape": k, "strides": d.opt(d.ints(rank, 1, 3)),
         "dilations": d.opt(d.ints(rank, 1, 2)) if dilation else None}
    how = d.pick("pads", "pads", "none", "SAME_UPPER", "SAME_LOWER", "VALID")
    if how == "pads":
        y["pads"] = [d.i(0, n - 1) for n in k + k]
    elif how != "none":
        y["auto_pad"] = how
    if ceil:
        y["ceil_mode"] = d.bit()
    return y


def space(d, rank, low=8, high=11):
    if rank == 3:
        low, high = low, min(high, low + 1)
    return tuple(d.ints(rank, low, high))


def batch(d):
    return 0 if d.hollow else d.dim(3)


def conv_shapes(d, rank, g):
    most = 30 if rank < 3 and d.p(.15) else 4
    if rank < 3 and d.op in ("QLinearConv", "ConvInteger") and d.p(.03):
        return g * 600, g * d.i(1, 4), space(d, rank)
    return g * d.i(1, most), g * d.i(1, most), space(d, rank)


@row("Conv", atol=1e-5, why="sums cancel: their error is of the terms' size")
def _(d):
    rank, g = d.pick(1, 2, 2, 2, 3), d.pick(1, 1, 2, 3)
    ci, co, s = conv_shapes(d, rank, g)
    if d.p(.15):
        g = ci  # one filter and more for each channel
        co = ci * d.i(1, 2)
    a = window(d, rank)
    a["group"] = g if g > 1 or d.p() else None
    k = a["kernel_shape"]
    if d.p(.4):
        del a["kernel_shape"]
    return [d.x((batch(d), ci, *s)), d.x((co, ci // g, *k)),
            d.opt(d.x((co,)))], a


@row("ConvTranspose", atol=1e-5,
     why="sums cancel: their error is of the terms' size")
def _(d):
    rank, g = d.pick(1, 2, 2, 3), d.pick(1, 1, 2, 3)
    ci, co, s = conv_shapes(d, rank, g)
    s = tuple(d.ints(rank, 2, 5))
    a = window(d, rank)
    a["group"] = g if g > 1 or d.p() else None
    strides = a["strides"] or [1] * rank
    if d.p(.3):
        a["output_padding"] = [d.i(0, n - 1) for n in strides]
    elif d.p(.2):
        a["output_shape"] = [n * t + d.i(0, 1) for n, t in zip(s, strides)]
        a.pop("pads", None)
    return [d.x((batch(d), ci, *s)), d.x((ci, co // g, *a["kernel_shape"])),
            d.opt(d.x((co,)))], a


@row("ConvInteger", exact=True, type="T1")
def _(d):
    rank, g = d.pick(1, 2, 2, 3), d.pick(1, 1, 2)
    ci, co, s = conv_shapes(d, rank, g)
    a = window(d, rank)
    a["group"] = g
    zw = d.opt(d.x((), "T2"))
    return [d.x((batch(d), ci, *s), "T1"),
            d.x((co, ci // g, *a["kernel_shape"]), "T2"),
            d.x((), "T1") if zw is not None or d.p() else None, zw], a


@row("MaxPool", exact=True)
def _(d):
    rank = d.pick(1, 2, 2, 3)
    a = window(d, rank, d.v >= 10, d.v >= 10)
    n = 1
    x = d.x((batch(d), d.dim(3), *space(d, rank)))
    if d.v >= 8:
        a["storage_order"] = d.opt(d.i(0, 1), .3)
        n = d.pick(1, 2)
    return [x], a, n


@row("AveragePool")
def _(d):
    rank = d.pick(1, 2, 2, 3)
    a = window(d, rank, d.v >= 19, d.v >= 10)
    a["count_include_pad"] = d.bit()
    return [d.x((batch(d), d.dim(3), *space(d, rank)))], a


@row("LpPool")
def _(d):
    rank = d.pick(1, 2, 2, 3)
    a = window(d, rank, d.v >= 18, d.v >= 18)
    a["p"] = d.opt(d.i(1, 3))
    return [d.x((batch(d), d.dim(3), *space(d, rank)))], a


rows("GlobalAveragePool", lambda d: [d.x(d.shape(3, 5))])
rows("GlobalMaxPool", lambda d: [d.x(d.shape(3, 5))], exact=True)
rows("GlobalLpPool", lambda d: ([d.x(d.shape(3, 5))],
                                {"p": d.opt(d.i(1, 3))}), as_of=21)


@row("MaxUnpool", exact=True, hollow=False, type="T1")
def _(d):
    rank = d.pick(1, 2, 3)
    s = (d.dim(3), d.dim(3), *d.ints(rank, 1, 4))
    k = d.ints(rank, 1, 3)
    strides = d.opt(d.ints(rank, 1, 3))
    t = strides or [1] * rank
    out = [(n - 1) * q + w for n, q, w in zip(s[2:], t, k)]
    n, total = int(np.prod(s)), s[0] * s[1] * int(np.prod(out))
    if n > total:
        raise Skip("too many values")
    at = np.sort(d.rng.permutation(total)[:n]).reshape(s)
    ins = [d.x(s, "T1"), at.astype(I64)]
    if d.p(.3):
        big = [v + d.i(0, 2) for v in out]
        ins.append(np.array([s[0], s[1], *big], I64))
    return ins, {"kernel_shape": k, "strides": strides}


def boxes(d, n, h, w):
    a, b = np.sort(d.rng.random((2, n, 2)) * [w, h], 0)
    return np.concatenate([a, b], 1)


@row("MaxRoiPool", exact=True, hollow=False, as_of=21)
def _(d):
    n, c, (h, w), k = d.i(1, 3), d.i(1, 3), d.ints(2, 3, 9), d.i(1, 4)
    t = d.t()
    roi = np.concatenate([d.rng.integers(0, n, (k, 1)),
                          boxes(d, k, h - 1, w - 1).round()], 1)
    scale = d.pick(1.0, .5)
    return [d.x((n, c, h, w)), roi.astype(t)], {
        "pooled_shape": d.ints(2, 1, 4),
        "spatial_scale": d.opt(scale) if scale == 1 else scale}


@row("RoiAlign", type="T1", hollow=False, as_of=21)
def _(d):
    n, c, (h, w), k = d.i(1, 3), d.i(1, 3), d.ints(2, 3, 9), d.i(1, 4)
    return [d.x((n, c, h, w), "T1"), boxes(d, k, h, w).astype(d.t("T1")),
            d.index((k,), n, negative=False)], {
        "output_height": d.opt(d.i(1, 4)), "output_width": d.opt(d.i(1, 4)),
        "sampling_ratio": d.opt(d.i(0, 3)),
        "spatial_scale": d.opt(d.f(.3, 1)),
        "mode": d.opt(d.pick("avg", "max")),
        "coordinate_transformation_mode": d.opt(d.pick(
            "half_pixel", "output_half_pixel")) if d.v >= 16 else None}


@row("Col2Im", atol=1e-5, hollow=False)
def _(d):
    rank = d.pick(1, 2, 2, 3)
    k, image = d.ints(rank, 1, 3), d.ints(rank, 5, 7)
    strides, dil = d.opt(d.ints(rank, 1, 2)), d.opt(d.ints(rank, 1, 2))
    pads = d.opt(d.ints(2 * rank, 0, 1))
    t, q, p = strides or [1] * rank, dil or [1] * rank, pads or [0] * 2 * rank
    n = [(image[i] + p[i] + p[i + rank] - q[i] * (k[i] - 1) - 1) // t[i] + 1
         for i in range(rank)]
    return [d.x((d.dim(3), d.dim(3) * int(np.prod(k)), int(np.prod(n)))),
            np.array(image, I64), np.array(k, I64)], {
        "strides": strides, "dilations": dil, "pads": pads}


@row("GridSample", type="T1", atol=1e-5, hollow=False)
def _(d):
    rank = d.pick(2, 2, 3) if d.v >= 20 else 2
    s = (d.dim(3), d.dim(3), *d.ints(rank, 2, 6))
    o = d.ints(rank, 1, 5)
    modes = ("linear", "nearest", "cubic") if d.v >= 20 else (
        "bilinear", "nearest", "bicubic")
    return [d.x(s, "T1"), d.x((s[0], *o, rank), d.t("T1"), low=-1.3, high=1.3)
            ], {"mode": d.opt(d.pick(*modes[:2 if rank == 3 else 3])),
                "padding_mode": d.opt(d.pick("zeros", "border", "reflection")),
                "align_corners": d.bit()}


@row("AffineGrid", type="T1", hollow=False)
def _(d):
    rank, n = d.pick(2, 3), d.i(1, 3)
    return [d.x((n, rank, rank + 1), "T1"),
            np.array([n, d.i(1, 3), *d.ints(rank, 1, 5)], I64)], {
        "align_corners": d.bit()}


@row("Upsample", atol=1e-5, hollow=False, steps=1.0,
     why="integers are cut off after sums that may be just below")
def _(d):
    mode = d.opt(d.pick("nearest", "linear"))
    rank = d.i(1, 4) if mode != "linear" else d.pick(2, 4)
    s = tuple(d.ints(rank, 1, 5))
    scales = [float(d.pick(1, 1.5, 2, 3)) for _ in s]
    if mode == "linear" and rank == 4:
        scales[:2] = [1.0, 1.0]
    if d.v < 9:
        return [d.x(s)], {"mode": mode, "scales": scales}
    return [d.x(s), np.array(scales, F32)], {"mode": mode}


@row("Resize", atol=2e-5, hollow=False, steps=1.0, why="cubic weights reach "
     "beyond one; integers are cut off after sums that may be just below")
def _(d):
    t = "T" if d.v < 11 else "T1"
    mode = d.opt(d.pick("nearest", "linear", "cubic")
                 if d.v >= 11 else d.pick("nearest", "linear"))
    rank = {"cubic": 4, "linear": d.pick(2, 4, 5)}.get(mode) or d.i(1, 4)
    s = tuple(d.ints(rank, 1, 6))
    scales = [d.pick(.5, .6, 1, 1.5, 2, 2.7) for _ in s]
    if rank > 2 and mode in ("linear", "cubic"):
        scales[:2] = [1, 1]
    x = d.x(s, t)
    if d.v == 10:
        return [x, np.array(scales, F32)], {"mode": mode}
    how = d.opt(d.pick(*(["half_pixel", "pytorch_half_pixel", "align_corners",
                          "asymmetric"]
                         + (["tf_half_pixel_for_nn"] if d.v < 13 else [])
                         + (["half_pixel_symmetric"] if d.v >= 19 else []))),
                .8)
    a = {"mode": mode, "coordinate_transformation_mode": how}
    if mode in (None, "nearest"):
        a["nearest_mode"] = d.opt(d.pick("round_prefer_floor", "floor", "ceil",
                                         "round_prefer_ceil"))
    if mode == "cubic":
        a["cubic_coeff_a"] = d.opt(d.f(-1, -.3))
        a["exclude_outside"] = d.bit()
    if d.v >= 18 and mode in ("linear", "cubic") and d.p(.4):
        a["antialias"] = 1
    sizes = [max(1, int(n * k)) for n, k in zip(s, scales)]
    factor = scales
    scales = np.array(scales, F32)
    if d.v >= 18 and d.p(.3) and rank > 1:
        a["axes"] = sorted(d.axes(rank, 1, False))
        if rank > 2 and mode in ("linear", "cubic"):
            a["axes"] = list(range(2, rank))
        factor = [factor[i] for i in a["axes"]]
        sizes, scales = [sizes[i] for i in a["axes"]], scales[a["axes"]]
        if "coordinate_transformation_mode" in a and d.p(.3):
            a["keep_aspect_ratio_policy"] = d.pick("stretch", "not_larger",
                                                   "not_smaller")
    by_size = d.p() or "keep_aspect_ratio_policy" in a
    roi = None if d.v >= 13 else np.zeros(0, F32)
    if d.p(.15):
        a["coordinate_transformation_mode"] = "tf_crop_and_resize"
        a["extrapolation_value"] = d.opt(d.f(0, 3))
        n = len(a.get("axes", s))
        low, high = d.rng.random(n) * .6 - .1, d.rng.random(n) * .6 + .5
        # Of axes that stay as long onnxruntime takes no region; see below.
        same = [s[i] == max(1, int(s[i] * k)) for i, k in zip(
            a.get("axes", range(rank)), factor)]
        low[same], high[same] = 0, 1
        roi = np.concatenate([low, high]).astype(F32)
    if by_size:
        return [x, roi, None if d.v >= 13 else np.zeros(0, F32),
                np.array(sizes, I64)], a
    return [x, roi, scales], a


# ---- what only moves values ------------------------------------------------
MOVES = dict(exact=True, wide=True, special=.2)


@row("Reshape", **MOVES)
def _(d):
    s = d.shape()
    zero = d.bit() if d.v >= 14 else None
    total = list(s)
    d.rng.shuffle(total)
    if len(total) > 1 and d.p():
        total = [total[0] * total[1], *total[2:]]
    if d.p(.4) and total and 0 not in total:
        total[d.i(0, len(total) - 1)] = -1
    elif d.p(.3) and not zero and s and 0 not in s:
        total = [0, -1]
    return [d.x(s), np.array(total, I64)], {"allowzero": zero}


@row("Flatten", **MOVES)
def _(d):
    s = d.shape(1)
    low = -len(s) if d.v >= 11 else 0
    return [d.x(s)], {"axis": d.opt(d.i(low, len(s)))}


@row("Squeeze", **MOVES)
def _(d):
    s = [1 if d.p(.4) else n for n in d.shape()]
    ones = [i - len(s) if d.v >= 11 and d.p() else i
            for i, n in enumerate(s) if n == 1 and d.p(.7)]
    at = ones if ones and d.p(.8) else None
    if d.v >= 13:
        return [d.x(s), at and np.array(at, I64)]
    return [d.x(s)], {"axes": at}


@row("Unsqueeze", **MOVES)
def _(d):
    s, n = d.shape(0, 3), d.i(1, 3)
    rank = len(s) + n
    at = [int(a) - rank if d.v >= 11 and d.p() else int(a)
          for a in d.rng.permutation(rank)[:n]]
    if d.v >= 13:
        return [d.x(s), np.array(at, I64)]
    return [d.x(s)], {"axes": at}


@row("Transpose", **MOVES)
def _(d):
    s = d.shape()
    return [d.x(s)], {"perm": d.opt([int(v) for v in d.rng.permutation(
        len(s))], .8) or None}


@row("Concat", **MOVES)
def _(d):
    s = d.shape(1)
    at = d.axis(len(s), d.v >= 11)
    parts = []
    for _ in range(d.i(1, 4)):
        t = list(s)
        t[at] = 0 if d.hollow and d.p() else d.dim()
        parts.append(d.x(t))
    return parts, {"axis": at}


@row("Split", **MOVES)
def _(d):
    s, n = list(d.shape(1)), d.i(1, 4)
    axis = d.axis(len(s), d.v >= 11)
    sizes = [0 if d.hollow and d.p() else d.dim() for _ in range(n)]
    given = d.p(.6)
    a = {"axis": axis if axis % len(s) or d.p() else None}
    s[axis] = sum(sizes) if given else n * d.dim()
    if given:
        if d.v >= 13:
            return [d.x(s), np.array(sizes, I64)], a, n
        return [d.x(s)], dict(a, split=sizes), n
    if d.v >= 18:
        a["num_outputs"] = n
        s[axis] += d.i(0, n - 1) if s[axis] > n else 0
    return [d.x(s)], a, n


@row("Slice", **MOVES)
def _(d):
    s = d.shape(1)
    axes = d.axes(len(s), 1, d.v >= 10)
    starts = [d.i(-s[a] - 2, s[a] + 2) for a in axes]
    ends = [d.pick(d.i(-s[a] - 2, s[a] + 2), 2**31 - 1, -2**31) for a in axes]
    if d.v < 10:
        whole = d.p(.3)
        if whole:
            starts, ends = starts[:len(s)], ends[:len(s)]
            axes = list(range(len(starts)))
        return [d.x(s)], {"starts": starts, "ends": ends,
                          "axes": None if whole else axes}
    t = d.pick(I32, I64)
    if t == I64 and d.p(.2):
        ends = [d.pick(2**63 - 1, -2**63) for _ in axes]
    steps = [d.pick(1, 1, 2, 3, -1, -2) for _ in axes]
    if d.p(.2):
        starts, ends, steps = [v[:len(axes)] for v in (starts, ends, steps)]
        return [d.x(s), np.array([d.i(-s[k] - 1, s[k]) for k in range(
            len(axes))], t), np.array([d.i(-s[k] - 1, s[k]) for k in range(
                len(axes))], t), None, d.opt(np.array(steps, t))]
    return [d.x(s), np.array(starts, t), np.array(ends, t), np.array(axes, t),
            d.opt(np.array(steps, t))]


@row("Pad", **MOVES)
def _(d):
    s = d.shape(1)
    modes = ["constant", "reflect", "edge"] + ["wrap"] * (d.v >= 19)
    mode = d.opt(d.pick(*modes))
    low = -1 if mode in (None, "constant") or d.p(.2) else 0
    some = d.axes(len(s), 1, d.v >= 18) if d.v >= 18 and d.p(.4) else None
    n = [s[a] for a in some] if some else s
    most = [min(3, k - 1) if mode == "reflect" else 3 if k else 0 for k in n]
    pads = [d.i(low, max(m, 0)) for m in most + most]
    if d.v < 11:
        return [d.x(s)], {"mode": mode, "pads": pads,
                          "value": d.opt(d.f(-3, 3))}
    value = d.opt(d.x(()))
    return [d.x(s), np.array(pads, I64), value, some and np.array(
        some, d.pick(I32, I64))], {"mode": mode}


@row("Tile", **MOVES)
def _(d):
    s = d.shape(0, 4, 4)
    return [d.x(s), np.array([0 if d.hollow and d.p() else d.i(1, 3)
                              for _ in s], I64)]


@row("Expand", **MOVES)
def _(d):
    a, b = d.pair()
    return [d.x(a), np.array(b, I64)]


@row("Gather", **MOVES)
def _(d):
    s = d.shape(1, 4)
    axis = d.axis(len(s), d.v >= 11)
    at = d.index(d.shape(0, 2), s[axis], d.t("Tind"), d.v >= 11)
    return [d.x(s), at], {"axis": axis if axis or d.p() else None}


@row("GatherElements", **MOVES)
def _(d):
    s = d.shape(1, 4)
    axis = d.axis(len(s))
    o = [d.i(min(1, n), n) for n in s]
    o[axis] = d.i(0, 6) if d.hollow else d.i(1, 6)
    return [d.x(s), d.index(o, s[axis], d.t("Tind"))], {
        "axis": axis if axis or d.p() else None}


@row("GatherND", **MOVES)
def _(d):
    b = d.i(0, 2) if d.v >= 12 else 0
    s = d.shape(max(1, b + 1), 5, 4)
    k = d.i(1, len(s) - b)
    o = s[:b] + d.shape(0, 2, 4)
    at = [d.index(o, s[b + i]) for i in range(k)]
    return [d.x(s), np.stack(at, -1)], {
        "batch_dims": b if b or d.v >= 12 and d.p() else None}


def scatter_elements(d):
    s = d.shape(1, 4)
    axis = d.axis(len(s), d.op != "Scatter")
    o = [d.i(min(1, n), n) for n in s]
    red = None
    if d.v >= 16 and d.op != "Scatter":
        red = d.opt(d.pick("none", "add", "mul", "max", "min")
                    if d.v >= 18 else d.pick("none", "add", "mul"))
    if red in (None, "none"):  # no index twice
        n = s[axis]
        each = d.rng.random([*o[:axis % len(s)], n, *o[axis % len(s) + 1:]])
        at = np.argsort(each, axis).take(range(o[axis]), axis).astype(
            d.t("Tind"))
        if d.op != "Scatter":
            at = np.where(d.rng.random(at.shape) < .3, at - n, at).astype(
                at.dtype)
    else:
        at = d.index(o, s[axis], d.t("Tind"))
    return [d.x(s), at, d.x(at.shape)], {"axis": axis if axis or d.p() else
                                          None, "reduction": red}


# The smaller one of NaN and a number is not said.
NUMBERS = [np.inf, -np.inf, -0.0, 1e-40]
rows("Scatter ScatterElements", scatter_elements, special=.1,
     specials=NUMBERS, **NEAR)


@row("ScatterND", special=.1, specials=NUMBERS, **NEAR)
def _(d):
    s = d.shape(1, 4)
    k = d.i(1, len(s))
    if 0 in s[:k]:
        raise Skip("an index into nothing")
    red = None
    if d.v >= 16:
        red = d.opt(d.pick("none", "add", "mul", "max", "min")
                    if d.v >= 18 else d.pick("none", "add", "mul"))
    total = int(np.prod(s[:k]))
    n = d.i(1, min(total, 6))
    at = (d.rng.permutation(total)[:n] if red in (None, "none")
          else d.rng.integers(0, total, n))
    at = np.stack(np.unravel_index(at, s[:k]), -1).astype(I64)
    at = np.where(d.rng.random(at.shape) < .3, at - np.array(s[:k]), at)
    o = (n,) if n % 2 or d.p() else (2, n // 2)
    return [d.x(s), at.reshape(*o, k), d.x(o + s[k:])], {"reduction": red}


@row("TensorScatter", **MOVES)
def _(d):
    s = [d.i(1, 3), *d.shape(1, 2), d.i(4, 8), d.i(1, 4)]
    axis = len(s) - 2
    n = d.i(1, 4)
    mode = d.opt(d.pick("linear", "circular"))
    u = list(s)
    u[axis] = n
    at = d.rng.integers(0, s[axis] - (0 if mode == "circular" else n) + (
        mode != "circular"), s[0])
    return [d.x(s), d.x(u), d.opt(at.astype(I64))], {
        "mode": mode, "axis": d.opt(d.pick(axis, -2))}


@row("DepthToSpace SpaceToDepth", **MOVES)
def _(d):
    b = d.i(1, 3)
    n, c, h, w = batch(d), d.i(1, 3), d.i(1, 4), d.i(1, 4)
    if d.op == "SpaceToDepth":
        return [d.x((n, c, h * b, w * b))], {"blocksize": b}
    return [d.x((n, c * b * b, h, w))], {
        "blocksize": b,
        "mode": d.opt(d.pick("DCR", "CRD")) if d.v >= 11 else None}


@row("Compress", **MOVES)
def _(d):
    s = d.shape(1, 4)
    axis = d.opt(d.axis(len(s), d.v >= 11))
    n = int(np.prod(s)) if axis is None else s[axis]
    return [d.x(s), d.x((max(d.i(max(n - 2, 0), n), 0),), np.bool_)], {
        "axis": axis}


@row("OneHot", exact=True, type="T3")
def _(d):
    s, depth = d.shape(0, 3), d.i(1, 6)
    # Below opset 11 there are no negative ones.
    at = d.rng.integers(-depth - 1 if d.v >= 11 else 0, depth + 2, s)
    return [at.astype(d.t("T1")), np.array(depth, d.t("T2")).reshape(
        d.pick((), (1,))), d.x((2,), "T3")], {
        "axis": d.opt(d.i(-len(s) - 1, len(s)))}


@row("TopK", exact=True)
def _(d):
    s = d.shape(1, 4, 8)
    axis = d.axis(len(s), d.v >= 11)
    k = d.i(0 if d.hollow else 1, s[axis]) if s[axis] else 0
    a = {"axis": axis if axis != -1 or d.p() else None}
    if d.v >= 11:
        a.update(largest=d.bit(), sorted=d.opt(1))
    x = d.x(s)
    x = x if d.p() else x.round().astype(x.dtype)
    if d.v < 10:
        return [x], dict(a, k=k), 2
    return [x, np.array([k], I64)], a, 2


@row("Unique", exact=True, hollow=False)
def _(d):
    s = d.shape(1, 3)
    x = d.x(s, low=-2, high=2)
    return [x.round().astype(x.dtype)], {
        "axis": d.opt(d.axis(len(s))), "sorted": d.bit()}, d.pick(
            1, 4, [True, False, True, True])


rows("Trilu", lambda d: ([d.x(d.shape(2)), d.opt(np.array(
    d.i(-7, 7), I64).reshape(d.pick((), ())))], {"upper": d.bit()}), **MOVES)
rows("EyeLike", lambda d: ([d.x(d.shape(2, 2), "T1")], {
    "k": d.opt(d.i(-7, 7)), "dtype": d.opt(int(helper.np_dtype_to_tensor_dtype(
        np.dtype(d.t("T2")))))}), exact=True, type="T1")


@row("ReverseSequence", **MOVES)
def _(d):
    s = d.shape(2, 4)
    b, t = d.pick((0, 1), (1, 0))
    lens = d.rng.integers(min(1, s[t]), s[t] + 1, s[b])
    return [d.x(s), lens.astype(I64)], {
        "batch_axis": b if b != 1 or d.p() else None,
        "time_axis": t if t != 0 or d.p() else None}


@row("ConstantOfShape", exact=True, type="T2", wide=True)
def _(d):
    return [np.array(d.shape(), I64)], {
        "value": d.opt(numpy_helper.from_array(d.x((1,), "T2")), .8)}


@row("CenterCropPad", **MOVES)
def _(d):
    s = d.shape(1, 4)
    axes = d.opt(d.axes(len(s), 1))
    n = len(axes) if axes else len(s)
    return [d.x(s), np.array(d.ints(n, 1, 8), d.pick(I32, I64))], {
        "axes": axes}


@row("Dropout", exact=True, special=.1)
def _(d):
    n = d.pick(1, 2)
    if d.v < 12:
        return [d.x()], {"ratio": d.opt(d.f(0, .9))}, n
    return [d.x(), d.opt(np.array(d.f(0, .9), d.t("T1"))),
            d.opt(np.array(False), .3)], {"seed": d.opt(3)}, n


@row("Constant", exact=True)
def _(d):
    t = d.pick(F32, F64, F16, I64, I32, U8, np.bool_)
    a = {"value": numpy_helper.from_array(d.x(t=t))}
    if d.v >= 12 and d.p():
        a = d.pick({"value_float": d.f(-9, 9)}, {"value_int": d.i(-9, 9)},
                   {"value_floats": [d.f(-9, 9) for _ in range(d.i(1, 4))]},
                   {"value_ints": d.ints(d.i(1, 4), -9, 9)})
    return [], a


# ---- detection, losses -----------------------------------------------------
@row("NonMaxSuppression", exact=True)
def _(d):
    b, c, n = d.i(1, 2), d.i(1, 3), d.i(1, 9)
    centre = d.bit()
    a = d.rng.random((b, n, 4)).astype(F32)
    if not centre:
        a[..., 2:] = a[..., :2] + d.rng.random((b, n, 2)) * .5 + .05
        if d.p(.3):  # any two corners
            a = a[..., [2, 3, 0, 1]]
    most = d.pick(0, 1, 2, 5)
    return [a, d.rng.permutation(b * c * n).reshape(b, c, n).astype(F32) / 64,
            d.opt(np.array([most], I64).reshape(d.pick((), (1,))), .9),
            d.opt(np.array([d.f(.1, .9)], F32)),
            d.opt(np.array([d.f(0, 1)], F32))], {"center_point_box": centre}


def loss(d, t):
    n, c = d.i(1, 4), d.i(1, 5)
    more = d.shape(0, 2, 4)
    ignore = d.opt(d.i(-1, c))
    y = d.rng.integers(0, c, (n, *more))
    if ignore is not None:
        y = np.where(d.rng.random(y.shape) < .3, ignore, y)
    return ([d.x((n, c, *more)), y.astype(d.t(t)),
             d.opt(d.x((c,), low=.1, high=2))],
            {"reduction": d.opt(d.pick("none", "sum", "mean")),
             "ignore_index": ignore})


rows("NegativeLogLikelihoodLoss", lambda d: loss(d, "Tind"), hollow=False)
rows("SoftmaxCrossEntropyLoss", lambda d: (*loss(d, "Tind"), d.pick(1, 2)),
     hollow=False)


# ---- signals ---------------------------------------------------------------
rows("BlackmanWindow HammingWindow HannWindow", lambda d: (
    [np.array(d.i(1, 40), d.t("T1"))],
    {"periodic": d.bit(), "output_datatype": d.opt(d.pick(1, 11))}),
     type="T1", double=1, why="onnxruntime computes in float")


@row("DFT", atol=1e-5, type="T1", hollow=False, double=.1,
     why="onnxruntime divides by a float")
def _(d):
    s = list(d.shape(1, 3, 9))
    inverse = d.bit()
    axis = d.axis(len(s), False)
    n = d.opt(np.array(d.i(1, 12), d.t("T2")), .4)
    real = d.p() and not inverse
    s = s + [1 if real else 2]
    a = {"inverse": inverse,
         "onesided": d.bit() if real else None}
    if d.v < 20:
        return [d.x(s, "T1"), n], dict(a, axis=axis)
    if d.p(.3):
        axis -= len(s)
    return [d.x(s, "T1"), n, np.array(axis, I64)], a


@row("STFT", atol=1e-5, type="T1", hollow=False)
def _(d):
    n, size, step = d.i(1, 3), d.i(12, 30), d.i(1, 6)
    real = d.p()
    k = d.i(2, 10)
    w = d.x((k,), "T1")
    t = d.t("T2")
    return [d.x((n, size, 1 if real else 2), "T1"), np.array(step, t),
            d.opt(w, .7), np.array(k, t)], {
        "onesided": d.bit() if real else 0}


rows("MelWeightMatrix", lambda d: ([
    np.array(d.i(2, 10), d.t("T1")), np.array(d.i(16, 64), d.t("T1")),
    np.array(8000, d.t("T1")), np.array(d.f(0, 100), d.t("T2")),
    np.array(d.f(2000, 4000), d.t("T2"))],
    {"output_datatype": d.opt(d.pick(1, 11))}), type="T1")


# ---- quantized -------------------------------------------------------------
def scale_of(d, s=(), t=F32):
    return np.asarray(d.rng.random(s) * .05 + .01).astype(t)


def level(d, s, t):
    return d.whole(s, t, np.iinfo(t).min, np.iinfo(t).max)


def zero_of(d, s, t):
    return d.whole(s, t, -60, 160)


def grain(d):
    """(shape of the data, of the scale, attributes)."""
    s = d.shape(0, 4)
    how = d.pick("one", "axis", "block")
    if how == "axis" and s and d.v >= 13:
        axis = d.axis(len(s))
        return s, s[axis:][:1], {"axis": axis if axis != 1 or d.p() else None}
    if how == "block" and s and d.v >= 21 and 0 not in s:
        axis, b = d.axis(len(s)), d.i(2, 4)
        s, g = list(s), list(s)
        s[axis] = g[axis] * b - d.i(0, b - 1)
        return tuple(s), tuple(g), {"axis": axis, "block_size": b}
    return s, (), {}


INTS = (I8, U8, np.int16, np.uint16)


@row("QuantizeLinear", exact=True, type="T1", special=.1, scale=2,
     specials=NUMBERS)
def _(d):
    s, g, a = grain(d)
    t1, ty = d.t("T1"), d.t("T3" if d.v >= 23 else "T2")
    if t1 == I32:
        raise Skip("of integers")
    x = d.x(s, t1)
    # Away from the ties that the last digit of a quotient decides.
    scale = np.exp2(d.rng.integers(-6, -2, g)).astype(
        t1 if d.v >= 19 else F32)
    return [x, scale, zero_of(d, g, ty)], a


@row("DequantizeLinear", type="T1", rtol=1e-6, atol=0, range=0)
def _(d):
    s, g, a = grain(d)
    t = d.t("T1" if d.v >= 19 else "T")
    z = None if t == I32 or d.p(.2) else zero_of(d, g, t)
    st = d.t("T2") if d.v >= 19 else F32
    return [level(d, s, t) if t != I32 else d.whole(s, t, -3000, 3000),
            scale_of(d, g, st), z], a


rows("DynamicQuantizeLinear", lambda d: ([d.x(d.shape(1))], {}, 3),
     steps=1.0, type="T1", hollow=False, rtol=1e-6)


@row("QLinearMatMul", steps=1.0, exact=True, type="T1")
def _(d):
    a, b = factors(d)
    t1, t2, t3 = d.t("T1"), d.t("T2"), d.t("T3")
    each = len(b) == 2 and d.p(.4)
    g = (b[-1],) if each else ()
    d.const(1, 2, 4, 5, 6, 7)
    return [level(d, a, t1), scale_of(d), zero_of(d, (), t1), level(d, b, t2),
            scale_of(d, g), zero_of(d, g, t2),
            np.array(d.f(.5, 3), F32), zero_of(d, (), t3)]


@row("QLinearConv", steps=1.0, exact=True, type="T1")
def _(d):
    rank, g = d.pick(1, 2, 2, 3), d.pick(1, 1, 2, 4)
    ci, co, s = conv_shapes(d, rank, g)
    t1, t2, t3 = d.t("T1"), d.t("T2"), d.t("T3")
    a = window(d, rank)
    a["group"] = g
    each = (co,) if d.p() else ()
    d.const(1, 2, 3, 4, 5, 6, 7, 8)
    zw = np.zeros(each, t2) + (np.uint8(128) if t2 == U8 else I8(0))
    return [level(d, (batch(d), ci, *s), t1), scale_of(d), zero_of(d, (), t1),
            level(d, (co, ci // g, *a["kernel_shape"]), t2),
            scale_of(d, each), zw.astype(t2), np.array(d.f(.5, 2.5), F32),
            zero_of(d, (), t3), d.opt(d.whole((co,), I32, -3000, 3000))], a


# ---- recurrent -------------------------------------------------------------
# ThresholdedRelu jumps: a rounding would be seen.
BOUNDED = ["Tanh", "Sigmoid", "ScaledTanh", "HardSigmoid", "Softsign"]
ANY = BOUNDED + ["Relu", "Affine", "LeakyRelu", "Elu", "Softplus"]


def recurrent(d):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[d.op]
    acts = {"RNN": 1, "GRU": 2, "LSTM": 3}[d.op]
    way = d.opt(d.pick("forward", "reverse", "bidirectional"), .8)
    k = 2 if way == "bidirectional" else 1
    t, b, n, h = d.i(1, 7), d.i(1, 6), d.i(1, 19), d.i(1, 20)
    ins = [d.x((t, b, n)), d.x((k, gates * h, n)) * F32(.5),
           d.x((k, gates * h, h)) * F32(.3), d.opt(d.x((k, 2 * gates * h))),
           d.opt(d.whole((b,), I32, 1, t)), d.opt(d.x((k, b, h)))]
    a = {"hidden_size": h, "direction": way}
    if d.op == "LSTM":
        ins += [d.opt(d.x((k, b, h))), d.opt(d.x((k, 3 * h)))]
        a["input_forget"] = d.opt(0)
    if d.op == "GRU":
        a["linear_before_reset"] = d.bit()
    if d.p():
        # Gates that are not bounded make states explode.
        names = [d.pick(*(ANY if j % acts == acts - 1 and d.op != "RNN"
                          else BOUNDED)) for j in range(acts * k)]
        a["activations"] = names
        # Affine and ScaledTanh have no defaults of their own.
        if {"Affine", "ScaledTanh"} & set(names) or d.p():
            a["activation_alpha"] = [d.f(.1, .6) for _ in names]
            a["activation_beta"] = [d.f(.1, .6) for _ in names]
    a["clip"] = d.opt(d.f(.2, 1.2), .3)
    return ins, a, [d.p(.9), True, *([d.p()] if d.op == "LSTM" else [])]


rows("RNN GRU LSTM", recurrent, hollow=False, atol=2e-5, range=1e-4,
     why="errors add up over the steps, and grow where gates have no bounds")


# ---- attention of the default domain ---------------------------------------
@row("Attention", type="T1", atol=1e-5, hollow=False)
def _(d):
    b, kv = d.i(1, 3), d.i(1, 3)
    h = kv * d.i(1, 2)
    q, k, p = d.ints(3, 1, 8)
    n, nv = d.ints(2, 1, 16)
    past = d.p(.4)
    a = {"is_causal": d.bit(), "softcap": d.opt(d.f(.5, 3), .3),
         "scale": d.opt(d.f(.1, 1), .4)}
    if past and a["is_causal"]:
        k = q
    total = k + (p if past else 0)
    t = "T1"
    if d.p():
        a.update(q_num_heads=h, kv_num_heads=kv)
        ins = [d.x((b, q, h * n), t), d.x((b, k, kv * n), t),
               d.x((b, k, kv * nv), t)]
    else:
        ins = [d.x((b, h, q, n), t), d.x((b, kv, k, n), t),
               d.x((b, kv, k, nv), t)]
    shape = d.pick((q, total), (b, 1, q, total), (b, h, q, total))
    mask = d.rng.random(shape) < .7
    if d.p(.8):  # else rows may be masked as a whole
        mask[..., 0] = True
    mask = d.opt(d.pick(d.x(shape, t), mask))
    if mask is not None and d.v >= 24 and d.p(.2):
        mask = mask[..., :d.i(1, total)]
    ins.append(mask)
    if past:
        ins += [d.x((b, kv, p, n), t), d.x((b, kv, p, nv), t)]
    elif d.v >= 24 and d.p(.3):
        ins += [None, None, d.rng.integers(1, k + 1, b)]
    more = d.p(.3)
    if more:
        a["qk_matmul_output_mode"] = d.opt(d.i(0, 3))
    return ins, a, [True, past, past, more]


@row("RotaryEmbedding", hollow=False)
def _(d):
    b, n, h, half = d.ints(4, 1, 5)
    some = d.p(.3)
    size = 2 * half + (4 if some else 0)
    flat = d.p()
    a = {"interleaved": d.bit(),
         "rotary_embedding_dim": 2 * half if some else None,
         "num_heads": h if flat or some else None}
    x = d.x((b, n, h * size) if flat else (b, h, n, size))
    at = d.p(.6)
    s = (16, half) if at else (b, n, half)
    return [x, d.x(s), d.x(s), d.index((b, n), 16, negative=False)
            if at else None], a


# ---- com.microsoft: products and convolutions ------------------------------
def fused(ops, **more):
    return row(ops, domain=MS, hollow=False, **more)


ACTIVATIONS = [{}, {"activation": "Relu"}, {"activation": "Tanh"},
               {"activation": "Sigmoid"},
               {"activation": "LeakyRelu", "activation_params": [.3]},
               {"activation": "Clip", "activation_params": [-.5, 1.]},
               {"activation": "HardSigmoid", "activation_params": [.3, .4]}]


@fused("FusedConv", atol=1e-5, why="sums cancel")
def _(d):
    g = d.i(1, 2)
    ci, co, s = conv_shapes(d, 2, g)
    a = dict(window(d, 2), group=g, **d.pick(*ACTIVATIONS))
    return [d.x((d.dim(3), ci, *s)), d.x((co, ci // g, *a["kernel_shape"])),
            d.opt(d.x((co,)))], a


@fused("FusedConv", name="FusedConvSum", atol=1e-5, why="sums cancel")
def _(d):
    g, n, h = d.i(1, 2), d.dim(3), d.i(3, 9)
    ci, co, _ = conv_shapes(d, 2, g)
    return [d.x((n, ci, h, 7)), d.x((co, ci // g, 3, 3)), d.opt(d.x((co,))),
            d.x((n, co, h, 7))], dict(d.pick(*ACTIVATIONS), group=g,
                                      pads=[1, 1, 1, 1])


@fused("FusedGemm", atol=1e-5, why="sums cancel")
def _(d):
    m, k, n = sizes(d)
    ta, tb = d.bit(), d.bit()
    act = d.pick({"activation": "Relu"}, {"activation": "Sigmoid"},
                 {"activation": "LeakyRelu", "activation_alpha": .2},
                 {"activation": "HardSigmoid", "activation_alpha": .3,
                  "activation_beta": .4})
    return [d.x((k, m) if ta else (m, k)), d.x((n, k) if tb else (k, n)),
            d.opt(d.x(d.part((m, n))))], dict(
        act, transA=ta, transB=tb, alpha=d.opt(d.f(-2, 2)),
        beta=d.opt(d.f(-2, 2)))


@fused("FusedMatMul", atol=1e-5, why="sums cancel")
def _(d):
    m, k, n, b, c = d.ints(5, 1, 6)
    ta, tb, pa, pb = d.bit(), d.bit(), d.bit(), d.bit()

    def factor(rows_, cols, trans, batch_):
        r, l = (cols, rows_) if trans else (rows_, cols)
        # The first axis is the one but last of the product's factor.
        return d.x((r, b, c, l) if batch_ else (b, c, r, l))

    return [factor(m, k, ta, pa), factor(k, n, tb, pb)], {
        "transA": ta, "transB": tb, "transBatchA": pa, "transBatchB": pb,
        "alpha": d.opt(d.f(-2, 2))}


EIGHT = (I8, U8)


def integer_factors(d, a8=EIGHT, b8=EIGHT):
    """a, its scale and zero point, b, the same; n columns."""
    m, k, n = sizes(d)
    b = d.shape(0, 1, 3)
    ta, tb = d.pick(*a8), d.pick(*b8)
    g = (n,) if d.p() else ()
    return (level(d, (*b, m, k), ta), scale_of(d), zero_of(d, (), ta),
            level(d, (k, n), tb), scale_of(d, g), zero_of(d, g, tb), n)


@fused("MatMulIntegerToFloat", atol=1e-5)
def _(d):
    a, sa, za, b, sb, zb, n = integer_factors(d)
    return [a, b, sa, sb, d.opt(za), d.opt(zb), d.opt(d.x((n,)))]


@fused("DynamicQuantizeMatMul", range=1e-4,
       why="a value that is rounded the other way is a step of 8 bits")
def _(d):
    a, sa, za, b, sb, zb, n = integer_factors(d)
    return [d.x(a.shape), b, sb, d.opt(zb), d.opt(d.x((n,)))]


@fused("QGemm", steps=1.0, atol=1e-5, why="the scale is applied in float")
def _(d):
    a, sa, za, b, sb, zb, n = integer_factors(d)
    a = a.reshape(-1, a.shape[-1])
    ta, tb = d.bit(), d.bit()
    ins = [a.T.copy() if ta else a, sa, za, b.T.copy() if tb else b, sb, zb,
           d.opt(d.whole((n,), I32, -3000, 3000))]
    if d.p():
        ins += [np.array(d.f(1, 4), F32), zero_of(d, (), a.dtype)]
        d.const(1, 2, 4, 5, 7, 8)
    return ins, {"transA": ta, "transB": tb, "alpha": d.opt(d.f(.5, 2))}


# ---- com.microsoft: quantized maps -----------------------------------------
def q_value(d, s, t):
    return [level(d, s, t), scale_of(d), zero_of(d, (), t)]


def q_result(d, t):
    return [scale_of(d), zero_of(d, (), t)]


def steps(ops):
    return fused(ops, exact=True, steps=1.0,
                 why="onnxruntime's tables and constants are of float")


@steps("QLinearAdd QLinearMul")
def _(d):
    t = d.pick(*EIGHT)
    a, b = d.pair()
    return q_value(d, a, t) + q_value(d, b, t) + q_result(d, t)


@steps("QLinearWhere")
def _(d):
    t, s = d.pick(*EIGHT), d.shape(1)
    d.const(2, 3, 5, 6, 7, 8)
    return [d.x(s, np.bool_), *q_value(d, s, t), *q_value(d, d.part(s), t),
            *q_result(d, t)]


@steps("QLinearConcat")
def _(d):
    t, s = d.pick(*EIGHT), list(d.shape(1, 4))
    at = d.axis(len(s))
    ins = q_result(d, t)
    for _ in range(d.i(1, 4)):
        s[at] = d.dim()
        ins += q_value(d, s, t)
    d.const(*(i for i in range(len(ins)) if i < 2 or i % 3 != 2))
    return ins, {"axis": at}


@steps("QLinearSigmoid QLinearLeakyRelu")
def _(d):
    t = d.pick(*EIGHT)
    return q_value(d, d.shape(), t) + q_result(d, t), {
        "alpha": d.opt(d.f(0, 1)) if d.op[-1] == "u" else None}


@steps("QLinearSoftmax")
def _(d):
    t, s = d.pick(*EIGHT), d.shape(1, 4)
    return q_value(d, s, t) + [np.array(1 / 256, F32), np.array(
        0 if t == U8 else -128, t)], {"axis": d.axis(len(s)),
                                      "opset": d.pick(12, 13)}


@steps("QLinearGlobalAveragePool")
def _(d):
    t, last = d.pick(*EIGHT), d.bit()
    return q_value(d, d.shape(4, 4), t) + q_result(d, t), {
        "channels_last": last}


@steps("QLinearAveragePool")
def _(d):
    t, last = d.pick(*EIGHT), d.bit()
    s = space(d, 2)
    x = (d.dim(3), *s, d.dim(3)) if last else (d.dim(3), d.dim(3), *s)
    return q_value(d, x, t) + q_result(d, t), dict(
        window(d, 2, False, True), channels_last=last,
        count_include_pad=d.bit())


@fused("QuantizeLinear", exact=True, special=.1, scale=2, specials=NUMBERS)
def _(d):
    s = d.shape(1, 4)
    axis = d.opt(d.axis(len(s), False))
    g = s[axis:][:1] if axis is not None else ()
    return [d.x(s, F32), np.exp2(d.rng.integers(-6, -2, g)).astype(F32),
            zero_of(d, g, d.pick(*INTS))], {"axis": axis}


@fused("DequantizeLinear", rtol=1e-6, atol=0, range=0)
def _(d):
    s, t = d.shape(1, 4), d.pick(*INTS)
    axis = d.opt(d.axis(len(s), False))
    g = s[axis:][:1] if axis is not None else ()
    return [level(d, s, t), scale_of(d, g), zero_of(d, g, t)], {"axis": axis}


@fused("MatMulNBits", atol=1e-4, range=1e-4,
       why="onnxruntime may round the factors to fewer bits")
def _(d):
    bits, block = d.pick(4, 8, 2), d.pick(16, 32)
    m, n = d.dim(8), d.dim(12)
    k = block * d.i(1, 3) + d.pick(0, 0, 5)
    nb = -(-k // block)
    d.const(1, 2, 3, 4, 5)
    ins = [d.x((2, m, k)), level(d, (n, nb, block * bits // 8), U8),
           scale_of(d, (n, nb)), d.opt(level(d, (n, -(-nb * bits // 8)), U8))]
    if d.p(.3):
        ins += [None, d.x((n,))]
    return ins, {"K": k, "N": n, "bits": bits, "block_size": block}


@fused("GatherBlockQuantized")
def _(d):
    bits, rows_, nb = d.pick(4, 8), d.i(1, 7), d.i(1, 3)
    d.const(0, 2, 3)
    return [level(d, (rows_, nb * 16 * bits // 8), U8),
            d.index(d.shape(1, 2), rows_), scale_of(d, (rows_, nb)),
            d.opt(level(d, (rows_, -(-nb * bits // 8)), U8))], {
        "bits": bits, "block_size": 16, "quantize_axis": 1}


# ---- com.microsoft: activations, norms -------------------------------------
@fused("Gelu", rtol=2e-6, atol=5e-7, scale=3)
@fused("QuickGelu", rtol=2e-6, atol=1e-6, scale=3)
def _(d):
    return [d.x(d.shape(1), F32)], {
        "alpha": d.opt(d.f(.5, 2)) if d.op[3:] == "QuickGelu" else None}


@fused("BiasGelu FastGelu", rtol=2e-6, atol=1e-6, scale=3)
def _(d):
    s = d.shape(1, 4)
    b = d.x(s[-1:], F32)
    return [d.x(s, F32), b if d.op[3:] == "BiasGelu" else d.opt(b)]


@fused("SkipLayerNormalization SkipSimplifiedLayerNormalization", range=1e-4,
       why="a row of one value is divided by the root of epsilon")
def _(d):
    b, n, h = d.dim(), d.dim(), d.i(2, 20)
    x, w, v = d.x((b, n, h), F32), d.x((h,), F32), d.x((h,), F32)
    skip = d.x(d.pick((b, n, h), (1, n, h), (n, h)), F32)
    more = [d.opt(v)] if d.op == "ms_SkipLayerNormalization" else []
    return [x, skip, w, *more, d.opt(d.x((h,), F32))], {
        "epsilon": d.opt(d.f(1e-5, 1e-2))}, [True, False, False, d.p()]


@row("SimplifiedLayerNormalization", since=1, hollow=False)
def _(d):
    s = d.shape(1, 4)
    axis = d.axis(len(s))
    return [d.x(s, F32), d.x(s[axis:], F32)], {
        "axis": axis, "epsilon": d.opt(d.f(1e-4, 1e-1))}, d.i(1, 2)


@fused("EmbedLayerNormalization", range=1e-4)
def _(d):
    b, n, h = d.dim(4), d.dim(), d.i(2, 20)
    ids = [d.whole((b, n), I32, 0, k - 1) for k in (9, 2, 2)]
    seg, mask = d.p(), d.p()
    return [ids[0], ids[1] if seg else None, d.x((9, h), F32),
            d.x((12, h), F32), d.x((2, h), F32) if seg else None,
            d.x((h,), F32), d.x((h,), F32), ids[2] if mask else None], {
        "epsilon": d.opt(d.f(1e-5, 1e-2))}, [True, mask, d.p()]


# ---- com.microsoft: attention ----------------------------------------------
def key_mask(d, b, q, total, *kinds):
    kind = d.pick(*kinds)
    if kind == 1:
        return d.whole((b,), I32, 1, total)
    shape = {2: (b, total), 3: (b, q, total)}.get(kind)
    if shape is None:
        return None
    m = d.whole(shape, I32, 0, 1)
    m[..., 0] = 1
    return m


@fused("Attention", atol=1e-5)
def _(d):
    b, q, n, h = d.ints(4, 1, 6)
    k = 2 * d.i(1, 6)
    p = d.i(1, 5) if d.p(.3) else 0
    kv = k + 3 if d.p(.2) and not p else k
    cols = n * (2 * k + kv)
    a = {"num_heads": n, "unidirectional": d.bit(), "scale": d.opt(
        d.f(.1, 1), .3)}
    if kv != k:
        a["qkv_hidden_sizes"] = [n * k, n * k, n * kv]
    bias = d.x((d.pick(1, b), n, q, q + p), F32)
    return [d.x((b, q, h), F32), d.x((h, cols), F32) * F32(.5),
            d.x((cols,), F32), key_mask(d, b, q, q + p, 0, 1, 2, 3),
            d.x((2, b, n, p, k), F32) if p else None,
            bias if d.p(.2) and not p else None], a, 2 if p else 1


@fused("MultiHeadAttention", atol=1e-5)
def _(d):
    b, q, k, n, w = d.ints(5, 1, 6)
    form = d.pick("plain", "heads", "past", "pairs", "triples")
    if form == "triples":
        k = q
    wv = w + 2 if form == "plain" and d.p(.3) else w
    p = d.i(1, 5) if form == "past" else 0
    h = n * w
    ins = [d.x((b, q, h), F32), d.x((b, k, h), F32), d.x((b, k, n * wv), F32)]
    if form == "heads":  # keys and values of another step
        ins[1:] = [d.x((b, n, k, w), F32), d.x((b, n, k, w), F32)]
    a = {"num_heads": n, "scale": d.opt(d.f(.1, 1), .3)}
    if form == "plain" and k == q:
        a["unidirectional"] = d.bit()
    plain = None
    if form in ("pairs", "triples"):  # packed: no kernel of onnxruntime's CPU
        plain = ins
        pack = np.stack([v.reshape(b, k, n, w) for v in (
            ins[1:] if form == "pairs" else ins)], 3)
        ins = [ins[0], pack, None] if form == "pairs" else [pack, None, None]
    more = [d.opt(d.x((2 * h + n * wv,), F32)) if form not in (
        "heads", "pairs") else None, key_mask(d, b, q, k + p, 0, 1, 2, 3),
            d.opt(d.x((d.pick(1, b), n, q, k + p), F32), .3)]
    if p:
        more += [d.x((b, n, p, w), F32), d.x((b, n, p, wv), F32)]
    d.instead = plain and plain + more
    return ins + more, a, 3 if p else 1


@fused("GroupQueryAttention", atol=1e-5)
def _(d):
    b, kv, q, half = d.ints(4, 1, 4)
    n, w = kv * d.i(1, 3), 16 * half
    step = d.i(0, 2)  # 0: prompt, 1: next token, 2: next token in a buffer
    p = d.i(2, 7)
    if step:
        q = 1
    total = q if step == 0 else p + 1 if step == 1 else p
    x = d.x((b, q, n * w), F32)
    k, v = d.x((b, q, kv * w), F32), d.x((b, q, kv * w), F32)
    if d.p(.25):
        x, k, v = np.concatenate([x, k, v], -1), None, None
    past = [None, None]
    if step:
        past = [d.x((b, kv, p, w), F32), d.x((b, kv, p, w), F32)]
    ins = [x, k, v, *past, np.full(b, total - 1, I32), np.array([total], I32)]
    a = {"num_heads": n, "kv_num_heads": kv,
         "local_window_size": d.opt(2, .2), "softcap": d.opt(2.5, .2),
         "scale": d.opt(d.f(.1, 1), .3)}
    if d.p():
        a.update(do_rotary=1, rotary_interleaved=d.bit())
        ins += [d.x((32, w // 2), F32), d.x((32, w // 2), F32)]
    return ins, a, 3


@fused("RotaryEmbedding")
def _(d):
    b, n, h, half = d.ints(4, 1, 5)
    half *= 8
    some = d.p(.3)
    size = 2 * half + (8 if some else 0)
    flat = d.p()
    a = {"interleaved": d.bit(),
         "rotary_embedding_dim": 2 * half if some else None,
         "num_heads": h if some else None}
    x = d.x((b, n, h * size) if flat else (b, h, n, size), F32)
    at = d.pick(np.array([3]), d.rng.integers(0, 16, (b, n)))
    return [x, at.astype(I64), d.x((16, half), F32), d.x((16, half), F32)], a


# ---- sequences, optionals, bodies ------------------------------------------
def items(d, t, n=None):
    s = d.shape(0, 3)
    return [d.x(s if d.p() else d.shape(0, 3), t)
            for _ in range(n or d.i(1, 4))]


SEQUENCES = dict(exact=True, type="S", hollow=False)


@row("SequenceConstruct", exact=True)
def _(d):
    return items(d, "T")


@row("SequenceAt", exact=True)
def _(d):
    v = items(d, d.pick(F32, I64, U8))
    return [v, np.array(d.axis(len(v)), d.pick(I32, I64))]


@row("SequenceErase", exact=True)
def _(d):
    v = items(d, d.pick(F32, I64, U8), d.i(2, 4))
    return [v, d.opt(np.array(d.axis(len(v)), d.pick(I32, I64)))]


@row("SequenceInsert", exact=True)
def _(d):
    t = d.pick(F32, I64, U8)
    v = items(d, t)
    return [v, d.x(d.shape(0, 3), t), d.opt(np.array(
        d.i(-len(v), len(v)), d.pick(I32, I64)))]


@row("SequenceEmpty", exact=True)
def _(d):
    raise Skip("nothing is in it")


rows("OptionalHasElement", lambda d: [d.x(t=F32)], exact=True, since=18)
rows("OptionalGetElement", lambda d: [d.x(t=F32)], exact=True, since=18)
rows("SequenceLength", lambda d: [items(d, d.pick(F32, I64, U8))], exact=True)


@row("ConcatFromSequence", exact=True)
def _(d):
    s, new = list(d.shape(1, 4)), d.opt(d.i(0, 1))
    at = d.i(-len(s) - bool(new), len(s) - 1 + bool(new))
    v = []
    for _ in range(d.i(1, 4)):
        if not new:
            s[at] = d.dim()
        v.append(d.x(s, F32))
    return [v], {"axis": at, "new_axis": new}


@row("SplitToSequence", exact=True)
def _(d):
    s = list(d.shape(1, 4))
    at = d.axis(len(s))
    sizes = d.ints(d.i(1, 4), 1, 3)
    split = d.pick(np.array(sizes, d.pick(I32, I64)), np.array(d.i(1, 3), I64),
                   None)
    s[at] = sum(sizes)
    return [d.x(s, d.pick(F32, I64, U8)), split], {
        "axis": at if at or d.p() else None,
        "keepdims": d.bit() if split is None else None}


def body(name, nodes, ins, outs):
    def infos(vs):
        return [helper.make_tensor_value_info(
            x, helper.np_dtype_to_tensor_dtype(np.dtype(t)), s)
            for x, t, s in vs]
    return helper.make_graph(nodes, name, infos(ins), infos(outs))


@row("If", exact=True)
def _(d):
    t, a, b = d.pick(F32, I64, U8), d.shape(0, 3), d.shape(0, 3)

    def branch(name, s):
        v = numpy_helper.from_array(d.x(s, t))
        return body(name, [helper.make_node("Constant", [], ["r"], value=v)],
                    [], [("r", t, s)])

    return [d.x((), np.bool_)], {"then_branch": branch("yes", a),
                                 "else_branch": branch("no", b)}


@row("Loop", atol=1e-5)
def _(d):
    s, turns = d.shape(0, 3), d.i(0, 5)
    stop = d.i(0, 6)
    n = helper.make_node
    k = numpy_helper.from_array(np.array(stop, I64))
    g = body("turn", [
        n("Constant", [], ["k"], value=k), n("Less", ["i", "k"], ["go"]),
        n("Add", ["v", "v"], ["w"]), n("Identity", ["w"], ["scan"])],
        [("i", I64, ()), ("c", np.bool_, ()), ("v", F32, s)],
        [("go", np.bool_, ()), ("w", F32, s), ("scan", F32, s)])
    d.const()
    return [d.opt(np.array(turns, I64), .9) if stop < 6 else np.array(
        turns, I64), d.opt(d.x((), np.bool_)), d.x(s, F32)], {"body": g}, 2


@row("Scan", atol=1e-5)
def _(d):
    s, turns = d.shape(0, 2), d.i(1, 5)
    n = helper.make_node
    g = body("turn", [
        n("Add", ["v", "x"], ["w"]), n("Mul", ["w", "z"], ["y"])],
        [("v", F32, s), ("x", F32, s), ("z", F32, s)],
        [("w", F32, s), ("y", F32, s)])
    if d.v < 9:
        b = d.dim(3)
        xs = (b, turns, *s)
        return [d.opt(d.whole((b,), I64, 1, turns)), d.x((b, *s), F32),
                d.x(xs, F32), d.x(xs, F32)], {
            "body": g, "num_scan_inputs": 2,
            "directions": d.opt(d.ints(2, 0, 1))}, 2
    axes = [d.i(0, len(s)) for _ in range(2)]
    xs = [d.x((*s[:a], turns, *s[a:]), F32) for a in axes]
    if d.v >= 11:
        axes = [a - len(s) - 1 if d.p(.3) else a for a in axes]
    out = d.i(0, len(s))
    return [d.x(s, F32), *xs], {
        "body": g, "num_scan_inputs": 2,
        "scan_input_axes": axes if any(axes) or d.p() else None,
        "scan_output_axes": [out] if out or d.p() else None,
        "scan_input_directions": d.opt(d.ints(2, 0, 1)),
        "scan_output_directions": d.opt(d.ints(1, 0, 1))}, 2


# ---- what onnxruntime has no kernel for ------------------------------------
@row("LinearAttention", by_reference=True, hollow=False, atol=1e-5, scale=.5)
def _(d):
    b, t, kv, k, v = d.ints(5, 1, 5)
    h = kv * d.i(1, 3)
    rule = d.opt(d.pick("linear", "gated", "delta", "gated_delta"))
    decay, beta = d.x((b, t, d.pick(kv, kv * k)), F32), d.x(
        (b, t, d.pick(kv, 1)), F32, low=0, high=1)
    return [d.x((b, t, h * k), F32), d.x((b, t, kv * k), F32),
            d.x((b, t, kv * v), F32), d.opt(d.x((b, kv, k, v), F32)),
            -np.abs(decay) if rule in ("gated", "gated_delta", None) else None,
            beta if rule in ("delta", "gated_delta", None) else None], {
        "q_num_heads": h, "kv_num_heads": kv, "update_rule": rule,
        "scale": d.opt(d.f(.1, 1)), "chunk_size": d.opt(d.i(1, 4))}, 2


@row("CausalConvWithState", by_reference=True, hollow=False, atol=1e-5)
def _(d):
    b, c, n, k = d.ints(4, 1, 6)
    return [d.x((b, c, n), F32), d.x((c, 1, k), F32), d.opt(d.x((c,), F32)),
            d.opt(d.x((b, c, k - 1), F32))], {
        "activation": d.opt(d.pick("silu", "swish", "none"))}, 2


# ---- where onnxruntime is not followed -------------------------------------
def reference(c):
    """As the evaluator of the onnx package has it."""
    return ReferenceEvaluator(c.model).run(None, c.feeds)


def explicit_pads(c):
    """The same with the pads that auto_pad stands for."""
    a = dict(c.attrs)
    k = a["kernel_shape"]
    n = len(k)
    strides, dil = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    heads, tails = [], []
    for size, w, t, q in zip(c.inputs[0].shape[2:], k, strides, dil):
        pad = max(0, (-(-size // t) - 1) * t + (w - 1) * q + 1 - size)
        small = pad // 2
        upper = a["auto_pad"] == "SAME_UPPER"
        heads.append(small if upper else pad - small)
        tails.append(pad - small if upper else small)
    del a["auto_pad"]
    # Its sizes are whole: nothing is left to be rounded up.
    a["ceil_mode"] = None
    return c.again(dict(a, pads=heads + tails))


NOTHING = {"ReduceSum": 0, "ReduceL1": 0, "ReduceL2": 0, "ReduceSumSquare": 0,
           "ReduceProd": 1, "ReduceLogSum": -np.inf, "ReduceLogSumExp": -np.inf,
           "ReduceMax": -np.inf, "ReduceMin": np.inf}


def reduced_nothing(c):
    x, name = c.inputs[0], c.row.name
    axes = (c.inputs[1].tolist() if len(c.inputs) > 1 and
            c.inputs[1] is not None else c.attrs.get("axes"))
    if not axes:
        axes = () if c.attrs.get("noop_with_empty_axes") else range(x.ndim)
    y = np.sum(np.zeros(x.shape, F32), axis=tuple(axes),
               keepdims=bool(c.attrs.get("keepdims", 1)))
    v = NOTHING.get(name)
    if y.size and (v is None or not np.isfinite(v) and x.dtype.kind in "iu" and
                   name not in ("ReduceMax", "ReduceMin")):
        return None
    if v is not None and not np.isfinite(v) and x.dtype.kind in "iu":
        v = np.iinfo(x.dtype).max if v > 0 else np.iinfo(x.dtype).min
    return [np.full(y.shape, v or 0, x.dtype)]


def padded_else(c):
    """Is auto_pad something else for onnxruntime?"""
    if c.attrs.get("auto_pad", "")[:4] != "SAME":
        return False
    k = c.attrs["kernel_shape"]
    return (max(c.attrs.get("dilations", [1])) > 1 or any(
        t > n for t, n in zip(c.attrs.get("strides", [1] * len(k)), k)))


def saturated(c):
    """Infinities are the ends of the range."""
    x, y = np.asarray(c.inputs[0]), c.results[0].copy()
    i = np.iinfo(y.dtype)
    y[x == np.inf], y[x == -np.inf] = i.max, i.min
    return [y]


def fraction(c):
    if (c.attrs.get("coordinate_transformation_mode") != "align_corners" or
            len(c.inputs) != 3):
        return False
    x, scales = c.inputs[0], c.inputs[2]
    axes = c.attrs.get("axes", range(x.ndim))
    return any((x.shape[a] * float(s)) % 1 for a, s in zip(axes, scales))


def one_of_all(c):
    """A probability that is 256 of 256."""
    q, scale, zero = c.inputs[:3]
    axis = c.attrs["axis"] % q.ndim
    axes = (tuple(range(axis, q.ndim)) if c.attrs["opset"] < 13 else axis)
    x = (q.astype(F32) - F32(zero)) * scale
    e = np.exp(x - x.max(axes, keepdims=True))
    return (e / e.sum(axes, keepdims=True)).max() * 256 >= 255.49


# (operators, which cases, what the specification gives or None to leave the
# case out, the sentence that decides)
DEVIATIONS = [
    ("Clip", lambda c: c.inputs[0].dtype == F16 and np.isinf(
        c.results[0]).any(), lambda c: [np.clip(
            c.results[0], np.finfo(F16).min, np.finfo(F16).max)],
     "The interval's ends default to numeric_limits::lowest() and "
     "numeric_limits::max(), of float16, too, which onnxruntime casts."),
    ("MaxPool AveragePool LpPool", padded_else, explicit_pads,
     "SAME_UPPER or SAME_LOWER mean pad the input so that `output_shape[i] = "
     "ceil(input_shape[i] / strides[i])` for each axis `i`: with dilations it "
     "is less.  Padding can take any value greater than or equal to 0: where "
     "strides are longer than the kernel it is less."),
    ("QuantizeLinear", lambda c: np.isinf(c.inputs[0]).any(), saturated,
     "For saturation, it saturates according to: uint8: [0, 255] and so on; of "
     "an infinity, too, which onnxruntime casts where there are blocks or "
     "float16."),
    ("Col2Im", lambda c: max(c.attrs.get("dilations", [1])) > 1 or
     len(c.inputs[1]) == 1 and "pads" in c.attrs, reference,
     "1-dimensional tensor with dilation value along each spatial axis of the "
     "image; `pads` format should be as follow [x1_begin, x2_begin...x1_end, "
     "x2_end,...]"),
    (" ".join(["ReduceMean", *NOTHING]), lambda c: c.inputs[0].size == 0,
     reduced_nothing, "Reduction over an empty set of values yields 0 [1, "
     "minus infinity, undefined]; the resulting tensor has the same rank as "
     "the input if `keepdims` equals 1."),
    ("ReduceLogSumExp", lambda c: c.inputs[0].dtype.kind in "iu", None,
     "The function of the operator computes in double and casts at the end; "
     "onnxruntime adds the maximum to a logarithm that was cut off."),
    ("Gemm", lambda c: 0 in c.inputs[0].shape and c.results[0].size, reference,
     "Compute Y = alpha * A' * B' + beta * C: of a sum of nothing onnxruntime "
     "leaves beta out."),
    ("MatMul MatMulInteger", lambda c: c.inputs[0].shape[-1] == 0, reference,
     "Matrix product that behaves like numpy.matmul: onnxruntime leaves a "
     "product of nothing with a vector as the memory was."),
    ("QLinearMatMul", lambda c: c.inputs[0].shape[-1] == 0,
     lambda c: [np.full(c.results[0].shape, c.inputs[7])],
     "y = saturate((x / y_scale) + y_zero_point), of a sum that is 0."),
    ("ms_QLinearSoftmax", one_of_all, None,
     "Quantization saturates: a probability of 1 in steps of 1/256 is 255, "
     "not 0."),
    ("Attention", lambda c: len(c.outs) > 3 and
     c.attrs.get("qk_matmul_output_mode") == 2, lambda c: [
        *c.results[:-1], np.where(
            c.results[-1] <= np.finfo(c.results[-1].dtype).min,
            c.results[-1].dtype.type(-np.inf), c.results[-1])],
     "padded to total_sequence_length with negative infinity, not with the "
     "least number; so are masks of bools."),
    ("AffineGrid", lambda c: c.attrs.get("align_corners") == 1 and
     1 in c.inputs[1][2:], None,
     "positions evenly spaced ..., with dimensions ranging from `-1` to `1`: "
     "of one position it says nothing, and PyTorch, to which the text refers, "
     "takes 0 where onnxruntime takes 1."),
    ("Resize", fraction, reference,
     "Example resize_downsample_scales_linear_align_corners: the length in "
     "(length_original - 1) / (length_resized - 1) is not rounded."),
    ("Resize", lambda c: c.attrs.get("antialias") and
     c.inputs[0].dtype == I8, None,
     "output: N-D tensor after resizing, of type T1: onnxruntime makes values "
     "below zero 0, as if they were of uint8."),
]
