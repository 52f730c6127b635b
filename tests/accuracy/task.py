"""What every task has in common: a trained model, the data it is calibrated
on, the data it is judged on, and how well it does.

A task is calibrated on one part of the inputs and judged on the other; an
answer is what a model makes of one item, a row what remains of it for the
score.  Scores of resampled rows give the interval.
"""

import os

import numpy as np
import onnxruntime as ort


class Run:
    """A model ready to run: feed in, outputs by name out."""

    def __init__(self, path, threads=1, level=None, optimized=None):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if level is not None:
            options.graph_optimization_level = level
        if optimized is not None:
            options.optimized_model_filepath = optimized
        self.session = ort.InferenceSession(
            path, options, providers=["CPUExecutionProvider"])
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.inputs = [i.name for i in self.session.get_inputs()]

    def __call__(self, feed):
        return dict(zip(self.outputs, self.session.run(None, feed)))

    def first(self, feed):
        return self.session.run(self.outputs[:1], feed)[0]


class Shared:
    """The folder with the models and the inputs."""

    def __init__(self, folder):
        self.folder = folder
        self.floats = {}

    def model(self, name):
        return os.path.join(self.folder, "models", name + ".onnx")

    def inputs(self, *parts):
        return os.path.join(self.folder, "inputs", *parts)

    def float_run(self, name):
        if name not in self.floats:
            self.floats[name] = Run(self.model(name))
        return self.floats[name]


class Task:
    metric = ""         # name and unit of the score
    better = 1          # 1: a larger score is better; -1: a smaller
    ratio = False       # the loss is a ratio of scores, not a difference
    bar = None          # largest loss that is fine
    published = None    # float score that came with the model
    published_on = ""   # what that was measured on, if not on these data
    resamples = 2000
    closeness = True    # has signals that can be compared one by one

    def __init__(self, name, models=None, **facts):
        self.name = name
        self.models = models or (name,)     # those that become int8
        for key, value in facts.items():
            if not hasattr(self, key):
                raise TypeError(f"{name}: no fact named {key}")
            setattr(self, key, value)

    def needed(self):
        """Models that have to be there."""
        return self.models

    def feeds(self, shared, model):
        """Calibration samples: input names to arrays."""
        raise NotImplementedError

    def options(self, shared, model, folder):
        """Options that give the program the same samples; by default they are
        prepared here, as .npz files."""
        for i, feed in enumerate(self.feeds(shared, model)):
            np.savez(os.path.join(folder, f"{i:05}.npz"), **feed)
        return ["--data", folder]

    def items(self, shared, part):
        """What is judged: part "rest", what is not for calibration, or "all"."""
        raise NotImplementedError

    def predict(self, runs, item):
        """The answer of the models, by name, to one item."""
        raise NotImplementedError

    def rows(self, item, answer):
        raise NotImplementedError

    def score(self, rows):
        raise NotImplementedError

    def signal(self, answer):
        """What is compared value by value; None: nothing."""
        return answer

    def chances(self, answer):
        """Probabilities along the last axis; None: there are none."""
        return None

    def agreement(self, a, b):
        """0..1: how much two answers decide alike; None: nothing to decide."""
        p, q = self.chances(a), self.chances(b)
        return None if p is None else float(np.mean(p.argmax(-1) ==
                                                    q.argmax(-1)))


def softmax(x):
    e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def spread(things, n):
    """n of them, evenly spaced."""
    things = list(things)
    if len(things) <= n:
        return things
    return [things[i * len(things) // n] for i in range(n)]
