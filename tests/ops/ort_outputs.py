#!/usr/bin/env python3
"""ort_outputs.py MODELS OUT [--time N]: what onnxruntime computes.

For every MODELS/**/*.onnx makes OUT/NAME/{input,output}_K.pb with NAME the path
without suffix, '/' as '+'. Inputs are random with a fixed seed. Models that
onnxruntime does not run are named and left out. --time N prints the median time
of N runs with one thread instead.
"""
import os
import pathlib
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

# Sizes of dimensions without a fixed one, and values of inputs for which not
# any number will do; by model and input, else by input.
SHAPES = {
    "deeplabv3_mnv2": {"sub_7": (1, 3, 129, 129)},
    "silero_vad_v6": {"input": (1, 576), "state": (2, 1, 128)},
    "edge/silero_vad_half": {"input": (1, 576), "state": (2, 1, 128)},
    "edge/ou_mel": {"waveform": (16000,)},
}
VALUES = {"sr": 16000, "max_new": 4}


def shape_of(model, x):
    known = SHAPES.get(model, {}).get(x.name)
    if known is not None:
        return known
    return tuple(
        d if isinstance(d, int) and d > 0 else
        (1 if i == 0 or d == "batch" else 16)
        for i, d in enumerate(x.shape))


def value_of(model, x, rng):
    shape = shape_of(model, x)
    kind = x.type.removeprefix("tensor(").removesuffix(")")
    kind = {"float": "float32", "double": "float64"}.get(kind, kind)
    if x.name in VALUES:
        return np.full(shape, VALUES[x.name], kind)
    if kind.startswith("float"):
        return rng.random(shape).astype(kind)
    if kind == "bool":
        return rng.random(shape) < 0.5
    return rng.integers(1, 5, shape).astype(kind)


def session_of(path):
    opt = ort.SessionOptions()
    opt.intra_op_num_threads = 1
    opt.inter_op_num_threads = 1
    opt.log_severity_level = 4
    return ort.InferenceSession(str(path), opt,
                                providers=["CPUExecutionProvider"])


def write(folder, stem, values, names):
    for i, (v, name) in enumerate(zip(values, names)):
        t = numpy_helper.from_array(np.ascontiguousarray(v).reshape(v.shape),
                                    name)
        (folder / f"{stem}_{i}.pb").write_bytes(t.SerializeToString())


def median_ms(session, feeds, n):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        session.run(None, feeds)
        times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[n // 2]


def one(path, name, out, runs):
    s = session_of(path)
    rng = np.random.default_rng(20240229)
    feeds = {x.name: value_of(name, x, rng) for x in s.get_inputs()}
    results = s.run(None, feeds)
    if runs:
        print(f"{name:32} {median_ms(s, feeds, runs):9.3f} ms")
        return
    folder = out / name.replace("/", "+")
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "input", feeds.values(), feeds.keys())
    write(folder, "output", results, [y.name for y in s.get_outputs()])


def main(argv):
    models, out = pathlib.Path(argv[1]), pathlib.Path(argv[2])
    runs = int(argv[4]) if len(argv) > 4 else 0
    for path in sorted(models.rglob("*.onnx")):
        name = str(path.relative_to(models).with_suffix(""))
        try:
            one(path, name, out, runs)
        except Exception as e:  # onnxruntime has a dozen classes of its own
            print(f"{name}: left out: {str(e).splitlines()[0][:150]}")
    if not runs:
        (out / "complete").write_text("")


if __name__ == "__main__":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    main(sys.argv)
