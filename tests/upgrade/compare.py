"""Runs x.before.onnx and x.after.onnx by onnxruntime on the same inputs.

    compare.py FOLDER MODELS

MODELS/x.model says the range of each input, and whether onnxruntime can run it
at all.  The newer form must pass the checker of ONNX in any case.
"""
import glob
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort

DTYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64,
    "tensor(float16)": np.float16, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8, "tensor(bool)": bool,
}


def ranges(path):
    """None if the model says that onnxruntime cannot run it."""
    found = {}
    for line in open(path, encoding="utf-8"):
        w = line.split("#")[0].split()
        if w[:1] == ["norun"] and "onnxruntime" in w:
            return None
        if len(w) >= 4 and w[0] == "input":
            found[w[1]] = tuple(map(float, w[4:6])) if len(w) >= 6 else (-2, 2)
    return found


def session(path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(path, options,
                                providers=["CPUExecutionProvider"])


def feed(s, limits, rng):
    made = {}
    for i in s.get_inputs():
        shape = [d if isinstance(d, int) and d >= 0 else 3 for d in i.shape]
        lo, hi = limits[i.name]
        dtype = DTYPES[i.type]
        if np.issubdtype(dtype, np.floating):
            made[i.name] = rng.uniform(lo, hi, shape).astype(dtype)
        else:
            made[i.name] = rng.integers(int(lo), max(int(hi), int(lo) + 1),
                                        shape).astype(dtype)
        made[i.name] = np.asarray(made[i.name])
    return made


def compare(name, folder, models):
    after = os.path.join(folder, name + ".after.onnx")
    onnx.checker.check_model(after, full_check=True)
    limits = ranges(os.path.join(models, name + ".model"))
    if limits is None:
        return False
    old = session(os.path.join(folder, name + ".before.onnx"))
    new = session(after)
    rng = np.random.default_rng(1)
    for _ in range(3):
        inputs = feed(old, limits, rng)
        for a, b in zip(old.run(None, inputs), new.run(None, inputs)):
            if a.shape != b.shape or a.dtype != b.dtype:
                raise AssertionError(f"{a.dtype}{a.shape} {b.dtype}{b.shape}")
            rtol = 2e-3 if a.dtype == np.float16 else 1e-5
            np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol / 10)
    return True


def main(folder, models):
    names = sorted(os.path.basename(p)[:-len(".after.onnx")]
                   for p in glob.glob(os.path.join(folder, "*.after.onnx")))
    names = [n for n in names
             if os.path.exists(os.path.join(models, n + ".model"))]
    bad = ran = 0
    for name in names:
        try:
            ran += compare(name, folder, models)
        except Exception as e:  # noqa: BLE001 - any of them is a failure
            print(f"FAILED {name}: {str(e)[:600]}")
            bad += 1
    print(f"{len(names)} models, {ran} compared, {bad} failed")
    return bad > 0 or ran == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
