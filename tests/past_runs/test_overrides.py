"""What a run was asked for against what its configuration says."""

from typing import Any

import pytest

from benchmark.past_runs.overrides import override_mismatches

CONFIG: dict[str, Any] = {
    "seed": 3,
    "data": {"_target_": "x", "root": "/here", "fractions": [0.5, 0.25, 0.25], "encoding": {0: 0, 255: 1}},
    "judge": {"value": 0.2, "op": ">="},
    "victim": {"ckpt": None, "options": {"decoder_channels": [8, 4]}},
    "attacks": {"pgd": {"budgets": [8], "rule": {"eps": 8 / 255}}},
}


def _mismatches(*overrides: str, moved: bool = False) -> list[str]:
    return [str(mismatch) for mismatch in override_mismatches(CONFIG, {"overrides": list(overrides)}, moved)]


@pytest.mark.parametrize(
    "override",
    [
        "seed=3",
        "judge.value=0.2",
        "judge.op='>='",
        "data=isic2018",
        "experiment=smoke",
        "attack=[pgd,asma]",
        "+attacks.pgd.budgets=[8]",
        "++data.fractions=[.5,.25,.25]",
        "data.encoding={0:0,255:1}",
        "victim.options={decoder_channels:[8,4]}",
        "victim.ckpt=null",
        "~attacks.asma",
        "attacks.pgd.rule.eps=${of255:4}",
        "trainer.gone=1",
        "data.root='/here'",
    ],
)
def test_what_was_asked_for_is_what_is_there(override: str) -> None:
    assert _mismatches(override) == []


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("seed=4", "3"),
        ("judge.value=0.3", "0.2"),
        ("victim.ckpt=a.ckpt", "None"),
        ("+attacks.pgd.budgets=[4]", "[8]"),
        ("data.encoding={0:0,255:2}", "{0: 0, 255: 1}"),
        ("data.root=/there", "'/here'"),
    ],
)
def test_what_was_asked_for_and_is_not_there(override: str, found: str) -> None:
    said = f"environment.json: overrides: {override} was given, config.yaml says {found}"
    assert _mismatches(override) == [said]
    assert _mismatches("judge.op='>='", override) == [said]


def test_of_one_key_the_last_counts() -> None:
    assert _mismatches("seed=4", "seed=3") == []
    assert len(_mismatches("seed=3", "seed=4")) == 1


def test_data_that_have_moved_have_another_root() -> None:
    assert _mismatches("data.root=/there", moved=True) == []


@pytest.mark.parametrize("text", ["", "seed", "=", "seed=choice(1,2)", "a b=[", "range(3)"])
def test_what_no_command_line_holds(text: str) -> None:
    (line,) = _mismatches(text)
    assert line.endswith("cannot stand on a command line")


@pytest.mark.parametrize("environment", [{}, {"overrides": None}, {"overrides": "seed=3"}])
def test_an_environment_that_does_not_say(environment: dict[str, Any]) -> None:
    (mismatch,) = override_mismatches(CONFIG, environment, False)
    assert str(mismatch) == "environment.json: overrides: does not hold the command line of the run"
