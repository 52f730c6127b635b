# SPDX-License-Identifier: Apache-2.0
"""Checks what train.py wrote: the model's form, the pictures, the accuracy.

    python3 check.py              needs onnx, onnxruntime, pillow, numpy
    python3 check.py --fresh N    also N newly drawn pictures of unseen fonts
                                  (needs the Debian packages of draw.py)

Prints what it measured; exit code 1 and the reasons if something is not right.
"""

import argparse
import collections
import os
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from PIL import Image

import draw
import train

HERE = pathlib.Path(__file__).resolve().parent


def form_faults(path):
    """What is wrong with the model's form; prints its figures."""
    faults = []

    def expect(true, sentence):
        if not true:
            faults.append(f"{path.name}: {sentence}")

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    graph = model.graph
    names = [node.name for node in graph.node]
    kinds = collections.Counter(node.op_type for node in graph.node)
    opset = model.opset_import[0].version
    weights = sum(int(np.prod(i.dims)) for i in graph.initializer)
    print(f"{path.name}: {path.stat().st_size} bytes, {weights} weights, "
          f"opset {opset}, IR {model.ir_version}, "
          + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))

    expect(path.stat().st_size < 500_000, "not below 500 KB")
    expect(model.ir_version <= 10, "IR version above 10")
    expect(13 <= opset <= 17, "opset not 13..17")
    expect(all(names) and len(set(names)) == len(names), "node without a name")
    expect(kinds["BatchNormalization"] == kinds["Conv"],
           "a Conv without BatchNormalization")
    expect(all(i.data_type == onnx.TensorProto.FLOAT and i.raw_data
               for i in graph.initializer), "initializer not raw float32")
    expect([(v.name, v.type.tensor_type.shape.dim[0].dim_param)
            for v in (*graph.input, *graph.output)]
           == [("image", "batch"), ("scores", "batch")],
           "inputs and outputs are not image[batch], scores[batch]")
    # What followers of a convolution or a sum the quantizer meets here.
    readers = collections.defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node.op_type)
    follow = {(node.op_type, reader) for node in graph.node
              for reader in readers[node.output[0]]}
    for pair in (("BatchNormalization", "Clip"), ("BatchNormalization", "Relu"),
                 ("BatchNormalization", "Add"), ("Add", "Relu"),
                 ("Add", "Conv")):
        expect(pair in follow, f"no {pair[0]} followed by {pair[1]}")
    with tempfile.TemporaryDirectory() as folder:
        again = pathlib.Path(folder) / path.name
        train.export(train.weights_of(path), again)
        expect(again.read_bytes() == path.read_bytes(),
               "train.py writes other bytes from the same weights")
    return faults


def read_pictures():
    """The labelled pictures: uint8 [N, 32, 32, 3], int32 [N]."""
    lines = (HERE / "labels.txt").read_text().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines]
    names = [name for name, _ in pairs]
    found = sorted(p.name for p in (HERE / "pictures").iterdir())
    if names != found or len(names) != 100:
        raise SystemExit("labels.txt does not list the 100 pictures in order")
    images = []
    for name in names:
        with Image.open(HERE / "pictures" / name) as image:
            if image.size != (draw.SIDE, draw.SIDE) or image.mode != "RGB":
                raise SystemExit(f"pictures/{name} is not 32x32 RGB")
            images.append(np.asarray(image))
    return np.stack(images), np.array([int(c) for _, c in pairs], np.int32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fresh", type=int, metavar="N", default=0,
                        help="also draw N pictures of unseen fonts")
    parser.add_argument("--seed", default="fresh",
                        help="any word; another one draws other pictures")
    options = parser.parse_args()
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

    path = HERE / "glyphs.onnx"
    faults = form_faults(path)
    measured = {"the 100 pictures": read_pictures()}
    if options.fresh:
        fonts = draw.Fonts(draw.TEST_PACKAGES)
        measured[f"{options.fresh} fresh pictures"] = draw.draw(
            fonts, options.fresh, options.seed)
    for what, data in measured.items():
        accuracy = train.measure(path, *data)
        print(f"float accuracy on {what}: {100 * accuracy:.2f} %")
        if accuracy <= 0.95:
            faults.append(f"accuracy on {what} is not above 95 %")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
