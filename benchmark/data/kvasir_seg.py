"""Kvasir-SEG: endoscopy images with polyp masks, as the archive unpacks.

Source: https://datasets.simula.no/kvasir-seg/ (Jha et al., MMM 2020), 1000 images of 332 x 487 to 1920 x 1072 pixels.
Licence: research and education.
Layout: `images/*.jpg` and `masks/*.jpg` of the same names, perhaps in a folder `Kvasir-SEG`.
Encoding: masks are JPEG files, so black and white with compression's in-betweens; polyp from 128 on.
Patients are not named. There is no published split of all images: one is drawn from a seed.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.encodings import threshold
from benchmark.data.files import PairedFiles, enter, find_folder, find_images, pair_files
from benchmark.data.splitting import split_by_hash

CURE = (
    "get kvasir-seg.zip from https://datasets.simula.no/kvasir-seg/, unpack it, and set data.root to the folder that "
    "holds images/ and masks/"
)


class KvasirSEG(PairedFiles):
    """Kvasir-SEG under `root`; two classes, background and polyp."""

    def __init__(self, root: str | Path, fractions: Sequence[float], split_seed: int) -> None:
        folder = enter(root, "Kvasir-SEG")
        files = (find_images(find_folder(folder, name, cure=CURE), ".jpg", ".jpeg") for name in ("images", "masks"))
        pairs = split_by_hash(pair_files(*files), fractions, split_seed, folder)
        super().__init__("kvasir_seg", ("background", "polyp"), pairs, threshold(128))
