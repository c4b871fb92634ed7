"""A Slurm to submit jobs to: the one that `tests/cluster/start_slurm.sh` starts, or any other that answers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm_jobs import Slurm, call


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Slurm]:
    """The Slurm that answers; without one the test is skipped, which in CI is a failure."""
    try:
        call("sinfo", "--noheader", timeout=20)
    except (OSError, AssertionError, subprocess.TimeoutExpired) as error:
        why = str(error).strip().splitlines()[-1]
        pytest.skip(f"no Slurm answers here ({why}); tests/cluster/start_slurm.sh starts one, as root")
    slurm = Slurm(tmp_path)
    yield slurm
    slurm.close()
