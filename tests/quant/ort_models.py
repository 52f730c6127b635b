"""Real models: samples for quant_models, and a judgement of what it made.

    ort_models.py samples MODELS INPUTS FOLDER
    ort_models.py judge MODELS FOLDER [report]

judge: the model loads; in the optimised graph at least 98 % of the nodes that
were placed on integers run there, and all layers; between one quantization and
the next the built-in engine is within 1 step of onnxruntime without
optimisations, and within 2 of onnxruntime with all of them.
"""
import glob
import gzip
import json
import os
import sys
import wave

import numpy as np
import onnx
from onnx import numpy_helper
import onnxruntime as ort

import ort_common as common

SAMPLES, EVALUATED = 10, 6


# ---- samples ---------------------------------------------------------------
def pictures(folder, n):
    from PIL import Image
    files = sorted(glob.glob(os.path.join(folder, "**", "*.jpg"),
                             recursive=True) +
                   glob.glob(os.path.join(folder, "**", "*.png"),
                             recursive=True) +
                   glob.glob(os.path.join(folder, "**", "*.jpeg"),
                             recursive=True))
    step = max(1, len(files) // n)
    return [Image.open(f).convert("RGB") for f in files[::step][:n]]


def array(picture, size):
    from PIL import Image
    p = picture.resize((size, size), Image.BILINEAR)
    return np.asarray(p, np.float32)


MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def nchw(x):
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])


def from_pictures(inputs, folder, size, change):
    return [[change(array(p, size))]
            for p in pictures(os.path.join(inputs, folder), SAMPLES)]


def speech(inputs, n):
    with wave.open(os.path.join(inputs, "speech", "speech16k.wav")) as w:
        x = np.frombuffer(w.readframes(w.getnframes()), np.int16)
    x = x.astype(np.float32) / 32768
    step = (len(x) - n) // SAMPLES
    return [x[k * step:k * step + n] for k in range(SAMPLES)]


def mnist(inputs):
    found = glob.glob(os.path.join(inputs, "mnist", "*images*"))[0]
    with gzip.open(found) as f:
        raw = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    return [[raw[k * 7][None, None].astype(np.float32)] for k in range(SAMPLES)]


