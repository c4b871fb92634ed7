"""The data module of generated images, as `data=synthetic` makes it."""

from typing import Any

from benchmark.data.datamodule import SegmentationData
from benchmark.data.datamodule_factory import datamodule_for
from benchmark.data.synthetic import Synthetic


def synthetic_data(**options: Any) -> SegmentationData:
    """`SegmentationData` over `Synthetic`; options of both, `size` among them."""
    return datamodule_for(Synthetic)(**options)
