"""`bench` end to end on a tiny victim: what it prints, not how fast anything is."""

import json
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.cli.bench import image_count

TINY = ["data.size=32", "data.n_train=2", "data.n_val=2", "data.n_test=3", "engine.slots=2", "trainer=cpu"]


def measured(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["bench", *TINY, "--json", "--repeats", "1", "--steps", "3", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_steps_with_their_ratios_profile_and_slots(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(capsys, "--images", "2")
    assert list(found) == [*("machine", "setting", "image_steps_per_second", "ratios", "peak_mib", "profile", "slots")]
    rates = {name: spread["median"] for name, spread in found["image_steps_per_second"].items()}
    assert rates.keys() == {"engine", "limit", "common"}
    for other in ("limit", "common"):
        assert found["ratios"][f"engine/{other}"]["median"] == pytest.approx(rates["engine"] / rates[other])
    assert found["setting"] | {"victim": "unet", "size": 32, "slots": 2, "steps": 3, "images": 2} == found["setting"]
    assert sum(found["profile"]["sections"].values()) == pytest.approx(1)
    assert 0 < found["profile"]["sections"]["forward and backward passes of the rule"] < 1
    assert str(found["slots"]["suggested"]) in found["slots"]["image_steps_per_second"]
    assert found["peak_mib"] > 0


def test_until_the_target(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(capsys, "--until", "attack=[asma,asma_polyak]", "attacks.asma.max_steps=2")["until"]
    assert found["ratios"].keys() == {"asma/common", "asma_polyak/common"}
    assert found["outcomes"]["common"]["passes"] == 3 * sum(found["outcomes"]["common"]["steps"])
    assert len(found["outcomes"]["asma"]["steps"]) == 3


@pytest.mark.parametrize(
    ("requested", "slots", "available", "count"),
    [
        *[(None, 8, 100, 16), (None, 8, 16, 16), (None, 8, 10, 8), (None, 8, 5, 5)],
        *[(3, 8, 100, 3), (30, 8, 10, 10), (4, 8, 2, 2)],
    ],
)
def test_no_slot_is_idle_unless_asked_for(requested: int | None, slots: int, available: int, count: int) -> None:
    assert image_count(requested, slots, available) == count


@pytest.mark.slow
def test_memory_by_number_of_images(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(capsys, "--memory", "1", "3")
    assert found["peak_mib"].keys() == {"1", "3"}
    assert min(found["peak_mib"].values()) > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps: 0 must be at least 1"),
        (["--memory", "0"], "--memory: 0 must be at least 1"),
        (["--memory", "2", "4"], "--memory 4: data=synthetic has 3 test images"),
        (["engine.fold=maybe"], "engine.fold='maybe': must be true or false"),
        (["--until", "--memory", "2"], "not allowed with argument --until"),
        (["engine.slots=0"], "engine.slots=0: must be at least 1"),
        (["attack=pdg"], "there is no attack 'pdg', did you mean"),
        (["--until", "attack=pgd"], "let attack=asma be the first"),
    ],
)
def test_what_cannot_be_measured(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["bench", *TINY, *arguments]) == 2
    assert message in capsys.readouterr().err
