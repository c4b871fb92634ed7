"""ISIC 2018 task 1: dermoscopy images with lesion masks, as the challenge's archives unpack.

Source: https://challenge.isic-archive.com/data/#2018, 2594 / 100 / 1000 images; licence: LICENSE.txt in each archive.
Layout: `ISIC2018_Task1-2_{Training,Validation,Test}_Input/*.jpg` and
`ISIC2018_Task1_{Training,Validation,Test}_GroundTruth/*_segmentation.png`, side by side under the root.
Encoding: 0 is skin, 255 is lesion. The archives name no patients, so groups are unknown.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from benchmark.data.files import PairedFiles, Pairs, index_files, index_ids, pair_files
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.data.datamodule import Loading, SegmentationData

OFFICIAL = {"train": "Training", "val": "Validation", "test": "Test"}
MASK_NAME = re.compile(r"(?P<id>.+)_segmentation\.png", re.IGNORECASE)  # the years disagree on the case of the s


class ISIC2018(PairedFiles):
    """The official splits of ISIC 2018 task 1 under `root`; two classes, skin and lesion."""

    def __init__(self, root: str | Path) -> None:
        self.name = "isic2018"
        self.classes = 2
        self.background = 0
        self.class_names = ("skin", "lesion")
        folder = Path(root).expanduser()
        super().__init__({split: _pairs(folder, part) for split, part in OFFICIAL.items()}, {0: 0, 255: 1})


def _pairs(root: Path, part: str) -> Pairs:
    images_dir = root / f"ISIC2018_Task1-2_{part}_Input"
    masks_dir = root / f"ISIC2018_Task1_{part}_GroundTruth"
    for folder in (images_dir, masks_dir):
        if not folder.is_dir():
            raise InputError(
                f"{root}: has no folder {folder.name}; download the task 1 data from "
                "https://challenge.isic-archive.com/data/#2018, unpack all archives into one folder and set data.root"
            )
    images = index_files(path for path in images_dir.iterdir() if path.suffix.lower() in {".jpg", ".jpeg"})
    masks = index_ids(
        (match["id"], path) for path in masks_dir.iterdir() if (match := MASK_NAME.fullmatch(path.name)) is not None
    )
    return pair_files(images, masks, images_dir, masks_dir)


def datamodule(root: str, size: int = 128, seed: int = 0, **loading: Unpack["Loading"]) -> "SegmentationData":
    """`SegmentationData` over `ISIC2018(root)`; what `conf/data/isic2018.yaml` instantiates."""
    from benchmark.data.datamodule import SegmentationData

    return SegmentationData(ISIC2018(root), size=size, seed=seed, **loading)
