"""REFUGE: fundus images with optic disc and cup, as the challenge's archives unpack.

Source: https://refuge.grand-challenge.org (Orlando et al., Medical Image Analysis 2020), 400 training images of 2124
x 2056 pixels, 400 validation and 400 test images of 1634 x 1634. Licence: research use, on registration.
Layout, side by side under the root:
- `Training400/{Glaucoma,Non-Glaucoma}/*.jpg`, `Annotation-Training400/Disc_Cup_Masks/{Glaucoma,Non-Glaucoma}/*.bmp`,
- `REFUGE-Validation400/*.jpg`, `REFUGE-Validation400-GT/Disc_Cup_Masks/*.bmp`,
- `Test400/*.jpg`, `REFUGE-Test-GT/Disc_Cup_Masks/{G,N}/*.bmp`;
each folder may contain itself, and the image folders may have the names of their archives (`REFUGE-Training400`,
...).
Encoding: 0 is cup, 128 is rim, 255 is background, so that everything below 255 is disc. Patients are not named.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.files import FileIndex, PairedFiles, Pairs, find_folder, find_images, merge, pair_files
from benchmark.data.fundus import class_names

CURE = (
    "get the REFUGE images and their disc and cup masks from https://refuge.grand-challenge.org, unpack all archives "
    "into one folder and set data.root"
)
ENCODINGS = {"disc": {0: 1, 128: 1, 255: 0}, "cup": {0: 1, 128: 0, 255: 0}, "both": {0: 2, 128: 1, 255: 0}}
# split -> names the image folder may have, name of the mask folder, class folders of images and of masks
LAYOUT = {
    "train": (
        ("Training400", "REFUGE-Training400/Training400", "REFUGE-Training400"),
        "Annotation-Training400",
        ("Glaucoma", "Non-Glaucoma"),
        ("Glaucoma", "Non-Glaucoma"),
    ),
    "val": (("REFUGE-Validation400", "Validation400"), "REFUGE-Validation400-GT", (), ()),
    "test": (("Test400", "REFUGE-Test400/Test400", "REFUGE-Test400"), "REFUGE-Test-GT", (), ("G", "N")),
}


class Refuge(PairedFiles):
    """The challenge's splits under `root`. structure: disc, cup or both."""

    def __init__(self, root: str | Path, structure: str) -> None:
        names, folder = class_names(structure), Path(root).expanduser()
        super().__init__("refuge", names, {split: _pairs(folder, split) for split in LAYOUT}, ENCODINGS[structure])


def _pairs(root: Path, split: str) -> Pairs:
    image_names, mask_name, image_labels, mask_labels = LAYOUT[split]
    images = find_folder(root, *image_names, cure=CURE)
    masks = find_folder(find_folder(root, mask_name, cure=CURE), "Disc_Cup_Masks", cure=CURE)
    return pair_files(_files(images, image_labels, ".jpg", ".jpeg"), _files(masks, mask_labels, ".bmp"))


def _files(folder: Path, labels: Sequence[str], *suffixes: str) -> FileIndex:
    folders = [find_folder(folder, label, cure=CURE) for label in labels] or [folder]
    return merge(folder, (find_images(inner, *suffixes) for inner in folders))
