"""PH2: dermoscopy images with lesion masks, as the archive unpacks.

Source: https://www.fc.up.pt/addi/ph2%20database.html (Mendonca et al., EMBC 2013), 200 images of about 768 x 560
pixels.
Licence: research and education.
Layout: `PH2 Dataset images/IMD003/{IMD003_Dermoscopic_Image/IMD003.bmp, IMD003_lesion/IMD003_lesion.bmp}`.
Encoding: 0 is skin, 255 is lesion. Patients are not named. There is no published split: one is drawn from a seed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.data.encodings import BINARY, published_or_threshold
from benchmark.data.files import FileIndex, PairedFiles, enter, find_folder, pair_files
from benchmark.data.splitting import split_by_hash

CURE = (
    "get PH2 from https://www.fc.up.pt/addi/ph2%20database.html, unpack it, and set data.root to the folder that holds "
    "'PH2 Dataset images'"
)


class PH2(PairedFiles):
    """PH2 under `root`; two classes, skin and lesion."""

    threshold_key = "data.encoding"

    def __init__(
        self, root: str | Path, fractions: Sequence[float], split_seed: int, *, encoding: Mapping | str | None = None
    ) -> None:
        folder = find_folder(enter(root, "PH2Dataset"), "PH2 Dataset images", cure=CURE)
        cases = sorted(path.name for path in folder.iterdir() if path.is_dir())
        indices = []
        for name in ("{0}_Dermoscopic_Image/{0}.bmp", "{0}_lesion/{0}_lesion.bmp"):
            files = {case: folder / case / name.format(case) for case in cases}
            indices.append(FileIndex({case: path for case, path in files.items() if path.is_file()}, folder))
        pairs = split_by_hash(pair_files(*indices), fractions, split_seed, folder)
        super().__init__("ph2", ("skin", "lesion"), pairs, published_or_threshold(encoding, BINARY))
