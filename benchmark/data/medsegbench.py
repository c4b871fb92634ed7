"""MedSegBench: 35 medical data sets as arrays of one size, each a file of its own.

Source: https://zenodo.org/records/13358372 and https://zenodo.org/records/13359660 (Kus and Aydin, Scientific Data
2024);
the list of data sets, their classes and licences, which are those of their own sources, is at
https://github.com/zekikus/MedSegBench.
Layout: `SUBSET_RESOLUTION.npz` under the root, resolution 128, 256 or 512; in it `{train,val,test}_images`, (N,H,W)
or (N,H,W,3) of 8 bits, and `{train,val,test}_label`, (N,H,W). Some have further arrays by category
(`train_label_C1`).
Encoding: labels are the classes 0 to K - 1 if no other encoding is declared. Patients are not named.
"""

import hashlib
import threading
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.data.images import check_encoding
from benchmark.data.source import SPLITS, VOID, Sample
from benchmark.errors import InputError

CURE = "download it from https://zenodo.org/records/13358372 or https://zenodo.org/records/13359660 into data.root"
RESOLUTIONS = (128, 256, 512)
MOST_CLASSES = 19  # of any of the 35 sets; values beyond are no class indices


class MedSegBench:
    """One of the data sets under `root`, with its published splits; what is read stays in memory.

    subset: its name, such as kvasir. category: such as C1, for the sets that have several. encoding: label -> class
    (None: labels are the classes). class_names: of all classes. background: index of the class that is none.
    """

    def __init__(
        self,
        root: str | Path,
        subset: str,
        *,
        resolution: int = 256,
        category: str | None = None,
        encoding: Mapping | None = None,
        class_names: Sequence[str] | None = None,
        background: int | None = 0,
    ) -> None:
        if not isinstance(encoding, Mapping | None):
            raise InputError(f"data.encoding={encoding!r}: is no mapping; quote it, 'data.encoding={{0:0,255:1}}'")
        if resolution not in RESOLUTIONS:
            raise InputError(f"data.resolution={resolution}: must be one of {', '.join(map(str, RESOLUTIONS))}")
        self.path = Path(root).expanduser() / f"{subset}_{resolution}.npz"
        if not self.path.is_file():
            others = sorted(path.name for path in self.path.parent.glob("*.npz"))
            there = f"there are {', '.join(others[:5])}" if others else "there is no .npz file at all"
            raise InputError(f"{self.path}: is missing ({there}); {CURE}")
        self.name = f"medsegbench_{subset}"
        self.bits = 8
        self.background = background
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
        self.encoding = check_encoding(dict(encoding), VOID)
        self.classes = 1 + max((index for index in self.encoding.values() if index != VOID), default=0)
        if self.classes < 2:
            raise InputError(f"data.encoding={self.encoding}: a segmentation needs 2 classes, background included")
        if background is not None and not 0 <= background < self.classes:
            raise InputError(f"data.background={background}: must be one of 0..{self.classes - 1}, or null")
        self.class_names = tuple(class_names or (f"class {index}" for index in range(self.classes)))
        if len(self.class_names) != self.classes:
            raise InputError(f"data.class_names={list(self.class_names)}: names for {self.classes} classes are needed")

    def splits(self) -> dict[str, list[str]]:
        return {
            split: [f"{self._subset}_{split}_{index:05d}" for index in range(len(self._labels[split]))]
            for split in SPLITS
        }

    def read(self, split: str, id: str) -> Sample:
        index = int(id.rpartition("_")[2])
        image = self._pictures(split)[index]
        if image.ndim == 2:
            image = np.repeat(image[:, :, None], 3, axis=2)
        return Sample(image, self._classes(split, index, id), id)

    def fingerprint(self) -> str:
        """SHA-256 over the file, and over category and encoding."""
        with open(self.path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.sha256(repr((content, self._category, sorted(self.encoding.items()))).encode()).hexdigest()

    def _classes(self, split: str, index: int, id: str) -> np.ndarray:
        labels = self._labels[split][index]
        undeclared = [value for value in np.unique(labels).tolist() if value not in self.encoding]
        if undeclared:
            raise InputError(
                f"{self.path}: {id} has labels {', '.join(map(str, undeclared[:8]))}, which are not in the declared "
                f"encoding {self.encoding}; declare them in data.encoding"
            )
        lookup = np.zeros(65536, np.uint8)
        lookup[list(self.encoding)] = list(self.encoding.values())
        return lookup[labels]

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
        """The images of a split, which are unpacked when the first of them is asked for."""
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
        """An array, that of the category if there is one; the images are shared by the categories of some sets."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                wanted = name if category is None else f"{name}_{category}"
                if wanted not in file and name.endswith("_images") and name in file:
                    wanted = name
                if wanted not in file:
                    raise InputError(f"{self.path}: has no array {wanted}, only {', '.join(sorted(file))}; {CURE}")
                return file[wanted]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            if isinstance(error, InputError):
                raise
            reason = " ".join(str(error).split())
            raise InputError(f"{self.path}: cannot be read as .npz ({reason}); {CURE} again") from error

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
