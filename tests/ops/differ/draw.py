"""draw.py - how random cases are drawn: the words in which table.py speaks.

A row of the table says how to draw one operator's inputs and attributes: it is
a function of a Draw, which gives

    list of inputs                      or
    (list of inputs, dict of attributes [, outputs])

An input is an array, None where it is absent, or a list of arrays for a
sequence.  An attribute that is None is left out.  Outputs are a number, or a
list of bools: which of them are asked for.

Element types are drawn from what onnxruntime has a kernel for.  Everything is a
function of the operator, its version and the number of the case, so that a row
may come or go without changing another's cases.
"""
import zlib

import ml_dtypes
import numpy as np

F16, F32, F64 = np.float16, np.float32, np.float64
I8, U8, I32, I64 = np.int8, np.uint8, np.int32, np.int64
TYPES = {
    "float": F32, "double": F64, "float16": F16, "bool": np.bool_,
    "int8": I8, "uint8": U8, "int16": np.int16, "uint16": np.uint16,
    "int32": I32, "uint32": np.uint32, "int64": I64, "uint64": np.uint64,
    "bfloat16": ml_dtypes.bfloat16,
}
SPECIALS = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, -1e-40, 1e-38]


class Skip(Exception):
    """The drawn case makes no sense; another one is drawn."""


class Draw:
    def __init__(self, op, since, opset, number, types, row):
        seed = zlib.crc32(f"{op}-{since}/{number}".encode())
        self.rng = np.random.default_rng(seed)
        self.op, self.v, self.row, self.types = op, opset, row, types
        self.number = number
        self.chosen = {}
        self.constant = set()  # positions of inputs that must be initializers
        # Inputs that mean the same, where onnxruntime does not take these.
        self.instead = None
        # Few cases have empty tensors or special numbers.
        self.hollow = self.p(.06)
        self.special = self.p(row.special)

    # ---- numbers ----
    def p(self, chance=.5):
        return bool(self.rng.random() < chance)

    def i(self, low, high):
        """An integer, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def f(self, low, high):
        return float(np.float32(self.rng.random() * (high - low) + low))

    def pick(self, *choices):
        return choices[self.i(0, len(choices) - 1)]

    def ints(self, n, low, high):
        return [self.i(low, high) for _ in range(n)]

    def opt(self, x, chance=.5):
        """x, or None for one that is absent."""
        return x if self.p(chance) else None

    def bit(self):
        """An attribute that is 0, 1 or left to its default."""
        return self.opt(self.i(0, 1), .7)

    # ---- types ----
    def t(self, name="T"):
        """The element type of a type variable; the same one at each call."""
        if name not in self.chosen:
            have = [TYPES[x] for x in self.types.get(name, ["float"])
                    if x in TYPES]
            have = [x for x in have if x not in self.row.without]
            if not have:
                raise Skip(f"no usable type for {name}")
            plain = [x for x in have if x == F32]
            self.chosen[name] = (plain[0] if plain and self.p(.4)
                                 else self.pick(*have))
        return self.chosen[name]

    # ---- shapes ----
    def dim(self, high=6):
        return 1 if self.p(.2) else self.i(1, high)

    def shape(self, low=0, high=5, most=6):
        rank = self.i(low, high)
        s = [self.dim(most if rank < 4 else min(most, 4)) for _ in range(rank)]
        if 0 < rank < 4 and self.p(.15):  # more than a vector register
            s[-1] = self.i(7, 40)
        if self.hollow and s and self.row.hollow:
            s[self.i(0, rank - 1)] = 0
        return tuple(s)

    def axis(self, rank, negative=True):
        low = -rank if negative and rank else 0
        return self.i(low, max(rank - 1, 0))

    def axes(self, rank, low=0, negative=True):
        n = self.i(min(low, rank), rank)
        at = self.rng.permutation(rank)[:n]
        return [int(a) - rank if negative and self.p() else int(a) for a in at]

    def part(self, s, one_way=False):
        """A shape that broadcasts to s."""
        cut = self.i(0, len(s)) if self.p(.4) else 0
        return tuple(1 if self.p(.25) else n for n in s[cut:])

    def pair(self, *more):
        """Shapes that broadcast together, each other's equal in none of the
        axes where it is 1."""
        s = self.shape(*more)
        if self.p(.3):
            return s, s
        a, b = tuple(1 if self.p(.2) else n for n in s), self.part(s)
        return (a, b) if self.p() else (b, a)

    # ---- values ----
    def x(self, shape=None, t="T", low=None, high=None, special=None):
        """Values of a type, or of a type variable's type."""
        shape = self.shape() if shape is None else tuple(shape)
        t = self.t(t) if isinstance(t, str) else t
        if t == np.bool_:
            return self.rng.random(shape) < .5
        if np.issubdtype(t, np.integer):
            return self.whole(shape, t, low, high)
        lo, hi = (low, high) if low is not None else self.row.domain
        if lo is None:
            v = self.rng.standard_normal(shape) * self.row.scale
        else:
            v = self.rng.random(shape) * (hi - lo) + lo
        v = np.asarray(v).astype(t)
        if self.special if special is None else special:
            at = self.rng.random(shape) < .3
            v = np.where(at, self.rng.choice(self.row.specials, shape), v)
        return np.asarray(v).astype(t)

    def whole(self, shape, t, low=None, high=None):
        i = np.iinfo(t)
        if low is None:
            low, high = -10, 10
            if self.row.wide and self.p(.4):
                low, high = i.min, i.max
        low, high = max(low, i.min), min(high, i.max)
        return np.asarray(self.rng.integers(low, high, shape, dtype=t,
                                            endpoint=True))

    def index(self, shape, n, t=I64, negative=True):
        if n == 0 and np.prod(shape, dtype=int) > 0:
            raise Skip("an index into nothing")
        low = -n if negative else 0
        return np.asarray(self.rng.integers(low, max(n, low + 1), shape,
                                            dtype=I64)).astype(t)

    def const(self, *at):
        self.constant |= set(at)


