"""How many images should be on the device at once."""

from collections.abc import Callable

import torch

_GAIN = 1.05
"""More slots have to be that much faster to be worth their memory and the idle ones at the end."""


def rates_by_slots(rate: Callable[[int], float], most: int) -> dict[int, float]:
    """Image-steps per second with 1, 2, 4, ... slots, up to `most` or to what the memory can take.

    Args:
        rate: measures it for one number of slots.
        most: at least 1.
    """
    found: dict[int, float] = {}
    slots = 1
    while slots <= most:
        try:
            found[slots] = rate(slots)
        except torch.OutOfMemoryError:
            break
        slots *= 2
    return found


def suggest(found: dict[int, float]) -> int:
    """The fewest slots that no other number beats by more than 5 %. Raises ValueError for none."""
    best = max(found.values())
    return min(slots for slots, rate in found.items() if rate * _GAIN >= best)
