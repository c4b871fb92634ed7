"""One class of a map, or one of several labels that overlap, taken out of the map and put back."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.errors import InputError, did_you_mean
from benchmark.images.label_maps import VOID
from benchmark.label_subsets import are_subsets


@dataclass(frozen=True)
class OneLabel:
    """A class, or a label if classes are subsets of labels.

    Attributes:
        name: as the data call it.
        index: its number.
        background: of the maps; `NO_LABEL` where classes are subsets.
    """

    name: str
    index: int
    background: int | None

    def taken(self, mask: Tensor) -> Tensor:
        """Where a map (H, W) has it, 1, and where not, 0; `VOID` where the map is."""
        has = mask >> self.index & 1 if are_subsets(self.background) else mask == self.index
        return torch.where(mask == VOID, VOID, has.to(mask.dtype))

    def put(self, drawn: Tensor, mask: Tensor) -> Tensor:
        """The map (H, W) with this label where `drawn`, (H, W) of 0, 1 and `VOID`, has it, and nowhere else.

        Where classes are subsets, all other labels stay. Else other classes stay where the class does not come to lie,
        and where it was it leaves the background.
        """
        has = drawn != 0
        if are_subsets(self.background):
            bit = 1 << self.index
            changed = torch.where(has, mask | bit, mask & ~bit)
        else:
            assert self.background is not None
            changed = torch.where(has, self.index, mask.masked_fill(mask == self.index, self.background))
        return torch.where((drawn == VOID) | (mask == VOID), VOID, changed)


def one_label(given: str | int, names: Sequence[str], background: int | None) -> OneLabel:
    """The class or label of this name or number.

    Raises:
        InputError: there is none, it is the background, or there is no background to leave in its place.
    """
    numbers = {name: index for index, name in enumerate(names)}
    index = numbers.get(given, -1) if isinstance(given, str) else given
    if isinstance(given, bool) or index < 0 or (names and index >= len(names)):
        near = did_you_mean(str(given), names)
        known = f"give one of {', '.join(names)}, or its number" if names else "give its number"
        raise InputError(f"target.label={given}: is no class of the data{near}; {known}")
    if not are_subsets(background):
        if background is None:
            raise InputError(f"target.label={given}: the data have no background to leave in its place; leave it out")
        if index == background:
            raise InputError(f"target.label={given}: is the background; give another class")
    return OneLabel(names[index] if names else f"class {index}", index, background)
