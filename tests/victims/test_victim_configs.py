"""Every victim in conf/victim keeps the same contract; a new YAML is covered by being there."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from benchmark.victims import adapters
from benchmark.victims.loading import build_victim
from tests.victims.adapters.own_networks import WRITERS

CONF = Path(__file__).resolve().parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "victim").glob("[!_]*.yaml"))
# Neither side a multiple of any stride.
HEIGHT, WIDTH = 50, 37


@pytest.fixture(params=NAMES)
def config(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if request.param in adapters.names():
        monkeypatch.syspath_prepend(tmp_path)
        keys = WRITERS[request.param](tmp_path)
    if request.param == "unet_valid":  # smaller, as is what the images are padded to
        keys = {"input_size": 236, "options": {"widths": [4, 8, 16, 32, 64]}}
    with initialize_config_dir(str(CONF), version_base=None):
        composed = compose(f"victim/{request.param}")
    composed.victim.update(keys)
    plain: Any = OmegaConf.to_container(composed.victim, resolve=True, throw_on_missing=True)
    assert plain.pop("ckpt") is None
    return plain


def test_victim_contract(config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    victim = build_victim(classes=3, background=0, channels=3, **config)
    images = torch.rand(2, 3, HEIGHT, WIDTH, requires_grad=True)

    # A training step in train mode changes the weights and tells the input's gradient.
    before = [parameter.clone() for parameter in victim.parameters()]
    labels = torch.randint(3, (2, HEIGHT, WIDTH))
    logits = victim(images)
    victim.loss(logits, labels, torch.ones_like(labels, dtype=torch.bool)).backward()
    torch.optim.SGD(victim.parameters(), lr=0.1).step()
    assert logits.shape == (2, 3, HEIGHT, WIDTH)
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0
    assert any(not torch.equal(old, new) for old, new in zip(before, victim.parameters(), strict=True))

    # In eval mode an image's logits do not depend on its batch.
    victim = victim.double().eval()
    with torch.no_grad():
        together = victim(images.detach().double())
        alone = torch.cat([victim(image[None].double()) for image in images.detach()])
    assert together.dtype == torch.float64
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-9)


def test_victim_first_line_cites_its_source() -> None:
    lines = {name: (CONF / "victim" / f"{name}.yaml").read_text().splitlines()[0] for name in NAMES}
    assert {"unet", "unetplusplus", "deeplabv3", "deeplabv3plus", "fpn", "pspnet", "segformer", "python"} <= set(NAMES)
    # Some papers are not on arXiv.
    uncited = [name for name, line in lines.items() if "arXiv" not in line and "doi 10." not in line]
    assert set(uncited) == set(adapters.names()) - {"nnunet"}
    assert [name for name, line in lines.items() if not line.startswith("# ")] == []
