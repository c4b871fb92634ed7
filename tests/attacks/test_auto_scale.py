"""ASMA-auto against a grid of tau and beta, on victims it was not developed on; pytest -s prints the table."""

import math
import statistics
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from benchmark.__main__ import main
from benchmark.attacks.asma import ASMA
from benchmark.attacks.base import norms
from benchmark.criterion import Criterion
from benchmark.engine import attack
from benchmark.targets import OtherImage, Split
from benchmark.victims.loading import load_victim
from tests.synthetic_data import synthetic_data

pytestmark = [pytest.mark.slow, pytest.mark.parallel]

IMAGES, MAX_STEPS = 10, 300
GRID = [(tau, beta) for tau in (1e-5, 1e-4, 1e-3) for beta in (1e-4, 1e-3, 1e-2)]
# MONAI's, without pretraining or batch norm, as a third kind beside two of segmentation-models-pytorch's.
MONAI = "BasicUNet"
CHOICE = {"basicunet": ["victim=monai", f"victim.network_class={MONAI}", "victim.stride=16"]}
# Three architectures at two sizes; MA-Net at 64 pixels has one logit. None of them was used to make the rule.
VICTIMS = [
    (architecture, size, "sigmoid" if (architecture, size) == ("manet", 64) else "softmax")
    for architecture in ("manet", "unetplusplus", "basicunet")
    for size in (48, 64)
]


class Outcome(NamedTuple):
    rate: float
    median: float  # L2 over the attacked images, failures infinite
    of_successes: float  # L2
    passes: float  # median over all images, everything counted


def outcome(victim: torch.nn.Module, images: Tensor, labels: Tensor, rule: ASMA, stop: bool = True) -> Outcome:
    judge = Criterion("iou", "target", ">=", 0.95)
    result = attack(victim, images, labels, rule, max_steps=MAX_STEPS, slots=IMAGES, judge=judge, stop=stop)
    attacked = ~result.success_clean
    sizes = norms(result.adv - images, 2).masked_fill(~result.success8, math.inf)[attacked].tolist()
    succeeded = [size for size in sizes if size < math.inf]
    passes = statistics.median((result.forwards + result.backwards)[attacked].tolist())
    of_successes = statistics.median(succeeded) if succeeded else math.inf
    return Outcome(len(succeeded) / len(sizes), statistics.median(sizes), of_successes, passes)


@pytest.mark.parametrize(("architecture", "size", "head"), VICTIMS)
def test_auto_does_as_well_as_the_best_of_a_grid(architecture: str, size: int, head: str, tmp_path: Path) -> None:
    seed = 4000 + VICTIMS.index((architecture, size, head))
    choice = CHOICE.get(architecture, [f"victim={architecture}"])
    options = [*choice, f"victim.head={head}", f"data.size={size}", f"seed={seed}"]
    training = ["data.n_train=96", "data.n_val=16", "trainer.max_epochs=20", "trainer=cpu", f"run.dir={tmp_path}/run"]
    assert main(["train", "data=synthetic", *options, *training]) == 0
    victim = load_victim(tmp_path / "run" / "checkpoints" / "best.ckpt", network_class=MONAI)
    data = synthetic_data(n_train=2, n_val=2, n_test=IMAGES, size=size, seed=seed)
    data.setup("test")
    target = OtherImage(seed)
    target.prepare(Split(data.test_ids(), data.mask, data.background))
    items = list(data.test_dataloader().dataset)
    images = torch.stack([item["image"] for item in items])
    labels = torch.stack([target.choose(i["id"], i["mask"], i["valid"]).mask for i in items])
    found = {(tau, beta): outcome(victim, images, labels, ASMA(tau=tau, beta=beta)) for tau, beta in GRID}
    best = max(found, key=lambda setting: (found[setting].rate, -found[setting].median))
    auto = outcome(victim, images, labels, ASMA(scale="auto"), stop=False)
    for name, one in ((f"grid's best, tau {best[0]:g}, beta {best[1]:g}", found[best]), ("ASMA-auto", auto)):
        numbers = f"{one.rate:.0%} | {one.median:.2f} | {one.of_successes:.2f} | {one.passes:.0f}"
        print(f"| {architecture} {size} {head} | {name} | {numbers} |")
    assert found[best].rate > 0.5, "the victim is of no use for a comparison"
    assert auto.rate >= 0.9 * found[best].rate
    assert auto.median <= 1.1 * found[best].median
