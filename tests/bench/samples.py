"""Samples of the real models: how each wants its input, and which part of the
inputs is for calibration and which for evaluation.

samples(name, inputs, models) gives (calibration, evaluation), each a list of
(feed, label): feed maps input names to arrays, label is a class or None.
"""

import glob
import gzip
import json
import os
import wave

import numpy as np
import onnxruntime as ort
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
NORMALISE = {
    "imagenet": lambda x: (x / 255 - MEAN) / STD,
    "signed": lambda x: (x - 127.5) / 127.5,
    "unit": lambda x: x / 255,
}
CIFAR = ("airplane automobile bird cat deer dog frog horse ship "
         "truck").split()
WORDS = "silence unknown yes no up down left right on off stop go".split()


def session(path, threads=1, level=None, optimized=None):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if level is not None:
        options.graph_optimization_level = level
    if optimized is not None:
        options.optimized_model_filepath = optimized
    return ort.InferenceSession(path, options,
                                providers=["CPUExecutionProvider"])


# ---- pictures ---------------------------------------------------------------
def pixels(path, size):
    picture = Image.open(path).convert("RGB")
    return np.asarray(picture.resize((size, size), Image.BILINEAR), np.float32)


def chw(x):
    return np.ascontiguousarray(x.transpose(2, 0, 1), np.float32)[None]


def imagenet(name, normalise, layout=chw, offset=0):
    def load(inputs, _):
        def part(folder):
            folder = os.path.join(inputs, "imagenet", folder)
            with open(os.path.join(folder, "labels.txt")) as lines:
                for file, label in (line.split() for line in lines):
                    x = pixels(os.path.join(folder, file), 224)
                    x = NORMALISE[normalise](x).astype(np.float32)
                    yield {name: layout(x)}, int(label) + offset
        return part("calib"), part("eval")
    return load


def cifar(inputs, _):
    def part(keep):
        for label, word in enumerate(CIFAR):
            files = sorted(glob.glob(os.path.join(inputs, "cifar10", word,
                                                  "*.jpg")))
            for file in files[keep]:
                x = NORMALISE["imagenet"](pixels(file, 32))
                yield {"input": chw(x.astype(np.float32))}, label
    return part(slice(0, 20)), part(slice(20, None))


def mnist(inputs, _):
    def read(what):
        (path,) = glob.glob(os.path.join(inputs, "mnist", f"*{what}*.gz"))
        with gzip.open(path) as file:
            return file.read()

    x = np.frombuffer(read("images"), np.uint8, offset=16)
    x = x.reshape(-1, 1, 1, 28, 28).astype(np.float32)
    labels = np.frombuffer(read("labels"), np.uint8, offset=8)
    pairs = [({"Input3": a}, int(b)) for a, b in zip(x, labels)]
    return pairs[:200], pairs[200:]


