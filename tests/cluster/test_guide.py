"""The guide to clusters and the batch script name what exists."""

import re
import subprocess
from pathlib import Path

import pytest

from benchmark.config.groups import groups, names

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("file", ["docs/cluster.md", "docker/slurm.sbatch"])
def test_what_the_guide_and_the_batch_script_name_exists(file: str) -> None:
    text = (REPOSITORY / file).read_text()
    chosen = [
        (group, name)
        for group, given in re.findall(r"(?<![\w./])(\w+)=([\w,]+)", text)
        if group in groups()
        for name in given.split(",")
    ]
    assert ("trainer", "multinode") in chosen
    assert [(group, name) for group, name in chosen if name not in names(group)] == []
    folder = (REPOSITORY / file).parent
    linked = [folder / target for target in re.findall(r"\]\(([^):]+)\)", text)]
    named = [REPOSITORY / path for path in re.findall(r"(?:docker|docs|conf)/[\w./-]*\w", text)]
    assert [path for path in [*linked, *named] if not path.exists()] == []


def test_the_batch_script_is_bash() -> None:
    subprocess.run(["bash", "-n", REPOSITORY / "docker" / "slurm.sbatch"], check=True)
