"""Detection: average precision at half overlap, over the classes that occur;
precision is interpolated at 101 recalls."""

import os

import numpy as np

import pictures
from task import Task

SIZE, PAD, CLASSES, OVERLAP, SHOWN = 416, 114, 80, 0.5, 0.3


def overlaps(a, b):
    """Intersection over union of every box of a with every one of b."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    area = [(x[:, 2:] - x[:, :2]).prod(-1) for x in (a, b)]
    return both / np.maximum(area[0][:, None] + area[1][None] - both, 1e-9)


def matched(boxes, order, truth, least=OVERLAP):
    """For each box in that order: does it find a true one not yet found?"""
    free, hit = set(range(len(truth))), np.zeros(len(boxes), bool)
    iou = overlaps(boxes, truth)
    for i in order:
        fits = [j for j in free if iou[i, j] >= least]
        if fits:
            free.discard(max(fits, key=lambda j: iou[i, j]))
            hit[i] = True
    return hit


def average_precision(hits, true):
    """hits: by falling score."""
    if len(hits) == 0:
        return 0.0
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(found / true, np.linspace(0, 1, 101))
    return float(np.where(at < len(hits), best[np.minimum(at, len(hits) - 1)],
                          0).mean())


class Detect(Task):
    metric = "AP50"
    resamples = 1000

    def feed(self, file):
        x = pictures.letterbox(file, SIZE, PAD, False)[:, :, ::-1]
        return {"images": pictures.chw(x)}

    def feeds(self, shared, model):
        return map(self.feed, pictures.coco(shared, "calib"))

    def options(self, shared, model, folder):
        return [*pictures.data_list(folder, pictures.coco(shared, "calib")),
                "--resize", f"{SIZE}x{SIZE}",
                "--letterbox", f"{PAD}:top-left", "--preprocess", "raw",
                "--color", "bgr"]

    def truth(self, shared, file):
        """Boxes in pixels of the model's input, and their classes."""
        w, h, _ = pictures.fitted(file, SIZE)
        stem = os.path.splitext(os.path.basename(file))[0]
        path = shared.inputs("coco", "labels", stem + ".txt")
        if not os.path.exists(path):
            return np.zeros((0, 4)), np.zeros(0, int)
        t = np.loadtxt(path, ndmin=2)
        middle, half = t[:, 1:3] * (w, h), t[:, 3:5] * (w, h) / 2
        return np.concatenate([middle - half, middle + half], 1), \
            t[:, 0].astype(int)

    def items(self, shared, part):
        for file in pictures.coco(shared, part):
            yield self.feed(file), *self.truth(shared, file)

    def predict(self, runs, item):
        out = runs[self.name](item[0])
        return out["boxes"], out["scores"], out["classes"]

    def rows(self, item, answer):
        """Per picture: (class, score, found) of every box; true boxes."""
        _, truth, of = item
        boxes, scores, classes = answer
        hit = np.zeros(len(boxes), bool)
        for c in np.unique(classes):
            mine = np.flatnonzero(classes == c)
            hit[mine] = matched(boxes[mine],
                                np.argsort(-scores[mine], kind="stable"),
                                truth[of == c])
        return [(np.stack([classes, -scores.astype(float), hit], 1),
                 np.bincount(of, minlength=CLASSES))]

    def score(self, rows):
        found = np.concatenate([r[0] for r in rows])
        true = sum(r[1] for r in rows)
        found = found[np.lexsort((found[:, 1], found[:, 0]))]
        ends = np.searchsorted(found[:, 0], np.arange(CLASSES + 1))
        return 100 * float(np.mean([
            average_precision(found[ends[c]:ends[c + 1], 2], true[c])
            for c in np.flatnonzero(true)]))

    def signal(self, answer):
        return None     # lists of different lengths

    def agreement(self, a, b):
        """F1 of the boxes that are sure enough to be shown."""
        (box_a, score_a, class_a), (box_b, score_b, class_b) = a, b
        total, hits = 0, 0
        for c in np.union1d(class_a, class_b):
            x = box_a[(class_a == c) & (score_a >= SHOWN)]
            y = box_b[(class_b == c) & (score_b >= SHOWN)]
            total += len(x) + len(y)
            hits += 2 * matched(x, range(len(x)), y).sum()
        return None if total == 0 else hits / total


TASKS = [Detect("yolox_nano_nms", bar=1.0, published=48.56,
                published_on="other pictures too")]