def letterbox(path, size, pad, centre):
    picture = Image.open(path).convert("RGB")
    scale = size / max(picture.size)
    w, h = (round(n * scale) for n in picture.size)
    canvas = Image.new("RGB", (size, size), (pad,) * 3)
    at = ((size - w) // 2, (size - h) // 2) if centre else (0, 0)
    canvas.paste(picture.resize((w, h), Image.BILINEAR), at)
    return np.asarray(canvas, np.float32)


def coco(make):
    def load(inputs, _):
        files = sorted(glob.glob(os.path.join(inputs, "coco", "images", "*")))
        def part(files):
            return ((make(file), None) for file in files)
        return part(files[:30]), part(files[30:])
    return load


def luma(inputs, _):
    def part(files):
        for file in files:
            x = np.asarray(Image.open(file).convert("L"), np.float32) / 255
            for top, left in ((20, 30), (100, 250), (250, 400)):
                crop = x[top:top + 224, left:left + 224]
                if crop.shape == (224, 224):
                    yield {"input": crop[None, None]}, None
    files = [f for f in sorted(glob.glob(os.path.join(inputs, "photos", "*")))
             if f.lower().endswith((".png", ".jpg", ".jpeg", ".webp"))]
    return part(files[:6]), part(files[6:])


# ---- sound ------------------------------------------------------------------
def sound(path):
    with wave.open(path) as file:
        x = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return x.astype(np.float32) / 32768


def words(inputs, _):
    def one(file):
        x = np.zeros(16000, np.float32)
        y = sound(file)[:16000]
        x[:len(y)] = y
        word = os.path.basename(file).split("_")[2].lower()
        return {"input_1": x[None]}, WORDS.index(word)
    files = sorted(glob.glob(os.path.join(inputs, "kws", "*.wav")))
    return map(one, files[0::2]), map(one, files[1::2])


def noisy_speech(inputs):
    """Speech with noise in it: 5 dB of signal to noise."""
    folder = os.path.join(inputs, "speech")
    x = sound(os.path.join(folder, "speech16k.wav"))
    noise = np.resize(sound(os.path.join(folder, "noise_running_tap.wav")),
                      len(x))
    gain = np.sqrt(np.mean(x**2) / np.mean(noise**2) / 10**0.5)
    return x + np.float32(gain) * noise


def halves(pairs, n):
    """The first half is for calibration; n evenly spaced samples of each."""
    pairs = list(pairs)
    middle = len(pairs) // 2

    def thin(part):
        step = max(1, len(part) // n)
        return part[::step][:n]
    return thin(pairs[:middle]), thin(pairs[middle:])


def with_state(model, feeds, carry, state):
    """Adds the state that the float model reaches frame by frame."""
    run = session(model)
    names = [o.name for o in run.get_outputs()]
    for feed in feeds:
        feed = {**feed, **state}
        yield feed, None
        result = dict(zip(names, run.run(None, feed)))
        state = {to: result[of] for of, to in carry.items()}


def frames(x, size, hop):
    for i in range(0, len(x) - size + 1, hop):
        yield x[i:i + size]


def dtln(model, name, state, carry, spectrum):
    def load(inputs, models):
        def feeds():
            for f in frames(noisy_speech(inputs), 512, 128):
                x = np.abs(np.fft.rfft(f)) if spectrum else f
                yield {name: x[None, None].astype(np.float32)}
        zeros = {state: np.zeros((1, 2, 128, 2), np.float32)}
        return halves(with_state(os.path.join(models, model + ".onnx"), feeds(),
                                 {carry: state}, zeros), 100)
    return load


def nsnet2(inputs, models):
    window = np.sqrt(np.hanning(321)[:320]).astype(np.float32)
    spectra = np.stack([np.abs(np.fft.rfft(f * window))**2 for f in
                        frames(noisy_speech(inputs), 320, 160)])
    x = np.log10(np.maximum(spectra, 1e-12)).astype(np.float32)
    zeros = {n: np.zeros((1, 1, 400), np.float32) for n in ("h1_in", "h2_in")}
    feeds = ({"input": x[i:i + 50][None]} for i in range(0, len(x) - 49, 50))
    return halves(with_state(os.path.join(models, "nsnet2.onnx"), feeds,
                             {"h1_out": "h1_in", "h2_out": "h2_in"}, zeros),
                  100)


def silero(inputs, models):
    x = np.concatenate([np.zeros(64, np.float32), noisy_speech(inputs)])
    feeds = ({"input": x[i:i + 576][None], "sr": np.array(16000, np.int64)}
             for i in range(0, len(x) - 576, 512))
    zeros = {"state": np.zeros((2, 1, 128), np.float32)}
    return halves(with_state(os.path.join(models, "silero_vad_v6.onnx"), feeds,
                             {"stateN": "state"}, zeros), 150)


# ---- text -------------------------------------------------------------------
def token_rows(inputs, n):
    with open(os.path.join(inputs, "text", "tinystories_tokens.json")) as file:
        tokens = [t for story in json.load(file) for t in story]
    return [np.array([tokens[i:i + n]], np.int64)
            for i in range(0, len(tokens) - n + 1, n)]


def stories(inputs, _):
    return halves((({"tokens": r}, None) for r in token_rows(inputs, 128)), 60)


def generated(inputs, _):
    return halves((({"tokens": r[:, :8], "max_new": np.array(24, np.int64)},
                    None) for r in token_rows(inputs, 64)), 20)


def g2p(inputs, models):
    """Every step of the greedy transducer, as the float model takes it."""
    run = session(os.path.join(models, "g2p_en.onnx"))
    letters = "abcdefghijklmnopqrstuvwxyz"

    def steps(word):
        src = np.array([[letters.index(c) + 6 for c in word]], np.int32)
        tgt, t = [2], 0
        while t < len(word) and len(tgt) < 40:
            feed = {"src": src, "tgt": np.array([tgt], np.int32),
                    "t": np.array([t], np.int32)}
            yield feed, None
            pred = int(run.run(None, feed)[0][0])
            if pred == 2:
                t += 1
            else:
                tgt.append(pred)

    with open(os.path.join(inputs, "text", "g2p_en.txt")) as lines:
        found = [line.split()[0].lower() for line in lines if line.strip()]
    found = [w for w in found if w and all(c in letters for c in w)]
    return halves((s for w in found for s in steps(w)), 200)


# ---- the models -------------------------------------------------------------
SOURCES = {
    "mobilenet_v2_1.0": imagenet("input", "signed", lambda x: x[None], 1),
    "mobilenet_v1_0.25": imagenet("input_1", "signed"),
    "squeezenet1.1": imagenet("data", "imagenet"),
    "darknet_tiny": imagenet("input_1", "unit"),
    "resnet20_cifar10": cifar,
    "mnist-8": mnist,
    "kwt1": words,
    "deeplabv3_mnv2": coco(lambda f: {"sub_7": chw(
        letterbox(f, 513, 127, True) / 127.5 - 1)}),
    "yolox_nano_nms": coco(lambda f: {"images": chw(
        letterbox(f, 416, 114, False)[:, :, ::-1])}),
    "super_resolution_10": luma,
    "dtln_1": dtln("dtln_1", "input_2", "input_3", "tf_op_layer_stack_2",
                   True),
    "dtln_2": dtln("dtln_2", "input_4", "input_5", "tf_op_layer_stack_5",
                   False),
    "nsnet2": nsnet2,
    "silero_vad_v6": silero,
    "stories260K": stories,
    "stories260K_greedy_loop": generated,
    "g2p_en": g2p,
}


def samples(name, inputs, models):
    calibration, evaluation = SOURCES[name](inputs, models)
    return list(calibration), list(evaluation)
