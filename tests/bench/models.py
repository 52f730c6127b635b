"""Measures the program against onnxruntime's own quantizer on real models.

    python models.py --program build/release/src/onnxquant --shared FOLDER \\
        [--only NAME...] [--json FILE]

For each model: time and peak memory of both conversions on the same samples;
latency of the float model and both results, one after the other in turn, with
one thread; what onnxruntime runs on integers.  What int8 costs in accuracy is
measured by tests/accuracy.  Needs Python with onnxruntime, onnx, numpy and
pillow.  Absolute times are those of this machine; ratios carry over.
"""

import argparse
import collections
import json
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "accuracy"))
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnx
import onnxruntime as ort

import convert
from task import Run, Shared
from tasks import TASKS

MODELS = {model: task for task in TASKS.values() for model in task.models}
INT8 = {"QLinearConv", "ConvInteger", "QGemm", "QLinearMatMul", "MatMulInteger",
        "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QAttention"}
FLOAT = {"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul",
         "ConvTranspose", "LSTM", "GRU", "Attention"}


# ---- converting -------------------------------------------------------------
def conversions(args, name, model, data, folder):
    """Paths and measurements of both, of one that failed its reason."""
    paths = {who: os.path.join(folder, f"{name}.{who}.onnx")
             for who in ("ours", "rival")}
    made = {}
    for who, path in paths.items():
        start = time.perf_counter()
        try:
            if who == "ours":
                peak = convert.by_program(
                    args.program, model, path,
                    ["--data", data, "--no-check", "--samples", "100000"])
            else:
                peak = convert.by_onnxruntime(model, path, data,
                                              args.rival_method)
        except convert.Failed as why:
            print(f"{name}: {who} failed: {why}", file=sys.stderr)
            made[who] = {"failed": str(why)}
            continue
        made[who] = {"seconds": time.perf_counter() - start,
                     "peak_bytes": peak, "bytes": os.path.getsize(path)}
    return {w: p for w, p in paths.items() if "failed" not in made[w]}, made


# ---- speed ------------------------------------------------------------------
def latencies(paths, feeds, rounds):
    """Medians in ms and of the ratios within a round; in turn, so that
    whatever else the machine does hits all alike."""
    runs = {who: Run(path) for who, path in paths.items()}
    names = list(runs)
    ms = {who: [] for who in names}
    for i in range(5 + rounds):
        feed = feeds[i % len(feeds)]
        for k in range(len(names)):
            who = names[(i + k) % len(names)]
            start = time.perf_counter()
            runs[who].session.run(None, feed)
            if i >= 5:
                ms[who].append(1e3 * (time.perf_counter() - start))
    result = {"ms": {who: statistics.median(v) for who, v in ms.items()}}
    for a, b, key in (("float", "ours", "speedup"),
                      ("float", "rival", "rival_speedup"),
                      ("rival", "ours", "rival_over_ours")):
        if a in ms and b in ms:
            result[key] = statistics.median(x / y for x, y in
                                            zip(ms[a], ms[b]))
    return result


def census(path, folder):
    """Matrix-like nodes by what onnxruntime made of them."""
    out = os.path.join(folder, "census.onnx")
    Run(path, level=ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
        optimized=out)
    count = collections.Counter()

    def walk(graph):
        for node in graph.node:
            kind = node.op_type
            count["int8"] += kind in INT8
            count["float"] += kind in FLOAT
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    walk(attribute.g)

    walk(onnx.load(out, load_external_data=False).graph)
    return {"int8": count["int8"], "float": count["float"]}


# ---- one model, all models --------------------------------------------------
def measure(args, shared, name, folder):
    model = shared.model(name)
    data = os.path.join(folder, name)
    feeds = list(MODELS[name].feeds(shared, name))
    convert.write_samples(data, feeds)
    paths, made = conversions(args, name, model, data, folder)
    paths = {"float": model, **paths}
    return {"model": name, "calibration": len(feeds), "convert": made,
            "bytes": os.path.getsize(model),
            "kernels": {who: census(path, folder)
                        for who, path in paths.items()},
            "latency": latencies(paths, feeds, args.rounds)}


def cell(value, form="{:.1f}"):
    return "-" if value is None else form.format(value)


def table(results):
    head = ["model", "float ms", "speed-up o/r", "convert s o/r",
            "peak MB o/r", "int8 nodes o/r"]
    rows = [head]
    for r in results:
        both = [r["convert"][w] for w in ("ours", "rival")]
        speed = r["latency"]
        rows.append([
            r["model"], cell(speed["ms"]["float"], "{:.2f}"),
            " / ".join(cell(speed.get(x), "{:.2f}")
                       for x in ("speedup", "rival_speedup")),
            " / ".join(cell(c.get("seconds")) for c in both),
            " / ".join(cell(c["peak_bytes"] / 1e6, "{:.0f}")
                       if "peak_bytes" in c else "-" for c in both),
            " / ".join("{int8}+{float}".format(**r["kernels"][w])
                       if w in r["kernels"] else "-"
                       for w in ("ours", "rival"))])
    width = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(t.ljust(w) for t, w in zip(row, width)) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--shared", required=True,
                        help="folder of models/ and inputs/")
    parser.add_argument("--only", nargs="+", choices=list(MODELS))
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--rival-method", default="MinMax")
    parser.add_argument("--json", help="write everything measured to a file")
    args = parser.parse_args()
    ort.set_default_logger_severity(3)
    shared, results = Shared(args.shared), []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only or MODELS:
            try:
                results.append(measure(args, shared, name, folder))
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {error}",
                      file=sys.stderr)
                continue
            print(f"{name}: done", file=sys.stderr)
            if args.json:
                with open(args.json, "w") as file:
                    json.dump({"onnxruntime": ort.__version__,
                               "rival_method": args.rival_method,
                               "models": results}, file, indent=1)
    print(table(results))
    print("\no/r: ours, onnxruntime's quantizer "
          f"({args.rival_method}); onnxruntime {ort.__version__}; "
          "int8 nodes: on integers + left in float")


main()
