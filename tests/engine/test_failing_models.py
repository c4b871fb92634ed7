"""What models raise when the library attacks them, and models that do not return."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.attacks.pgd import PGD
from benchmark.distributed.termination import stoppable
from benchmark.engine import attack
from benchmark.errors import InputError
from benchmark.evaluation.victim_check import check_victim
from tests.fixtures.checked_images import DiscFinder, disc_items
from tests.fixtures.failing_victims import FAILING
from tests.fixtures.own_factory import FailsLater, Slow
from tests.tiny_models import Limited

ITEMS = disc_items(4)


def attacked(model: nn.Module, **options):
    images, labels = (torch.stack([item[name] for item in ITEMS]) for name in ("image", "mask"))
    return attack(model, images, 1 - labels, PGD(), **({"max_steps": 2, "slots": 4} | options))


@pytest.mark.parametrize("name", [name for name in FAILING if name not in ("stride 4", "one row more", "classes last")])
def test_the_library_says_it_in_one_line(name: str) -> None:
    model = FAILING[name][1]()
    with pytest.raises(InputError, match=rf"^(victim {type(model).__name__}|the model.*) .*; ") as raised:
        attacked(model)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("passes", range(5))
def test_at_any_pass(passes: int) -> None:
    with pytest.raises(InputError, match=r"RuntimeError: late \(own_factory\.py, line \d+\)"):
        attacked(FailsLater(passes, RuntimeError("late")), max_steps=6)


def test_ctrl_c_is_told_from_an_interrupt_of_the_models_own() -> None:
    with pytest.raises(KeyboardInterrupt):
        attacked(FailsLater(1, KeyboardInterrupt()))
    with stoppable(), pytest.raises(InputError, match=r"KeyboardInterrupt \(own_factory"):
        attacked(FailsLater(1, KeyboardInterrupt()))


def test_memory_that_runs_out_halves_slots_and_batch() -> None:
    with pytest.warns(UserWarning, match="out of memory"):
        result = attacked(Shrinking(), max_steps=4)
    assert len(result.adv) == 4
    check = check_victim(Limited(DiscFinder(), 2), ITEMS, classes=2, batch_size=8)
    assert check.batch == 2
    assert check.findings == []


class Shrinking(DiscFinder):
    """Has memory for four images at the first passes, then for two."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        if self.passes > 3 and len(images) > 2:
            raise torch.OutOfMemoryError("simulated")
        return super().forward(images)


def test_a_model_that_does_not_return_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    attacked(Slow(3, 1.2), patience=0.2)
    assert "victim Slow has not returned for 0.2 s from images (4, 3, 32, 32); " in capsys.readouterr().err
    check_victim(Slow(1, 1.2), ITEMS, classes=2, batch_size=4, patience=0.2)
    assert "from images (1, 3, 32, 32)" in capsys.readouterr().err
    attacked(DiscFinder())
    assert capsys.readouterr().err == ""


def test_warnings_made_errors_are_what_a_model_raises() -> None:
    def start(images: torch.Tensor) -> torch.Tensor:
        raise DeprecationWarning("old")

    with pytest.raises(InputError, match="DeprecationWarning: old"):
        attacked(DiscFinder(start=start))


class OddPart(DiscFinder):
    """A network whose part beside its passes, `window` or `postprocess`, is not what it should be."""

    def __init__(self, part: str, result: Callable[..., Any]) -> None:
        super().__init__()
        setattr(self, part, result)


def _raises(*_: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("part", "result", "said"),
    [
        ("window", _raises, r"asked for its window of 32 x 32 pixels: OSError: .*No space left"),
        ("window", lambda h, w: None, "gives NoneType as its window; return an OutputWindow"),
        ("window", lambda h, w: (0, 0, h, w), "gives tuple as its window"),
        ("postprocess", _raises, r"fails in its post-processing .*No space left"),
        ("postprocess", lambda preds: None, "returned NoneType from its post-processing"),
        (
            "postprocess",
            lambda preds: preds[:, :8],
            r"returned \(4, 8, 32\) from its post-processing of maps \(4, 32, 32\)",
        ),
    ],
)
def test_parts_of_a_network_beside_its_passes(part: str, result: Callable[..., Any], said: str) -> None:
    calls = [lambda model: check_victim(model, ITEMS, classes=2, batch_size=4)]
    # The library is given labels of the window's size.
    for call in calls if part == "window" else [attacked, *calls]:
        with pytest.raises(InputError, match=rf"^victim OddPart .*{said}"):
            call(OddPart(part, result))


def test_one_image_that_does_not_fit_is_one_line() -> None:
    for call in (attacked, lambda model: check_victim(model, ITEMS, classes=2, batch_size=1)):
        with pytest.raises(
            InputError, match=r"victim Limited .*\(1, 3, 32, 32\): OutOfMemoryError: simulated: 1 images"
        ):
            call(Limited(DiscFinder(), 0))
