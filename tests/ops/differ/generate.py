#!/usr/bin/env python3
"""generate.py [HERE] OUT [--count N] [--op OP[-VERSION],...] [--show ID]

Random cases of one node each and what onnxruntime computes for them: a pack
OUT/OP-VERSION.pack for every operator of table.py and every version of it from
opset 7 on that onnxruntime has a kernel for; differ.c says what a pack holds,
draw.py how cases are drawn, table.py what is drawn and where onnxruntime is
not followed.  OUT/report.txt tells how many cases there are, and what was left
out and why.  --show prints one case, such as Add-14/7, and writes it to OUT in
the layout of the official cases.  HERE is not used.
"""
import argparse
import contextlib
import os
import pathlib
import signal
import struct
import sys
import traceback
import warnings

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["ALLOW_RELEASED_ONNX_OPSET_ONLY"] = "0"
warnings.filterwarnings("ignore")

import numpy as np
import onnx
import onnxruntime as ort
from onnx import defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from draw import Draw, Skip
from table import DEVIATIONS, ROWS

NEWEST, MS = 27, "com.microsoft"
ort.set_default_logger_severity(4)


# ---- what onnxruntime has --------------------------------------------------
def kernels():
    """(domain, operator) to [first opset, last, {type variable: types}]."""
    y = {}
    for k in ort_state.get_all_opkernel_def():
        if k.provider != "CPUExecutionProvider":
            continue
        types = {v: sorted(t[7:-1] for t in ts if t.startswith("tensor("))
                 for v, ts in k.type_constraints.items()}
        y.setdefault((k.domain, k.op_name), []).append((*k.version_range,
                                                        types))
    for ks in y.values():  # in an order of their own
        ks.sort(key=lambda k: (*k[:2], sorted(k[2].items())))
    return y


def versions(row):
    """[(since, last)] of the versions that some opset from 7 on has."""
    if row.domain_name:
        return [(1, 1)]
    have = sorted((s.since_version, s.deprecated)
                  for s in defs.get_all_schemas_with_history()
                  if s.domain == "" and s.name == row.op)
    if not have:
        return [(row.since or 1, NEWEST)]
    y = list(row.also)
    for k, (v, gone) in enumerate(have):
        last = have[k + 1][0] - 1 if k + 1 < len(have) else NEWEST
        if last >= 7 and v <= NEWEST and not gone and v >= row.since:
            y.append((v, last))
    return y


def schema_types(row, opset):
    """Of operators that are functions of others."""
    try:
        s = defs.get_schema(row.op, opset, row.domain_name)
    except defs.SchemaError:
        return {}
    return {c.type_param_str: sorted(t[7:-1] for t in c.allowed_type_strs
                                     if t.startswith("tensor("))
            for c in s.type_constraints}


def halved(types, may):
    """float16 instead of float: onnxruntime computes in float and casts."""
    return {v: ["float16"] if "float" in ts and "float16" in may.get(v, [])
            else ts for v, ts in types.items()}


# ---- models ----------------------------------------------------------------
def type_of(v):
    if isinstance(v, list):
        return helper.make_sequence_type_proto(type_of(v[0]))
    return helper.make_tensor_type_proto(
        helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)


def info_of(name, v, known):
    t = type_of(v)
    if not known and t.HasField("tensor_type"):
        for k, d in enumerate(t.tensor_type.shape.dim):
            d.dim_param = f"{name}_{k}"
    return helper.make_value_info(name, t)


def as_proto(v, name):
    if isinstance(v, list):
        return numpy_helper.from_list(v, name)
    return numpy_helper.from_array(np.ascontiguousarray(v).reshape(v.shape),
                                   name)


