"""JPEG compression."""

from dataclasses import dataclass
from io import BytesIO

from PIL.JpegImagePlugin import JpegImageFile
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from benchmark.transforms.base import InputTransform, require


@dataclass(frozen=True)
class JPEG(InputTransform):
    """Compresses an image as a JPEG file and decodes it.

    Args:
        quality: 1 to 100, on libjpeg's scale. Colour has half the resolution each way (4:2:0, Pillow's default).
    """

    name = "jpeg"
    quality: int = 75

    def __post_init__(self) -> None:
        require(self, "quality", 1 <= self.quality <= 100, "1 to 100")

    def __call__(self, pixels: Tensor) -> Tensor:
        file = BytesIO()
        to_pil_image(pixels).save(file, format="JPEG", quality=self.quality)
        file.seek(0)
        with JpegImageFile(file) as picture:
            return pil_to_tensor(picture)
