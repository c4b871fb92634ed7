"""Whether a mask belongs to its image, judged by how the colour changes across its outline.

How well a mask fits an image is the share of the colour's variance (Lab) in a band along the outline that inside and
outside explain: eta squared of a one-way analysis of variance. It is compared with how well the other masks of the data
set would fit that image, because contrast differs from image to image and a border may be faint.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

BAND = 3  # pixels inside and outside the outline, of small copies with 96
TOGETHER = 2000  # so many images are compared with each other
FEWEST = 20  # so many other masks are needed to tell that one is unusually bad
RANK = 0.1  # a misfit's mask fits worse than that share of all others ...
GAP = 0.2  # ... clearly so if good ones fit better by that share of what the masks' own fits are in the middle
GAIN = 0.1  # exchanging two masks has to improve their fits by so much in all


class Exchange(NamedTuple):
    """Two images whose masks fit better the other way round; `gain`: by how much, in the sum of both fits."""

    first: int
    second: int
    gain: float


class Misfit(NamedTuple):
    """An image to which the share `rank` of other images' masks fits better than its own, which fits `fit`.

    clear: whether good masks fit so much better that a faint border does not explain it.
    """

    place: int
    rank: float
    fit: float
    clear: bool


def unlikely(
    images: Sequence[np.ndarray | None], regions: Sequence[np.ndarray | None]
) -> tuple[list[Exchange], list[Misfit]]:
    """Masks that seem to belong to another image.

    images: (S,S,3) uint8 RGB. regions: (S,S) bool. None for what cannot be judged; regions without an outline are left
    out too. Images are compared in the order they have, `TOGETHER` at a time.
    """
    places = [
        place
        for place, (image, region) in enumerate(zip(images, regions, strict=True))
        if image is not None and region is not None and 0 < np.count_nonzero(region) < region.size
    ]
    exchanges: list[Exchange] = []
    misfits: list[Misfit] = []
    for start in range(0, len(places), TOGETHER):
        some = places[start : start + TOGETHER]
        fits = fit_matrix([images[place] for place in some], [regions[place] for place in some])  # type: ignore[misc]
        found = _exchanges(fits)
        exchanges += [Exchange(some[e.first], some[e.second], e.gain) for e in found]
        told = {place for e in found for place in (e.first, e.second)}
        misfits += [m._replace(place=some[m.place]) for m in _misfits(fits) if m.place not in told]
    return exchanges, misfits


def fit_matrix(images: Sequence[np.ndarray], regions: Sequence[np.ndarray]) -> np.ndarray:
    """(N,N): how well region j fits image i, from 0, colours inside and outside alike, to 1."""
    lab = np.stack([cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for image in images])
    colours = lab.reshape(len(images), -1, 3)
    colours -= colours.mean(1, keepdims=True)  # sums of squares of what is near 0 lose no digits
    squares = (colours**2).sum(2)
    inside, outside = (np.stack(bands).astype(np.float32) for bands in zip(*map(_bands, regions), strict=True))
    n_in, n_out = inside.sum(1), outside.sum(1)
    total = squares @ (inside + outside).T
    means_in, means_out, means = (np.zeros_like(total) for _ in range(3))
    for channel in range(3):
        s_in, s_out = (colours[:, :, channel] @ band.T for band in (inside, outside))
        means_in += s_in**2
        means_out += s_out**2
        means += (s_in + s_out) ** 2
    between = means_in / n_in + means_out / n_out - means / (n_in + n_out)
    return np.clip(between / np.maximum(total - means / (n_in + n_out), 1e-6), 0, 1)


def _bands(region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat maps of the pixels that lie near the outline, inside and outside."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND + 1, 2 * BAND + 1))
    mask = region.astype(np.uint8)
    core = cv2.erode(mask, disc, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    wide = cv2.dilate(mask, disc)
    return ((mask > core).ravel(), (wide > mask).ravel())


def _exchanges(fits: np.ndarray) -> list[Exchange]:
    own = np.diag(fits)
    better = fits - own[:, None]  # how much better the mask of the column fits the image of the row
    gain = np.where((better > 0) & (better.T > 0), better + better.T, 0)
    best = gain.argmax(1)
    pairs = ((place, int(other)) for place, other in enumerate(best) if place < other and best[other] == place)
    return [Exchange(i, j, float(gain[i, j])) for i, j in pairs if gain[i, j] > GAIN]


def _misfits(fits: np.ndarray) -> list[Misfit]:
    others = len(fits) - 1
    if others < FEWEST:
        return []
    own = np.diag(fits)
    rank = (fits > own[:, None]).sum(1) / others
    good = np.quantile(fits, 0.95, axis=1)
    clear = good - own > GAP * np.median(own)
    return [Misfit(int(i), float(rank[i]), float(own[i]), bool(clear[i])) for i in np.flatnonzero(rank > RANK)]
