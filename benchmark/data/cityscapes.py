"""Cityscapes: street scenes with 19 classes, as the two archives unpack; a control that is not medical.

Source: https://www.cityscapes-dataset.com (Cordts et al., CVPR 2016), 2975 training images of 18 cities and 500
validation images of 3, 2048 x 1024 pixels. Licence: research, not commercial, on registration.
Layout: `leftImg8bit/{train,val}/aachen/aachen_000000_000019_leftImg8bit.png` and
`gtFine/{train,val}/aachen/aachen_000000_000019_gtFine_labelTrainIds.png`, or `..._labelIds.png`, which is what the
archive holds before cityscapesscripts has made the others.
Encoding: train ids are the classes, 255 is void. Of label ids, the 19 that are evaluated are their classes and all
others are void.
Masks of the test images are not public: the published validation images are the test split here. Validation images are
drawn from the training images, sequence by sequence (aachen_000000 of aachen_000000_000019).
"""

from pathlib import Path

from benchmark.data.files import FileIndex, PairedFiles, Pairs, find_folder, find_named, merge, pair_files
from benchmark.data.source import VOID
from benchmark.data.splitting import hold_out

CURE = (
    "get leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from https://www.cityscapes-dataset.com, unpack both "
    "into one folder and set data.root"
)
CLASS_NAMES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # of these classes, in order
ENCODINGS = {
    "labelTrainIds": {index: index for index in range(len(CLASS_NAMES))} | {255: VOID},
    "labelIds": dict.fromkeys(range(34), VOID) | {label: index for index, label in enumerate(LABEL_IDS)},
}


class Cityscapes(PairedFiles):
    """Cityscapes with fine annotations under `root`; 19 classes, none of them background; groups are the sequences."""

    def __init__(self, root: str | Path, val_fraction: float, split_seed: int) -> None:
        folder = Path(root).expanduser()
        images = find_folder(folder, "leftImg8bit", cure=CURE)
        masks = find_folder(folder, "gtFine", cure=CURE)
        labels = "labelTrainIds" if any(masks.glob("train/*/*_labelTrainIds.png")) else "labelIds"
        listed = {part: _pairs(images, masks, part, labels) for part in ("train", "val")}
        groups = {id: id.rpartition("_")[0] for pairs in listed.values() for id in pairs}
        train, val = hold_out(listed["train"], val_fraction, split_seed, folder, groups)
        pairs = {"train": train, "val": val, "test": listed["val"]}
        super().__init__("cityscapes", CLASS_NAMES, pairs, ENCODINGS[labels], groups=groups, background=None)


def _pairs(images: Path, masks: Path, part: str, labels: str) -> Pairs:
    pictures = _by_city(find_folder(images, part, cure=CURE), "_leftImg8bit")
    return pair_files(pictures, _by_city(find_folder(masks, part, cure=CURE), f"_gtFine_{labels}"))


def _by_city(part: Path, ending: str) -> FileIndex:
    cities = sorted(path for path in part.iterdir() if path.is_dir())
    return merge(part, (find_named(city, rf"(?P<id>.+){ending}\.png") for city in cities))
