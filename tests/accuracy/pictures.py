"""Pictures as arrays, as the models of these tasks want them."""

import glob
import os

import numpy as np
from PIL import Image

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
NORMALISE = {
    "imagenet": lambda x: (x / 255 - MEAN) / STD,
    "signed": lambda x: (x - 127.5) / 127.5,
    "unit": lambda x: x / 255,
    "raw": lambda x: x,
}


def files(folder):
    return sorted(f for f in glob.glob(os.path.join(folder, "*"))
                  if f.lower().endswith((".jpg", ".jpeg", ".png")))


def coco(shared, part):
    """The first 30 photographs are for calibration."""
    keep = {"calib": slice(0, 30), "rest": slice(30, None),
            "all": slice(None)}[part]
    return files(shared.inputs("coco", "images"))[keep]


def data_list(folder, paths):
    """The program's --data for files that are not a folder of their own."""
    path = os.path.join(folder, "list.txt")
    with open(path, "w") as out:
        out.writelines(os.path.abspath(p) + "\n" for p in paths)
    return ["--data", "@" + path]


def pixels(path, size):
    picture = Image.open(path).convert("RGB")
    return np.asarray(picture.resize((size, size), Image.BILINEAR), np.float32)


def chw(x):
    return np.ascontiguousarray(x.transpose(2, 0, 1), np.float32)[None]


def fitted(path, size):
    """Width and height that fit into a square, and the factor."""
    with Image.open(path) as picture:
        scale = size / max(picture.size)
        return *(int(n * scale + 0.5) for n in picture.size), scale


def corner(w, h, size, centre):
    return tuple(round((size - n) / 2) if centre else 0 for n in (w, h))


def letterbox(path, size, pad, centre):
    w, h, _ = fitted(path, size)
    picture = Image.open(path).convert("RGB")
    canvas = Image.new("RGB", (size, size), (pad,) * 3)
    canvas.paste(picture.resize((w, h), Image.BILINEAR),
                 corner(w, h, size, centre))
    return np.asarray(canvas, np.float32)
