"""CVC-ClinicDB: frames of colonoscopy videos with polyp masks, as the archive unpacks.

Source: https://polyp.grand-challenge.org/CVCClinicDB/ (Bernal et al., Comput Med Imaging Graph 2015), 612 frames of
384 x 288 pixels from 29 sequences. Licence: research and education, not commercial.
Layout: `Original/1.tif` and `Ground Truth/1.tif`, perhaps in a folder `CVC-ClinicDB`.
Encoding: 0 is background, 255 is polyp.
There is no published split: one is drawn from a seed, sequence by sequence, because frames of a sequence look alike.
Which frame is of which sequence is the table of the source's page; it does not say which of the 29 sequences share
one of the 25 patients.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.data.encodings import BINARY, published_or_threshold
from benchmark.data.files import PairedFiles, enter, find_folder, find_images, pair_files
from benchmark.data.splitting import split_by_hash
from benchmark.errors import InputError

CURE = (
    "get CVC-ClinicDB from https://polyp.grand-challenge.org/CVCClinicDB/, unpack it, and set data.root to the folder "
    "that holds Original/ and 'Ground Truth/'"
)
LAST_FRAMES = (
    *(25, 50, 67, 78, 103, 126, 151, 177, 199, 205, 227, 252, 277, 297, 317),
    *(342, 363, 383, 408, 428, 447, 466, 478, 503, 528, 546, 571, 591, 612),
)
"""Number of the last frame of sequences 1 to 29; each begins where the one before it ends."""


class CVCClinicDB(PairedFiles):
    """CVC-ClinicDB under `root`; two classes, background and polyp; groups are the sequences."""

    threshold_key = "data.encoding"

    def __init__(
        self, root: str | Path, fractions: Sequence[float], split_seed: int, *, encoding: Mapping | str | None = None
    ) -> None:
        folder = enter(root, "CVC-ClinicDB")
        folders = (find_folder(folder, name, cure=CURE) for name in ("Original", "Ground Truth"))
        pairs = pair_files(*(find_images(frames, ".tif", ".tiff") for frames in folders))
        groups = {id: f"sequence {_sequence(id, *paths)}" for id, paths in pairs.items()}
        splits = split_by_hash(pairs, fractions, split_seed, folder, groups)
        declared = published_or_threshold(encoding, BINARY)
        super().__init__("cvc_clinicdb", ("background", "polyp"), splits, declared, groups=groups)


def _sequence(frame: str, *paths: Path) -> int:
    """The sequence, from 1, of a frame's number; raises InputError that names the first file that is there."""
    if not frame.isdecimal() or not 1 <= int(frame) <= LAST_FRAMES[-1]:
        path = next(path for path in paths if path.exists())
        raise InputError(f"{path}: is no frame 1.tif to {LAST_FRAMES[-1]}.tif, so its sequence is unknown; {CURE}")
    return 1 + bisect_left(LAST_FRAMES, int(frame))
