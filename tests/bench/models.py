"""Measures the program against onnxruntime's own quantizer on real models.

    python models.py --program build/release/src/onnxquant \\
        --models FOLDER --inputs FOLDER [--only NAME...] [--json FILE]

For each model: time and peak memory of both conversions on the same samples;
accuracy, agreement and SQNR of both results on other samples; latency of the
float model and both results, one after the other in turn, with one thread;
what onnxruntime runs on integers.  Needs Python with onnxruntime, onnx, numpy
and pillow.  Absolute times are those of this machine; ratios carry over.
"""

import argparse
import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnx
import onnxruntime as ort

import samples

HERE = os.path.dirname(os.path.abspath(__file__))
INT8 = {"QLinearConv", "ConvInteger", "QGemm", "QLinearMatMul", "MatMulInteger",
        "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QAttention"}
FLOAT = {"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul",
         "ConvTranspose", "LSTM", "GRU", "Attention"}
# The axis of the classes where it is not the last, and outputs whose largest
# entry means nothing.
CLASS_AXIS = {"deeplabv3_mnv2": 1}
NO_CLASSES = {"super_resolution_10", "dtln_1", "dtln_2", "nsnet2",
              "silero_vad_v6"}


# ---- converting -------------------------------------------------------------
# A process inherits the peak of the one it was forked from: let that be small.
LAUNCHER = """
import os, sys
pid = os.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
os.write(int(sys.argv[1]), b"%d" % (usage.ru_maxrss * 1024))
os._exit(os.waitstatus_to_exitcode(status) & 255)
"""


def measured(command):
    """Seconds, peak resident bytes, exit status and text of a process."""
    back, to = os.pipe()
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(to)]
    start = time.perf_counter()
    process = subprocess.run(launcher + command, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True,
                             pass_fds=[to])
    seconds = time.perf_counter() - start
    os.close(to)
    with os.fdopen(back) as pipe:
        peak = int(pipe.read() or 0)
    return {"seconds": seconds, "peak_bytes": peak,
            "status": process.returncode, "said": process.stdout}


def write_samples(folder, pairs):
    os.makedirs(folder)
    for i, (feed, _) in enumerate(pairs):
        np.savez(os.path.join(folder, f"{i:05}.npz"), **feed)


def convert(args, name, model, data, folder):
    paths = {who: os.path.join(folder, f"{name}.{who}.onnx")
             for who in ("ours", "rival")}
    commands = {
        "ours": [args.program, "quantize", model, "-o", paths["ours"],
                 "--data", data, "--no-check", "--samples", "100000"],
        "rival": [sys.executable, os.path.join(HERE, "rival.py"), model, data,
                  paths["rival"], args.rival_method],
    }
    results = {}
    for who in ("ours", "rival"):
        results[who] = measured(commands[who])
        if results[who]["status"] != 0:
            last = results[who]["said"].strip().splitlines()[-1:]
            print(f"{name}: {who} failed: {' '.join(last)}", file=sys.stderr)
            paths[who] = None
        else:
            results[who]["bytes"] = os.path.getsize(paths[who])
    return paths, results


# ---- quality ----------------------------------------------------------------
def predictions(name, pairs, path, threads):
    run = samples.session(path, threads)
    return [run.run(None, feed) for feed, _ in pairs]


def best(name, outputs):
    if name in NO_CLASSES or name == "yolox_nano_nms":
        return None
    x = outputs[0]
    if x.dtype.kind in "iu":
        return x
    axis = CLASS_AXIS.get(name, -1)
    return x.argmax(axis) if x.shape[axis] > 1 else None


