"""Pascal VOC 2012: photographs with 20 classes of objects, as the archive unpacks; a control that is not medical.

Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (Everingham et al., IJCV 2015), 1464 training and 1449
validation images with masks, of at most 500 x 500 pixels. Licence: that of flickr, for the images.
Layout: `VOCdevkit/VOC2012/{JPEGImages/*.jpg, SegmentationClass/*.png, ImageSets/Segmentation/{train,val}.txt}`.
Encoding: palette files whose indices are the classes, 0 background; 255 (borders, hard objects) is void.
Masks of the test images are not public: the published validation images are the test split here, and validation
images are drawn from the training images.
"""

from pathlib import Path

from benchmark.data.files import PairedFiles, Pairs, enter, find_folder
from benchmark.data.source import VOID
from benchmark.data.splitting import hold_out
from benchmark.errors import InputError
from benchmark.regular_files import read_text

CURE = (
    "get VOCtrainval_11-May-2012.tar from http://host.robots.ox.ac.uk/pascal/VOC/voc2012/, unpack it, and set "
    "data.root to the folder that holds VOCdevkit/"
)
CLASS_NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


class PascalVOC(PairedFiles):
    """The segmentation task of Pascal VOC 2012 under `root`; 21 classes and void pixels."""

    def __init__(self, root: str | Path, val_fraction: float, split_seed: int) -> None:
        folder = enter(root, "VOCdevkit", "VOC2012")
        listed = {part: _pairs(folder, part) for part in ("train", "val")}
        train, val = hold_out(listed["train"], val_fraction, split_seed, folder)
        pairs = {"train": train, "val": val, "test": listed["val"]}
        encoding = {index: index for index in range(len(CLASS_NAMES))} | {255: VOID}
        super().__init__("pascal_voc", CLASS_NAMES, pairs, encoding)


def _pairs(folder: Path, part: str) -> Pairs:
    lists = find_folder(folder, "ImageSets/Segmentation", cure=CURE)
    images, masks = (find_folder(folder, name, cure=CURE) for name in ("JPEGImages", "SegmentationClass"))
    path = lists / f"{part}.txt"
    if not path.exists():
        raise InputError(f"{path}: list of images is missing; {CURE}")
    pairs: Pairs = {}
    for id in read_text(path, "list of images").split():
        pairs[id] = (images / f"{id}.jpg", masks / f"{id}.png")
        if not any(file.exists() for file in pairs[id]):
            raise InputError(f"{path}: lists {id!r} but there is no {' and no '.join(map(str, pairs[id]))}; {CURE}")
    if not pairs:
        raise InputError(f"{path}: lists no images; {CURE}")
    return pairs
