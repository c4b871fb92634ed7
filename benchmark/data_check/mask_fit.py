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
TOGETHER = 2000  # images that are compared with each other
FEWEST = 20  # other masks that are needed to tell that one is unusually bad
RANK = 0.1  # a mask is a misfit if more than this share of the others fit its image better
GAP = 0.2  # the misfit is clear if good masks fit better by this share of the median fit
GAIN = 0.1  # least sum of the improvements when two masks are exchanged


class Exchange(NamedTuple):
    """The places of two images whose masks fit better the other way round; gain: in the sum of both fits."""

    first: int
    second: int
    gain: float


class Misfit(NamedTuple):
    """The place of an image to which other masks fit better than its own.

    rank: the share of the other masks that do. fit: how well its own mask fits, 0 to 1. clear: whether good masks fit
    so much better that a faint border does not explain it.
    """

    place: int
    rank: float
    fit: float
    clear: bool


def unlikely(
    images: Sequence[np.ndarray | None], regions: Sequence[np.ndarray | None]
) -> tuple[list[Exchange], list[Misfit]]:
    """Masks that seem to belong to another image, `TOGETHER` neighbouring images being compared at a time.

    Args:
        images: (S,S,3) uint8 RGB, or None for an image that cannot be judged.
        regions: (S,S) bool, or None. Regions without an outline are left out.
    """
    places = [
        place
        for place, (image, region) in enumerate(zip(images, regions, strict=True))
        if image is not None and region is not None and 0 < np.count_nonzero(region) < region.size
    ]
    exchanges: list[Exchange] = []
    misfits: list[Misfit] = []
    for start in range(0, len(places), TOGETHER):
        block = places[start : start + TOGETHER]
        fits = fit_matrix([images[place] for place in block], [regions[place] for place in block])  # type: ignore[misc]
        exchanges += _exchanges(fits, block)
        exchanged = {place for exchange in exchanges for place in (exchange.first, exchange.second)}
        misfits += [misfit for misfit in _misfits(fits, block) if misfit.place not in exchanged]
    return exchanges, misfits


def fit_matrix(images: Sequence[np.ndarray], regions: Sequence[np.ndarray]) -> np.ndarray:
    """How well region j fits image i, as (N, N), row i, column j: from 0, colours inside and outside are alike, to 1.

    images: (S,S,3) uint8 RGB. regions: (S,S) bool, each with an outline.
    """
    lab = np.stack([cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for image in images])
    colours = lab.reshape(len(images), -1, 3)
    colours -= colours.mean(1, keepdims=True)  # so that the differences of sums of squares below lose no digits
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
    """Flat maps (S*S,) bool of the pixels near the outline, inside and outside."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND + 1, 2 * BAND + 1))
    mask = region.astype(np.uint8)
    core = cv2.erode(mask, disc, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    wide = cv2.dilate(mask, disc)
    return ((mask > core).ravel(), (wide > mask).ravel())


def _exchanges(fits: np.ndarray, places: Sequence[int]) -> list[Exchange]:
    better = fits - np.diag(fits)[:, None]  # how much better the mask of the column fits the image of the row
    gain = np.where((better > 0) & (better.T > 0), better + better.T, 0)
    best = gain.argmax(1)
    pairs = ((i, int(j)) for i, j in enumerate(best) if i < j and best[j] == i)
    return [Exchange(places[i], places[j], float(gain[i, j])) for i, j in pairs if gain[i, j] > GAIN]


def _misfits(fits: np.ndarray, places: Sequence[int]) -> list[Misfit]:
    others = len(fits) - 1
    if others < FEWEST:
        return []
    own_fit = np.diag(fits)
    rank = (fits > own_fit[:, None]).sum(1) / others
    good = np.quantile(fits, 0.95, axis=1)
    clear = good - own_fit > GAP * np.median(own_fit)
    bad = np.flatnonzero(rank > RANK).tolist()
    return [Misfit(places[i], float(rank[i]), float(own_fit[i]), bool(clear[i])) for i in bad]
