"""How many images should be on the device at once."""

from collections.abc import Callable

import torch

_GAIN = 1.05
"""More slots must be faster by this factor, because they need memory and stand idle at the end."""


def rates_by_slots(rate: Callable[[int], float], most: int) -> dict[int, float]:
    """Image-steps per second with 1, 2, 4, ... slots, up to `most` or to what the memory can take.

    Args:
        rate: measures it for one number of slots.
        most: at least 1.

    Raises:
        torch.OutOfMemoryError: the memory cannot take one.
    """
    by_slots: dict[int, float] = {}
    for slots in (2**doublings for doublings in range(most.bit_length())):
        try:
            by_slots[slots] = rate(slots)
        except torch.OutOfMemoryError:
            if not by_slots:
                raise
            break
    return by_slots


def suggest(by_slots: dict[int, float]) -> int:
    """The fewest slots that no other number beats by more than 5 %. Raises ValueError for none."""
    best = max(by_slots.values())
    return min(slots for slots, rate in by_slots.items() if rate * _GAIN >= best)
