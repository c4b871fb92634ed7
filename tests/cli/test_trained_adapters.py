"""A network that only an adapter can build is trained and attacked by commands that name it alike."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.runs import tables
from tests.fixtures.commands import SMOKE, Outcome

MONAI = (
    *("victim=monai", "victim.network_class=BasicUNet", "victim.stride=16"),
    "victim.options={spatial_dims:2,features:[4,4,8,8,8,4]}",
)
PYTHON = (
    *("victim=python", "victim.factory=torch.nn:Conv2d"),
    "victim.options={in_channels:3,out_channels:2,kernel_size:3,padding:1}",
)


@pytest.mark.parametrize("victim", [MONAI, PYTHON], ids=["monai", "python"])
def test_its_checkpoint_is_attacked(victim: tuple[str, ...], command: Callable[..., Outcome], tmp_path: Path) -> None:
    assert command("train", *SMOKE, *victim, f"run.dir={tmp_path / 'trained'}").status == 0
    checkpoint = tmp_path / "trained" / "checkpoints" / "best.ckpt"
    attacked = command("attack", *SMOKE, *victim, f"victim.ckpt={checkpoint}", f"run.dir={tmp_path / 'attacked'}")
    assert attacked.status in (0, 3), attacked
    assert tables.read(tmp_path / "attacked").num_rows == 4
