"""ISIC 2016, 2017 and 2018 task 1: dermoscopy images with lesion masks, as the challenges' archives unpack.

Source: https://challenge.isic-archive.com/data/. Images of train / val / test: 2016 900 / - / 379, 2017 2000 / 150 /
600, 2018 2594 / 100 / 1000. The years share images: to mix them, look for duplicates first (`data check`). Licence:
CC-0 for 2016 and 2017, CC-BY-NC for 2018, by that page; the LICENSE.txt in each archive counts.
Layout: the archives unpacked side by side under the root,
- 2016 `ISBI2016_ISIC_Part1_{Training,Test}_Data/*.jpg`, `ISBI2016_ISIC_Part1_{Training,Test}_GroundTruth/`,
- 2017 `ISIC-2017_{Training,Validation,Test_v2}_Data/*.jpg`, `ISIC-2017_{...}_Part1_GroundTruth/`,
- 2018 `ISIC2018_Task1-2_{Training,Validation,Test}_Input/*.jpg`, `ISIC2018_Task1_{...}_GroundTruth/`,
each mask as `ISIC_0000000_segmentation.png`, with a large S in some years. Other files (superpixels) are not read.
Encoding: 0 is skin, 255 is lesion. The archives name no patients, so groups are unknown.
2016 has no validation images: they are drawn from the training images.
"""

from collections.abc import Mapping
from pathlib import Path

from benchmark.data.encodings import BINARY, published_or_threshold
from benchmark.data.files import PairedFiles, Pairs, find_folder, find_images, find_named, pair_files
from benchmark.data.splitting import hold_out
from benchmark.errors import InputError

PARTS = {"train": "Training", "val": "Validation", "test": "Test"}
# year -> image folder and mask folder, {} for the part; name of the part for each published split
LAYOUTS = {
    2016: ("ISBI2016_ISIC_Part1_{}_Data", "ISBI2016_ISIC_Part1_{}_GroundTruth", {"train": "Training", "test": "Test"}),
    2017: ("ISIC-2017_{}_Data", "ISIC-2017_{}_Part1_GroundTruth", PARTS | {"test": "Test_v2"}),
    2018: ("ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth", PARTS),
}


class ISIC(PairedFiles):
    """The official splits of one year's lesion segmentation task under `root`; two classes, skin and lesion.

    Of a year without validation images `val_fraction` of the training images are drawn from `split_seed`.
    """

    threshold_key = "data.encoding"

    def __init__(
        self,
        root: str | Path,
        year: int,
        val_fraction: float = 0.1,
        split_seed: int = 0,
        *,
        encoding: Mapping | str | None = None,
    ) -> None:
        if year not in LAYOUTS:
            raise InputError(f"data.year={year}: must be one of {', '.join(map(str, LAYOUTS))}")
        folder = Path(root).expanduser()
        images, masks, parts = LAYOUTS[year]
        pairs = {s: _pairs(folder, images.format(part), masks.format(part), year) for s, part in parts.items()}
        if "val" not in pairs:
            pairs["train"], pairs["val"] = hold_out(pairs["train"], val_fraction, split_seed, folder)
        super().__init__(f"isic{year}", ("skin", "lesion"), pairs, published_or_threshold(encoding, BINARY))


def _pairs(root: Path, images: str, masks: str, year: int) -> Pairs:
    cure = (
        f"download the {'task 1' if year == 2018 else 'part 1'} data from "
        f"https://challenge.isic-archive.com/data/#{year}, unpack all archives into one folder and set data.root"
    )
    pictures = find_images(find_folder(root, images, cure=cure), ".jpg", ".jpeg")
    return pair_files(pictures, find_named(find_folder(root, masks, cure=cure), r"(?P<id>.+)_segmentation\.png"))
