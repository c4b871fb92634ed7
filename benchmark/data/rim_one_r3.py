"""RIM-ONE r3: stereo fundus images with optic disc and cup, as the archive unpacks.

Source: http://medimrg.webs.ull.es (Pena-Betancor et al., IOVS 2015; Fumero et al. 2015), 159 stereo images of 2144 x
1424 pixels. Licence: research use, no redistribution.
Layout: `Healthy/` and `Glaucoma and suspects/`, each with `Stereo Images/N-1-L.jpg` and with
`Average_masks/N-1-L-{Disc,Cup}-Avg.png`, `Expert1_masks/N-1-L-1-{Disc,Cup}-exp1.png` (or without the `-1`),
`Expert2_masks/`.
Only the left half of a stereo image is used. A map as wide as the stereo image is cut like it, one of half its width
is taken whole.
Encoding: 0 outside, 255 inside. A cup is cut to its disc.
There is no published split: one is drawn from a seed, patient by patient, the patient being N-1 of N-1-L.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.data.encodings import BINARY, published_or_threshold
from benchmark.data.files import Pairs, enter, find_folder, find_images, find_named, pair_files
from benchmark.data.fundus import FundusFiles, needed_maps
from benchmark.data.splitting import split_by_hash
from benchmark.errors import InputError

CURE = (
    "get RIM-ONE r3 from http://medimrg.webs.ull.es, unpack it, and set data.root to the folder that holds Healthy/ "
    "and 'Glaucoma and suspects/'"
)
ANNOTATORS = {
    "average": ("Average_masks", "Avg"),
    "expert1": ("Expert1_masks", "exp1"),
    "expert2": ("Expert2_masks", "exp2"),
}


class RimOneR3(FundusFiles):
    """RIM-ONE r3 under `root`. structure: disc, cup or both. annotator: average, expert1 or expert2."""

    threshold_key = "data.encoding"

    def __init__(
        self,
        root: str | Path,
        structure: str,
        annotator: str,
        fractions: Sequence[float],
        split_seed: int,
        *,
        encoding: Mapping | str | None = None,
    ) -> None:
        if annotator not in ANNOTATORS:
            raise InputError(f"data.annotator={annotator!r}: must be one of {', '.join(ANNOTATORS)}")
        folder = enter(root, "RIM-ONE r3")
        pairs: Pairs = {}
        for part in ("Healthy", "Glaucoma and suspects"):
            pairs |= _pairs(find_folder(folder, part, cure=CURE), structure, *ANNOTATORS[annotator])
        groups = {id: id.rpartition("-")[0] for id in pairs}
        splits = split_by_hash(pairs, fractions, split_seed, folder, groups)
        super().__init__("rim_one_r3", structure, splits, published_or_threshold(encoding, BINARY), groups)

    def crop(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        if pixels.shape[1] <= pixels.shape[0]:  # a stereo image is wide, its half upright
            if pixels.ndim == 3:
                raise InputError(f"{path}: is no stereo image, being {pixels.shape[1]}x{pixels.shape[0]}; {CURE}")
            return pixels
        return pixels[:, : pixels.shape[1] // 2]


def _pairs(folder: Path, structure: str, masks: str, ending: str) -> Pairs:
    images = find_images(find_folder(folder, "Stereo Images", cure=CURE), ".jpg", ".jpeg")
    maps = find_folder(folder, masks, cure=CURE)
    name = r"(?P<id>[A-Z]+-\d+-[LR])(-\d)?-{}-{}\.png"
    return pair_files(images, *(find_named(maps, name.format(part, ending)) for part in needed_maps(structure)))
