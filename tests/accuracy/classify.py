"""Classifiers: share of items with the right class."""

import gzip
import glob
import os

import numpy as np

import pictures
import sounds
from task import Task, softmax

CIFAR = ("airplane automobile bird cat deer dog frog horse ship "
         "truck").split()
WORDS = "silence unknown yes no up down left right on off stop go".split()


class Classify(Task):
    metric = "top-1 %"
    input = ""
    probabilities = False   # the scores went through softmax already

    def labelled(self, shared, part):
        """(array, label) of a part: calib, rest or all."""
        raise NotImplementedError

    def feeds(self, shared, model):
        for x, _ in self.labelled(shared, "calib"):
            yield {self.input: x}

    def items(self, shared, part):
        return self.labelled(shared, part)

    def predict(self, runs, item):
        return runs[self.name].first({self.input: item[0]})

    def rows(self, item, answer):
        return [answer.reshape(-1).argmax() == item[1]]

    def score(self, rows):
        return 100 * float(np.mean(rows))

    def chances(self, answer):
        return answer if self.probabilities else softmax(answer)


class ImageNet(Classify):
    normalise = ""
    nhwc = False
    offset = 0      # the model has classes in front of ours

    def labelled(self, shared, part):
        # The published figures are those of the evaluation folder alone.
        folder = shared.inputs("imagenet",
                               "calib" if part == "calib" else "eval")
        with open(os.path.join(folder, "labels.txt")) as lines:
            for file, label in (line.split() for line in lines):
                x = pictures.pixels(os.path.join(folder, file), 224)
                x = pictures.NORMALISE[self.normalise](x).astype(np.float32)
                yield (x[None] if self.nhwc else pictures.chw(x),
                       int(label) + self.offset)

    def options(self, shared, model, folder):
        return ["--data", shared.inputs("imagenet", "calib"), "--resize",
                "224x224", "--preprocess", self.normalise]


class Cifar(Classify):
    def files(self, shared, part):
        keep = {"calib": slice(0, 20), "rest": slice(20, None),
                "all": slice(None)}[part]
        for label, word in enumerate(CIFAR):
            for file in pictures.files(shared.inputs("cifar10", word))[keep]:
                yield file, label

    def labelled(self, shared, part):
        for file, label in self.files(shared, part):
            x = pictures.NORMALISE["imagenet"](pictures.pixels(file, 32))
            yield pictures.chw(x), label

    def options(self, shared, model, folder):
        files = (file for file, _ in self.files(shared, "calib"))
        return [*pictures.data_list(folder, files), "--resize", "32x32",
                "--preprocess", "imagenet"]


class Mnist(Classify):
    calibration = 200

    def labelled(self, shared, part):
        def read(what, offset):
            (path,) = glob.glob(shared.inputs("mnist", f"*{what}*.gz"))
            with gzip.open(path) as file:
                return np.frombuffer(file.read(), np.uint8, offset=offset)

        x = read("images", 16).reshape(-1, 1, 1, 28, 28).astype(np.float32)
        keep = {"calib": slice(0, self.calibration),
                "rest": slice(self.calibration, None),
                "all": slice(None)}[part]
        yield from zip(x[keep], read("labels", 8)[keep])


class Words(Classify):
    def labelled(self, shared, part):
        for name, y in sounds.part_of(sounds.words(shared), part):
            x = np.zeros(16000, np.float32)
            x[:len(y[:16000])] = y[:16000]
            yield x[None], WORDS.index(sounds.word_of(name))


TASKS = [
    ImageNet("mobilenet_v2_1.0", input="input", normalise="signed", nhwc=True,
             offset=1, probabilities=True, published=83.5),
    ImageNet("mobilenet_v1_0.25", input="input_1", normalise="signed",
             probabilities=True, published=52.3),
    ImageNet("squeezenet1.1", input="data", normalise="imagenet",
             published=59.5),
    ImageNet("darknet_tiny", input="input_1", normalise="unit",
             published=67.0),
    Cifar("resnet20_cifar10", input="input", published=81.0,
          published_on="10,000 pictures"),
    Mnist("mnist-8", input="Input3", published=98.91),
    Words("kwt1", input="input_1", bar=1.0, published=92.5,
          published_on="994 clips"),
]
