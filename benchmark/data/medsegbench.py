"""MedSegBench: 35 medical data sets as arrays of one size, each a file of its own.

Source: https://zenodo.org/records/13358372 and https://zenodo.org/records/13359660 (Kus and Aydin, Scientific Data
2024). Licence: that of each data set; https://github.com/zekikus/MedSegBench lists them with their classes.
Layout: `SUBSET_RESOLUTION.npz` under the root, resolution 128, 256 or 512; in it `{train,val,test}_images`, (N,H,W)
or (N,H,W,3) of 8 bits, and `{train,val,test}_label`, (N,H,W). Some have further arrays by category
(`train_label_C1`).
Encoding: labels are the classes 0 to K - 1 if no other encoding is declared. Patients are not named.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.data.array_files import array_names, load_array
from benchmark.data.encodings import check_classes, declared_encoding, encode
from benchmark.data.source import SPLITS, VOID, Sample
from benchmark.errors import InputError
from benchmark.regular_files import file_sha256

CURE = "download it from https://zenodo.org/records/13358372 or https://zenodo.org/records/13359660 into data.root"
RESOLUTIONS = (128, 256, 512)
MOST_CLASSES = 19  # of the 35 sets; larger values are no class indices


class MedSegBench:
    """One of the data sets under `root`, with its published splits; arrays stay in memory once they are read.

    subset: its name, such as kvasir. category: such as C1, for the sets that have several. encoding: label -> class
    (None: labels are the classes). class_names: one for each class. background: index of the class that is no object.
    """

    def __init__(
        self,
        root: str | Path,
        subset: str,
        *,
        resolution: int,
        category: str | None,
        encoding: Mapping | None,
        class_names: Sequence[str] | None,
        background: int | None,
    ) -> None:
        if resolution not in RESOLUTIONS:
            raise InputError(f"data.resolution={resolution}: must be one of {', '.join(map(str, RESOLUTIONS))}")
        self.path = Path(root).expanduser() / f"{subset}_{resolution}.npz"
        if not self.path.is_file():
            others = sorted(path.name for path in self.path.parent.glob("*.npz"))
            present = f"there are {', '.join(others[:5])}" if others else "there is no .npz file at all"
            raise InputError(f"{self.path}: is missing ({present}); {CURE}")
        self.name, self.bits, self.background = f"medsegbench_{subset}", 8, background
        self._subset, self._category = subset, category
        self._lock = threading.Lock()
        self._images: dict[str, np.ndarray] = {}
        self._labels = {split: self._load(f"{split}_label", category) for split in SPLITS}
        largest = max(self._highest(split) for split in SPLITS)
        if encoding is None:
            if largest >= MOST_CLASSES:
                raise InputError(
                    f"{self.path}: has labels up to {largest}, more than classes; declare data.encoding, such as "
                    "'data.encoding={0:0,255:1}'"
                )
            encoding = {value: value for value in range(max(2, largest + 1))}
        self.encoding = declared_encoding(encoding, VOID)
        self.classes = 1 + max((index for index in self.encoding.values() if index != VOID), default=0)
        self.class_names = check_classes(self.classes, background, class_names)

    def splits(self) -> dict[str, list[str]]:
        counts = {split: len(self._labels[split]) for split in SPLITS}
        return {split: [f"{self._subset}_{split}_{index:05d}" for index in range(n)] for split, n in counts.items()}

    def read(self, split: str, id: str) -> Sample:
        index = int(id.rpartition("_")[2])
        image = self._pictures(split)[index]
        if image.ndim == 2:
            image = np.repeat(image[:, :, None], 3, axis=2)
        subject = f"{self.path}: labels of {id}"
        mask = encode(self._labels[split][index], self.encoding, f"{subject}:", "declare them in data.encoding")
        return Sample(image, mask, id)

    def fingerprint(self) -> str:
        """SHA-256 over the file, and over category and encoding."""
        parts = (file_sha256(self.path), self._category, sorted(self.encoding.items()))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def _highest(self, split: str) -> int:
        """The largest label of a split, whose labels are checked and made 8 bits wide."""
        labels = self._labels[split]
        if labels.ndim != 3 or labels.dtype.kind not in "bui":
            raise InputError(
                f"{self.path}: {split}_label is {labels.shape} of {labels.dtype}; whole numbers (N,H,W) are needed"
            )
        lowest, highest = int(labels.min(initial=0)), int(labels.max(initial=0))
        if lowest < 0 or highest > 255:
            raise InputError(f"{self.path}: {split}_label holds {lowest}..{highest}; 0..255 is needed")
        self._labels[split] = labels.astype(np.uint8, copy=False)
        return highest

    def _pictures(self, split: str) -> np.ndarray:
        """The images of a split, which are unpacked at the first call."""
        with self._lock:
            if split not in self._images:
                images = self._load(f"{split}_images", self._category)
                shape = self._labels[split].shape
                if images.dtype != np.uint8 or images.shape not in (shape, (*shape, 3)):
                    raise InputError(
                        f"{self.path}: {split}_images is {images.shape} of {images.dtype}; {shape} or {(*shape, 3)} of "
                        "uint8 is needed to go with the labels"
                    )
                self._images[split] = images
            return self._images[split]

    def _load(self, name: str, category: str | None) -> np.ndarray:
        """An array, that of the category if one is set; the categories of some sets share their images."""
        key = name if category is None else f"{name}_{category}"
        try:
            names = array_names(self.path)
            if key not in names and name.endswith("_images") and name in names:
                key = name
            if key not in names:
                raise InputError(f"{self.path}: has no array {key}, only {', '.join(names[:12])}; {CURE}")
            return load_array(self.path, key)
        except OSError as error:
            reason = " ".join((error.strerror or str(error)).split())
            raise InputError(f"{self.path}: cannot be read as .npz ({reason}); {CURE} again") from error

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
