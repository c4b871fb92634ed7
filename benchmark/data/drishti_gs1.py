"""Drishti-GS1: fundus images with soft maps of optic disc and cup, as the archive unpacks.

Source: https://cvit.iiit.ac.in/projects/mip/drishti-gs/mip-dataset2/Home.php (Sivaswamy et al., JSM Biomed Imaging
2015), 50 training and 51 test images of about 2047 x 1760 pixels. Licence: research use, on registration.
Layout: `Drishti-GS1_files/{Training,Test}/Images/drishtiGS_002.png` (perhaps in sub-folders by class) and
`Training/GT/drishtiGS_002/SoftMap/drishtiGS_002_{ODsegSoftmap,cupsegSoftmap}.png`, of the test images in
`Test/Test_GT` or `Test/GT`. The top folder may contain itself.
Encoding: the share of the four annotators who drew a pixel inside, times 255; from 128 on, the majority, a pixel
counts as inside. A cup is cut to its disc.
There are no published validation images: they are drawn from the training images. Patients are not named.
"""

from pathlib import Path

from benchmark.data.encodings import threshold
from benchmark.data.files import FileIndex, Pairs, enter, find_folder, find_images, merge, pair_files
from benchmark.data.fundus import FundusFiles, needed_maps
from benchmark.data.splitting import hold_out

CURE = (
    "get Drishti-GS1 from https://cvit.iiit.ac.in/projects/mip/drishti-gs/mip-dataset2/Home.php, unpack it, and set "
    "data.root to the folder that holds Drishti-GS1_files/"
)
MAPS = {"disc": "ODsegSoftmap", "cup": "cupsegSoftmap"}


class DrishtiGS1(FundusFiles):
    """Drishti-GS1 under `root`. structure: disc, cup or both."""

    def __init__(self, root: str | Path, structure: str, val_fraction: float, split_seed: int) -> None:
        folder = enter(root, "Drishti-GS1_files")
        training = _pairs(find_folder(folder, "Training", cure=CURE), structure, "GT")
        test = _pairs(find_folder(folder, "Test", cure=CURE), structure, "Test_GT", "GT")
        train, val = hold_out(training, val_fraction, split_seed, folder)
        super().__init__("drishti_gs1", structure, {"train": train, "val": val, "test": test}, threshold(128))


def _pairs(part: Path, structure: str, *truth: str) -> Pairs:
    images = find_folder(part, "Images", cure=CURE)
    inner = sorted(path for path in images.iterdir() if path.is_dir())
    index = merge(images, (find_images(folder, ".png") for folder in (images, *inner)))
    masks = find_folder(part, *truth, cure=CURE)
    return pair_files(index, *(_maps(masks, MAPS[name]) for name in needed_maps(structure)))


def _maps(masks: Path, name: str) -> FileIndex:
    paths = ((case.name, case / "SoftMap" / f"{case.name}_{name}.png") for case in sorted(masks.iterdir()))
    return FileIndex({id: path for id, path in paths if path.is_file()}, masks)
