"""Small pictures as data URIs: images, perturbations, and label maps that lie over images."""

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.images.label_maps import palette
from benchmark.report.figures.montage import amplification

_FILL, _EDGE = 105, 255  # opacity of a structure and of its outline


@dataclass(frozen=True)
class Thumbnails:
    """Encodes pictures with at most `size` pixels on the longer side; smaller pictures stay as they are.

    If `lossless`, every pixel keeps its value, so that the reader sees what the model saw.
    """

    size: int
    lossless: bool

    def photograph(self, pixels: NDArray[np.uint8]) -> str:
        """An image (H, W, C) with 1 or 3 channels."""
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
        picture.thumbnail((self.size, self.size), Image.Resampling.LANCZOS)
        if self.lossless:
            return _uri(picture, "WEBP", lossless=True, method=2)
        return _uri(picture, "WEBP", quality=80, method=2)

    def change(self, delta: NDArray[Any]) -> tuple[str, int]:
        """A perturbation (H, W, C) around mid-grey, and the integer factor that amplifies it."""
        scale = amplification(delta)
        return self.photograph((np.clip(0.5 + scale * delta, 0, 1) * 255).round().astype(np.uint8)), scale

    def overlay(self, labels: NDArray[np.uint8]) -> str:
        """A label map (H, W): class 0 is transparent, the other classes are half transparent with an outline."""
        small = Image.fromarray(labels)
        small.thumbnail((self.size, self.size), Image.Resampling.NEAREST)
        values = np.array(small)
        colours = np.frombuffer(palette(), np.uint8).reshape(256, 3)
        opacity = np.where(values == 0, 0, np.where(outline(values), _EDGE, _FILL)).astype(np.uint8)
        picture = Image.fromarray(np.dstack([colours[values], opacity]))
        return _uri(picture, "PNG", optimize=True)


def outline(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether one of the four neighbours of a pixel has another class (H, W); pixels outside the image do not count."""
    from scipy.ndimage import generate_binary_structure, maximum_filter, minimum_filter

    cross = generate_binary_structure(2, 1)
    lowest, highest = (extreme(labels, footprint=cross, mode="nearest") for extreme in (minimum_filter, maximum_filter))
    return np.asarray(lowest != highest)


def _uri(picture: Image.Image, kind: str, **options: Any) -> str:
    file = BytesIO()
    picture.save(file, format=kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
