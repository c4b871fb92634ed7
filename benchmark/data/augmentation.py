"""Albumentations pipelines: resizing for every image, augmentation for training."""

import os
import random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import albumentations as A

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else its import asks the network for a newer version


def resize(image: np.ndarray, mask: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Image (H,W,3) uint8 or uint16 and mask (H,W) uint8, at size = (height, width); the aspect ratio is not kept.

    The image is averaged over areas if both sides shrink, else interpolated linearly, and keeps its type. The mask
    takes the class of the nearest pixel.
    """
    if image.shape[:2] == size:
        return image, mask
    import cv2

    height, width = size
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=interpolation)
    return resized, cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def training_pipeline(square: bool = True) -> "A.Compose":
    """Mild augmentation: flips and, of `square` images, quarter turns; a small affine map, light and colour.

    The affine map mirrors image and mask at their borders, so that every pixel has a class.
    """
    import albumentations as A
    import cv2

    return A.Compose(
        [
            *([A.SquareSymmetry(p=1.0)] if square else [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]),
            A.Affine(
                scale=(0.9, 1.1),
                translate_percent=(-0.06, 0.06),
                rotate=(-20, 20),
                interpolation=cv2.INTER_LINEAR,
                mask_interpolation=cv2.INTER_NEAREST,
                border_mode=cv2.BORDER_REFLECT_101,
                p=0.5,
            ),
            A.ColorJitter(brightness=(0.9, 1.1), contrast=(0.9, 1.1), saturation=(0.9, 1.1), hue=(-0.02, 0.02), p=0.5),
        ]
    )


def augment(
    pipeline: "A.Compose", image: np.ndarray, mask: np.ndarray, *, seed: int, epoch: int, index: int, highest: int = 255
) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask, augmented at random; the draw depends on (seed, epoch, index), not on worker, order or batch.

    `highest` is the image's level of 1; albumentations takes deeper images than 8 bits as floating point.
    """
    words = np.random.SeedSequence([seed, epoch, index])
    # With `set_random_seed` every transform would get the same stream, and all would be applied or skipped together.
    pipeline.set_random_state(np.random.default_rng(words), random.Random(int(words.generate_state(1)[0])))
    if highest == 255:
        result = pipeline(image=image, mask=mask)
        return result["image"], result["mask"]
    result = pipeline(image=image.astype(np.float32) / highest, mask=mask)
    return np.round(result["image"].clip(0, 1) * highest).astype(image.dtype), result["mask"]
