"""Target maps: what a targeted attack wants the model to predict for an image.

The target of an image depends on its id and a seed, never on its place in a batch. `base` has the contract; every kind
of target has a file of its own, which its YAML in `conf/target/` names.
"""

from benchmark.targets.base import Split, Target, TargetMap
from benchmark.targets.mask_file import MaskFile
from benchmark.targets.other_image import OtherImage

__all__ = ["MaskFile", "OtherImage", "Split", "Target", "TargetMap"]
