import pytest
import torch

from benchmark.speed.upper_bound import Limit
from tests.tiny_models import random_images, smooth_network


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("channels_last", [False, True])
def test_its_gradient_is_autograds(outputs: int, channels_last: bool) -> None:
    model, images = smooth_network(outputs).float(), random_images(3).float()
    labels = torch.arange(3 * 64).view(3, 8, 8) % max(2, outputs)
    leaf = images.clone().requires_grad_()
    logits = model(leaf)
    # What is summed up are the logits of the labels; a single logit stands for class 1.
    one_hot = torch.nn.functional.one_hot(labels, max(2, outputs)).movedim(-1, 1)
    (logits * (one_hot[:, 1:] if outputs == 1 else one_hot)).sum().backward()
    found = Limit(model, images, labels, 32, channels_last).gradient()
    assert torch.allclose(found, leaf.grad, atol=1e-5)


def test_it_counts_image_steps_and_leaves_the_model_alone() -> None:
    model = smooth_network().float()
    limit = Limit(model, random_images(3).float(), torch.zeros(3, 8, 8).long(), "bf16")
    assert limit.run(4) == 12
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
