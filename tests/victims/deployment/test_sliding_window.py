"""Windows that slide over an image: where they lie, and what their average is."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmark.victims.deployment.sliding_window import slide, starts


@given(st.integers(1, 300), st.integers(1, 64), st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_windows_cover_the_side_and_overlap_as_asked(length: int, size: int, overlap: float) -> None:
    found = starts(max(length, size), size, overlap)
    assert found[0] == 0
    assert found[-1] == max(length, size) - size
    # Rounding to whole pixels takes at most one.
    assert all(0 <= after - before <= size * (1 - overlap) + 1 for before, after in pairwise(found))


def test_nnunets_own_example() -> None:
    # The comment in its compute_steps_for_sliding_window: 110 long, 64 wide, half overlap.
    assert starts(110, 64, 0.5) == [0, 23, 46]


@pytest.mark.parametrize("weighting", ["gaussian", "constant"])
@pytest.mark.parametrize(("height", "width"), [(40, 33), (16, 50), (9, 7)])
def test_a_pixelwise_network_is_the_same_in_windows(weighting, height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width, dtype=torch.float64, requires_grad=True)
    expected = (images * torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64).view(3, 1, 1)).cumsum(1)
    found = slide(
        lambda x: (x * torch.tensor([1.0, -2.0, 3.0]).to(x).view(3, 1, 1)).cumsum(1), images, (16, 12), 0.5, weighting
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(z.pow(2).sum(), images, retain_graph=True)[0] for z in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)


def test_windows_are_averaged_by_their_weights() -> None:
    # Two windows of two pixels over three: only the middle one is in both, at equal distance from both centres.
    values = iter([torch.tensor([1.0, 3.0]), torch.tensor([5.0, 7.0])])

    def network(window: Tensor) -> Tensor:
        return next(values).view(1, 1, 1, 2)

    found = slide(network, torch.zeros(1, 1, 1, 3), (1, 2), 0.5, "gaussian")
    assert found.flatten().tolist() == pytest.approx([1, 4, 7])


def test_the_centre_of_a_window_counts_more() -> None:
    images = torch.zeros(1, 1, 8, 12)
    shown: list[Tensor] = []

    def network(window: Tensor) -> Tensor:
        shown.append(window)
        return torch.full_like(window, float(len(shown)))

    # Windows at 0 and 4: column 5 is nearer to the centre 3.5 of the first than to 7.5 of the second.
    found = slide(network, images, (8, 8), 0.5, "gaussian")[0, 0, 0]
    first = torch.exp(-0.5 * torch.tensor([1.5, 2.5]).pow(2))
    assert found[5].item() == pytest.approx(((first[0] + 2 * first[1]) / first.sum()).item(), rel=1e-6)
    assert found[[0, 11]].tolist() == [1, 2]


def test_padding_repeats_the_border() -> None:
    images = torch.rand(1, 1, 3, 5)
    shown: list[Tensor] = []
    slide(lambda window: shown.append(window) or window, images, (4, 8))
    assert torch.equal(shown[0], F.pad(images, (0, 3, 0, 1), mode="replicate"))
