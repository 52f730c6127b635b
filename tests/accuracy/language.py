"""Language: perplexity of what comes next, in stories of 256 tokens."""

import json

import numpy as np

from task import Task, softmax

BLOCK = 17              # tokens of a row: 255 predictions are 15 rows
PROMPT, NEW = 8, 40


def stories(shared, part):
    with open(shared.inputs("text", "tinystories_tokens.json")) as file:
        rows = [np.array([r], np.int64) for r in json.load(file)]
    half = len(rows) // 2
    return {"calib": rows[:half], "rest": rows[half:], "all": rows}[part]


def surprise(logits, tokens):
    """Of every token but the first: -log of its probability."""
    p = softmax(logits[0, :-1])
    return -np.log(p[np.arange(len(p)), tokens[0, 1:]])


class Perplexity(Task):
    metric = "perplexity"
    better, ratio = -1, True

    def feeds(self, shared, model):
        for tokens in stories(shared, "calib"):
            yield {"tokens": tokens}

    def items(self, shared, part):
        return stories(shared, part)

    def predict(self, runs, item):
        return runs[self.name].first({"tokens": item})

    def rows(self, item, answer):
        return list(surprise(answer, item).reshape(-1, BLOCK).mean(1))

    def score(self, rows):
        return float(np.exp(np.mean(rows)))

    def chances(self, answer):
        return softmax(answer[0])


class Generation(Task):
    """Greedy continuations, judged by a float model of the same language."""
    metric = "perplexity of its text"
    better, ratio = -1, True
    judge = ""

    def needed(self):
        return (*self.models, self.judge)

    def prompts(self, shared, part):
        for tokens in stories(shared, part):
            for i in range(0, tokens.shape[1] - NEW, NEW):
                yield {"tokens": tokens[:, i:i + PROMPT],
                       "max_new": np.array(NEW, np.int64)}

    def feeds(self, shared, model):
        return self.prompts(shared, "calib")

    def items(self, shared, part):
        judge = shared.float_run(self.judge)
        return ((feed, judge) for feed in self.prompts(shared, part))

    def predict(self, runs, item):
        return runs[self.name](item[0])["generated"]

    def rows(self, item, answer):
        feed, judge = item
        logits = judge.first({"tokens": answer.astype(np.int64)})
        return [surprise(logits, answer)[PROMPT - 1:].mean()]

    def score(self, rows):
        return float(np.exp(np.mean(rows)))

    def signal(self, answer):
        return None

    def agreement(self, a, b):
        n = min(a.shape[1], b.shape[1])
        return float(np.mean(a[:, PROMPT:n] == b[:, PROMPT:n]))


TASKS = [Perplexity("stories260K", bar=1.02, published=5.101),
         Generation("stories260K_greedy_loop", bar=1.02, judge="stories260K")]
