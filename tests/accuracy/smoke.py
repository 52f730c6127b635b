"""smoke.py PROGRAM FOLDER: measure.py on a small model and few samples, both
made here; other tasks find no model and must say so."""

import gzip
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

SIDE, CLASSES, PICTURES, CALIBRATION = 28, 10, 260, 200


def pictures(random):
    """Noise with a bright row that says which class it is."""
    labels = random.integers(0, CLASSES, PICTURES)
    x = random.integers(0, 120, (PICTURES, SIDE, SIDE))
    for i, label in enumerate(labels):
        x[i, 2 * label] = 255
    return x.astype(np.uint8), labels.astype(np.uint8)


def model(path):
    """Adds up every second row, and a little of the others."""
    w = np.random.default_rng(2).normal(0, 3e-4, (SIDE * SIDE, CLASSES))
    w = w.astype(np.float32)
    for c in range(CLASSES):
        w[2 * c * SIDE:(2 * c + 1) * SIDE, c] += 0.01
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["Input3"], ["flat"]),
         helper.make_node("Gemm", ["flat", "w"], ["Plus214_Output_0"])],
        "small",
        [helper.make_tensor_value_info("Input3", 1, [1, 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("Plus214_Output_0", 1, [1, CLASSES])],
        [numpy_helper.from_array(w, "w")])
    onnx.save(helper.make_model(
        graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)]), path)


def packed(path, head, data):
    with gzip.open(path, "wb") as file:
        file.write(bytes(head) + data.tobytes())


def main(program, folder):
    if importlib.util.find_spec("PIL") is None:
        print("SKIPPED: no pillow")
        return
    models, mnist = (os.path.join(folder, *x)
                     for x in (["models"], ["inputs", "mnist"]))
    for name in (models, mnist):
        os.makedirs(name, exist_ok=True)
    x, labels = pictures(np.random.default_rng(1))
    packed(os.path.join(mnist, "images.gz"), 16, x)
    packed(os.path.join(mnist, "labels.gz"), 8, labels)
    model(os.path.join(models, "mnist-8.onnx"))

    out = os.path.join(folder, "measured.json")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "measure.py")
    run = subprocess.run(
        [sys.executable, script, "--program", program, "--shared", folder,
         "--only", "mnist-8,kwt1", "--rival", "--json", out],
        stdout=subprocess.PIPE, text=True)
    print(run.stdout)
    assert run.returncode == 1, "one task could not be measured: exit 1"
    with open(out) as file:
        tasks = json.load(file)["tasks"]
    assert tasks["kwt1"]["not_measured"] == "no model kwt1", tasks["kwt1"]
    assert "not measured: no model kwt1" in run.stdout
    small = tasks["mnist-8"]
    assert small["rows"] == PICTURES - CALIBRATION, small
    assert small["float"] == 100, small
    for who in ("int8", "rival"):
        low, high = small[who]["interval"]
        assert low <= small[who]["loss"] <= high, small
        assert small[who]["score"] >= 95, small
        assert small[who]["agreement"] >= 95, small
        assert 20 < small[who]["sqnr_db"] < 80, small
        assert 0 <= small[who]["kl"] < 0.1, small


main(*sys.argv[1:])
