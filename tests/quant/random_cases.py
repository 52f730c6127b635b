"""Random graphs as cases for quant_cases: layers, what is between them, values
with several readers, exclusions, bodies of If and Loop.

    random_cases.py FOLDER COUNT [FIRST]

What is asked of them is that what was placed on integers runs there, and the
rest does not.
"""
import glob
import os
import random
import sys


def sizes(shape):
    return ",".join(map(str, shape)) or "-"


class Graph:
    def __init__(self, rng):
        self.rng = rng
        self.lines = []
        self.values = []  # (name, shape)
        self.read = set()
        self.excluded = []
        self.count = 0
        self.around = None

    def inside(self):
        """A body: sees what is here, and what it makes is not seen."""
        g = Graph(self.rng)
        g.around = self
        g.values = list(self.values)
        g.excluded = self.excluded
        g.read = self.read
        return g

    def name(self, prefix):
        if self.around:
            return self.around.name(prefix)
        self.count += 1
        return f"{prefix}{self.count}"

    def const(self, shape, lo, hi):
        name = self.name("k")
        # Of a body, or of the graph around it.
        to = self.around if self.around and self.rng.random() < 0.5 else self
        to.lines.append(f"const {name} f32 {sizes(shape)} random "
                        f"{self.rng.randrange(1000)} {lo} {hi}")
        return name

    def number(self, kind, shape, values):
        name = self.name("k")
        self.lines.append(f"const {name} {kind} {shape} "
                          f"{' '.join(map(str, values))}")
        return name

    def node(self, op, inputs, shape, attrs="", exclude=0.0):
        name, out = self.name("n"), self.name("v")
        self.lines.append(f"node {op}@{name} {' '.join(inputs)} -> {out}"
                          f"{' | ' + attrs if attrs else ''}")
        self.read.update(inputs)
        self.values.append((out, shape))
        if self.rng.random() < exclude:
            self.excluded.append(name)
        return out

    def like(self, shape):
        return self.rng.choice([v for v, s in self.values if s == shape])


# ---- nodes of any shape ----------------------------------------------------
def unary(op, attrs=""):
    return lambda g, x, s: g.node(op, [x], s, attrs)


def binary(op):
    return lambda g, x, s: g.node(op, [x, g.like(s)], s)


def add_constant(g, x, s):
    g.node("Add", [x, g.const(s, -1, 1)], s)


def clip(g, x, s):
    lo = g.number("f32", "-", [g.rng.choice([0, -0.5, 0.1])])
    hi = g.number("f32", "-", [g.rng.choice([0.6, 1.5])])
    g.node("Clip", [x, lo, hi], s)


# ---- pictures --------------------------------------------------------------
def conv(g, x, s):
    m = g.rng.choice([8, 8, 16])
    limit = round(1 / (3 * s[1] ** 0.5), 4)
    inputs = [x, g.const((m, s[1], 3, 3), -limit, limit)]
    if g.rng.random() < 0.6:
        inputs.append(g.const((m,), -0.5, 0.5))
    g.node("Conv", inputs, (1, m) + s[2:], "pads=[1,1,1,1]", 0.25)


def depthwise(g, x, s):
    g.node("Conv", [x, g.const((s[1], 1, 3, 3), -0.4, 0.5)], s,
           f"pads=[1,1,1,1] group={s[1]}", 0.25)


def transposed(g, x, s):
    g.node("ConvTranspose", [x, g.const((s[1], 8, 1, 1), -0.4, 0.5)],
           (1, 8) + s[2:])


def concat_channels(g, x, s):
    if s[1] <= 16:
        g.node("Concat", [x, g.like(s)], (1, 2 * s[1]) + s[2:], "axis=1")


def resize(g, x, s):
    if s[2] <= 8:
        scales = g.number("f32", "4", [1, 1, 2, 2])
        g.node("Resize", [x, "_", scales], s[:2] + (2 * s[2], 2 * s[3]),
               "mode=" + g.rng.choice(["nearest", "nearest", "linear"]))


