"""Sound as arrays of floats."""

import os
import wave

import numpy as np


def sound(path):
    with wave.open(path) as file:
        x = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return x.astype(np.float32) / 32768


def words(shared):
    """Spoken words in sorted order, as (file name, sound)."""
    folder = shared.inputs("kws")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".wav"):
            yield name, sound(os.path.join(folder, name))


def word_of(name):
    """tst_000003_Up_8.wav -> up"""
    return name.split("_")[2].lower()


def part_of(things, part):
    """Of sorted things the even ones are for calibration."""
    first, step = {"calib": (0, 2), "rest": (1, 2), "all": (0, 1)}[part]
    return list(things)[first::step]


def frames(x, size, hop):
    for i in range(0, len(x) - size + 1, hop):
        yield x[i:i + size]
