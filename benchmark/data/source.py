"""What every data source offers: named splits of ids, and one picture with its mask per id."""

from typing import NamedTuple, Protocol

import numpy as np

from benchmark.images.label_maps import VOID as VOID

SPLITS = ("train", "val", "test")


class Sample(NamedTuple):
    """One image as a source yields it, at its own size.

    image: (H,W,3) uint8 RGB, or uint16 levels of the source's `bits`. mask: (H,W) uint8 class indices, `VOID` where no
    class is known. group: patient or sequence the image belongs to, "" if unknown.
    """

    image: np.ndarray
    mask: np.ndarray
    id: str
    group: str = ""


class Source(Protocol):
    """A data set. A new one is a class like this in a file of its own, and a YAML in `conf/data/`."""

    name: str
    classes: int
    background: int | None  # index of the class that is no object, if the data set has one
    class_names: tuple[str, ...]
    bits: int  # of the images' levels, 8 to 16

    def splits(self) -> dict[str, list[str]]:
        """The ids of each of `SPLITS`, in file order; ids are unique in a split and usable as file names."""
        ...

    def read(self, split: str, id: str) -> Sample:
        """The image of that id; the same one at every call, in any thread or process."""
        ...

    def fingerprint(self) -> str:
        """Hex digest over everything that determines what `splits` and `read` return."""
        ...
