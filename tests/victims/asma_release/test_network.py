"""The valid U-Net against a forward pass written from the paper's figure, and the victim around it."""

import re

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.victims.asma_release.network import ValidUNet
from benchmark.victims.task import Victim

WIDTHS = (32, 64, 128, 256, 512)


def _figure_1(weights: dict[str, Tensor], images: Tensor, levels: int) -> Tensor:
    """Ronneberger et al. 2015, figure 1, from a state dict and torch's functions alone."""

    def twice(x: Tensor, name: str) -> Tensor:
        for index in (0, 2):
            x = F.conv2d(x, weights[f"{name}.{index}.weight"], weights[f"{name}.{index}.bias"]).clamp(min=0)
        return x

    copied = []
    x = images
    for level in range(levels - 1):
        x = twice(x, f"down.{level}")
        copied.append(x)
        x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
    x = twice(x, f"down.{levels - 1}")
    for step in range(levels - 1):
        x = F.conv_transpose2d(x, weights[f"up.{step}.weight"], weights[f"up.{step}.bias"], stride=2)
        gray = copied.pop()
        margin = (gray.shape[-1] - x.shape[-1]) // 2
        gray = gray[:, :, margin : margin + x.shape[-2], margin : margin + x.shape[-1]]
        x = twice(torch.cat((x, gray), 1), f"merge.{step}")
    return F.conv2d(x, weights["head.weight"], weights["head.bias"])


@pytest.mark.parametrize(("widths", "size"), [((3, 5), 30), ((2, 4, 6), 60), ((2, 3, 4, 5, 6), 204)])
def test_equals_the_figure_on_random_weights(widths: tuple[int, ...], size: int) -> None:
    torch.manual_seed(0)
    network = ValidUNet(3, 2, widths).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    images = torch.rand(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        found, expected = network(images), _figure_1(network.state_dict(), images, len(widths))
    assert found.shape[-2:] == network.output_size(size, size)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_the_papers_network_has_the_parameters_its_architecture_implies() -> None:
    """7 760 130, summed from figure 1 with half its channels: weights and biases of each layer."""

    def conv(inputs: int, outputs: int, side: int) -> int:
        return side * side * inputs * outputs + outputs

    down = sum(conv(i, o, 3) + conv(o, o, 3) for i, o in zip((3, *WIDTHS), WIDTHS, strict=False))
    up = sum(conv(2 * o, o, 2) + conv(2 * o, o, 3) + conv(o, o, 3) for o in WIDTHS[:-1])
    network = ValidUNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == down + up + conv(32, 2, 1) == 7_760_130
    assert [type(module).__name__ for module in network.modules() if "Norm" in type(module).__name__] == []


def test_572_pixels_in_388_out() -> None:
    assert ValidUNet(widths=(1, 1, 1, 1, 1)).output_size(572, 572) == (388, 388)


@pytest.mark.parametrize("size", range(180, 260))
def test_sizes_are_those_that_divide(size: int) -> None:
    """By the figure: four times minus 4 and halved, minus 4, four times doubled and minus 4: 184 in all."""
    network = ValidUNet(widths=(1, 1, 1, 1, 1))
    if size % 16 == 12 and size > 184:
        assert network.output_size(size, size) == (size - 184, size - 184)
        with torch.no_grad():
            assert network(torch.rand(1, 3, size, size)).shape[-1] == size - 184
    else:
        with pytest.raises(InputError, match=r"takes no side of \d+ pixels; give victim.input_size=\d+ or \d+"):
            network.output_size(size, size)


def test_the_sizes_it_names_fit() -> None:
    network = ValidUNet(widths=(1, 1, 1, 1, 1))
    with pytest.raises(InputError) as error:
        network.output_size(400, 400)
    assert [int(found) for found in re.findall(r"\b4\d\d\b", str(error.value))] == [400, 412, 428]


@pytest.mark.parametrize("widths", [[8], "8,16", [8, 0], [8, 1.5], None])
def test_widths_that_are_none(widths: object) -> None:
    with pytest.raises(InputError, match="give the channels of two or more levels"):
        ValidUNet(3, 2, widths)  # type: ignore[arg-type]


def _victim(input_size: int | None = 44) -> Victim:
    torch.manual_seed(0)
    options = {"widths": [4, 6]}
    return Victim("unet_valid", encoder=None, input_size=input_size, options=options, schedule="none").eval()


def test_a_padded_image_is_the_image_with_its_border_repeated() -> None:
    victim, images = _victim(), torch.rand(2, 3, 32, 30)
    padded = victim.pad(images)
    assert padded.shape == (2, 3, 44, 44)
    assert torch.equal(padded[..., 6:38, 7:37], images)
    assert torch.equal(padded[..., :6, 7:37], images[..., :1, :].expand(-1, -1, 6, -1))
    assert torch.equal(padded[..., 7:37, -7:], padded[..., 7:37, -8:-7].expand(-1, -1, -1, 7))


def test_padding_and_padding_again_change_no_logits() -> None:
    victim, images = _victim(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        logits = victim(images)
        assert torch.equal(victim(victim.pad(images)), logits)
    assert torch.equal(victim.pad(victim.pad(images)), victim.pad(images))
    assert victim.window(32, 32) == (2, 2, 28, 28)
    assert victim.window(44, 44) == (8, 8, 28, 28)
    assert logits.shape == (2, 2, 28, 28)


def test_an_image_smaller_than_the_output_is_shown_whole() -> None:
    victim, images = _victim(), torch.rand(1, 3, 20, 25)
    assert victim.window(20, 25) == (0, 0, 20, 25)
    assert victim(images).shape == (1, 2, 20, 25)


def test_logits_stand_where_their_pixels_are() -> None:
    """Only logits near a changed pixel change: those of its place in the window, 8 pixels around it at most."""
    victim, images = _victim(), torch.rand(1, 3, 32, 32)
    changed = images.clone()
    changed[..., 12, 20] = 1 - changed[..., 12, 20]
    with torch.no_grad():
        rows, columns = (victim(changed) - victim(images)).abs().amax((0, 1)).nonzero().unbind(1)
    assert abs((rows + 2).float().mean() - 12) < 1.5
    assert abs((columns + 2).float().mean() - 20) < 1.5


def test_an_input_that_does_not_fit_is_refused_with_one_that_does() -> None:
    with pytest.raises(InputError, match=r"takes no side of 33 pixels; give victim.input_size=34 or 36"):
        _victim(None)(torch.rand(1, 3, 33, 33))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(InputError, match=r"unknown option of unet_valid 'width' in victim.options; nearest: widths"):
        Victim("unet_valid", encoder=None, options={"width": [4, 6]})
    with pytest.raises(InputError, match="input_size=0 must be at least 1"):
        Victim("unet_valid", encoder=None, input_size=0)


def test_the_loss_sees_the_window_alone() -> None:
    """Masks and validity outside of it may be anything."""
    victim, images = _victim(), torch.rand(2, 3, 32, 32)
    masks = torch.randint(2, (2, 32, 32))
    outside = ~victim.window(32, 32).inside((32, 32))
    batch = {"image": images, "mask": masks, "valid": torch.ones_like(masks, dtype=torch.bool)}
    victim.log = lambda *_, **__: None  # type: ignore[method-assign]
    with torch.no_grad():
        loss = victim.training_step(batch, 0)
        other = victim.training_step(batch | {"mask": masks.where(~outside, 1 - masks)}, 0)
    assert loss == other
    inner = masks[:, 2:30, 2:30]
    expected = victim.loss(victim(images), inner, torch.ones_like(inner, dtype=torch.bool))
    torch.testing.assert_close(loss, expected)
