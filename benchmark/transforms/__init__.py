"""Input transforms as cheap defences: the model sees the transformed image instead of the 8-bit image it was given.

With `defence=NAME` attacks do not know of the transform, so the scores say nothing about an attack that does. With
`victim.transform=[NAME]` the transform is part of the victim: predictions are exact, gradients those of `smooth`.

Each module of this package but `base` defines one transform.
"""

import pkgutil
from importlib import import_module

from benchmark.transforms.base import InputTransform


def input_transforms() -> dict[str, type[InputTransform]]:
    """The transforms of this package, by name."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    return {kind.name: kind for kind in InputTransform.__subclasses__()}
