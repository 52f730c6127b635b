"""Voice activity: clips rightly told to be speech or silence."""

import numpy as np

import sounds
from task import Task, spread

RATE, HOP, CONTEXT, CALIBRATION = 16000, 512, 64, 300


def steps(run, x):
    """Every step through a sound: what it is fed, the chance of speech."""
    state = np.zeros((2, 1, 128), np.float32)
    x = np.concatenate([np.zeros(CONTEXT, np.float32), x])
    for frame in sounds.frames(x, CONTEXT + HOP, HOP):
        feed = {"input": frame[None], "state": state,
                "sr": np.array(RATE, np.int64)}
        out = run(feed)
        yield feed, float(out["output"][0, 0])
        state = out["stateN"]


class Activity(Task):
    metric = "clips right %"

    def clips(self, shared, part):
        for name, x in sounds.part_of(sounds.words(shared), part):
            yield x, sounds.word_of(name) != "silence"

    def feeds(self, shared, model):
        run = shared.float_run(model)
        return spread((feed for x, _ in self.clips(shared, "calib")
                       for feed, _ in steps(run, x)), CALIBRATION)

    def items(self, shared, part):
        return self.clips(shared, part)

    def predict(self, runs, item):
        return np.array([p for _, p in steps(runs[self.name], item[0])])

    def rows(self, item, answer):
        return [(answer.max() > 0.5) == item[1]]

    def score(self, rows):
        return 100 * float(np.mean(rows))

    def chances(self, answer):
        return np.stack([1 - answer, answer], -1)


TASKS = [Activity("silero_vad_v6", bar=1.0, published=99.1,
                  published_on="332 clips, speech 99.0, silence 100")]
