"""RIM-ONE DL: fundus images cropped to the optic nerve head, with disc and cup, as the two archives unpack.

Source: https://github.com/miag-ull/rim-one-dl (Fumero et al., Image Anal Stereol 2020), 485 images (313 normal, 172
glaucoma) of three hospitals. Licence: research use.
Layout: `RIM-ONE_DL_images/partitioned_{by_hospital,randomly}/{training_set,test_set}/{glaucoma,normal}/r2_Im347.png`
and `RIM-ONE_DL_reference_segmentations/{glaucoma,normal}/r2_Im347-1-{Disc,Cup}-T.png`, side by side under the root.
Encoding: 0 outside, 255 inside. A cup is cut to its disc.
The published partitions have no validation images: they are drawn from the training images. Patients are not named.
"""

from collections.abc import Mapping
from pathlib import Path

from benchmark.data.encodings import BINARY, published_or_threshold
from benchmark.data.files import FileIndex, find_folder, find_images, find_named, merge, pair_files, require_images
from benchmark.data.fundus import FundusFiles, needed_maps
from benchmark.data.splitting import hold_out
from benchmark.errors import InputError

CURE = (
    "get images and reference segmentations from https://github.com/miag-ull/rim-one-dl, unpack both archives into one "
    "folder and set data.root"
)
PARTITIONS = ("by_hospital", "randomly")
LABELS = ("glaucoma", "normal")


class RimOneDL(FundusFiles):
    """RIM-ONE DL under `root`. structure: disc, cup or both. partition: by_hospital (the harder one) or randomly."""

    threshold_key = "data.encoding"

    def __init__(
        self,
        root: str | Path,
        structure: str,
        partition: str,
        val_fraction: float,
        split_seed: int,
        *,
        encoding: Mapping | str | None = None,
    ) -> None:
        if partition not in PARTITIONS:
            raise InputError(f"data.partition={partition!r}: must be one of {', '.join(PARTITIONS)}")
        folder = Path(root).expanduser()
        images = find_folder(folder, "RIM-ONE_DL_images", cure=CURE)
        images = find_folder(images, f"partitioned_{partition}", cure=CURE)
        masks = find_folder(folder, "RIM-ONE_DL_reference_segmentations", cure=CURE)
        published = [_images(find_folder(images, part, cure=CURE)) for part in ("training_set", "test_set")]
        pairs = pair_files(merge(images, published), *(_maps(masks, part) for part in needed_maps(structure)))
        test = {id: pairs[id] for id in published[1].files}
        training = {id: files for id, files in pairs.items() if id not in test}
        train, val = hold_out(training, val_fraction, split_seed, folder)
        super().__init__(
            "rim_one_dl",
            structure,
            {"train": train, "val": val, "test": test},
            published_or_threshold(encoding, BINARY),
        )


def _images(part: Path) -> FileIndex:
    index = merge(part, (find_images(find_folder(part, label, cure=CURE), ".png") for label in LABELS))
    require_images(index)
    return index


def _maps(masks: Path, part: str) -> FileIndex:
    name = rf"(?P<id>.+)-1-{part}-T\.png"
    return merge(masks, (find_named(find_folder(masks, label, cure=CURE), name) for label in LABELS))