class Case:
    """A drawn case: inputs, attributes, the model."""

    def __init__(self, row, since, last, number, have):
        pick = np.random.default_rng([number, since])
        opset = 1 if row.domain_name else int(pick.integers(
            max(since, 7), min(last, NEWEST) + 1))
        self.taken = min(opset, row.as_of or opset)  # by onnxruntime
        fit = [k for k in have if k[0] <= self.taken <= k[1]]
        if have and not fit:
            raise Skip("no kernel of onnxruntime")
        # The kernels of float32 as often as all others.
        plain = [k for k in fit if k[2].get(row.type, [""]) == ["float"]]
        fit = plain if plain and pick.random() < .3 else fit
        may = schema_types(row, opset)
        types = fit[int(pick.integers(len(fit)))][2] if fit else may
        types = {v: [t for t in ts if t in may.get(v, ts)] or ts
                 for v, ts in types.items()}
        if pick.random() < .1:
            types = halved(types, may)
        self.id = f"{row.name}-{since}/{number}"
        d = self.d = Draw(row.name, since, opset, number, types, row)
        drawn = row.draw(d)
        inputs, attrs, n_out = drawn, {}, 1
        if isinstance(drawn, tuple):
            inputs, attrs, n_out = (*drawn, 1)[:3]
        self.row, self.opset = row, opset
        self.attrs = {k: v for k, v in attrs.items() if v is not None}
        while inputs and inputs[-1] is None:
            inputs = inputs[:-1]
        self.inputs = [v if v is None or isinstance(v, list) else np.asarray(v)
                       for v in inputs]
        wanted = [True] * n_out if isinstance(n_out, int) else n_out
        self.outs = [f"y{i}" if w else "" for i, w in enumerate(wanted)]
        self.known = d.p(.7)
        # Few of the inputs but the first are initializers.
        self.constant = d.constant | {
            i for i, v in enumerate(self.inputs)
            if i > 0 and not isinstance(v, list) and d.p(.3)}
        self.model, self.feeds = self.build(self.inputs, opset)

    def build(self, inputs, opset):
        row = self.row
        ins, feeds, inits, infos = [], {}, [], []
        for i, v in enumerate(inputs):
            x = f"x{i}" if v is not None else ""
            ins.append(x)
            if v is None:
                continue
            if i in self.constant:
                inits.append(numpy_helper.from_array(v, x))
                continue
            feeds[x] = v
            infos.append(info_of(x, v, self.known))
        node = helper.make_node(row.op, ins, self.outs,
                                domain=row.domain_name, **self.attrs)
        ys = [helper.make_empty_tensor_value_info(y) for y in self.outs if y]
        g = helper.make_graph([node], row.name, infos, ys, inits)
        sets = [helper.make_opsetid("", 21 if row.domain_name else opset)]
        if row.domain_name:
            sets.append(helper.make_opsetid(row.domain_name, 1))
        return helper.make_model(g, opset_imports=sets, ir_version=10), feeds

    def run(self):
        if self.row.by_reference:
            y = ReferenceEvaluator(self.model).run(None, self.feeds)
            self.results = [np.asarray(v) for v in y]
            return
        opt = ort.SessionOptions()
        opt.intra_op_num_threads = opt.inter_op_num_threads = 1
        opt.log_severity_level = 4
        opt.graph_optimization_level = (
            ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
        model, feeds = self.model, self.feeds
        if self.d.instead is not None or self.taken != self.opset:
            model, feeds = self.build(self.d.instead or self.inputs,
                                      self.taken)
        s = ort.InferenceSession(model.SerializeToString(), opt,
                                 providers=["CPUExecutionProvider"])
        self.results = [v if isinstance(v, list) else np.asarray(v)
                        for v in s.run(None, feeds)]

    def again(self, attrs):
        """The results with other attributes."""
        was = self.model
        self.model = onnx.ModelProto.FromString(was.SerializeToString())
        del self.model.graph.node[0].attribute[:]
        self.model.graph.node[0].attribute.extend(
            helper.make_attribute(k, v) for k, v in attrs.items()
            if v is not None)
        self.run()
        self.model = was
        return self.results

    def finish(self):
        """Declares the outputs."""
        del self.model.graph.output[:]
        known = self.d.p(.5)
        for y, v in zip([y for y in self.outs if y], self.results):
            if isinstance(v, list) and not v:
                raise Skip("an empty sequence")
            self.model.graph.output.append(info_of(y, v, known))

    def text(self):
        def one(v):
            if v is None:
                return "-"
            if isinstance(v, list):
                return "[" + " ".join(one(x) for x in v) + "]"
            y = f"{v.dtype}{list(v.shape)}".replace(" ", "")
            if v.size <= 8 and v.dtype.kind in "iub":
                y += "=" + str(v.tolist()).replace(" ", "")
            return y

        attrs = " ".join(f"{k}={str(v)[:60]}".replace("\n", " ")
                         for k, v in self.attrs.items())
        return (f"opset {self.opset}: " + " ".join(map(one, self.inputs)) +
                (" | " + attrs if attrs else ""))

    def record(self):
        dtypes = {v.dtype.type for v in [*self.inputs, *self.results]
                  if isinstance(v, np.ndarray)}
        y = b""

        def put(b):
            return struct.pack("<I", len(b)) + b

        y = put(self.id.encode()) + put(self.text().encode())
        y += struct.pack("<4d", *self.row.tolerances(dtypes))
        y += put(self.model.SerializeToString())
        for named in (self.feeds.items(), zip(self.outs, self.results)):
            items = [put(as_proto(v, x).SerializeToString())
                     for x, v in named]
            y += struct.pack("<I", len(items)) + b"".join(items)
        return y

    def save(self, folder):
        """In the layout of the official cases."""
        data = folder / "test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(self.model.SerializeToString())
        for i, (x, v) in enumerate(self.feeds.items()):
            (data / f"input_{i}.pb").write_bytes(
                as_proto(v, x).SerializeToString())
        for i, v in enumerate(self.results):
            (data / f"output_{i}.pb").write_bytes(
                as_proto(v, f"y{i}").SerializeToString())


def deviate(case):
    """Where onnxruntime is not followed: the results that the specification
    asks for, or None to go on without the case."""
    for ops, when, instead, _ in DEVIATIONS:
        if case.row.name in ops.split() and when(case):
            if instead is None:
                return "left"
            y = instead(case)
            if y is None:
                return "left"
            case.results = [np.asarray(v) for v in y]
            return "mended"
    return ""


# ---- packs -----------------------------------------------------------------
class Left(Exception):
    """What onnxruntime does not take."""


@contextlib.contextmanager
def quiet():
    """onnxruntime prints refusals to stderr."""
    null, was = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(was, 2)
        os.close(null)
        os.close(was)


def one_case(row, since, last, number, have):
    try:
        c = Case(row, since, last, number, have)
    except Skip as e:
        raise Left(str(e)) from None
    try:
        c.run()
    except Exception as e:  # onnxruntime has a dozen classes of its own
        line = str(e).splitlines()[0] if str(e) else repr(e)
        raise Left(f"{c.text()}: {line[-160:]}") from None
    what = deviate(c)
    if what == "left":
        raise Left("listed as a deviation")
    try:
        c.finish()
    except Skip as e:
        raise Left(str(e)) from None
    return c, what


def make_pack(path, row, since, last, count, have, first, tally):
    """Goes on from case `first`; `tally` is what is known so far."""
    with open(path, "ab") as pack:
        for number in range(first, count * 4 + 8):
            if tally["cases"] == count:
                break
            os.pwrite(tally["mark"], struct.pack("<I", number), 0)
            signal.alarm(20)
            try:
                c, what = one_case(row, since, last, number, have)
                pack.write(c.record())
                pack.flush()
                tally["cases"] += 1
                tally["mended"] += what == "mended"
            except Left as e:
                tally["left"] += 1
                tally["why"] = str(e)
            signal.alarm(0)
    return tally


def child(path, row, since, last, count, have, first, tally, answer):
    try:
        with quiet():
            make_pack(path, row, since, last, count, have, first, tally)
    except Exception:  # a mistake in the table, not a death
        traceback.print_exc()
        os._exit(3)
    text = "\t".join(str(tally[k]) for k in ("cases", "left", "mended", "why"))
    os.write(answer, text.encode()[:4000])
    os._exit(0)


def pack_of(out, row, since, last, count, have):
    """In a process of its own: onnxruntime divides by zero, too.  A case in
    which it dies is left out."""
    path = out / f"{row.name}-{since}.pack"
    path.write_bytes(b"")
    mark = os.open(out / "mark", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    died, first = [], 0
    tally = {"cases": 0, "left": 0, "mended": 0, "why": "", "mark": mark}
    while True:
        answer, ask = os.pipe()
        # What is in the pack already counts.
        tally["cases"] = records(path)
        pid = os.fork()
        if pid == 0:
            child(path, row, since, last, count, have, first, tally, ask)
        os.close(ask)
        text = b""
        while more := os.read(answer, 4000):
            text += more
        os.close(answer)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            break
        if os.WIFEXITED(status):
            raise SystemExit(f"{row.name}-{since} cannot be drawn")
        first = struct.unpack("<I", os.pread(mark, 4, 0))[0] + 1
        died.append(first - 1)
        if len(died) > 50:
            raise SystemExit(f"{row.name}-{since}: onnxruntime dies too often")
    os.close(mark)
    cases, left, mended, why = text.decode(errors="replace").split("\t", 3)
    if cases == "0":
        path.unlink()
    return int(cases), int(left), int(mended), died, why


def records(path):
    data, at, n = path.read_bytes(), 0, 0

    def skip(times):
        nonlocal at
        for _ in range(times):
            at += 4 + struct.unpack_from("<I", data, at)[0]

    while at < len(data):
        skip(2)
        at += 32
        skip(1)
        for _ in range(2):
            k = struct.unpack_from("<I", data, at)[0]
            at += 4
            skip(k)
        n += 1
    return n


def chosen(only, row, since):
    return not only or row.name in only or f"{row.name}-{since}" in only


def all_packs(out, count, only):
    have = kernels()
    lines, total, least = [], 0, []
    for row in ROWS:
        mine = have.get((row.domain_name, row.op), [])
        for since, last in versions(row):
            if not chosen(only, row, since):
                continue
            cases, left, mended, died, why = pack_of(out, row, since, last,
                                                     count, mine)
            total += cases
            line = f"{row.name}-{since}: {cases} cases"
            if left:
                line += f", {left} left out"
            if mended:
                line += f", {mended} by the specification"
            if died:
                line += f", onnxruntime dies in {died}"
            if cases < count:
                line += f"; {why}"
            lines.append(line)
    lines.append(f"{total} cases, {len(lines)} operators and versions")
    (out / "report.txt").write_text("\n".join(lines) + "\n")
    return lines


def show(out, name):
    pack, number = name.rsplit("/", 1)
    op, since = pack.rsplit("-", 1)
    row = [r for r in ROWS if r.name == op][0]
    since, last = [v for v in versions(row) if v[0] == int(since)][0]
    with quiet():
        c, what = one_case(row, since, last, int(number),
                           kernels().get((row.domain_name, row.op), []))
    print(c.id, c.text(), what)
    np.set_printoptions(threshold=200, linewidth=100)
    for i, v in enumerate(c.inputs):
        print(f"input {i}:", v)
    for i, v in enumerate(c.results):
        print(f"output {i}:", v)
    c.save(out / "node" / f"test_{name.replace('/', '_')}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out", nargs="+")
    p.add_argument("--count", type=int, default=20)
    p.add_argument("--op", default="")
    p.add_argument("--show")
    a = p.parse_args()
    out = pathlib.Path(a.out[-1])
    out.mkdir(parents=True, exist_ok=True)
    if a.show:
        return show(out, a.show)
    only = [x for x in a.op.split(",") if x]
    lines = all_packs(out, a.count, only)
    print("\n".join(lines if only else lines[-1:]))
    (out / "complete").write_text("")


if __name__ == "__main__":
    sys.exit(main())
