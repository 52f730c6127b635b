"""Segmentation: intersection over union, mean of the classes."""

import os

import numpy as np
from PIL import Image

import pictures
from task import Task, softmax

SIZE, PAD, CLASSES = 513, 127, 21
# The classes of the model from 1 on, as numbered in the masks; anything else
# there is background, 0 is not labelled.
OF_MASK = [5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7,
           72]
IGNORED = 255


class Segment(Task):
    metric = "mIoU %"
    input = ""

    def feed(self, file):
        x = pictures.letterbox(file, SIZE, PAD, True)
        return {self.input: pictures.chw(pictures.NORMALISE["signed"](x))}

    def feeds(self, shared, model):
        return map(self.feed, pictures.coco(shared, "calib"))

    def options(self, shared, model, folder):
        return [*pictures.data_list(folder, pictures.coco(shared, "calib")),
                "--resize", f"{SIZE}x{SIZE}",
                "--letterbox", str(PAD), "--preprocess", "signed"]

    def truth(self, shared, file):
        stem = os.path.splitext(os.path.basename(file))[0]
        mask = Image.open(shared.inputs("coco", "masks", stem + ".png"))
        table = np.zeros(256, np.uint8)
        table[0] = IGNORED
        table[OF_MASK] = np.arange(1, CLASSES)
        w, h, _ = pictures.fitted(file, SIZE)
        left, top = pictures.corner(w, h, SIZE, True)
        truth = np.full((SIZE, SIZE), IGNORED, np.uint8)
        truth[top:top + h, left:left + w] = table[np.asarray(
            mask.resize((w, h), Image.NEAREST))]
        return truth

    def items(self, shared, part):
        for file in pictures.coco(shared, part):
            yield self.feed(file), self.truth(shared, file)

    def predict(self, runs, item):
        return runs[self.name].first(item[0])

    def rows(self, item, answer):
        """Intersections, then unions, of each class."""
        truth = item[1].reshape(-1)
        best = answer[0].argmax(0).reshape(-1)[truth != IGNORED]
        both = np.bincount(truth[truth != IGNORED].astype(int) * CLASSES + best,
                           minlength=CLASSES**2).reshape(CLASSES, CLASSES)
        hit = both.diagonal()
        return [np.concatenate([hit, both.sum(0) + both.sum(1) - hit,
                                both.sum(1)])]

    def score(self, rows):
        hit, union, true = np.split(np.sum(rows, 0), 3)
        return 100 * float(np.mean(hit[true > 0] / union[true > 0]))

    def chances(self, answer):
        return softmax(answer[0, :, ::4, ::4].transpose(1, 2, 0))

    def agreement(self, a, b):
        return float(np.mean(a.argmax(1) == b.argmax(1)))


TASKS = [Segment("deeplabv3_mnv2", input="sub_7", bar=1.0, published=46.4,
                 published_on="100 pictures")]
