"""docs/own_models.md: its ten lines are run as they stand."""

import re
import shlex
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.transforms import input_transforms
from benchmark.victims.adapters import names
from benchmark.victims.deployment.postprocessing import steps

GUIDE = (Path(__file__).parents[2] / "docs" / "own_models.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)


def test_ten_lines_lead_from_a_model_to_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (_, module), (_, command), (_, reading) = BLOCKS[:3]
    written = [line for block in (module, command, reading) for line in block.splitlines() if line.strip()]
    assert len(written) <= 10
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("mymodel.py").write_text(module)
    (said,) = command.strip().splitlines()
    small = (
        "data.n_train=2",
        "data.n_val=1",
        "data.n_test=2",
        "data.size=16",
        "attacks.asma.max_steps=2",
        "trainer=cpu",
    )
    arguments = shlex.split(said)
    assert arguments[:3] == ["python", "-m", "benchmark"]
    assert main([*arguments[3:], *small]) == 0
    capsys.readouterr()
    exec(compile(reading, "own_models.md", "exec"), {})
    victim, image, success, *numbers = capsys.readouterr().out.split()
    assert (victim, image, success) == ("mymodel:load", "test_00000", success)
    assert all(float(number) >= 0 for number in numbers)


def test_the_guide_names_all_there_is() -> None:
    for name in (*names(), *input_transforms(), *steps()):
        assert f"`{name}`" in GUIDE or f"{{{name}:" in GUIDE, name
