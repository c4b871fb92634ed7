import time
from pathlib import Path
from typing import Any

import huggingface_hub.utils
import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims import smp_networks
from benchmark.victims.smp_networks import build_network, network_stride

RESNET18: dict[str, Any] = {"encoder": "resnet18", "encoder_weights": None, "channels": 3, "outputs": 2, "options": {}}


@pytest.mark.parametrize(
    ("architecture", "changed", "message"),
    [
        ("unett", {}, r"architecture 'unett'.*nearest: unet"),
        ("unet", {"encoder": "resnet19"}, r"encoder 'resnet19'.*nearest: resnet18"),
        ("unet", {"encoder": "tu-resnet19"}, r"encoder 'tu-resnet19'.*nearest: tu-resnet18"),
        ("unet", {"encoder": "tu-hf-hub:someone/something"}, r"unknown encoder 'tu-hf-hub:"),
        ("unet", {"encoder_weights": "imagent"}, r"'imagent' in victim.encoder_weights; nearest: imagenet"),
        ("unet", {"options": {"decoder_chanels": [1]}}, r"'decoder_chanels'.*nearest: decoder_channels"),
        ("unet", {"options": {"checkpoint_path": "x"}}, r"unknown option of unet 'checkpoint_path'"),
        ("unet", {"options": {"aux_params": {"classes": 1}}}, r"unknown option of unet 'aux_params'"),
        ("unet", {"options": {"encoder_depth": 9}}, r"cannot build unet with encoder resnet18.*depth"),
        ("unetplusplus", {"encoder": "mit_b0"}, r"cannot build unetplusplus with encoder mit_b0"),
    ],
)
def test_unusable_network_is_one_line_with_the_cure(architecture: str, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build_network(architecture, **(RESNET18 | changed))
    assert len(str(caught.value).splitlines()) == 1


def test_options_and_channels_reach_the_network() -> None:
    options = {"encoder_depth": 3, "decoder_channels": [8, 8, 4]}
    network = build_network("unet", **(RESNET18 | {"options": options, "channels": 1, "outputs": 5}))
    assert network_stride(network) == 8
    assert network(torch.rand(1, 1, 16, 16)).shape == (1, 5, 16, 16)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_pretrained_weights_without_network_fail_fast(
    encoder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Unreachable:
        def head(self, url: str, timeout: float) -> None:
            assert timeout <= 10
            raise ConnectionError("no route to the hub")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *place, **revision: None)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", Unreachable)
    started = time.monotonic()
    with pytest.raises(InputError, match=r"imagenet.*no route to the hub.*victim\.encoder_weights=null") as caught:
        build_network("unet", **(RESNET18 | {"encoder": encoder, "encoder_weights": "imagenet"}))
    assert time.monotonic() - started < 5
    assert len(str(caught.value).splitlines()) == 1


def test_cached_weights_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> None:
        raise ConnectionError("asked for the hub")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *place, **revision: "/cache/file")
    monkeypatch.setattr(huggingface_hub.utils, "get_session", unreachable)
    smp_networks._fetch_encoder_weights("resnet18", "imagenet")
