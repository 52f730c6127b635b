"""Times the built-in engine against onnxruntime's best plain inference.

    python engine.py --bench build/release/tests/bench/bench_engine \\
        [--shared FOLDER] [--only NAME...] [--model FILE...]
        [--rounds N] [--profile] [--json FILE]

Both run the same model on the same sample in turn, one thread each; printed
are medians of CPU time and their ratios to onnxruntime with all optimisations:
a plain forward pass, one with minimum and maximum of every value that is
calibrated, one with exact histograms and channel moments.  --model takes any
file with fixed or guessed (1) sizes, on random numbers: structures without
trained weights.  Absolute times are those of this machine; ratios carry over.
"""

import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "accuracy"))
from task import Run, Shared
from tasks import TASKS

TAPS = ["none", "minmax", "exact"]
DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64,
          "tensor(int32)": np.int32}


# ---- inputs -----------------------------------------------------------------
def random_feed(path):
    rng = np.random.default_rng(0)
    feed = {}
    for port in Run(path).session.get_inputs():
        shape = [d if isinstance(d, int) else 1 for d in port.shape]
        kind = DTYPES[port.type]
        feed[port.name] = (rng.standard_normal(shape).astype(kind)
                           if kind == np.float32 else
                           rng.integers(0, 100, shape).astype(kind))
    return feed


def write_inputs(path, feed, folder):
    files = []
    initializers = {t.name for t in onnx.load(path, load_external_data=False)
                    .graph.initializer}
    for port in onnx.load(path, load_external_data=False).graph.input:
        if port.name in initializers:
            continue
        files.append(os.path.join(folder, f"input_{len(files)}.pb"))
        with open(files[-1], "wb") as file:
            file.write(numpy_helper.from_array(
                np.ascontiguousarray(feed[port.name])).SerializeToString())
    return files


# ---- who runs ---------------------------------------------------------------
class Ours:
    def __init__(self, bench, path, tap, files, kernels):
        self.process = subprocess.Popen(
            [bench, path, "--tap", tap, "--kernels", kernels] + files,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def run(self):
        line = self.ask("run")
        if not line:
            raise RuntimeError("bench_engine stopped")
        return int(line.split()[0]) * 1e-6

    def profile(self):
        line, rows = self.ask("profile"), []
        while line not in ("\n", ""):
            op, name, shape, ns = line.rstrip("\n").split("\t")
            rows.append((op, name, shape, int(ns) * 1e-6))
            line = self.process.stdout.readline()
        return rows

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Theirs:
    def __init__(self, path, feed):
        self.session, self.feed = Run(path).session, feed

    def run(self):
        start = time.process_time()
        self.session.run(None, self.feed)
        return (time.process_time() - start) * 1e3


# ---- one model --------------------------------------------------------------
def measure(args, name, path, feed):
    with tempfile.TemporaryDirectory() as folder:
        files = write_inputs(path, feed, folder)
        runners = {"onnxruntime": Theirs(path, feed)}
        for tap in TAPS:
            runners[tap] = Ours(args.bench, path, tap, files, args.kernels)
        times = {who: [] for who in runners}
        for turn in range(args.rounds + 2):
            for who, runner in runners.items():
                ms = runner.run()
                if turn >= 2:
                    times[who].append(ms)
        result = {"model": name, "ms": {
            who: statistics.median(ms) for who, ms in times.items()}}
        base = result["ms"]["onnxruntime"]
        result["ratio"] = {tap: result["ms"][tap] / base for tap in TAPS}
        if args.profile:
            show_profile(runners["minmax"])
        for tap in TAPS:
            runners[tap].close()
    return result


def show_profile(runner):
    rows = [runner.profile() for _ in range(7)]
    rows = [(r[0][0], r[0][1], r[0][2], statistics.median(x[3] for x in r))
            for r in zip(*rows)]
    total, by_op = sum(r[3] for r in rows), collections.Counter()
    for op, _, _, ms in rows:
        by_op[op] += ms
    for op, ms in by_op.most_common(12):
        print(f"    {op:24} {ms:9.3f} ms {100 * ms / total:5.1f} %")
    for op, name, shape, ms in sorted(rows, key=lambda r: -r[3])[:15]:
        print(f"      {ms:8.3f} ms  {op} {shape} {name[:50]}")


def tasks(args):
    for path in args.model:
        yield (os.path.splitext(os.path.basename(path))[0], path,
               random_feed(path))
    if not args.shared:
        return
    shared = Shared(args.shared)
    for task in TASKS.values():
        for name in task.models:
            path = shared.model(name)
            if (args.only and name not in args.only or
                    not os.path.exists(path)):
                continue
            feeds = list(task.feeds(shared, name))
            yield name, path, feeds[len(feeds) // 2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True)
    parser.add_argument("--shared")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--model", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--kernels", default="auto")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    results = []
    print(f"{'ms of CPU, one thread':26}{'ORT':>10}{'forward':>10}"
          f"{'+min/max':>10}{'+exact':>10}{'ratios':>10}")
    for name, path, feed in tasks(args):
        r = measure(args, name, path, feed)
        results.append(r)
        print(f"{name:26}" + "".join(
            f"{r['ms'][w]:10.3f}" for w in ["onnxruntime"] + TAPS) + "   " +
            " ".join(f"{r['ratio'][t]:6.2f}" for t in TAPS), flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"schema_version": 1, "engine": results}, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
