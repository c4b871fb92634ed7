"""Transforms in front: predictions see exactly the transformed file, gradients see the smooth stand-in."""

import pytest
import torch
from torch import Tensor

from benchmark.images.quantisation import EIGHT_BIT
from benchmark.transforms import InputTransform, input_transforms
from benchmark.victims.deployment.input_transforms import in_front


def images(count: int = 2, channels: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(channels)
    smooth = torch.rand(count, channels, 5, 6, generator=generator, dtype=torch.float64)
    return torch.nn.functional.interpolate(smooth, (20, 26), mode="bilinear").to(dtype)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", input_transforms())
def test_the_network_is_shown_the_transformed_file(name: str, dtype: torch.dtype, channels: int) -> None:
    defence: InputTransform = input_transforms()[name]()
    points = images(channels=channels, dtype=dtype).requires_grad_()
    expected = torch.stack(
        [EIGHT_BIT.from_levels(defence(pixels), dtype) for pixels in EIGHT_BIT.to_levels(points.detach())]
    )
    found = in_front(points, [defence])
    assert torch.equal(found, expected)
    assert torch.equal(in_front(points.detach(), [defence]), expected), "with and without a gradient"
    (gradient,) = torch.autograd.grad(found.square().sum(), points)
    (smooth,) = torch.autograd.grad((2 * expected * defence.smooth(points)).sum(), points)
    torch.testing.assert_close(gradient, smooth, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-12)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", input_transforms())
def test_the_stand_in_is_near_what_it_stands_for(name: str) -> None:
    defence: InputTransform = input_transforms()[name]()
    points = images()
    apart = (defence.smooth(points) - in_front(points, [defence])).abs()
    assert apart.mean() < 0.05
    if name in ("median", "resize"):
        # The same up to roundings to whole grey values, two of them for resizing.
        assert apart.max() < 2.5 / 255


def test_transforms_are_applied_in_turn() -> None:
    kinds = input_transforms()
    jpeg, median, points = kinds["jpeg"](), kinds["median"](), images()
    both = in_front(points, [jpeg, median])
    assert torch.equal(both, in_front(in_front(points, [jpeg]), [median]))
    assert not torch.equal(both, in_front(points, [median, jpeg]))


def test_an_image_does_not_depend_on_its_neighbours() -> None:
    chosen = [kind() for kind in input_transforms().values()]
    points = images(3)
    alone = torch.cat([in_front(points[i : i + 1], chosen) for i in range(3)])
    assert torch.equal(in_front(points, chosen), alone)


def test_the_names_are_those_of_the_configuration() -> None:
    from benchmark.config.groups import names

    assert set(input_transforms()) == set(names("defence"))
