"""Random graphs as cases for quant_cases: layers, what is between them, values
with several readers, shared constants, bodies of If and Loop, exclusions,
options.

    random_cases.py FOLDER COUNT [FIRST]

What is asked of them is that what was placed on integers runs there, and the
rest does not.
"""
import glob
import os
import random
import sys

SHARE = 0.15  # how often a constant of the wanted shape is used again


def sizes(shape):
    return ",".join(map(str, shape)) or "-"


class Graph:
    def __init__(self, rng):
        self.rng = rng
        self.lines = []
        self.values = []  # (name, shape), those to read
        self.made = {}  # name -> shape, of all results
        self.consts = {}  # shape -> names
        self.read = set()
        self.excluded = []
        self.exclude = self.rng.choice([0.0, 0.0, 0.2, 0.4])
        self.count = 0
        self.around = None

    def inside(self):
        """A body: sees what is here, and what it makes is not seen."""
        g = Graph(self.rng)
        g.around = self
        g.values = list(self.values)
        g.exclude = self.exclude
        g.excluded = self.excluded
        g.read = self.read
        return g

    def chance(self, p):
        return self.rng.random() < p

    def name(self, prefix):
        if self.around:
            return self.around.name(prefix)
        self.count += 1
        return f"{prefix}{self.count}"

    def const(self, shape, lo, hi):
        known = self.consts.setdefault(tuple(shape), [])
        if known and self.chance(SHARE):
            return self.rng.choice(known)
        known.append(self.fresh(shape, lo, hi))
        return known[-1]

    def fresh(self, shape, lo, hi):
        name = self.name("k")
        # Of a body, or of the graph around it.
        to = self.around if self.around and self.chance(0.5) else self
        to.lines.append(f"const {name} f32 {sizes(shape)} random "
                        f"{self.rng.randrange(1000)} {lo} {hi}")
        return name

    def number(self, kind, shape, values):
        name = self.name("k")
        self.lines.append(f"const {name} {kind} {shape} "
                          f"{' '.join(map(str, values))}")
        return name

    def ints(self, *values):
        return self.number("i64", str(len(values)), values)

    def node(self, op, inputs, shape, attrs="", exclude=None):
        return self.nodes(op, inputs, [shape], attrs, exclude)[0]

    def nodes(self, op, inputs, shapes, attrs="", exclude=None):
        name, outs = self.name("n"), [self.name("v") for _ in shapes]
        self.lines.append(f"node {op}@{name} {' '.join(inputs)} -> "
                          f"{' '.join(outs)}{' | ' + attrs if attrs else ''}")
        self.read.update(inputs)
        self.values.extend((v, tuple(s)) for v, s in zip(outs, shapes))
        self.made.update((v, tuple(s)) for v, s in zip(outs, shapes))
        if self.chance(self.exclude / 4 if exclude is None else exclude):
            self.excluded.append(name)
        return outs

    def like(self, shape):
        return self.rng.choice([v for v, s in self.values if s == shape])

    def pick(self):
        """A late value, mostly."""
        recent = self.values[-3:] if self.chance(0.8) else self.values
        return self.rng.choice(recent)


# ---- nodes of any shape ----------------------------------------------------
def unary(op, attrs=""):
    return lambda g, x, s: g.node(op, [x], s, attrs)


def binary(op):
    return lambda g, x, s: g.node(op, [x, g.like(s)], s)


def with_constant(g, x, s):
    """The constant may be of the whole shape, a channel's, or one number."""
    channels = (s[1],) + (1,) * (len(s) - 2) if len(s) == 4 else (s[-1],)
    shape = g.rng.choice([s, channels, (1,), ()])
    inputs = [x, g.const(shape, -1, 1)]
    g.rng.shuffle(inputs)
    g.node(g.rng.choice(["Add", "Mul", "Sub"]), inputs, s)


def clip(g, x, s):
    lo = g.number("f32", "-", [g.rng.choice([0, -0.5, 0.1])])
    hi = g.number("f32", "-", [g.rng.choice([0.6, 1.5])])
    g.node("Clip", [x, lo, hi], s)


def clip_open(g, x, s):
    if g.chance(0.5):
        g.node("Clip", [x, g.number("f32", "-", [0])], s)
    else:
        g.node("Clip", [x, "_", g.number("f32", "-", [1])], s)


def gate(g, x, s):
    y = g.node("Sigmoid", [x], s)
    g.node("Mul", [x, y], s)


