# SPDX-License-Identifier: Apache-2.0
"""Trains the sample model and writes everything that is kept in this folder.

    python3 train.py           draw, train, write glyphs.onnx, pictures/, calib/,
                               labels.txt, classes.txt
    python3 train.py --export  the same without training: with the weights that
                               are in glyphs.onnx

Setup (Debian 12 for the fonts, PyPI for the rest):

    pip install 'jax[cpu]' optax onnx onnxruntime pillow
    apt-get install --no-install-recommends $(python3 draw.py)

The network mixes what small networks for pictures are made of: a strided stem,
inverted residuals with ReLU6 whose Add has no activation behind it
(MobileNetV2), a basic block whose Add has one (ResNet), depthwise separable
blocks (MobileNetV1), global average pooling and a Gemm.
"""

import argparse
import os
import pathlib
import shutil
import time

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import TensorProto, helper
from PIL import Image

import draw

HERE = pathlib.Path(__file__).resolve().parent
TRAIN_COUNT = 72600  # pictures drawn for training
TEST_COUNT = 16500  # pictures of unseen fonts; 500 of each class
EPOCHS = 6
BATCH = 100
SEED = 7
EPSILON = 1e-5

# The network, as a list of steps that run one after the other:
#   conv name, kernel, stride, outputs, activation     convolution with BN
#   depth name, kernel, stride, activation             depthwise, with BN
#   keep                                               remembers the value
#   add name, activation                               adds the remembered value
NETWORK = [
    ("conv", "stem", 3, 2, 24, "relu6"),
    ("keep",),
    ("conv", "invert1/expand", 1, 1, 48, "relu6"),
    ("depth", "invert1/depthwise", 3, 1, "relu6"),
    ("conv", "invert1/project", 1, 1, 24, None),
    ("add", "invert1/add", None),
    ("conv", "invert2/expand", 1, 1, 96, "relu6"),
    ("depth", "invert2/depthwise", 3, 2, "relu6"),
    ("conv", "invert2/project", 1, 1, 40, None),
    ("keep",),
    ("conv", "invert3/expand", 1, 1, 144, "relu6"),
    ("depth", "invert3/depthwise", 3, 1, "relu6"),
    ("conv", "invert3/project", 1, 1, 40, None),
    ("add", "invert3/add", None),
    ("keep",),
    ("conv", "basic/conv1", 3, 1, 40, "relu"),
    ("conv", "basic/conv2", 3, 1, 40, None),
    ("add", "basic/add", "relu"),
    ("depth", "separable1/depthwise", 3, 2, "relu"),
    ("conv", "separable1/pointwise", 1, 1, 96, "relu"),
    ("keep",),
    ("depth", "separable2/depthwise", 3, 1, "relu"),
    ("conv", "separable2/pointwise", 1, 1, 96, None),
    ("add", "separable2/add", "relu"),
    ("conv", "head/conv", 1, 1, 128, "relu"),
]


def initial_weights():
    """Names to arrays; kernels as [height, width, inputs, outputs]."""
    rng = np.random.default_rng(SEED)
    weights = {}

    def kernel(name, size, inputs, outputs):
        deviation = (2 / (size * size * inputs)) ** 0.5
        shape = (size, size, inputs, outputs)
        weights[name + "/conv.weight"] = rng.normal(0, deviation, shape)
        weights[name + "/bn.scale"] = np.ones(outputs)
        weights[name + "/bn.bias"] = np.zeros(outputs)
        weights[name + "/bn.mean"] = np.zeros(outputs)
        weights[name + "/bn.var"] = np.ones(outputs)

    channels = 3
    for step in NETWORK:
        if step[0] == "conv":
            kernel(step[1], step[2], channels, step[4])
            channels = step[4]
        elif step[0] == "depth":
            kernel(step[1], step[2], 1, channels)
    shape = (channels, len(draw.CLASSES))
    weights["classifier.weight"] = rng.normal(0, channels ** -0.5, shape)
    weights["classifier.bias"] = np.zeros(shape[1])
    return {name: value.astype(np.float32) for name, value in weights.items()}


def is_statistic(name):
    return name.endswith((".mean", ".var"))


