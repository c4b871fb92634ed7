"""Images that are attacked but not on the device at the moment."""

import torch

from benchmark.engine.jobs import InFlight
from benchmark.engine.slots import Slots


class Parking:
    """Images in host memory with all their state, until slots are free; those parked last leave first."""

    def __init__(self) -> None:
        self._groups: list[tuple[Slots, list[InFlight]]] = []

    def __len__(self) -> int:
        return sum(len(in_flight) for _, in_flight in self._groups)

    def put(self, slots: Slots, in_flight: list[InFlight]) -> None:
        """Move images to the host."""
        self._groups.append((slots.to(torch.device("cpu")), in_flight))

    def take(self, most: int) -> tuple[Slots, list[InFlight]]:
        """At most so many of the images that were parked last, still on the host; there must be some."""
        slots, in_flight = self._groups.pop()
        if len(in_flight) > most:
            self._groups.append((slots.pick(slice(most, None)), in_flight[most:]))
        return slots.pick(slice(most)), in_flight[:most]
