"""Whether keys of Hydra on the command line leave a run where its own keys say."""

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.config.overrides import Override


def check_hydra(overrides: "Sequence[Override]") -> None:
    """Raise InputError for keys of Hydra that would take a run elsewhere than its own keys say."""
    for override in overrides:
        for key, value in override.items():
            if key == "hydra.job.chdir" and value:
                raise InputError(f"{key}={value}: relative paths would be looked up in the run's folder; leave it out")
            if key == "hydra.run.dir":
                raise InputError(f"{key}={value}: the folder of a run is run.dir; give that")


def check_launcher(overrides: "Sequence[Override]", multirun: bool) -> None:
    """Raise InputError if the runs cannot go where hydra/launcher=NAME sends them; Hydra would raise a traceback."""
    for override in overrides:
        if override.key != "hydra/launcher":
            continue
        if not multirun:
            raise InputError(f"{override.text}: chooses where the runs of a sweep go; give -m too")
        if override.value == "slurm":
            if find_spec("submitit") is None:
                raise InputError(f"{override.text}: needs hydra-submitit-launcher; pip install hydra-submitit-launcher")
            if shutil.which("srun") is None:
                raise InputError(f"{override.text}: there is no srun here; start the sweep where jobs can be submitted")
