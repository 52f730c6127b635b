"""Super-resolution: PSNR against the photograph that was made smaller."""

import numpy as np
from PIL import Image

import pictures
from task import Task

SIDE, FACTOR, SMALL, CALIBRATION = 224, 3, 168, 6


class SuperResolution(Task):
    metric = "PSNR dB"

    def luma(self, shared, part):
        keep = {"calib": slice(0, CALIBRATION),
                "rest": slice(CALIBRATION, None), "all": slice(None)}[part]
        for file in pictures.files(shared.inputs("photos"))[keep]:
            yield Image.open(file).convert("L")

    def feeds(self, shared, model):
        for picture in self.luma(shared, "calib"):
            x = np.asarray(picture, np.float32) / 255
            for top, left in ((20, 30), (100, 250), (250, 400)):
                crop = x[top:top + SIDE, left:left + SIDE]
                if crop.shape == (SIDE, SIDE):
                    yield {"input": crop[None, None]}

    def items(self, shared, part):
        large = SMALL * FACTOR
        margin = (SIDE - SMALL) // 2
        for picture in self.luma(shared, part):
            for left in range(0, picture.width - large + 1, large // 2):
                crop = picture.crop((left, 0, left + large, large))
                if crop.size != (large, large) or picture.height < large:
                    continue
                small = crop.resize((SMALL, SMALL), Image.BICUBIC)
                x = np.pad(np.asarray(small, np.float32) / 255, margin,
                           mode="reflect")
                yield {"input": x[None, None]}, np.asarray(crop) / 255

    def predict(self, runs, item):
        return runs[self.name].first(item[0])

    def rows(self, item, answer):
        edge = FACTOR * (SIDE - SMALL) // 2
        x = np.clip(answer[0, 0, edge:-edge, edge:-edge], 0, 1)
        return [np.mean((x - item[1])**2)]

    def score(self, rows):
        return float(np.mean(-10 * np.log10(rows)))


TASKS = [SuperResolution("super_resolution_10")]
