"""Synthetic: generated dermoscopy-like images with a lesion, or fundus-like ones with optic disc and cup.

Source: this file and `drawing.py`; nothing is downloaded or written. Licence: as this project.
Encoding: 2 classes are skin and lesion, 3 are background, disc (its rim, around the cup) and cup.
Low contrast, irregular soft borders, hair or vessels, uneven light, vignette, noise and things that only look like
the object keep a victim from being trivial, or robust for trivial reasons.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from benchmark.data.loading_options import image_size
from benchmark.data.source import SPLITS, Sample
from benchmark.errors import InputError

VERSION = 1  # raise it with every change to what is drawn: it is part of the fingerprint
NAMES = {2: ("skin", "lesion"), 3: ("background", "disc", "cup")}
MOST_IMAGES = 10**5  # of a split
MOST_PIXELS = 2**32  # of all images together


class Synthetic:
    """Image i of a split depends on (seed, split, i, size) alone, so more images never change those there were.

    classes: 2 (lesion) or 3 (disc and cup). size: height and width in pixels, or [height, width]; images are drawn as
    squares of the longer side.
    """

    def __init__(
        self,
        *,
        n_train: int = 128,
        n_val: int = 32,
        n_test: int = 24,
        classes: int = 2,
        size: int | Sequence[int] = 64,
        seed: int = 0,
    ) -> None:
        if classes not in NAMES:
            raise InputError(f"data.classes={classes}: synthetic images have 2 classes (lesion) or 3 (disc and cup)")
        side = max(image_size(size))
        self.counts = dict(zip(SPLITS, (n_train, n_val, n_test), strict=True))
        for split, count in self.counts.items():
            if not 1 <= count <= MOST_IMAGES:
                raise InputError(f"data.n_{split}={count}: must be at least 1 and at most {MOST_IMAGES}")
        if (pixels := side * side * sum(self.counts.values())) > MOST_PIXELS:
            raise InputError(f"data.size={size}: all images have {pixels} pixels; at most {MOST_PIXELS} are drawn")
        self.name, self.bits = "synthetic", 8
        self.classes, self.class_names = classes, NAMES[classes]
        self.background: int | None = 0
        self.size, self.seed = side, seed

    def splits(self) -> dict[str, list[str]]:
        return {split: [f"{split}_{i:05d}" for i in range(count)] for split, count in self.counts.items()}

    def read(self, split: str, id: str) -> Sample:
        from benchmark.data.drawing import dermoscopy, fundus

        rng = np.random.default_rng([self.seed, SPLITS.index(split), int(id.removeprefix(f"{split}_"))])
        image, mask = (dermoscopy if self.classes == 2 else fundus)(rng, self.size)
        return Sample(image, mask, id)

    def fingerprint(self) -> str:
        """SHA-256 over the parameters and the generator's version."""
        parameters = (VERSION, sorted(self.counts.items()), self.classes, self.size, self.seed)
        return hashlib.sha256(repr(parameters).encode()).hexdigest()