def run(jnp, weights, images, training):
    """Scores and the batch's statistics, for images [N, 32, 32, 3] in -1..1.

    Convolutions are sums and products over shifted pictures: on a CPU that is
    several times as fast as XLA's own gradients of grouped convolutions.
    """
    statistics = {}

    def shifted(x, size, stride):
        pad = size // 2
        x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        height, width = x.shape[1] - 2 * pad, x.shape[2] - 2 * pad
        return [x[:, i:i + height:stride, j:j + width:stride]
                for i in range(size) for j in range(size)]

    def normalized(x, name, activation):
        shape = x.shape
        x = x.reshape(-1, shape[-1])
        if training:
            mean = x.mean(0)
            var = ((x - mean) ** 2).mean(0)
            statistics[name + "/bn.mean"] = mean
            statistics[name + "/bn.var"] = var
        else:
            mean = weights[name + "/bn.mean"]
            var = weights[name + "/bn.var"]
        scale = weights[name + "/bn.scale"] / jnp.sqrt(var + EPSILON)
        x = (x - mean) * scale + weights[name + "/bn.bias"]
        return activated(x, activation).reshape(shape)

    def activated(x, activation):
        if activation == "relu6":
            return jnp.clip(x, 0, 6)
        return jnp.maximum(x, 0) if activation == "relu" else x

    x = images
    kept = None
    for step in NETWORK:
        if step[0] == "keep":
            kept = x
        elif step[0] == "add":
            x = activated(x + kept, step[2])
        else:
            kernel = weights[step[1] + "/conv.weight"]
            parts = shifted(x, step[2], step[3])
            if step[0] == "conv":
                x = jnp.concatenate(parts, -1)
                flat = kernel.reshape(-1, kernel.shape[3])
                x = (x.reshape(-1, x.shape[3]) @ flat).reshape(
                    *x.shape[:3], -1)
            else:
                flat = kernel.reshape(len(parts), -1)
                x = sum(part * flat[i] for i, part in enumerate(parts))
            x = normalized(x, step[1], step[-1])
    pooled = x.mean((1, 2))
    scores = pooled @ weights["classifier.weight"] + weights["classifier.bias"]
    return scores, statistics


def signed(images):
    """The preprocessing that onnxquant calls `signed`: 0..255 to -1..1."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def varied(rng, images):
    """Colours swapped and inverted at random: cheap new pictures."""
    order = rng.permuted(np.tile(np.arange(3), (len(images), 1)), axis=1)
    images = np.take_along_axis(images, order[:, None, None, :], 3)
    invert = rng.random(len(images)) < 0.5
    return np.where(invert[:, None, None, None], 255 - images, images)


def train(images, labels):
    """The trained weights."""
    # No threads inside a product: reproducible, and no slower for small ones.
    os.environ["XLA_FLAGS"] = ("--xla_cpu_multi_thread_eigen=false "
                               "intra_op_parallelism_threads=1")
    import jax
    import jax.numpy as jnp
    import optax

    weights = initial_weights()
    statistics = {n: v for n, v in weights.items() if is_statistic(n)}
    weights = {n: v for n, v in weights.items() if not is_statistic(n)}
    per_epoch = len(images) // BATCH
    rate = optax.cosine_onecycle_schedule(EPOCHS * per_epoch, 6e-3, 0.2)
    decayed = {n: n.endswith(".weight") for n in weights}
    optimizer = optax.adamw(rate, weight_decay=0.02, mask=decayed)
    state = optimizer.init(weights)

    def loss(weights, images, labels):
        scores, batch = run(jnp, weights, images, True)
        targets = optax.smooth_labels(
            jax.nn.one_hot(labels, len(draw.CLASSES)), 0.03)
        return optax.softmax_cross_entropy(scores, targets).mean(), batch

    @jax.jit
    def update(weights, state, statistics, images, labels):
        (value, batch), gradient = jax.value_and_grad(loss, has_aux=True)(
            weights, images, labels)
        change, state = optimizer.update(gradient, state, weights)
        statistics = {n: 0.97 * v + 0.03 * batch[n]
                      for n, v in statistics.items()}
        return optax.apply_updates(weights, change), state, statistics, value

    rng = np.random.default_rng(SEED)
    begin = time.monotonic()
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        total = 0.0
        for step in range(per_epoch):
            chosen = order[step * BATCH:(step + 1) * BATCH]
            batch = signed(varied(rng, images[chosen]))
            weights, state, statistics, value = update(
                weights, state, statistics, batch, labels[chosen])
            total += float(value)
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {total / per_epoch:.4f}, "
              f"{time.monotonic() - begin:.0f} s", flush=True)
    return {n: np.asarray(v) for n, v in (weights | statistics).items()}


class Graph:
    """Collects nodes and initializers, all of them named."""

    def __init__(self, weights):
        self.weights = weights
        self.nodes = []
        self.initializers = []

    def constant(self, name, value):
        value = np.ascontiguousarray(value, "<f4")
        if all(name != old.name for old in self.initializers):
            self.initializers.append(helper.make_tensor(
                name, TensorProto.FLOAT, value.shape, value.tobytes(),
                raw=True))
        return name

    def node(self, kind, name, inputs, output=None, **attributes):
        output = output or name + ".out"
        self.nodes.append(
            helper.make_node(kind, inputs, [output], name, **attributes))
        return output

    def activation(self, name, kind, x):
        if kind == "relu6":
            limits = [self.constant("relu6.min", 0), self.constant("relu6.max", 6)]
            return self.node("Clip", name + "/relu6", [x, *limits])
        return self.node("Relu", name + "/relu", [x]) if kind else x

    def convolution(self, step, x):
        name, size, stride = step[1:4]
        # [h, w, in, out] to [out, in, h, w]
        kernel = self.weights[name + "/conv.weight"].transpose(3, 2, 0, 1)
        x = self.node(
            "Conv", name + "/conv", [x, self.constant(name + "/conv.weight",
                                                      kernel)],
            group=kernel.shape[0] if step[0] == "depth" else 1,
            kernel_shape=[size, size], strides=[stride, stride],
            pads=[size // 2] * 4, dilations=[1, 1])
        rest = [self.constant(name + end, self.weights[name + end])
                for end in ("/bn.scale", "/bn.bias", "/bn.mean", "/bn.var")]
        x = self.node("BatchNormalization", name + "/bn", [x, *rest],
                      epsilon=EPSILON)
        return self.activation(name, step[-1], x)


def export(weights, path):
    """Writes the model; BatchNormalization stays a node of its own."""
    graph = Graph(weights)
    x = "image"
    kept = None
    for step in NETWORK:
        if step[0] == "keep":
            kept = x
        elif step[0] == "add":
            x = graph.node("Add", step[1], [x, kept])
            x = graph.activation(step[1].split("/")[0], step[2], x)
        else:
            x = graph.convolution(step, x)
    x = graph.node("GlobalAveragePool", "head/pool", [x])
    x = graph.node("Flatten", "head/flatten", [x], axis=1)
    graph.node("Gemm", "classifier",
               [x, graph.constant("classifier.weight",
                                  weights["classifier.weight"].T),
                graph.constant("classifier.bias", weights["classifier.bias"])],
               output="scores", transB=1)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, "glyphs",
            [helper.make_tensor_value_info(
                "image", TensorProto.FLOAT, ["batch", 3, draw.SIDE, draw.SIDE])],
            [helper.make_tensor_value_info(
                "scores", TensorProto.FLOAT, ["batch", len(draw.CLASSES)])],
            graph.initializers),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        producer_name="samples/glyphs/train.py",
        doc_string="Single characters, 32x32 RGB, values -1..1.")
    helper.set_model_props(model, {"classes": draw.CLASSES,
                                   "license": "Apache-2.0"})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def weights_of(path):
    """The weights of a model that export() wrote."""
    weights = {i.name: onnx.numpy_helper.to_array(i)
               for i in onnx.load(path).graph.initializer}
    for name, value in weights.items():
        if name.endswith("conv.weight"):
            weights[name] = value.transpose(2, 3, 1, 0)
    weights["classifier.weight"] = weights["classifier.weight"].T
    return weights


def write_pictures(folder, images, labels):
    """PNG files named after class and number; the lines for labels.txt."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    lines = []
    for i, (image, label) in enumerate(zip(images, labels)):
        name = f"{draw.CLASSES[label]}_{i // len(draw.CLASSES)}.png"
        Image.fromarray(image).save(folder / name, optimize=True)
        lines.append(f"{name} {label}\n")
    return sorted(lines)


