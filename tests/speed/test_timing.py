import pytest
import torch

from benchmark.speed.slot_count import rates_by_slots, suggest
from benchmark.speed.timing import rates, ratio


def test_rates_by_a_clock_that_is_known() -> None:
    now = [0.0]
    order = []

    def work(name: str, units: int, seconds: float) -> int:
        order.append(name)
        now[0] += seconds
        return units

    contenders = {"fast": lambda: work("fast", 6, 2.0), "slow": lambda: work("slow", 1, 4.0)}
    found = rates(contenders, 3, lambda: now[0], torch.device("cpu"))
    assert found == {"fast": [3.0] * 3, "slow": [0.25] * 3}
    assert order == ["fast", "slow", "fast", "slow", "slow", "fast", "fast", "slow"], "warm-up, then there and back"


def test_ratios_are_taken_repeat_by_repeat() -> None:
    # Each repeat's ratio is 2, though the machine became four times slower; the last one was disturbed.
    found = {"engine": [8.0, 2.0, 6.0], "limit": [4.0, 1.0, 2.0]}
    assert ratio(found, "engine", "limit") == {"median": 2.0, "low": 2.0, "high": 3.0}


def test_slots_up_to_what_the_memory_takes() -> None:
    def rate(slots: int) -> float:
        if slots > 4:
            raise torch.OutOfMemoryError("simulated")
        return float(slots)

    assert rates_by_slots(rate, 100) == {1: 1.0, 2: 2.0, 4: 4.0}
    assert list(rates_by_slots(float, 3)) == [1, 2]
    with pytest.raises(torch.OutOfMemoryError, match="simulated"):
        rates_by_slots(lambda slots: rate(slots + 4), 100)


@pytest.mark.parametrize(
    ("found", "expected"), [({1: 10.0, 2: 19.0, 4: 20.0, 8: 19.5}, 4), ({1: 10.0, 2: 19.2, 4: 20.0}, 2), ({1: 1.0}, 1)]
)
def test_the_fewest_slots_that_none_beats_by_more_than_a_twentieth(found: dict[int, float], expected: int) -> None:
    assert suggest(found) == expected
