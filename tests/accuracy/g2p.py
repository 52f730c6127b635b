"""Pronunciation: phonemes wrong, of all phonemes."""

import numpy as np

from task import Task, spread

LETTERS = "'-abcdefghijklmnopqrstuvwxyz"
PHONEMES = ("AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW "
            "OY P R S SH T TH UH UW V W Y Z ZH").split()
FIRST, START, LONGEST, CALIBRATION = 4, 2, 48, 300


def words(shared, part):
    """(letters as numbers, phonemes as numbers); stress is left out."""
    found = []
    with open(shared.inputs("text", "g2p_en.txt")) as lines:
        for line in lines:
            word, *phonemes = line.split()
            src = [LETTERS.index(c) + FIRST for c in word.lower()
                   if c in LETTERS]
            found.append((src, [PHONEMES.index(p.rstrip("012")) + FIRST
                                for p in phonemes]))
    half = len(found) // 2
    return {"calib": found[:half], "rest": found[half:], "all": found}[part]


def steps(run, src):
    """Every step of the greedy transducer: what it is fed, what it says."""
    tgt, t = [START], 0
    while t < len(src) and len(tgt) < LONGEST:
        feed = {"src": np.array([src], np.int32),
                "tgt": np.array([tgt], np.int32), "t": np.array([t], np.int32)}
        said = int(run.first(feed)[0])
        yield feed, said
        if said == START:
            t += 1
        else:
            tgt.append(said)


def distance(a, b):
    """Insertions, deletions and changes that make b of a."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1,
                                       last + (x != y))
    return row[-1]


class Pronounce(Task):
    metric = "phoneme error %"
    better = -1

    def feeds(self, shared, model):
        run = shared.float_run(model)
        return spread((feed for src, _ in words(shared, "calib")
                       for feed, _ in steps(run, src)), CALIBRATION)

    def items(self, shared, part):
        return words(shared, part)

    def predict(self, runs, item):
        return [s for _, s in steps(runs[self.name], item[0]) if s != START]

    def rows(self, item, answer):
        return [(distance(answer, item[1]), len(item[1]))]

    def score(self, rows):
        wrong, of = np.sum(rows, 0)
        return 100 * float(wrong / of)

    def signal(self, answer):
        return None

    def agreement(self, a, b):
        return float(a == b)


TASKS = [Pronounce("g2p_en", bar=1.0, published=8.38)]
