"""Measures what int8 costs the real models, in onnxruntime.

    python measure.py --program build/release/src/onnxquant --shared FOLDER \\
        [--only TASK,TASK] [--json FILE] [--rival] [--options "..."]

FOLDER holds models/*.onnx and inputs/.  Every model is quantized with the
program's default options on the part of the inputs that is for calibration, and
judged on the rest, item by item beside the float model.  Loss is how much worse
int8 is; its 95 % interval comes from resampling items, both models together.
With --rival the same for onnxruntime's quantize_static on the same samples.
What could not be measured says why.  Needs Python with onnxruntime, onnx, numpy
and pillow.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime as ort

import convert
from task import Run, Shared
from tasks import TASKS

SEED = 20240229


# ---- converting -------------------------------------------------------------
class Converter:
    """Makes each int8 model once; remembers why it could not."""

    def __init__(self, args, shared, folder):
        self.args, self.shared, self.folder = args, shared, folder
        self.known = {}

    def path(self, who, task, model):
        key = who, model
        if key not in self.known:
            try:
                self.known[key] = self.make(who, task, model)
            except convert.Failed as why:
                self.known[key] = why
        if isinstance(self.known[key], convert.Failed):
            raise self.known[key]
        return self.known[key]

    def make(self, who, task, model):
        out = os.path.join(self.args.keep or self.folder,
                           f"{model}.{who}.onnx")
        source = self.shared.model(model)
        with tempfile.TemporaryDirectory(dir=self.folder) as data:
            if who == "int8":
                options = task.options(self.shared, model, data)
                convert.by_program(self.args.program, source, out,
                                   options + shlex.split(self.args.options))
            else:
                samples = os.path.join(data, "samples")
                convert.write_samples(samples, task.feeds(self.shared, model))
                convert.by_onnxruntime(source, out, samples,
                                       self.args.rival_method)
        return out


# ---- judging ----------------------------------------------------------------
class Closeness:
    """How far answers are from those of the float model."""

    def __init__(self):
        self.power = self.noise = 0.0
        self.divergence, self.agree = [], []

    def add(self, task, a, b):
        x, y = task.signal(a), task.signal(b)
        if x is not None and x.shape == y.shape:
            x, y = x.astype(np.float64), y.astype(np.float64)
            self.power += (x**2).sum()
            self.noise += ((x - y)**2).sum()
        p, q = task.chances(a), task.chances(b)
        if p is not None and p.shape == q.shape:
            p, q = (np.maximum(z.astype(np.float64), 1e-12) for z in (p, q))
            self.divergence.append((p * np.log(p / q)).sum(-1).mean())
        agree = task.agreement(a, b)
        if agree is not None:
            self.agree.append(agree)

    def result(self):
        sqnr = (float(10 * np.log10(self.power / self.noise))
                if self.power > 0 and self.noise > 0 else None)
        return {"sqnr_db": sqnr,
                "kl": float(np.mean(self.divergence)) if self.divergence
                else None,
                "agreement": 100 * float(np.mean(self.agree)) if self.agree
                else None}


def take(rows, index):
    return rows[index] if isinstance(rows, np.ndarray) else [rows[i]
                                                             for i in index]


def packed(rows):
    """As one array if all have one shape: resampling is faster then."""
    return np.array(rows) if np.isscalar(rows[0]) or isinstance(
        rows[0], (np.generic, np.ndarray)) else rows


def loss(task, a, b):
    return b / a if task.ratio else task.better * (a - b)


def interval(task, a, b):
    """95 % of the losses of resampled items."""
    random = np.random.default_rng(SEED)
    losses = []
    for _ in range(task.resamples):
        index = random.integers(0, len(a), len(a))
        losses.append(loss(task, task.score(take(a, index)),
                           task.score(take(b, index))))
    return [float(x) for x in np.percentile(losses, [2.5, 97.5])]


def verdict(task, lost, bounds):
    """Within the bar: yes, no, or yes although the interval reaches beyond."""
    if task.bar is None:
        return None
    if lost > task.bar:
        return "no"
    return "yes" if bounds[1] <= task.bar else "yes?"


def judged(task, shared, models, part, limit=None):
    """Rows of everyone, and closeness of all but the float models."""
    runs = {who: {m: Run(p, 2) for m, p in paths.items()}
            for who, paths in models.items()}
    rows = {who: [] for who in models}
    close = {who: Closeness() for who in models if who != "float"}
    for i, item in enumerate(task.items(shared, part)):
        if limit is not None and i >= limit:
            break
        answers = {who: task.predict(run, item) for who, run in runs.items()}
        for who, answer in answers.items():
            rows[who] += task.rows(item, answer)
            if who != "float":
                close[who].add(task, answers["float"], answer)
    return ({who: packed(r) for who, r in rows.items()},
            {who: c.result() for who, c in close.items()})


def measure(task, args, shared, converter):
    missing = [m for m in task.needed()
               if not os.path.exists(shared.model(m))]
    if missing:
        return {"not_measured": "no model " + ", ".join(missing)}
    float_models = {m: shared.model(m) for m in task.models}
    result = {"metric": task.metric, "bar": task.bar,
              "published": task.published,
              "published_on": task.published_on or "these data"}
    models = {"float": float_models}
    for who in ["int8"] + ["rival"] * args.rival:
        try:
            models[who] = {m: converter.path(who, task, m)
                           for m in task.models}
        except convert.Failed as why:
            result[who] = {"not_measured": str(why)}
    rows, close = judged(task, shared, models, args.on, args.limit)
    result["rows"] = len(rows["float"])
    result["float"] = task.score(rows["float"])
    for who in close:
        score = task.score(rows[who])
        lost = loss(task, result["float"], score)
        bounds = interval(task, rows["float"], rows[who])
        result[who] = {"score": score, "loss": lost, "interval": bounds,
                       "within_bar": verdict(task, lost, bounds), **close[who]}
    if task.published is not None and args.published:
        rows, _ = judged(task, shared, {"float": float_models}, "all")
        result["float_on_all"] = task.score(rows["float"])
    return result


# ---- saying it --------------------------------------------------------------
def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def line(name, r, who):
    if "not_measured" in r:
        return [name, who, "not measured: " + r["not_measured"]]
    w = r.get(who, {})
    if "not_measured" in w:
        return [name, who, "not measured: " + w["not_measured"]]
    digits = 3 if "perplexity" in r["metric"] else 2
    return [name, who, r["metric"], number(r["float"], digits),
            number(w["score"], digits), number(w["loss"], digits),
            f"{number(w['interval'][0], digits)} .. "
            f"{number(w['interval'][1], digits)}",
            w["within_bar"] or "-", number(w["agreement"]),
            number(w["sqnr_db"], 1), number(w["kl"], 4)]


def table(results, rival):
    lines = [["task", "who", "metric", "float", "int8", "loss", "95 %",
              "within bar", "agree %", "SQNR dB", "KL"]]
    for name, r in results.items():
        for who in ["int8"] + ["rival"] * rival:
            lines.append(line(name, r, who))
    width = [max(len(x[i]) for x in lines if len(x) > i and len(x) > 3)
             for i in range(len(lines[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(x, width)).rstrip()
                     for x in lines)


def reproduced(results):
    """The float models against the figures they came with."""
    lines = []
    for name, r in results.items():
        if "float_on_all" in r:
            lines.append(f"{name}: {r['metric']} {r['float_on_all']:.2f}, "
                         f"published {r['published']:.2f} on "
                         f"{r['published_on']}")
    return "\n".join(lines)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--shared", required=True,
                        help="folder of models/ and inputs/")
    parser.add_argument("--only", help="tasks, with commas: " +
                        ",".join(TASKS))
    parser.add_argument("--json", help="write everything measured to a file")
    parser.add_argument("--rival", action="store_true",
                        help="onnxruntime's quantize_static too")
    parser.add_argument("--rival-method", default="MinMax")
    parser.add_argument("--options", default="",
                        help="more options of the program's quantize")
    parser.add_argument("--on", choices=["calib", "rest"], default="rest",
                        help="judge on the calibration part instead, to work "
                        "on the quantizer without looking at the rest")
    parser.add_argument("--limit", type=int,
                        help="judge the first items only")
    parser.add_argument("--published", action="store_true",
                        help="the float models against the figures that came "
                        "with them, on all data")
    parser.add_argument("--keep", help="folder for the quantized models")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(TASKS)
    unknown = [n for n in names if n not in TASKS]
    if unknown:
        parser.error("no task " + ", ".join(unknown))
    return args, names


def main():
    args, names = parsed()
    ort.set_default_logger_severity(3)
    shared, results = Shared(args.shared), {}
    if args.keep:
        os.makedirs(args.keep, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        converter = Converter(args, shared, folder)
        for name in names:
            try:
                results[name] = measure(TASKS[name], args, shared, converter)
            except Exception as why:  # one task must not take the others along
                results[name] = {"not_measured":
                                 f"{type(why).__name__}: {why}"}
            print(f"{name}: done", file=sys.stderr)
            if args.json:
                with open(args.json, "w") as file:
                    json.dump({"onnxruntime": ort.__version__,
                               "options": args.options,
                               "tasks": results}, file, indent=1)
    print(table(results, args.rival))
    if args.published:
        print("\nfloat on all data against what is published:\n" +
              reproduced(results))
    return 0 if all("int8" in r and "score" in r["int8"]
                    for r in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