def split(g, x, s):
    if s[1] >= 16:
        a = g.node("Split", [x], (1, s[1] // 2) + s[2:], "axis=1")
        b = g.name("v")
        g.lines[-1] = g.lines[-1].replace(f"-> {a}", f"-> {a} {b}")
        g.values.append((b, (1, s[1] // 2) + s[2:]))


def global_pool(g, x, s):
    g.node("GlobalAveragePool", [x], s[:2] + (1, 1))


POOL = "kernel_shape=[3,3] pads=[1,1,1,1]"
PICTURES = [conv] * 5 + [
    depthwise, transposed, concat_channels, resize, split, global_pool, clip,
    add_constant, unary("Relu"), unary("Relu"), unary("Sigmoid"), unary("Erf"),
    unary("LeakyRelu", "alpha=0.1"), unary("Softmax", "axis=1"),
    unary("Identity"), unary("MaxPool", POOL), unary("AveragePool", POOL),
    unary("Transpose", "perm=[0,1,3,2]"), binary("Add"), binary("Mul"),
    binary("Sub")]


# ---- matrices --------------------------------------------------------------
def product(g, x, s):
    g.node("MatMul", [x, g.const((s[-1], 16), -0.4, 0.45)], s[:-1] + (16,), "",
           0.25)


def product_and_bias(g, x, s):
    product(g, x, s)
    y, shape = g.values[-1]
    bias = g.const(g.rng.choice([(16,), (16,), (1, 16)]), -0.5, 0.5)
    inputs = [y, bias]
    g.rng.shuffle(inputs)
    g.node("Add", inputs, shape, "", 0.15)


def gemm(g, x, s):
    if len(s) != 2:
        return
    inputs = [x, g.const((s[1], 16), -0.4, 0.45)]
    if g.rng.random() < 0.6:
        shape = g.rng.choice([(16,), (16,), (1, 16), (1,), (s[0], 16)])
        inputs.append(g.const(shape, -0.5, 0.5))
    g.node("Gemm", inputs, (s[0], 16), "", 0.25)


def reshape(g, x, s):
    if len(s) == 3:
        to = g.number("i64", "2", [-1, s[2]])
        g.node("Reshape", [x, to], (s[0] * s[1], s[2]))
    elif s[0] % 2 == 0:
        to = g.number("i64", "3", [2, -1, s[1]])
        g.node("Reshape", [x, to], (2, s[0] // 2, s[1]))


def concat_columns(g, x, s):
    if s[-1] <= 16:
        g.node("Concat", [x, g.like(s)], s[:-1] + (2 * s[-1],), "axis=-1")


MATRICES = [product] * 3 + [product_and_bias] * 3 + [
    gemm, gemm, reshape, concat_columns, clip, add_constant, unary("Relu"),
    unary("Relu"), unary("Erf"), unary("Sigmoid"), unary("Softmax"),
    binary("Add"), binary("Mul")]


# ---- bodies ----------------------------------------------------------------
def fill(g, kinds, least, most):
    for _ in range(g.rng.randint(least, most)):
        g.rng.choice(kinds)(g, *g.rng.choice(g.values[-3:]))


def result_of(g, before):
    """Something that the body made itself."""
    if len(g.values) == before:
        x, shape = g.values[-1]
        g.node("Neg", [x], shape)
    return g.values[-1]


def put_body(g, name, body, inputs, outputs):
    g.lines.append(f"body {name}")
    g.lines += inputs + body.lines
    g.lines += [f"output {v} {kind} {sizes(s)}" for v, kind, s in outputs]
    g.lines.append("end")


def branch(g, kinds):
    yes, no = g.inside(), g.inside()
    fill(yes, kinds, 2, 5)
    y, shape = result_of(yes, len(g.values))
    same = [v for v, s in g.values if s == shape]
    n = no.node("Neg", [g.rng.choice(same) if same else
                        no.const(shape, -1, 1)], shape)
    a, b = g.name("g"), g.name("g")
    put_body(g, a, yes, [], [(y, "f32", shape)])
    put_body(g, b, no, [], [(n, "f32", shape)])
    if g.rng.random() < 0.3:
        a, b = b, a
    g.node("If", ["choice"], shape, f"then_branch=@{a} else_branch=@{b}")


def loop(g, kinds):
    x, s = g.rng.choice(g.values[-3:])
    body, name = g.inside(), g.name("g")
    i, go, state = (g.name("v") for _ in range(3))
    body.values.append((state, s))
    fill(body, kinds, 2, 5)
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
def case(seed):
    g = Graph(random.Random(seed))
    shape, kinds = g.rng.choice([((1, 8, 8, 8), PICTURES),
                                 ((1, 8, 8, 8), PICTURES),
                                 ((4, 16), MATRICES), ((2, 4, 16), MATRICES)])
    g.lines.append(f"input x f32 {','.join(map(str, shape))} -1 2")
    g.values.append(("x", shape))
    fill(g, kinds, 6, 20)
    if seed % 2 == 1:
        g.lines.append("input choice bool - 0 1")
        for _ in range(g.rng.randint(1, 2)):
            g.rng.choice([branch, loop])(g, kinds)
            fill(g, kinds, 1, 4)
    outputs = [f"output {v} f32 {sizes(s)}" for v, s in g.values[1:]
               if v not in g.read or g.rng.random() < 0.08]
    head = ["#! samples 6", "#! may_refuse", "#! steps 2 1000"]
    if g.excluded:
        words = " ".join(f"{n} *_{n}" for n in g.excluded)
        head.append("#! option exclude " + words)
    return "\n".join(head + g.lines + outputs) + "\n"


def main(folder, count, first):
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(folder, "*.case")):
        os.remove(old)
    for seed in range(first, first + count):
        with open(os.path.join(folder, f"random{seed}.case"), "w",
                  encoding="utf-8") as f:
            f.write(case(seed))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]),
         int(sys.argv[3]) if len(sys.argv) > 3 else 0)