def where(g, x, s):
    c = g.node("Greater", [x, g.like(s)], s)
    g.values.pop()
    g.node("Where", [c, x, g.like(s)], s)


def where_constant(g, x, s):
    c = g.number("bool", ",".join(map(str, (1,) * len(s))), [1])
    inputs = [x, g.const(g.rng.choice([s, ()]), -1, 1)]
    g.rng.shuffle(inputs)
    g.node("Where", [c] + inputs, s)


def slice_last(g, x, s):
    if s[-1] >= 4:
        half = s[-1] // 2
        start = g.rng.choice([0, half])
        g.node("Slice", [x, g.ints(start), g.ints(start + half), g.ints(-1)],
               s[:-1] + (half,))


def tile(g, x, s):
    if s[-1] <= 8:
        g.node("Tile", [x, g.ints(*[1] * (len(s) - 1), 2)],
               s[:-1] + (2 * s[-1],))


def gather(g, x, s):
    axis = len(s) - 1
    at = [g.rng.randrange(s[axis]) for _ in range(8)]
    g.node("Gather", [x, g.ints(*at)], s[:axis] + (8,), f"axis={axis}")


def there_and_back(g, x, s):
    y = g.node("Unsqueeze", [x, g.ints(0)], (1,) + s)
    g.values.pop()
    g.node("Squeeze", [y, g.ints(0)], s)


def moved_twice(g, x, s):
    """Moves and clamps behind each other."""
    for _ in range(2):
        g.rng.choice([there_and_back, clip, unary("Relu"),
                      unary("Identity")])(g, x, s)
        x, _ = g.values[-1]


def pad_constant(g, x, s):
    pads = [0] * (len(s) - 1) + [1] + [0] * (len(s) - 1) + [1]
    if 1 < s[-1] <= 12:
        g.node("Pad", [x, g.ints(*pads)], s[:-1] + (s[-1] + 2,),
               "mode=" + g.rng.choice(["constant", "edge", "reflect"]))


def softmax(g, x, s):
    """Of a single element onnxruntime's integer kernel makes 0, not 1."""
    axis = g.rng.choice([-1, 1])
    if s[axis] > 1:
        g.node("Softmax", [x], s, f"axis={axis}")


def reduce(g, x, s):
    op = g.rng.choice(["ReduceMax", "ReduceMin", "ReduceMean"])
    g.node(op, [x], s[:-1] + (1,), "axes=[-1] keepdims=1")
    if s[-1] > 1 and g.chance(0.8):
        g.node(g.rng.choice(["Add", "Mul", "Sub"]), [x, g.values[-1][0]], s)


def expand(g, x, s):
    if s[0] == 1:
        g.node("Expand", [x, g.ints(*s)], s)


def three(g, x, s):
    """Two layers and a sum: a residual, its value read again or not."""
    layer = conv if len(s) == 4 else product
    layer(g, x, s)
    y, t = g.values[-1]
    if g.chance(0.5):
        g.rng.choice([unary("Relu"), clip])(g, y, t)
    if t == s:
        inputs = [g.values[-1][0], x]
        g.rng.shuffle(inputs)
        g.node("Add", inputs, s)


ANY = [with_constant, with_constant, clip, clip_open, gate, where,
       where_constant, slice_last, tile, gather, there_and_back, moved_twice,
       pad_constant, softmax, reduce, expand, three, three, three,
       unary("Relu"), unary("Relu"), unary("Relu"), unary("Erf"),
       unary("Sigmoid"), unary("LeakyRelu", "alpha=0.1"), unary("HardSwish"),
       unary("Tanh"), unary("Identity"), unary("Neg"), binary("Add"),
       binary("Add"), binary("Mul"), binary("Sub"), binary("Max"),
       binary("Min")]


# ---- pictures --------------------------------------------------------------
def conv(g, x, s):
    m = g.rng.choice([8, 8, 16])
    limit = round(1 / (3 * s[1] ** 0.5), 4)
    inputs = [x, g.const((m, s[1], 3, 3), -limit, limit)]
    if g.chance(0.6):
        inputs.append(g.const((m,), -0.5, 0.5))
    g.node("Conv", inputs, (s[0], m) + s[2:], "pads=[1,1,1,1]", g.exclude)


