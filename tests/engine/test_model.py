"""The attacked model is held still, called in the right precision, and given back exactly as it was."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.engine import AttackResult, Criterion, attack
from benchmark.engine.model import AttackedModel
from benchmark.engine.precision import frozen, model_device, model_dtype, normalise_precision
from benchmark.errors import InputError
from tests.tiny_models import QUICK, SignSteps, random_images, smooth_network


class Normalised(nn.Module):
    """Batch norm with moving averages, dropout, mixed flags and a shared parameter: much to leave alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Conv2d(4, 2, 1)
        self.alias = self.last.weight
        self.norm.eval()
        self.first.weight.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.drop(self.norm(self.first(images)).tanh()))


def snapshot(model: nn.Module) -> list[Any]:
    tensors = [*model.parameters(), *model.buffers()]
    return [
        *[module.training for module in model.modules()],
        *[(id(t), t.data_ptr(), t.dtype, t.requires_grad, t.grad) for t in tensors],
        *[t.detach().clone().flatten().tolist() for t in tensors],
    ]


def attacked(model: nn.Module, rule: Rule = QUICK, **options: Any) -> AttackResult:
    labels = (torch.arange(8) % 2).expand(3, 8, 8)
    return attack(model, random_images(3).float(), labels, rule, max_steps=3, **options)


@pytest.mark.parametrize("precision", [None, 64, 32, "bf16", "16"])
@pytest.mark.parametrize("mode", [nullcontext, torch.no_grad, torch.inference_mode])
def test_the_model_comes_back_exactly(precision: Any, mode: Callable[[], AbstractContextManager[None]]) -> None:
    model = Normalised().train()
    model.norm.eval()
    before = snapshot(model)
    with mode():
        result = attacked(model, precision=precision)
    assert snapshot(model) == before
    assert result.adv.dtype == (torch.float64 if precision == 64 else torch.float32)
    assert (result.backwards == 3).all()


@pytest.mark.parametrize("precision", [64, 32])
def test_the_model_comes_back_after_an_error(precision: Any) -> None:
    class Failing(Rule):
        def step(self, batch: Batch, query: Query) -> Tensor:
            query.gradient(lambda logits, _: logits.flatten(1).sum(1))
            raise ZeroDivisionError("in the rule")

    model = Normalised()
    before = snapshot(model)
    with pytest.raises(ZeroDivisionError, match="in the rule"):
        attacked(model, Failing(), precision=precision)
    assert snapshot(model) == before


def test_float64_is_used_inside_and_gone_outside() -> None:
    model = Normalised()
    with frozen(model, torch.float64):
        assert model_dtype(model) == torch.float64
        assert not model.training
        assert not any(p.requires_grad for p in model.parameters())
        assert model.norm.num_batches_tracked is not None
        assert model.norm.num_batches_tracked.dtype == torch.int64
    assert model_dtype(model) == torch.float32


def test_inputs_made_in_inference_mode_are_attacked_there() -> None:
    network = smooth_network()
    with torch.inference_mode():
        images, labels = random_images(3), torch.ones(3, 8, 8).long()
        valid = torch.ones(3, 8, 8, dtype=torch.bool)
        inside = attack(network, images, labels, QUICK, valid=valid, truth=1 - labels, max_steps=3)
    outside = attack(network, random_images(3), torch.ones(3, 8, 8).long(), QUICK, max_steps=3)
    assert torch.equal(inside.adv, outside.adv)


