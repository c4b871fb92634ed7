"""Parameters and buffers after passes that change them."""

import pytest
import torch
from torch import Tensor, nn

from benchmark.engine.kept_state import kept_state


class Counting(nn.Module):
    """Changes one buffer in place, puts another one in the place of a second, and makes a third."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)
        self.register_buffer("passes", torch.zeros(()))
        self.register_buffer("mean", torch.full((2,), torch.nan))
        self.register_buffer("grid", None)

    def forward(self, images: Tensor) -> Tensor:
        self.passes.add_(1)
        self.mean = torch.ones(5)
        if self.grid is None:
            self.grid = torch.ones(3)
        if not hasattr(self, "made"):
            self.register_buffer("made", torch.ones(1))
        self.layer.weight.data += 1
        return self.layer(images)


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)
        self.register_buffer("passes", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(2))

    def forward(self, images: Tensor) -> Tensor:
        self.passes = self.passes + 1
        self.mean.add_(1)
        return self.layer(images)


@pytest.mark.parametrize("make", [Counting, lambda: torch.jit.script(Scripted())])
@pytest.mark.parametrize("fails", [False, True])
def test_passes_leave_nothing(make, fails: bool) -> None:
    model = make()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors = dict(model.named_parameters())
    try:
        with kept_state(model), torch.no_grad():
            for _ in range(2):
                model(torch.rand(1, 3, 4, 4))
            assert model.state_dict()["passes"] == 2
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    after = model.state_dict()
    assert list(after) == list(before)
    for name in before:
        assert torch.equal(after[name].nan_to_num(7), before[name].nan_to_num(7)), name
    assert all(one is tensors[name] for name, one in model.named_parameters())
    model(torch.rand(1, 3, 4, 4))  # what it makes at its first pass is made again