def overlap(a, b):
    """Intersection over union of every box of a with every one of b."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    area = [(x[:, 2:] - x[:, :2]).prod(-1) for x in (a, b)]
    return both / np.maximum(area[0][:, None] + area[1][None] - both, 1e-9)


def found_again(a, b, least=0.5):
    """Detections of one that the other has, as F1 of both directions."""
    keep = [(x[0][x[1] >= 0.3], x[2][x[1] >= 0.3]) for x in (a, b)]
    (box_a, class_a), (box_b, class_b) = keep
    if len(box_a) + len(box_b) == 0:
        return None
    free, hits = set(range(len(box_b))), 0
    iou = overlap(box_a, box_b) if len(box_a) and len(box_b) else None
    for i in range(len(box_a)):
        fits = [j for j in free if class_a[i] == class_b[j]
                and iou[i, j] >= least]
        if fits:
            free.discard(max(fits, key=lambda j: iou[i, j]))
            hits += 1
    return 2 * hits / (len(box_a) + len(box_b))


def quality(name, pairs, reference, outputs):
    power = noise = 0.0
    agree, right = [], []
    for (_, label), a, b in zip(pairs, reference, outputs):
        if a[0].dtype.kind == "f" and a[0].shape == b[0].shape:
            x, y = a[0].astype(np.float64), b[0].astype(np.float64)
            power += (x**2).sum()
            noise += ((x - y)**2).sum()
        if name == "yolox_nano_nms":
            f1 = found_again(a, b)
            if f1 is not None:
                agree.append(f1)
            continue
        p, q = best(name, a), best(name, b)
        if p is None:
            continue
        agree.append(np.mean(p == q) if p.shape == q.shape else 0.0)
        if label is not None:
            right.append(q.reshape(-1)[0] == label)
    result = {}
    if power > 0 and name != "yolox_nano_nms":
        result["sqnr_db"] = (float(10 * np.log10(power / noise)) if noise > 0
                             else None)
    if agree:
        result["agreement"] = 100 * float(np.mean(agree))
    if right:
        result["top1"] = 100 * float(np.mean(right))
    return result


# ---- speed ------------------------------------------------------------------
def latencies(paths, pairs, rounds):
    """Medians in ms and of the ratios within a round; in turn, so that
    whatever else the machine does hits all alike."""
    runs = {who: samples.session(p, 1) for who, p in paths.items() if p}
    names = list(runs)
    ms = {who: [] for who in names}
    for i in range(5 + rounds):
        feed = pairs[i % len(pairs)][0]
        for k in range(len(names)):
            who = names[(i + k) % len(names)]
            start = time.perf_counter()
            runs[who].run(None, feed)
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
    samples.session(path, 1, ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
                    out)
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
def measure(args, name, folder):
    model = os.path.join(args.models, name + ".onnx")
    calibration, evaluation = samples.samples(name, args.inputs, args.models)
    if args.samples:
        evaluation = evaluation[:args.samples]
    data = os.path.join(folder, name)
    write_samples(data, calibration)
    paths, conversions = convert(args, name, model, data, folder)
    shutil.rmtree(data)
    paths = {"float": model, **paths}

    result = {"model": name, "calibration": len(calibration),
              "evaluation": len(evaluation), "convert": conversions,
              "bytes": os.path.getsize(model), "quality": {}, "kernels": {}}
    reference = predictions(name, evaluation, model, args.threads)
    for who, path in paths.items():
        if path is None:
            continue
        outputs = (reference if who == "float" else
                   predictions(name, evaluation, path, args.threads))
        result["quality"][who] = quality(name, evaluation, reference, outputs)
        result["kernels"][who] = census(path, folder)
    result["latency"] = latencies(paths, evaluation, args.rounds)
    return result


def cell(value, form="{:.1f}"):
    return "-" if value is None else form.format(value)


def table(results):
    head = ["model", "top-1 f/o/r", "agree o/r", "SQNR o/r", "float ms",
            "speed-up o/r", "convert s o/r", "peak MB o/r", "int8 nodes o/r"]
    rows = [head]
    for r in results:
        q, k, c = r["quality"], r["kernels"], r["convert"]

        def pick(of, key, form="{:.1f}", who=("ours", "rival")):
            return " / ".join(cell(of.get(w, {}).get(key), form) for w in who)

        both = ("ours", "rival")
        speed = r["latency"]
        rows.append([
            r["model"],
            pick(q, "top1", who=("float",) + both),
            pick(q, "agreement"), pick(q, "sqnr_db"),
            cell(speed["ms"]["float"], "{:.2f}"),
            " / ".join(cell(speed.get(x), "{:.2f}")
                       for x in ("speedup", "rival_speedup")),
            pick(c, "seconds"),
            " / ".join(cell(c[w]["peak_bytes"] / 1e6, "{:.0f}") for w in both),
            " / ".join("{int8}+{float}".format(**k[w]) if w in k else "-"
                       for w in both)])
    width = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(t.ljust(w) for t, w in zip(row, width)) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--only", nargs="+", choices=list(samples.SOURCES))
    parser.add_argument("--samples", type=int,
                        help="evaluate on the first N samples only")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rival-method", default="MinMax")
    parser.add_argument("--json", help="write everything measured to a file")
    args = parser.parse_args()
    ort.set_default_logger_severity(3)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only or samples.SOURCES:
            try:
                results.append(measure(args, name, folder))
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
    print("\nf/o/r: float, ours, onnxruntime's quantizer "
          f"({args.rival_method}); onnxruntime {ort.__version__}; "
          "int8 nodes: on integers + left in float")


main()
