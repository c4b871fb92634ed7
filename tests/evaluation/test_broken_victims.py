"""Victims that are wrong in one way each are refused, or flagged by the finding that says so."""

from collections.abc import Callable

import pytest
from torch import nn

from benchmark.errors import InputError
from benchmark.evaluation.victim_check import VictimCheck, check_victim
from tests.fixtures import broken_victims as broken
from tests.fixtures.checked_images import DiscFinder, disc_items
from tests.fixtures.failing_victims import FAILING

REFUSED = {
    "batch_dependence": broken.BATCH,
    "no_gradient": broken.NO_GRADIENT,
    "nonfinite_logits": broken.NONFINITE,
    "probabilities": broken.PROBABILITIES,
}
DOUBTED = {"randomness": broken.RANDOM, "drift": broken.DRIFT, "changing_state": broken.STATE}


def cases(groups: dict[str, dict[str, Callable[[], nn.Module]]]) -> list:
    return [
        pytest.param(finding, make, id=f"{finding}: {name}")
        for finding, victims in groups.items()
        for name, make in victims.items()
    ]


def checked(model: nn.Module, **options) -> VictimCheck:
    check = check_victim(model, disc_items(), classes=2, background=0, **({"batch_size": 4} | options))
    assert check.passes <= 6
    return check


def names(check: VictimCheck) -> set[str]:
    return {finding.name for finding in check.findings}


def test_the_network_that_the_others_are_made_of_is_sound() -> None:
    check = checked(DiscFinder())
    assert check.findings == []
    assert check.iou is not None
    assert check.iou > 0.9


@pytest.mark.parametrize(("finding", "make"), cases(REFUSED))
def test_refused(finding: str, make: Callable[[], nn.Module]) -> None:
    check = checked(make())
    assert finding in names(check)
    with pytest.raises(InputError, match=rf"; .*victim\.allow=\[{finding}\]"):
        check.refuse()
    check.refuse(allowed=[finding])


@pytest.mark.parametrize(("finding", "make"), cases(DOUBTED))
def test_doubted(finding: str, make: Callable[[], nn.Module]) -> None:
    check = checked(make())
    assert finding in names(check)
    assert finding == "changing_state" or "batch_dependence" not in names(check)


def test_probabilities_hide_what_follows_from_them() -> None:
    check = checked(DiscFinder(end=lambda z: z.sigmoid(), pair=False))
    assert names(check) == {"probabilities"}
    assert "as sigmoids do" in check.findings[0].what


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("count", [2, 5])
def test_every_place_of_a_batch_is_looked_at(place: int, count: int) -> None:
    check = check_victim(broken.BATCH[f"place {place % 4}"](), disc_items(count), classes=2, batch_size=count)
    assert ("batch_dependence" in names(check)) == (place % 4 < count)


@pytest.mark.parametrize(("finding", "make"), broken.DOUBTS.values(), ids=list(broken.DOUBTS))
def test_doubts(finding: str, make: Callable[[], nn.Module]) -> None:
    check = checked(make())
    assert finding in names(check)
    check.refuse()


@pytest.mark.parametrize(("line", "make"), FAILING.values(), ids=list(FAILING))
def test_what_fails_is_said_in_one_line(line: str, make: Callable[[], nn.Module]) -> None:
    with pytest.raises(InputError, match=line) as raised:
        checked(make())
    assert "\n" not in str(raised.value)
    assert ";" in str(raised.value)
