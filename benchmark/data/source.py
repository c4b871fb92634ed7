"""The interface of a data set: named splits of image ids, and an image with its mask for each id."""

from typing import NamedTuple, Protocol

import numpy as np

from benchmark.images.label_maps import VOID as VOID

SPLITS = ("train", "val", "test")

FILES, PREDICTED = "files", "predicted"
"""What `data.labels` may be: the masks are files, or the victim's predictions of the clean images."""


class Sample(NamedTuple):
    """One image and its mask, in the size of the files.

    Attributes:
        image: (H, W, 3) uint8 RGB; uint16 if the source has more than 8 bits.
        mask: (H, W) uint8 class indices; `VOID` where the class is unknown.
        id: of the image, unique in its split.
        group: the patient or video sequence that the image comes from; "" if unknown.
    """

    image: np.ndarray
    mask: np.ndarray
    id: str
    group: str = ""


class Source(Protocol):
    """A data set.

    To add one, write such a class in a new file of `benchmark/data/`, and a YAML in `conf/data/` whose `_target_` names
    it. The arguments of the class are keys of that YAML.

    Attributes:
        name: of the data set, in rows and reports.
        classes: number of classes.
        background: index of the class that is no object; None if every class is one.
        class_names: one name for each class.
        bits: of the images' levels, 8 to 16.
    """

    name: str
    classes: int
    background: int | None
    class_names: tuple[str, ...]
    bits: int

    def splits(self) -> dict[str, list[str]]:
        """The ids of each split in `SPLITS`, in file order. Ids are unique in a split and can be file names."""
        ...

    def read(self, split: str, id: str) -> Sample:
        """Read one image. The result is the same in every call, thread and process."""
        ...

    def fingerprint(self) -> str:
        """A hexadecimal hash of everything that `splits` and `read` return depends on."""
        ...
