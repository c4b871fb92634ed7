import torch

from benchmark.attacks.apgd import phase_at


def schedule(total: int, shrinking: bool = True) -> list[tuple[float, int, int]]:
    phase = phase_at(torch.arange(total + 1), total, shrinking, torch.float64)
    return list(zip(phase.factor.tolist(), phase.update.tolist(), phase.length.tolist(), strict=True))


def test_the_papers_300_steps() -> None:
    first = [(2.0, i, 90) for i in range(90)]
    second = [(1.5, i, 90) for i in range(90)]
    assert schedule(300) == first + second + [(1.0, i, 120) for i in range(121)]


def test_uneven_steps_are_all_used() -> None:
    assert schedule(7) == [(2.0, 0, 2), (2.0, 1, 2), (1.5, 0, 2), (1.5, 1, 2), *((1.0, i, 3) for i in range(4))]


def test_too_few_steps_leave_out_the_wider_radii() -> None:
    assert schedule(1) == [(1.0, 0, 1), (1.0, 1, 1)]
    assert schedule(2) == [(1.5, 0, 1), (1.0, 0, 1), (1.0, 1, 1)]
    assert schedule(0) == [(1.0, 0, 1)]


def test_without_shrinking_it_is_one_phase() -> None:
    assert schedule(3, shrinking=False) == [(1.0, i, 3) for i in range(4)]
