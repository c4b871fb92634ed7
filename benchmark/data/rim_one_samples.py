"""RIM-ONE samples: fundus images with optic disc masks, cut as the ASMA paper's public code cuts them.

Source: https://github.com/utkuozbulak/adaptive-segmentation-mask-attack, which ships two of RIM-ONE (Pena-Betancor et
al. 2015); more of the same kind can be added to them. Licence: RIM-ONE, research use.
Layout: `image_samples/*.png` and `mask_samples/*.png`, paired by name, 428 pixels wide, 569 high; the folder `data` of
that repository.
Encoding: the masks are smoothed; up to 20 is background, above is disc.
Rows 70 to 478 and columns 10 to 418 are used. Of these 408 × 408 pixels the paper's network, given them in the middle
of 572 × 572, shows the middle 388 × 388: rows 80 to 468 of the picture.
The two images are in every split: victims train on the attacked images, so no score shows how they generalise.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.data.files import PairedFiles, find_folder, find_images, pair_files
from benchmark.data.images import check_size, read_image
from benchmark.data.masks import read_values
from benchmark.data.source import SPLITS
from benchmark.data.splitting import split_by_hash
from benchmark.errors import InputError

HEIGHT, WIDTH = 569, 428
TOP, LEFT, SIDE = 70, 10, 408
THRESHOLD = 20
CURE = "give the folder data of https://github.com/utkuozbulak/adaptive-segmentation-mask-attack"


class RimOneSamples(PairedFiles):
    """The pictures under `root`, all of them in every split unless `fractions` of train, val and test are given.

    mask_offset: rows by which masks are moved down against their pictures. The public code pairs what its network shows
    of rows 80 to 468 with the mask's rows 70 to 458, and its released checkpoint has learned that: 10 judges it as it
    was trained.
    """

    def __init__(
        self, root: str | Path, mask_offset: int = 0, fractions: Sequence[float] | None = None, split_seed: int = 0
    ) -> None:
        if not -TOP <= mask_offset <= TOP:
            raise InputError(f"data.mask_offset={mask_offset}: must be from {-TOP} to {TOP} rows")
        folder = Path(root).expanduser()
        folders = (find_folder(folder, name, cure=CURE) for name in ("image_samples", "mask_samples"))
        pairs = pair_files(*(find_images(samples, ".png") for samples in folders))
        splits = dict.fromkeys(SPLITS, pairs)
        if fractions is not None:
            splits = split_by_hash(pairs, fractions, split_seed, folder)
        self.mask_offset = mask_offset
        super().__init__("rim_one_samples", ("background", "disc"), splits, {}, variant=str(mask_offset))

    def decode(self, image: Path, *masks: Path) -> tuple[np.ndarray, np.ndarray]:
        (mask,) = masks
        pixels, values = read_image(image), read_values(mask)
        check_size(pixels, image, values, mask)
        if values.shape != (HEIGHT, WIDTH):
            raise InputError(
                f"{image}: has {pixels.shape[1]} x {pixels.shape[0]} pixels; the cut is that of pictures of {WIDTH} x "
                f"{HEIGHT}. For others use data=folder"
            )
        disc = (values > THRESHOLD).astype(np.uint8)
        return _cut(pixels, 0), _cut(disc, -self.mask_offset)


def _cut(pixels: np.ndarray, down: int) -> np.ndarray:
    return np.ascontiguousarray(pixels[TOP + down : TOP + down + SIDE, LEFT : LEFT + SIDE])
