"""Target maps from files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.data.encodings import BINARY, declared_encoding
from benchmark.data.masks import read_mask
from benchmark.errors import InputError
from benchmark.images.label_maps import VOID
from benchmark.runs.layout import file_name
from benchmark.targets.base import Split, Target, TargetMap, require


@dataclass(eq=False)
class MaskFile(Target):
    """A mask from a file: one file for all images, or one per image. There is only one draw.

    Args:
        path: an image file, or a folder with `<id>.png` for every id; masks are resized to the size of the attacked
            images by nearest neighbour.
        encoding: file value -> class, as for masks of data sets; None: 0 is class 0, 255 is class 1;
            "threshold": values from 128 on are class 1, or {threshold: LEVEL}.
    """

    kind: ClassVar[str] = "mask_file"

    path: str
    encoding: Mapping[Any, Any] | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._encoding = declared_encoding(self.encoding, VOID, BINARY, "target.encoding")
        exists = Path(self.path).exists()
        require(exists, f"path={self.path}: no such file or folder; give a mask file or a folder of <id>.png")

    def prepare(self, split: Split) -> None:
        super().prepare(split)
        if not Path(self.path).is_dir():
            return
        missing = [image_id for image_id in split.ids if not self._file(image_id).exists()]
        if missing:
            raise InputError(
                f"{self._file(missing[0])}: no such target mask ({len(missing)} of {len(split.ids)} missing)"
            )

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        path = self._file(image_id)
        mask = torch.from_numpy(read_mask(path, self._encoding, "target.encoding"))[None, None]
        resized = F.interpolate(mask, size=truth.shape, mode="nearest-exact")[0, 0].to(torch.int64)
        yield TargetMap(resized, f"{self.kind}:{path.name}")

    def _file(self, image_id: str) -> Path:
        path = Path(self.path)
        return path / f"{file_name(image_id)}.png" if path.is_dir() else path
