"""Which batch norms can be folded into their convolutions."""

import pytest
from torch import nn

from benchmark.acceleration.batchnorm_folding import foldable
from tests.tiny_models import Net, plain, random_images


@pytest.mark.parametrize("why", ["training", "hook", "subclass", "no statistics"])
def test_norms_that_are_more_than_norms_stay(why: str) -> None:
    net = Net(plain)
    if why == "training":
        net.last_norm.train()
    elif why == "hook":
        net.last_norm.register_forward_hook(lambda module, given, output: output * 2)
    elif why == "subclass":
        net.last_norm.__class__ = type("Own", (nn.BatchNorm2d,), {})
    else:
        net.last_norm = nn.BatchNorm2d(4, track_running_stats=False).double().eval()
    assert [convolution for convolution, _ in foldable(net, random_images(2))] == [net.first]
