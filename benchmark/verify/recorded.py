"""A past run with the attacks and input transforms that its configuration names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from benchmark.config.build import Make, build_attacks, build_defences
from benchmark.errors import InputError
from benchmark.evaluation.plan import Attack
from benchmark.past_runs.allowed_code import ForeignCodeError, make_past
from benchmark.past_runs.past_run import PastRun

T = TypeVar("T")


@dataclass(frozen=True)
class Recorded:
    """What the rows of a run are compared with.

    Attributes:
        past_run: the run.
        attacks: name in rows -> attack; None: the user's own code, which is not run.
        defences: name -> input transform; None: the user's own code, which is not run.
    """

    past_run: PastRun
    attacks: Mapping[str, Attack] | None
    defences: Mapping[str, Callable[[Tensor], Tensor]] | None


def recorded_run(past_run: PastRun) -> tuple[Recorded, list[str]]:
    """Instantiate the attacks and input transforms of a run.

    Returns:
        The run with them, and a line for each section that names the user's own code.

    Raises:
        InputError: a section of the configuration makes no attacks or no input transforms.
    """
    cfg, file, notes = OmegaConf.create(dict(past_run.config)), past_run.run.config_file, []

    def make_all(what: str, build: Callable[[DictConfig, Make], Mapping[str, T]]) -> Mapping[str, T] | None:
        try:
            return build(cfg, partial(make_past, file))
        except ForeignCodeError as error:
            notes.append(f"what its {what} should be is not checked ({error})")
            return None
        except (InputError, AttributeError, TypeError, ValueError) as error:
            raise InputError(f"{file}: {what} cannot be made again ({error}); restore it") from error

    attacks, defences = make_all("attacks", build_attacks), make_all("defences", build_defences)
    return Recorded(past_run, attacks, defences), notes