def test_the_callers_autocast_changes_nothing() -> None:
    images, labels = random_images(3, 48).float(), torch.ones(3, 48, 48).long()
    network = smooth_network().float()
    expected = attack(network, images, labels, QUICK, max_steps=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attack(network, images, labels, QUICK, max_steps=3)
    assert torch.equal(found.adv, expected.adv)
    assert [image.trace for image in found.finished] == [image.trace for image in expected.finished]


@pytest.mark.parametrize("spelling", ["bf16", "16"])
def test_reduced_precision_is_for_steps_only(spelling: str) -> None:
    model, dtypes = smooth_network().float(), set()
    # In what the passes ran: whether gradients were recorded, the images' and the logits' dtype.
    seen: list[tuple[bool, torch.dtype, torch.dtype]] = []
    model.register_forward_hook(
        lambda module, inputs, logits: seen.append((torch.is_grad_enabled(), inputs[0].dtype, logits.dtype))
    )

    class Watching(SignSteps):
        def step(self, batch: Batch, query: Query) -> Tensor:
            following = super().step(batch, query)
            dtypes.update({batch.iterates.dtype, following.dtype, batch.state["velocity"].dtype})
            return following

    images = random_images(2).float()
    with torch.no_grad():
        labels = 1 - model(images).argmax(1)
    judge = Criterion("apsr", value=0.05)
    rule = Watching(eps=0.5, step_size=1e-3, random_start=False)
    result = attack(model, images, labels, rule, precision=spelling, max_steps=200, judge=judge, keep="last")
    low = {"bf16": torch.bfloat16, "16": torch.float16}[spelling]
    assert dtypes == {torch.float32}
    assert {how for how in seen if how[0]} == {(True, torch.float32, low)}, "steps"
    assert {how for how in seen if not how[0]} == {(False, torch.float32, torch.float32)}, "judgements"
    assert result.success8.all()
    with torch.no_grad():
        for image, label in zip(result.finished, labels, strict=True):
            preds = model(image.adv[None]).argmax(1)[0]
            assert torch.equal(image.adv_preds, preds)
            assert (preds == label).double().mean() >= 0.05
    # 1e-3 is below bfloat16's resolution near 1: a perturbation kept in it would stand still.
    assert (result.adv - images).abs().amax((1, 2, 3)).tolist() == pytest.approx(
        (result.steps * 1e-3).tolist(), abs=1e-5
    )


def test_a_success_in_reduced_precision_is_judged_again() -> None:
    class Optimist(nn.Module):
        """At the labels in bfloat16 only."""

        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            logits = self.convolution(images)
            certain = torch.tensor([0.0, 1.0] if logits.dtype == torch.bfloat16 else [1.0, 0.0]).view(1, 2, 1, 1)
            return logits * 0 + certain.to(logits.dtype)

    rule = SignSteps(random_start=False)
    result = attack(
        Optimist(), random_images(2).float(), torch.ones(2, 8, 8).long(), rule, max_steps=4, precision="bf16"
    )
    assert not result.success.any()
    assert result.steps.tolist() == [4, 4]
    assert result.forwards.tolist() == [1 + 2 * 4 + 1] * 2, "clean, four steps judged twice, the last"


def test_one_logit_is_read_as_two() -> None:
    logits = AttackedModel(smooth_network(1), 64)(random_images(2))
    scores = smooth_network(1)(random_images(2))
    assert logits.shape == (2, 2, 8, 8)
    assert torch.allclose(logits.softmax(1)[:, 1:], scores.sigmoid())
    assert torch.equal(logits.argmax(1), (scores > 0).long().squeeze(1))


def test_a_model_that_writes_into_its_input_harms_nobody() -> None:
    class Centring(nn.Module):
        def __init__(self, in_place: bool) -> None:
            super().__init__()
            self.in_place, self.network = in_place, smooth_network()

        def forward(self, images: Tensor) -> Tensor:
            return self.network(images.sub_(0.5) if self.in_place else images - 0.5)

    images, labels = random_images(2), torch.ones(2, 8, 8).long()
    found, expected = (attack(Centring(how), images, labels, QUICK, max_steps=3) for how in (True, False))
    assert torch.equal(found.adv, expected.adv)
    assert torch.equal(images, random_images(2))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda images: (images, images), "victim Model returned a tuple of 2 values for images"),
        (lambda images: {"out": images}, "returned a dict of out for images"),
        (lambda images: images.flatten(1), r"returned \(3, 192\) for images \(3, 3, 8, 8\)"),
        (lambda images: images[:1], r"returned \(1, 3, 8, 8\) for images"),
    ],
)
def test_models_that_return_something_else(output: Callable[[Tensor], Any], message: str) -> None:
    class Model(nn.Module):
        def forward(self, images: Tensor) -> Any:
            return output(images)

    with pytest.raises(InputError, match=message):
        attacked(Model())


def test_precisions_as_they_are_spelled() -> None:
    assert [normalise_precision(p) for p in (64, "64", 32, "tf32", "bf16", 16, "16")] == [
        64,
        64,
        32,
        "tf32",
        "bf16",
        16,
        16,
    ]
    with pytest.raises(InputError, match=r"engine\.precision=8: not one of 64, 32, tf32, bf16, 16"):
        normalise_precision(8)


def test_a_model_without_parameters_is_float32_on_the_cpu() -> None:
    assert model_dtype(nn.Identity()) == torch.float32
    assert model_device(nn.Identity()) == torch.device("cpu")


@pytest.fixture(autouse=True)
def _same_seed() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_float32_is_float32_while_a_model_is_held_and_as_the_caller_had_it_after() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        with frozen(nn.Conv2d(3, 2, 1), torch.float32):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
