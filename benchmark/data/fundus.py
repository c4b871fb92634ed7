"""Optic disc and cup: the classes of fundus data sets, and one mask from separate maps of the two."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmark.data.encodings import Encoding
from benchmark.data.files import PairedFiles, Pairs
from benchmark.data.images import check_size, read_image
from benchmark.errors import InputError

CLASS_NAMES = {"disc": ("background", "disc"), "cup": ("background", "cup"), "both": ("background", "disc", "cup")}
"""Of each structure; of both, disc is the rim, the disc without its cup."""


def class_names(structure: str) -> tuple[str, ...]:
    """Names of the classes; raises InputError for an unknown structure."""
    if structure not in CLASS_NAMES:
        raise InputError(f"data.structure={structure!r}: must be one of {', '.join(CLASS_NAMES)}")
    return CLASS_NAMES[structure]


def needed_maps(structure: str) -> tuple[str, ...]:
    """The maps that a structure needs: the cup needs the disc too, because it is cut to the disc."""
    class_names(structure)
    return ("disc",) if structure == "disc" else ("disc", "cup")


class FundusFiles(PairedFiles):
    """A source whose images come with a disc map, and for structure "cup" and "both" a cup map.

    `encoding` is that of the maps, 1 inside. Pixels of the cup map outside the disc map are not cup: the two were drawn
    apart, and a cup lies in its disc.
    """

    def __init__(
        self, name: str, structure: str, pairs: dict[str, Pairs], encoding: Encoding, groups: Mapping | None = None
    ) -> None:
        super().__init__(name, class_names(structure), pairs, encoding, groups=groups, variant=structure)
        self.structure = structure

    def decode(self, image: Path, *masks: Path) -> tuple[np.ndarray, np.ndarray]:
        pixels = self.crop(read_image(image), image)
        maps = []
        for path in masks:
            maps.append(self.crop(self.read_labels(path), path))
            check_size(pixels, image, maps[-1], path)
        disc = maps[0]
        if self.structure == "disc":
            return pixels, disc
        cup = disc & maps[1]
        return pixels, cup if self.structure == "cup" else disc + cup

    def crop(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        """The part of a picture or map that is used: all of it, unless a layout says otherwise."""
        return pixels
