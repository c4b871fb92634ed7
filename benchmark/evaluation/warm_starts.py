"""Warm starts: a grid of budgets is attacked in order, each image from its result at the budget before."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark.attacks.base import image_seed
from benchmark.engine import Engine
from benchmark.engine.jobs import Finished, Job
from benchmark.errors import InputError


@dataclass(frozen=True)
class WarmStart:
    """The keys of the configuration that say how a grid of budgets is attacked.

    Args:
        warm_start: each budget but the first starts from the result of the one before; False: on its own. Budgets rise.
        warm_passes: passes of a warm start as a share of those of a cold one, in (0, 1].
        warm_chain: attacks that start warm follow one another within each budget, too, each from the result of the one
            before; only the first of them at the first budget starts cold.
        warm_falling: the budgets fall, each but the largest started from the projected result of the one above.
        cold_images: how many images are started cold beside it.

    Raises:
        InputError: a value is out of its range.
    """

    warm_start: bool
    warm_passes: float
    warm_chain: bool
    warm_falling: bool
    cold_images: int

    def __post_init__(self) -> None:
        if not 0 < self.warm_passes <= 1:
            raise InputError(f"warm_passes={self.warm_passes:g}: must be above 0 and at most 1")
        if self.cold_images < 0:
            raise InputError(f"cold_images={self.cold_images}: must be at least 0")

    @property
    def share(self) -> float | None:
        """Of the passes; None: no attack starts warm."""
        return self.warm_passes if self.warm_start else None


def cold_ids(ids: Sequence[str], count: int, seed: int) -> frozenset[str]:
    """Which `count` of the images are also started cold; it depends on the seed and not on the order of the ids."""
    return frozenset(sorted(ids, key=lambda image_id: (image_seed(seed, "cold start", image_id), image_id))[:count])


class ColdStarts:
    """Starts some images cold, beside their warm starts, and brings both results of an image together.

    Args:
        ids: of these images.
        engines: attack -> an engine that attacks without a start, with all passes.
    """

    def __init__(self, ids: frozenset[str], engines: Mapping[str, Engine]) -> None:
        self.engines, self._ids = engines, ids
        self._first: dict[tuple[str, str], Finished] = {}

    def submit(self, attack: str, job: Job) -> None:
        """Queue the image of a job without a start, if it is one of these."""
        if job.id in self._ids:
            self.engines[attack].submit(job)

    def engines_before(self, attack: str, engine: Engine) -> list[Engine]:
        """The engine of the cold starts of an attack, if there is one, and `engine`, that of its warm starts."""
        return [self.engines[attack], engine] if attack in self.engines else [engine]

    def joined(self, attack: str, ended: Iterable[Finished]) -> Iterator[Finished]:
        """The images of an attack as both of their results are there, the cold one as `cold` of the warm one."""
        for finished in ended:
            key = (attack, finished.job.id)
            if attack not in self.engines or finished.job.id not in self._ids:
                yield finished
            elif (other := self._first.pop(key, None)) is None:
                self._first[key] = finished
            else:
                cold, warm = (finished, other) if finished.job.start is None else (other, finished)
                yield replace(warm, cold=cold)
