"""Label maps as files: PNGs whose values are class indices, with a palette that colour-blind readers can use."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError
from benchmark.images.image_files import open_picture

VOID = 255
"""The value of pixels without a known class; classes are 0 to 254."""

# The colour-blind-safe palette of Okabe and Ito, colours that stand out on tissue first; class k ≥ 1 has entry k − 1.
CLASS_COLOURS = ("#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#E69F00", "#0072B2", "#D55E00")
_VOID_COLOUR = "#999999"


def colour_of(label: int) -> str:
    """#RRGGBB of a class from 1 on, or of `VOID`; class 0 is transparent in overlays and has none."""
    return _VOID_COLOUR if label == VOID else CLASS_COLOURS[(label - 1) % len(CLASS_COLOURS)]


def palette() -> bytes:
    """Red, green and blue of all 256 values in turn; class 0 is black."""
    return bytes(3) + b"".join(bytes.fromhex(colour_of(label)[1:]) for label in range(1, 256))


def save_map(labels: NDArray[Any], path: Path) -> None:
    """Write class indices (H, W), `VOID` where none is known, as an 8-bit PNG with a palette, whole or not at all.

    Class 0 is transparent, so that a viewer can lay the file over the image.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(palette())
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", transparency=0)


def load_map(path: Path, *, inside: Path) -> NDArray[np.uint8]:
    """Read a map that a run has saved in its folder `inside`: (H, W) class indices.

    Raises InputError if it cannot be read, or if a link leads out of the folder.
    """
    try:
        with open_picture(path, inside=inside) as picture:
            return np.array(picture, dtype=np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); attack the image again") from error
