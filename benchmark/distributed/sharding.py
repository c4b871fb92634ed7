"""Which images of a split this process attacks: a fixed share, or the next image whenever a slot is free."""

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from torch.utils.data import Sampler

from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError

Sharding = Literal["static", "dynamic"]


class Share(Sampler[int]):
    """Indices of a data set, each of which exactly one process yields.

    Has no length: Lightning repeats images until sized loaders are equally long, and skips hooks where one is empty.

    Args:
        indices: of the images to attack, the same in all processes.
        processes: the group that shares them.
        sharding: "static": process r of w takes every w-th index from r on, the same ones in every run. "dynamic": each
            process takes the next index when it needs one, so no process is idle while images wait. Lightning reads one
            image ahead of a loader without a length, so one image may wait for a busy process.

    Raises:
        InputError: `sharding` is neither of the two.
    """

    def __init__(self, indices: Sequence[int], processes: ProcessGroup, sharding: Sharding = "static") -> None:
        if sharding not in get_args(Sharding):
            raise InputError(f"sharding={sharding}: must be {' or '.join(get_args(Sharding))}")
        self._indices, self._processes, self._sharding = list(indices), processes, sharding

    @property
    def one_at_a_time(self) -> bool:
        """Whether an index may be taken only when a slot is free for its image."""
        return self._sharding == "dynamic"

    def __iter__(self) -> Iterator[int]:
        if self._sharding == "static":
            yield from self._indices[self._processes.rank :: self._processes.size]
            return
        for drawn in self._processes.draw("images"):
            if drawn >= len(self._indices):
                return
            yield self._indices[drawn]
