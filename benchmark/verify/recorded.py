"""The attacks and input transforms that the configuration of a past run names."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from benchmark.config.build import Make, build_attacks, build_defences
from benchmark.errors import InputError
from benchmark.evaluation.plan import Attack
from benchmark.past_runs.allowed_code import ForeignCodeError, make_past
from benchmark.past_runs.past_run import PastRun

T = TypeVar("T")


class RecordedCode(NamedTuple):
    """What a run computed its rows with.

    Attributes:
        attacks: name in rows -> attack; None: the user's own code, which is not run.
        defences: name -> input transform; None: the user's own code, which is not run.
        notes: a line for each section that names the user's own code.
    """

    attacks: Mapping[str, Attack] | None
    defences: Mapping[str, Callable[[Tensor], Tensor]] | None
    notes: list[str]


def recorded_code(past_run: PastRun) -> RecordedCode:
    """Instantiate them. Raises InputError for a section that makes no attacks or no input transforms."""
    cfg, file, notes = OmegaConf.create(dict(past_run.config)), past_run.run.config_file, []

    def make_all(what: str, build: Callable[[DictConfig, Make], Mapping[str, T]]) -> Mapping[str, T] | None:
        try:
            return build(cfg, partial(make_past, file))
        except ForeignCodeError as error:
            notes.append(f"what its {what} should be is not checked ({error})")
            return None
        except (InputError, AttributeError, TypeError, ValueError) as error:
            raise InputError(f"{file}: {what} cannot be made again ({error}); restore it") from error

    return RecordedCode(make_all("attacks", build_attacks), make_all("defences", build_defences), notes)