def kws(inputs):
    files = sorted(glob.glob(os.path.join(inputs, "kws", "*.wav")))
    made = []
    for f in files[::len(files) // SAMPLES][:SAMPLES]:
        with wave.open(f) as w:
            x = np.frombuffer(w.readframes(16000), np.int16)
        x = np.pad(x, (0, 16000 - len(x))).astype(np.float32) / 32768
        made.append([x[None]])
    return made


def tokens(inputs, more=()):
    path = os.path.join(inputs, "text", "tinystories_tokens.json")
    ids = json.load(open(path, encoding="utf-8"))
    while isinstance(ids, dict):
        ids = next(iter(ids.values()))
    flat = np.array([t for row in ids for t in row] if
                    isinstance(ids[0], list) else ids, np.int64)
    return [[flat[k * 40:k * 40 + 32][None], *more] for k in range(SAMPLES)]


def frames(inputs, size):
    """Spectra of speech: log power, magnitude."""
    made = []
    for x in speech(inputs, 16000):
        cut = np.stack([x[i * 160:i * 160 + size] for i in range(40)])
        made.append(np.abs(np.fft.rfft(cut * np.hanning(size))))
    return made


def nsnet(inputs):
    state = np.zeros((1, 1, 400), np.float32)
    return [[np.log10(np.maximum(f ** 2, 1e-12)).astype(np.float32)[None],
             state, state] for f in frames(inputs, 320)]


def dtln(inputs, second):
    state = np.zeros((1, 2, 128, 2), np.float32)
    if second:
        return [[x[None, None].astype(np.float32), state]
                for x in speech(inputs, 512)]
    return [[f[20][None, None].astype(np.float32), state]
            for f in frames(inputs, 512)]


def silero(inputs):
    state = np.zeros((2, 1, 128), np.float32)
    return [[x[None].astype(np.float32), state, np.array(16000, np.int64)]
            for x in speech(inputs, 576)]


SOURCES = {
    "mobilenet_v2_1.0": lambda i: from_pictures(
        i, "imagenet/calib", 224, lambda x: (x[None] - 127.5) / 127.5),
    "mobilenet_v1_0.25": lambda i: from_pictures(
        i, "imagenet/calib", 224, lambda x: nchw((x - 127.5) / 127.5)),
    "squeezenet1.1": lambda i: from_pictures(
        i, "imagenet/calib", 224, lambda x: nchw((x / 255 - MEAN) / STD)),
    "darknet_tiny": lambda i: from_pictures(
        i, "imagenet/calib", 224, lambda x: nchw(x / 255)),
    "resnet20_cifar10": lambda i: from_pictures(
        i, "cifar10", 32, lambda x: nchw((x / 255 - MEAN) / STD)),
    "deeplabv3_mnv2": lambda i: from_pictures(
        i, "coco/images", 129, lambda x: nchw(x / 127.5 - 1)),
    "yolox_nano_nms": lambda i: from_pictures(
        i, "coco/images", 416, lambda x: nchw(x[..., ::-1])),
    "super_resolution_10": lambda i: from_pictures(
        i, "photos", 224, lambda x: x.mean(-1)[None, None] / 255),
    "mnist-8": mnist,
    "kwt1": kws,
    "stories260K": tokens,
    "stories260K_greedy_loop": lambda i: tokens(
        i, (np.array(4, np.int64),)),
    "nsnet2": nsnet,
    "dtln_1": lambda i: dtln(i, False),
    "dtln_2": lambda i: dtln(i, True),
    "silero_vad_v6": silero,
}


def make_samples(models, inputs, folder):
    os.makedirs(folder, exist_ok=True)
    for name, source in SOURCES.items():
        if not os.path.exists(os.path.join(models, name + ".onnx")):
            continue
        for k, sample in enumerate(source(inputs)):
            for i, x in enumerate(sample):
                t = numpy_helper.from_array(np.array(x, order="C"))
                path = os.path.join(folder, f"{name}.in.{k}.{i}.pb")
                with open(path, "wb") as f:
                    f.write(t.SerializeToString())
    return 0


# ---- judgement -------------------------------------------------------------
def feeds_of(base, s, k):
    made = {}
    for n, i in enumerate(s.get_inputs()):
        t = onnx.TensorProto()
        with open(f"{base}.in.{k}.{n}.pb", "rb") as f:
            t.ParseFromString(f.read())
        made[i.name] = numpy_helper.to_array(t)
    return made


def placed_kernels(plan):
    """Clamps and biases that vanish are no kernels of their own."""
    return sum(1 for integer, op, _, why in plan if integer and
               op not in ("Relu", "Clip") and
               not why.startswith("its constant becomes"))


def integer_kernels(found):
    n = sum(v for k, v in found.items() if k.startswith("QLinear"))
    n += found["QGemm"] + found["MatMulIntegerToFloat"]
    return n + sum(found["uint8:" + op] for op in common.MOVERS)


def check_census(path, plan):
    found = common.census(common.optimised(path))
    errors = []
    layers = sum(found[op] for op in common.INTEGER_LAYERS)
    want = sum(1 for i, op, _, _ in plan if i and op in common.LINEAR)
    all_placed, all_found = placed_kernels(plan), integer_kernels(found)
    if layers != want:
        errors.append(f"{layers} integer layers, placed {want}: {dict(found)}")
    if all_found < 0.98 * all_placed:
        errors.append(f"{all_found} integer kernels, placed {all_placed}: "
                      f"{dict(found)}")
    return errors, f"{layers}/{want} layers {all_found}/{all_placed} kernels"


def check_numbers(base, original):
    """Whole models: errors of one step grow from layer to layer, the more so in
    deep ones; the built-in engine must be no farther from the float model than
    onnxruntime is."""
    errors = []
    s = common.session(base + ".quant.onnx", "all")
    real = common.session(original, "all")
    names = [o.name for o in real.get_outputs()]
    numbers = [[[], [], []] for _ in names]
    for k in range(SAMPLES - EVALUATED, SAMPLES):
        feeds = feeds_of(base, real, k)
        for o, (a, b) in enumerate(zip(real.run(None, feeds),
                                       s.run(None, feeds))):
            ours = np.load(f"{base}.out.{k}.{o}.npy")
            if a.shape == b.shape == ours.shape:
                for to, x in zip(numbers[o], (a, b, ours)):
                    to.append(x.ravel())
    quality = []
    for name, (a, b, c) in zip(names, numbers):
        if not a:  # as many as were found in the picture
            continue
        theirs, ours = (common.sqnr(np.concatenate(a), np.concatenate(x))
                        for x in (b, c))
        quality.append((theirs, ours))
        if ours < min(theirs, 20) - 6:
            errors.append(f"{name}: {ours:.1f} dB, onnxruntime {theirs:.1f}")
    return errors, quality


def judge(models, folder):
    failed = judged = 0
    for path in sorted(glob.glob(os.path.join(folder, "*.quant.onnx"))):
        base = path[:-len(".quant.onnx")]
        name = os.path.basename(base)
        onnx.checker.check_model(path, full_check=True)
        errors, text = check_census(path, common.read_plan(base + ".plan"))
        feeds = feeds_of(base, common.session(path, "none"), SAMPLES - 1)
        more, worst = common.check_pieces(base, feeds)
        errors += more
        more, quality = check_numbers(base,
                                      os.path.join(models, name + ".onnx"))
        errors += more
        print(f"{name:20} {text}; steps {worst['none']:.2f} {worst['all']:.2f}; dB "
              f"{' '.join(f'{a:.1f}/{b:.1f}' for a, b in quality)}")
        for e in errors:
            print("   ", e)
        judged += 1
        failed += bool(errors)
    print(f"{judged} models, {failed} with errors")
    return 1 if failed or judged == 0 else 0


if __name__ == "__main__":
    ort.set_default_logger_severity(3)
    if sys.argv[1] == "samples":
        sys.exit(make_samples(*sys.argv[2:5]))
    sys.exit(judge(*sys.argv[2:4]))