def conv_small(g, x, s):
    m = g.rng.choice([8, 16])
    limit = round(1 / s[1] ** 0.5, 4)
    inputs = [x, g.const((m, s[1], 1, 1), -limit, limit)]
    if g.chance(0.5):
        inputs.append(g.const((m,), -0.5, 0.5))
    g.node("Conv", inputs, (s[0], m) + s[2:], "", g.exclude)


def conv_strided(g, x, s):
    if s[2] >= 4 and s[3] >= 4 and s[2] % 2 == 0 and s[3] % 2 == 0:
        limit = round(1 / (3 * s[1] ** 0.5), 4)
        g.node("Conv", [x, g.const((8, s[1], 3, 3), -limit, limit)],
               (s[0], 8, s[2] // 2, s[3] // 2),
               "auto_pad=SAME_UPPER strides=[2,2]", g.exclude)


def conv_normalised(g, x, s):
    conv(g, x, s)
    y, t = g.values.pop()
    inputs = [y] + [g.fresh((t[1],), a, b) for a, b in
                    ((0.5, 1.5), (-0.5, 0.5), (-0.2, 0.2), (0.5, 1.5))]
    g.node("BatchNormalization", inputs, t)


def depthwise(g, x, s):
    g.node("Conv", [x, g.const((s[1], 1, 3, 3), -0.4, 0.5)], s,
           f"pads=[1,1,1,1] group={s[1]}", g.exclude)


def grouped(g, x, s):
    if s[1] % 8 == 0:
        g.node("Conv", [x, g.const((8, s[1] // 2, 3, 3), -0.2, 0.2)],
               (s[0], 8) + s[2:], "pads=[1,1,1,1] group=2", g.exclude)


def transposed(g, x, s):
    inputs = [x, g.const((s[1], 8, 1, 1), -0.4, 0.5)]
    if g.chance(0.5):
        inputs.append(g.const((8,), -0.5, 0.5))
    g.node("ConvTranspose", inputs, (s[0], 8) + s[2:], "", g.exclude)


def concat_channels(g, x, s):
    if s[1] <= 16:
        inputs = [x, g.like(s)]
        if g.chance(0.3):
            inputs.append(g.const(s, -1, 1) if g.chance(0.5) else g.like(s))
        g.rng.shuffle(inputs)
        g.node("Concat", inputs, (s[0], len(inputs) * s[1]) + s[2:], "axis=1")


def resize(g, x, s):
    if s[2] <= 8 and s[3] <= 8:
        scales = g.number("f32", "4", [1, 1, 2, 2])
        g.node("Resize", [x, "_", scales], s[:2] + (2 * s[2], 2 * s[3]),
               "mode=" + g.rng.choice(["nearest", "nearest", "linear"]))


def split(g, x, s):
    if s[1] >= 16 and s[1] % 2 == 0:
        g.nodes("Split", [x], [(s[0], s[1] // 2) + s[2:]] * 2, "axis=1")


def global_pool(g, x, s):
    g.node("GlobalAveragePool", [x], s[:2] + (1, 1))


def squeeze_and_excite(g, x, s):
    global_pool(g, x, s)
    y, t = g.values[-1]
    conv_small(g, y, t)
    y, t = g.values[-1]
    g.rng.choice([unary("Sigmoid"), unary("Relu"), clip])(g, y, t)
    y, t = g.values[-1]
    if t[1] == s[1]:
        g.node("Mul", [x, y], s)


def depth_to_space(g, x, s):
    if s[1] >= 16 and s[1] % 4 == 0 and s[2] <= 8 and s[3] <= 8:
        g.node("DepthToSpace", [x], (s[0], s[1] // 4, 2 * s[2], 2 * s[3]),
               "blocksize=2")


def pool_half(g, x, s):
    if s[2] >= 4 and s[3] >= 4 and s[2] % 2 == 0 and s[3] % 2 == 0:
        g.node(g.rng.choice(["MaxPool", "AveragePool"]), [x],
               s[:2] + (s[2] // 2, s[3] // 2),
               "kernel_shape=[2,2] strides=[2,2]")


def transpose_picture(g, x, s):
    g.node("Transpose", [x], (s[0], s[1], s[3], s[2]), "perm=[0,1,3,2]")


def tokens(g, x, s):
    """A picture becomes a sequence of vectors."""
    n = s[2] * s[3]
    y = g.node("Reshape", [x, g.ints(s[0], s[1], n)], (s[0], s[1], n))
    g.node("Transpose", [y], (s[0], n, s[1]), "perm=[0,2,1]")


def flatten(g, x, s):
    n = s[1] * s[2] * s[3]
    if n <= 1024:
        g.node("Flatten", [x], (s[0], n), "axis=1")


POOL = "kernel_shape=[3,3] pads=[1,1,1,1]"
PICTURES = [conv] * 6 + [
    conv_small, conv_small, conv_strided, conv_normalised, depthwise, grouped,
    transposed, concat_channels, concat_channels, concat_channels, resize,
    split, split, global_pool, squeeze_and_excite, depth_to_space, pool_half,
    unary("MaxPool", POOL), unary("AveragePool", POOL), transpose_picture,
    tokens, flatten]


# ---- matrices --------------------------------------------------------------
def product(g, x, s):
    limit = round(1.6 / s[-1] ** 0.5, 4)
    g.node("MatMul", [x, g.const((s[-1], 16), -limit, limit)], s[:-1] + (16,),
           "", g.exclude)


def product_and_bias(g, x, s):
    product(g, x, s)
    y, shape = g.values[-1]
    bias = g.const(g.rng.choice([(16,), (16,), (1, 16), (1,), ()]), -0.5, 0.5)
    inputs = [y, bias]
    g.rng.shuffle(inputs)
    g.node("Add", inputs, shape, "", g.exclude / 2)


def product_left(g, x, s):
    g.node("MatMul", [g.const((8, s[-2]), -0.4, 0.4), x],
           s[:-2] + (8, s[-1]), "", g.exclude)


def product_of_two(g, x, s):
    axes = list(range(len(s)))
    axes[-2:] = axes[:-3:-1]
    perm = ",".join(map(str, axes))
    y = g.node("Transpose", [g.like(s)], s[:-2] + (s[-1], s[-2]),
               f"perm=[{perm}]")
    g.node("MatMul", [x, y], s[:-1] + (s[-2],), "", g.exclude)


def gemm_of_two(g, x, s):
    if len(s) == 2:
        g.node("Gemm", [x, g.like(s)], (s[0], s[0]), "transB=1", g.exclude)


def product_deep(g, x, s):
    if len(s) == 3:
        shape = g.rng.choice([(1, s[2], 16), (s[0], s[2], 16)])
        g.node("MatMul", [x, g.const(shape, -0.4, 0.4)], s[:2] + (16,), "",
               g.exclude)


def product_vector(g, x, s):
    if len(s) == 3:
        g.node("MatMul", [x, g.const((s[2],), -0.4, 0.4)], s[:2], "",
               g.exclude)


def gemm(g, x, s):
    if len(s) != 2:
        return
    attrs, limit = [], round(1.6 / s[1] ** 0.5, 4)
    rows, columns = s
    if g.chance(0.15):
        attrs.append("transA=1")
        rows, columns = columns, rows
    weight = (columns, 16)
    if g.chance(0.4):
        attrs.append("transB=1")
        weight = (16, columns)
    if g.chance(0.15):
        attrs.append(g.rng.choice(["alpha=0.5", "beta=0.5"]))
    inputs = [x, g.const(weight, -limit, limit)]
    if g.chance(0.7):
        shape = g.rng.choice([(16,), (16,), (1, 16), (1,), (), (rows, 1),
                              (rows, 16)])
        inputs.append(g.const(shape, -0.5, 0.5))
    g.node("Gemm", inputs, (rows, 16), " ".join(attrs), g.exclude)


def gemm_added(g, x, s):
    """C changes from run to run."""
    if len(s) == 2 and s[1] == 16:
        g.node("Gemm", [x, g.const((16, 16), -0.4, 0.4), g.like(s)], s, "",
               g.exclude)


def reshape(g, x, s):
    if len(s) == 3:
        g.node("Reshape", [x, g.ints(s[0] * s[1], s[2])],
               (s[0] * s[1], s[2]))
    elif len(s) == 2 and s[0] % 2 == 0:
        g.node("Reshape", [x, g.ints(2, s[0] // 2, s[1])],
               (2, s[0] // 2, s[1]))


def heads(g, x, s):
    if len(s) == 3 and s[2] % 2 == 0:
        t = (s[0], s[1], 2, s[2] // 2)
        y = g.node("Reshape", [x, g.ints(*t)], t)
        t = (t[0], t[2], t[1], t[3])
        y = g.node("Transpose", [y], t, "perm=[0,2,1,3]")
        if g.chance(0.5):
            y = g.node("MatMul", [y, g.const((t[3], 8), -0.4, 0.4)],
                       t[:3] + (8,), "", g.exclude)
            t = t[:3] + (8,)
        y = g.node("Transpose", [y], (t[0], t[2], t[1], t[3]),
                   "perm=[0,2,1,3]")
        to = (t[0], t[2], t[1] * t[3])
        g.node("Reshape", [y, g.ints(*to)], to)


def transpose_matrix(g, x, s):
    perm = "[1,0]" if len(s) == 2 else "[0,2,1]"
    if len(s) < 4:
        g.node("Transpose", [x], s[:-2] + (s[-1], s[-2]), "perm=" + perm)


def concat_columns(g, x, s):
    if s[-1] <= 16:
        inputs = [x, g.like(s)]
        if g.chance(0.3):
            inputs.append(g.const(s, -1, 1))
        g.node("Concat", inputs, s[:-1] + (len(inputs) * s[-1],), "axis=-1")


def concat_rows(g, x, s):
    if s[-2] <= 8:
        g.node("Concat", [x, g.like(s)], s[:-2] + (2 * s[-2], s[-1]),
               "axis=-2")


def split_columns(g, x, s):
    if s[-1] >= 16 and s[-1] % 2 == 0:
        n = g.rng.choice([2, 2, 4]) if s[-1] % 4 == 0 else 2
        g.nodes("Split", [x], [s[:-1] + (s[-1] // n,)] * n, "axis=-1")


def layer_norm(g, x, s):
    mean = g.node("ReduceMean", [x], s[:-1] + (1,), "axes=[-1] keepdims=1")
    d = g.node("Sub", [x, mean], s)
    square = g.node("Mul", [d, d], s)
    v = g.node("ReduceMean", [square], s[:-1] + (1,), "axes=[-1] keepdims=1")
    e = g.node("Add", [v, g.number("f32", "-", [1e-5])], s[:-1] + (1,))
    root = g.node("Sqrt", [e], s[:-1] + (1,))
    y = g.node("Div", [d, root], s)
    del g.values[-7:]
    y = g.node("Mul", [y, g.const((s[-1],), 0.5, 1.5)], s)
    g.values.pop()
    g.node("Add", [y, g.const((s[-1],), -0.5, 0.5)], s)


def attention(g, x, s):
    if len(s) != 3 or s[2] > 64:
        return
    q, k, v = ([product_and_bias(g, x, s), g.values[-1]][1] for _ in range(3))
    t = g.node("Transpose", [k[0]], (s[0], 16, s[1]), "perm=[0,2,1]")
    a = g.node("MatMul", [q[0], t], (s[0], s[1], s[1]))
    a = g.node("Mul", [a, g.number("f32", "-", [0.25])], (s[0], s[1], s[1]))
    a = g.node("Softmax", [a], (s[0], s[1], s[1]), "axis=-1")
    g.node("MatMul", [a, v[0]], (s[0], s[1], 16))


MATRICES = [product] * 4 + [product_and_bias] * 5 + [gemm] * 5 + [
    product_left, product_of_two, product_of_two, gemm_of_two, product_deep, product_vector, gemm_added,
    reshape, reshape, heads, transpose_matrix, concat_columns, concat_rows,
    split_columns, layer_norm, layer_norm, attention]


# ---- growth ----------------------------------------------------------------
def grow(g):
    x, s = g.pick()
    kinds = {4: PICTURES, 2: MATRICES, 3: MATRICES}.get(len(s), ANY)
    if g.chance(0.4) or not kinds:
        kinds = ANY
    if kinds is ANY and len(s) < 2:
        return
    if s[-1] > 1024:
        return
    g.rng.choice(kinds)(g, x, s)


def fill(g, least, most):
    for _ in range(g.rng.randint(least, most)):
        grow(g)


# ---- bodies ----------------------------------------------------------------
def result_of(g, before):
    """Something that the body made itself."""
    if len(g.values) == before:
        x, shape = g.values[-1]
        g.node("Neg", [x], shape)
    return g.values[-1]


def needed(lines, outputs):
    """Without the nodes whose results nobody reads."""
    read, kept = {v for v, _, _ in outputs}, []
    for line in reversed(lines):
        if line.startswith("node "):
            left, right = line.split(" | ")[0].split(" -> ")
            if not read.intersection(right.split()):
                continue
            read.update(left.split()[2:])
        kept.append(line)
    return kept[::-1]


def put_body(g, name, body, inputs, outputs):
    g.lines.append(f"body {name}")
    g.lines += inputs + needed(body.lines, outputs)
    g.lines += [f"output {v} {kind} {sizes(s)}" for v, kind, s in outputs]
    g.lines.append("end")


def branch(g):
    yes, no = g.inside(), g.inside()
    fill(yes, 2, 5)
    y, shape = result_of(yes, len(g.values))
    same = [v for v, s in g.values if s == shape]
    n = no.node("Neg", [g.rng.choice(same) if same else
                        no.const(shape, -1, 1)], shape)
    a, b = g.name("g"), g.name("g")
    put_body(g, a, yes, [], [(y, "f32", shape)])
    put_body(g, b, no, [], [(n, "f32", shape)])
    if g.chance(0.3):
        a, b = b, a
    g.node("If", ["choice"], shape, f"then_branch=@{a} else_branch=@{b}")


def loop(g):
    x, s = g.rng.choice(g.values[-3:])
    body, name = g.inside(), g.name("g")
    i, go, state = (g.name("v") for _ in range(3))
    body.values.append((state, s))
    fill(body, 2, 5)
    y, shape = result_of(body, len(g.values) + 1)
    again = body.node("Identity", [go], ())
    end = body.node("Sigmoid" if shape == s else "Identity",
                    [y if shape == s else state], s)
    put_body(g, name, body,
             [f"input {i} i64 -", f"input {go} bool -",
              f"input {state} f32 {sizes(s)}"],
             [(again, "bool", ()), (end, "f32", s), (y, "f32", shape)])
    trips = g.number("i64", "-", [2])
    on = g.number("bool", "-", [1])
    last = g.node("Loop", [trips, on, x], s, f"body=@{name}")
    seen = g.name("v")
    g.lines[-1] = g.lines[-1].replace(f"-> {last}", f"-> {last} {seen}")
    g.node("ReduceMean", [seen], shape, "axes=[0] keepdims=0")


# ---- cases -----------------------------------------------------------------
def options(g):
    lines = []
    for chance, text in ((0.25, "per_tensor 1"), (0.25, "activation int8"),
                         (0.2, "keep_biases 1"), (0.1, "keep_first 1"),
                         (0.1, "keep_last 1"), (0.1, "exclude_op Add"),
                         (0.05, "exclude_op Relu Clip"),
                         (0.05, "only_op MatMul Conv"),
                         (0.15, "method minmax")):
        if g.chance(chance):
            lines.append("#! option " + text)
    if g.excluded:
        # An exclusion survives names that get something before them.
        words = " ".join(f"{n} *_{n}" for n in g.excluded[:14])
        lines.append("#! option exclude " + words)
    return lines


def case(seed):
    g = Graph(random.Random(seed))
    shape = g.rng.choice([(1, 8, 8, 8), (1, 8, 8, 8), (2, 8, 8, 8), (4, 16),
                          (4, 16), (16, 16), (2, 4, 16), (1, 8, 16)])
    g.lines.append(f"opset {g.rng.choice([14, 14, 17])}")
    for name in ["x", "z"][:1 + g.chance(0.2)]:
        g.lines.append(f"input {name} f32 {sizes(shape)} -1 2")
        g.values.append((name, shape))
    inputs = list(g.values)
    fill(g, 4, 16)
    if seed % 4 == 3:
        g.lines.append("input choice bool - 0 1")
        for _ in range(g.rng.randint(1, 2)):
            g.rng.choice([branch, loop])(g)
            fill(g, 1, 4)
    known = {v for v, _ in g.values}
    outputs = [v for v in g.made
               if v not in g.read or v in known and g.chance(0.08)]
    for v, s in inputs:
        if v not in g.read:
            outputs.append(g.node("Neg", [v], s))
    head = ["#! samples 6", "#! may_refuse", "#! pieces"] + options(g)
    ends = [f"output {v} f32 {sizes(g.made[v])}" for v in outputs]
    return "\n".join(head + g.lines + ends) + "\n"


def main(folder, count, first):
    os.makedirs(folder, exist_ok=True)
    # What an earlier generation made would be judged, too.
    for old in (glob.glob(os.path.join(folder, "*.case")) +
                glob.glob(os.path.join(folder, "made", "*"))):
        os.remove(old)
    for seed in range(first, first + count):
        with open(os.path.join(folder, f"random{seed}.case"), "w",
                  encoding="utf-8") as f:
            f.write(case(seed))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]),
         int(sys.argv[3]) if len(sys.argv) > 3 else 0)