def measure(path, images, labels):
    """The share of pictures that onnxruntime gets right."""
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path),
                                           providers=["CPUExecutionProvider"])
    right = 0
    for i in range(0, len(images), 500):
        batch = signed(images[i:i + 500]).transpose(0, 3, 1, 2)
        scores = session.run(["scores"], {"image": batch})[0]
        right += int((scores.argmax(1) == labels[i:i + 500]).sum())
    return right / len(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--export", action="store_true",
                        help="do not train: keep the weights of glyphs.onnx")
    parser.add_argument("--out", type=pathlib.Path, default=HERE,
                        help="folder to write to (default: this one)")
    options = parser.parse_args()
    out = options.out
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

    fonts = draw.Fonts(draw.TRAIN_PACKAGES)
    test_fonts = draw.Fonts(draw.TEST_PACKAGES)
    print(f"{fonts.count()} fonts to train, {test_fonts.count()} to test")
    if options.export:
        weights = weights_of(HERE / "glyphs.onnx")
    else:
        weights = train(*draw.draw(fonts, TRAIN_COUNT, "train"))
    export(weights, out / "glyphs.onnx")

    (out / "classes.txt").write_text("".join(c + "\n" for c in draw.CLASSES))
    write_pictures(out / "calib", *draw.draw(fonts, 66, "calib"))
    pictures = draw.draw(test_fonts, 100, "pictures")
    lines = write_pictures(out / "pictures", *pictures)
    (out / "labels.txt").write_text("".join(lines))

    test = draw.draw(test_fonts, TEST_COUNT, "test")
    size = (out / "glyphs.onnx").stat().st_size
    print(f"glyphs.onnx: {size} bytes; "
          f"unseen fonts {measure(out / 'glyphs.onnx', *test):.4f}, "
          f"the 100 pictures {measure(out / 'glyphs.onnx', *pictures):.2f}")


if __name__ == "__main__":
    main()
