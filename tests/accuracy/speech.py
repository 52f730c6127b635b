"""Speech with noise in it: how much closer to the clean speech it gets."""

import numpy as np

import sounds
from task import Task, spread

NOISES = ("noise_running_tap.wav", "noise_white_noise.wav")
SNR, BLOCK, CALIBRATION = 5, 8000, 300
# Nobody speaks at one level: calibration has it 6 dB louder and softer, too.
LEVELS = (0.5, 1, 2)


def recordings(shared, part):
    """(clean, noisy) for every noise; the first half is for calibration."""
    clean = sounds.sound(shared.inputs("speech", "speech16k.wav"))
    half = len(clean) // 2
    keep = {"calib": slice(0, half), "rest": slice(half, None),
            "all": slice(None)}[part]
    for name in NOISES:
        noise = sounds.sound(shared.inputs("speech", name))
        noise = np.resize(noise, len(clean))
        gain = np.sqrt(np.mean(clean**2) / np.mean(noise**2) / 10**(SNR / 10))
        yield clean[keep], (clean + np.float32(gain) * noise)[keep]


def calibration(shared):
    """Noisy speech at every level."""
    for _, noisy in recordings(shared, "calib"):
        for level in LEVELS:
            yield np.clip(np.float32(level) * noisy, -1, 1)


def si_sdr(sums):
    """From sums of clean^2, clean * heard and heard^2."""
    cc, ch, hh = sums
    signal = ch**2 / cc
    return 10 * np.log10(signal / (hh - signal))


def sums(clean, heard):
    """Of every block: clean^2, clean * heard, heard^2."""
    n = len(clean) // BLOCK * BLOCK
    c, h = (x[:n].reshape(-1, BLOCK).astype(np.float64)
            for x in (clean, heard))
    return np.stack([(c * c).sum(1), (c * h).sum(1), (h * h).sum(1)], 1)


class Enhance(Task):
    metric = "SI-SDR gain dB"

    def enhance(self, runs, noisy):
        raise NotImplementedError

    def items(self, shared, part):
        self.shared = shared
        yield list(recordings(shared, part))

    def predict(self, runs, item):
        return [self.enhance(runs, noisy) for _, noisy in item]

    def rows(self, item, answer):
        """Per half second: the sums of what was heard before and after."""
        return list(np.concatenate(
            [x for (clean, noisy), y in zip(item, answer)
             for x in (sums(clean, noisy), sums(clean, y))], 1))

    def score(self, rows):
        s = np.sum(rows, 0).reshape(-1, 2, 3)
        return float(np.mean([si_sdr(after) - si_sdr(before)
                              for before, after in s]))

    def signal(self, answer):
        return np.concatenate(answer)


class Dtln(Enhance):
    """Two models: a mask for the spectrum, then frame to frame."""
    pair = ("dtln_1", "dtln_2")

    def needed(self):
        return self.pair

    def steps(self, runs, noisy):
        """Every frame: what both models are fed, and the last result."""
        one, two = (runs.get(m) or self.shared.float_run(m) for m in self.pair)
        states = [np.zeros((1, 2, 128, 2), np.float32) for _ in self.pair]
        for frame in sounds.frames(noisy, 512, 128):
            spectrum = np.fft.rfft(frame)
            size = np.abs(spectrum)[None, None].astype(np.float32)
            feed1 = {"input_2": size, "input_3": states[0]}
            out = one(feed1)
            states[0] = out["tf_op_layer_stack_2"]
            frame = np.fft.irfft(spectrum * out["activation_2"][0, 0])
            feed2 = {"input_4": frame[None, None].astype(np.float32),
                     "input_5": states[1]}
            out = two(feed2)
            states[1] = out["tf_op_layer_stack_5"]
            yield (feed1, feed2), out["conv1d_3"][0, 0]

    def feeds(self, shared, model):
        self.shared = shared
        which = self.pair.index(model)
        return spread((feeds[which] for noisy in calibration(shared)
                       for feeds, _ in self.steps({}, noisy)), CALIBRATION)

    def enhance(self, runs, noisy):
        heard = np.zeros_like(noisy)
        for i, (_, frame) in enumerate(self.steps(runs, noisy)):
            heard[i * 128:i * 128 + 512] += frame
        return heard


class NsNet2(Enhance):
    """A mask for the power spectrum, many frames at once."""
    window = np.sqrt(np.hanning(321)[:320])
    chunk = 25

    def spectrum(self, x):
        return np.stack([np.fft.rfft(f * self.window)
                         for f in sounds.frames(x, 320, 160)])

    def steps(self, run, spectrum):
        x = np.log10(np.maximum(np.abs(spectrum)**2, 1e-12))
        state = {n: np.zeros((1, 1, 400), np.float32)
                 for n in ("h1_in", "h2_in")}
        for i in range(0, len(x), self.chunk):
            feed = {"input": x[None, i:i + self.chunk].astype(np.float32),
                    **state}
            out = run(feed)
            yield feed, out["gain"][0]
            state = {"h1_in": out["h1_out"], "h2_in": out["h2_out"]}

    def feeds(self, shared, model):
        run = shared.float_run(model)
        return spread((feed for noisy in calibration(shared)
                       for feed, _ in self.steps(run, self.spectrum(noisy))),
                      CALIBRATION)

    def enhance(self, runs, noisy):
        x = self.spectrum(noisy)
        gains = [g for _, g in self.steps(runs[self.name], x)]
        y = np.fft.irfft(x * np.concatenate(gains), 320) * self.window
        heard = np.zeros_like(noisy)
        for i, frame in enumerate(y):
            heard[i * 160:i * 160 + 320] += frame
        return heard


TASKS = [
    Dtln("dtln", models=Dtln.pair, bar=0.3, published=10.2,
         published_on="9.3 and 11.1 of the two noises"),
    Dtln("dtln_1", bar=0.3),
    Dtln("dtln_2", bar=0.3),
    NsNet2("nsnet2", bar=0.3, published=8.85,
           published_on="7.8 and 9.9 of the two noises"),
]