class Row:
    """One operator: how it is drawn, and how near results have to be.

    special: how often inputs have NaN, infinities, zeros of both signs and
    denormals.  wide: integers of the whole range (they wrap around).  hollow:
    empty tensors.  without: element types that are left out.  exact: equal in
    every bit.  range, rtol, atol: |got - want| <= atol + rtol |want| + range
    max |want|, for float; `double` times that for double; 1e-3 for the 16-bit
    floats.  steps: by which integers may differ.  why: of what is looser than a
    few roundings.

    as_of: the newest opset that onnxruntime has a kernel for, where later ones
    only add types.  by_reference: the evaluator of the onnx package is asked,
    as onnxruntime has none at all.  also: (first, last) opsets of a version
    that only onnxruntime knows.
    """

    def __init__(self, op, draw, domain="", name="", special=0.0, wide=False,
                 hollow=True, without=(), exact=False, range=1e-5, rtol=0.0,
                 atol=1e-6, steps=0.0, low=None, high=None, scale=1.0,
                 specials=SPECIALS, since=0, type="T", double=1e-6,
                 why="", as_of=None, by_reference=False, also=()):
        self.op, self.draw, self.domain_name = op, draw, domain
        self.name = ("ms_" if domain else "") + (name or op)
        self.special, self.wide, self.hollow = special, wide, hollow
        self.without = set(without) | {ml_dtypes.bfloat16}
        self.exact, self.range, self.rtol, self.atol = exact, range, rtol, atol
        self.steps, self.domain, self.scale = steps, (low, high), scale
        self.specials, self.since, self.type = specials, since, type
        self.double, self.why = double, why
        self.as_of, self.by_reference, self.also = as_of, by_reference, also

    def tolerances(self, dtypes):
        """rtol, atol, range, steps for inputs and outputs of these types."""
        if self.exact:
            return 0.0, 0.0, 0.0, self.steps
        if F16 in dtypes:  # one rounding to eleven bits
            return max(self.rtol, 1e-3), max(self.atol, 1e-6), max(
                self.range, 1e-3), self.steps
        if F64 in dtypes and F32 not in dtypes:
            return (self.rtol * self.double, self.atol * self.double,
                    self.range * self.double, self.steps)
        return self.rtol, self.atol, self.range, self.steps
