"""A few items of whatever data a victim is checked with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from benchmark.errors import InputError

Item = dict[str, Tensor]
"""image (C, H, W) in [0, 1]; where they are known, mask (H, W) int and valid (H, W) bool."""

_NEEDED = "give images (N,C,H,W), or (image, mask) pairs, or mappings with image and mask, alone or in batches"


def few_items(data: Tensor | Iterable[Any], count: int) -> list[Item]:
    """At most `count` items, all of the first one's size. Raises InputError if there is none, or one is no image."""
    found: list[Item] = []
    for item in _items(data):
        if not found or item["image"].shape == found[0]["image"].shape:
            found.append(_checked(item))
        if len(found) == count:
            break
    if not found:
        raise InputError(f"there are no images to check the victim with; {_NEEDED}")
    return found


def _items(data: Tensor | Iterable[Any]) -> Iterator[Item]:
    if isinstance(data, Tensor):
        yield from _unbound({"image": data})
        return
    # A tuple of tensors is one batch; data sets have indices, and not all of them can be iterated over.
    pair = isinstance(data, tuple) and all(isinstance(part, Tensor) for part in data)
    for batch in [data] if pair else data:
        if isinstance(batch, Tensor):
            yield from _unbound({"image": batch})
        elif isinstance(batch, Mapping):
            known = {name: batch.get(name) for name in ("image", "mask", "valid")}
            yield from _unbound({name: value for name, value in known.items() if isinstance(value, Tensor)})
        elif isinstance(batch, Sequence) and len(batch) > 1 and all(isinstance(part, Tensor) for part in batch[:2]):
            yield from _unbound({"image": batch[0], "mask": batch[1]})
        else:
            raise InputError(f"the data to check the victim with hold {type(batch).__name__}; {_NEEDED}")


def _unbound(batch: Item) -> Iterator[Item]:
    """The items of a batch, or the one item that it is; masks may have a channel of their own."""
    image = batch.get("image")
    if image is None or image.ndim not in (3, 4):
        shape = "no image" if image is None else f"images of shape {tuple(image.shape)}"
        raise InputError(f"the data to check the victim with hold {shape}; {_NEEDED}")
    if image.ndim == 3:
        batch = {name: value[None] for name, value in batch.items()}
    for index in range(len(batch["image"])):
        item = {name: value[index].detach().cpu() for name, value in batch.items()}
        yield {name: value[0] if name != "image" and value.ndim == 3 else value for name, value in item.items()}


def _checked(item: Item) -> Item:
    image = item["image"]
    low, high = float(image.min()), float(image.max())
    if not image.is_floating_point() or not (0 <= low <= high <= 1):
        raise InputError(
            f"the images to check the victim with are {image.dtype} from {low:.4g} to {high:.4g}; "
            "give them as float in [0,1], and normalise in the model"
        )
    shape = image.shape[1:]
    for name in ("mask", "valid"):
        if name in item and item[name].shape != shape:
            raise InputError(
                f"a {name} of shape {tuple(item[name].shape)} for an image {tuple(shape)}; give equal ones"
            )
    if "mask" in item and item["mask"].is_floating_point():
        raise InputError(f"masks are {item['mask'].dtype}; give the number of the class of every pixel as int64")
    if "valid" in item:
        item["valid"] = item["valid"].bool()
    return item
