"""Which output of a network is its prediction is named, is the only one, or is asked for."""

from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims import adapters
from benchmark.victims.task import Victim

Pair = namedtuple("Pair", ["coarse", "fine"])


@dataclass
class Heads:
    logits: Tensor | None = None
    features: Any = None


def victim(returns: Any, **keys: Any) -> Victim:
    """A victim whose network returns what `returns` makes of z (B, 2, H, W)."""

    class Returns(nn.Module):
        def forward(self, images: Tensor) -> Any:
            return returns(images[:, :2])

    return Victim("python", network=Returns(), **keys)


IMAGES = torch.rand(2, 3, 6, 5)
Z = IMAGES[:, :2]


@pytest.mark.parametrize(
    "returns",
    [
        lambda z: {"out": z, "aux": -z},
        lambda z: {"features": -z, "logits": z},
        lambda z: Heads(z, [-z, -z]),
        lambda z: (z, None),
        lambda z: [z],
        lambda z: {"segmentation": (None, [z])},
        lambda z: {"out": {"logits": z, "mask": -z}},
        lambda z: z[:, :, None],
        lambda z: z[..., None],
        lambda z: z[:, None],
    ],
)
def test_the_prediction_is_found_by_its_name_or_because_it_is_alone(returns: Any) -> None:
    assert torch.equal(victim(returns)(IMAGES), Z)


@pytest.mark.parametrize(
    ("returns", "output"),
    [
        (lambda z: [-z, z], -1),
        (lambda z: [-z, z], "1"),
        (lambda z: (z, -z), 0),
        (lambda z: Pair(-z, z), "fine"),
        (lambda z: {"out": -z, "refined": z}, "refined"),
        (lambda z: {"heads": [-z, (None, z)], "features": -z}, ["heads", 1]),
        (lambda z: Heads(-z, {"3": z}), ["features", "3"]),
    ],
)
def test_a_choice_leads_to_an_output(returns: Any, output: Any) -> None:
    assert torch.equal(victim(returns, output=output)(IMAGES), Z)


@pytest.mark.parametrize(
    ("returns", "keys", "message"),
    [
        (lambda z: [z, z], {}, r"several outputs: 0 \(2, 2, 6, 5\), 1 \(2, 2, 6, 5\); say .*victim\.output=NAME"),
        (lambda z: {"out": z, "logits": z}, {}, r"several outputs: out \(2.*logits"),
        (lambda z: {"a": [z, -z], "b": z}, {}, r"\[a,0\] .*\[a,1\] .*b .*victim\.output=NAME"),
        (lambda z: {"out": [z, -z]}, {}, r"several outputs: \[out,0\]"),
        (lambda z: {}, {}, "returned dict without a tensor"),
        (lambda z: None, {}, "returned NoneType without a tensor"),
        (lambda z: "logits", {}, "returned str without a tensor"),
        (lambda z: {"fine": z, "aux": z}, {"output": "finee"}, r"victim\.output=finee: .*did you mean fine\?"),
        (lambda z: [z, z], {"output": 2}, r"victim\.output=2: the network returned 0 .*1 .*choose one of these"),
        (
            lambda z: z,
            {"output": "out"},
            r"victim\.output=out: the network returned a single tensor; leave victim\.output out",
        ),
        (lambda z: None, {"output": 1}, r"victim\.output=1: the network returned NoneType without a tensor"),
        (lambda z: z[:1], {}, r"returned \(1, 2, 6, 5\) for 2 images; .*engine\.slots=1"),
        (lambda z: z, {"output": True}, r"victim\.output=True: must be the name or the index of an output"),
        (lambda z: z, {"output": {"a": 1}}, r"victim\.output={'a': 1}: must be the name or the index"),
        (lambda z: z, {"output": 1.5}, r"victim\.output=1\.5: must be"),
        (lambda z: z, {"output": [0, None]}, r"victim\.output=\[0, None\]: must be"),
        (lambda z: (z, None), {"output": 1}, r"victim\.output=1: the network returned None there"),
        (lambda z: z.permute(0, 2, 3, 1), {}, r"classes come last: return logits\.permute\(0, 3, 1, 2\)"),
        (lambda z: torch.stack([z, z], 1), {}, r"\(2, 2, 2, 6, 5\).*one of its axes is too many"),
        (lambda z: z.argmax(1), {}, r"torch\.int64, which are no logits"),
    ],
)
def test_what_is_not_known_is_refused_with_a_cure(returns: Any, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        victim(returns, **keys)(IMAGES)
    assert len(str(caught.value).splitlines()) == 1


def test_a_single_logit_needs_no_axis_of_classes() -> None:
    logits = victim(lambda z: z[:, 0], head="sigmoid")(IMAGES)
    assert torch.equal(logits, Z[:, :1])


def test_the_nested_decoder_of_monai_predicts_with_its_last_head() -> None:
    options = {"deep_supervision": True, "features": [4] * 6}
    made = adapters.make("monai", {"network_class": "BasicUnetPlusPlus", "options": options}, 3, 2).eval()
    images = torch.rand(1, 3, 32, 32)
    heads = made.network(images)  # type: ignore[operator]
    assert torch.equal(made(images), heads[-1])
    assert torch.equal(Victim("monai", network=made, output=1).eval()(images), heads[1])


class TwoHeads(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return images[:, :2], {"aux": -images[:, 1:]}


@pytest.mark.parametrize(("output", "sign"), [(0, 1), ([1, "aux"], -1)])
def test_a_program_of_fixed_batch_has_the_same_outputs(tmp_path: Path, output: Any, sign: int) -> None:
    torch.export.save(torch.export.export(TwoHeads(), (torch.rand(2, 3, 6, 5),)), tmp_path / "two.pt2")
    made = adapters.make("exported", {"program": str(tmp_path / "two.pt2")}, 3, 2)
    images = torch.rand(3, 3, 6, 5)
    expected = images[:, :2] if sign > 0 else -images[:, 1:]
    assert torch.equal(Victim("exported", network=made, output=output)(images), expected)
    with pytest.raises(InputError, match=r"several outputs: 0 .*\[1,aux\]"):
        Victim("exported", network=made)(images)


class Named(nn.Module):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"aux": -images[:, :2], "out": images[:, :2]}


def test_names_in_torchscript(tmp_path: Path) -> None:
    torch.jit.script(Named()).save(str(tmp_path / "named.ts"))
    made = adapters.make("torchscript", {"program": str(tmp_path / "named.ts")}, 3, 2)
    assert torch.equal(Victim("torchscript", network=made)(IMAGES), Z)
    assert torch.equal(Victim("torchscript", network=made, output="aux")(IMAGES), -Z)
