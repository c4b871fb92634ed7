"""A bundle's folder gives the logits that MONAI computes from it, and nothing in it is executed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims import adapters
from tests.victims.monai_bundle.bundles import (
    LEVELS,
    PREPROCESSING,
    bundle,
    changed,
    configuration,
    given_to,
    made,
    of_monai,
    parsed,
)


@pytest.mark.parametrize(
    "transforms",
    [
        [],
        [{"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": True}],
        [{"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True}],
        [{"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": 0.5, "divisor": 0.25}],
        [
            {
                "_target_": "NormalizeIntensityd",
                "keys": "image",
                "subtrahend": [0.4, 0.5, 0.6],
                "divisor": [0.1, 0.2, 0.3],
                "channel_wise": True,
            }
        ],
        [{"_target_": "ScaleIntensityd", "keys": "image"}],
        [{"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 2.0, "channel_wise": True}],
        [{"_target_": "ScaleIntensityd", "keys": "image", "minv": None, "maxv": None, "factor": 0.5}],
        [{"_target_": "ScaleIntensityRangeD", "keys": "image", "a_min": 0, "a_max": 0.7, "b_max": 1, "clip": True}],
        [{"_target_": "Resized", "keys": "image", "spatial_size": [16, 24], "mode": "bilinear"}],
        [{"_target_": "Resized", "keys": ["image", "label"], "spatial_size": [64, -1], "mode": ["area", "nearest"]}],
        [{"_target_": "Resized", "keys": "image", "spatial_size": 40, "size_mode": "longest", "mode": "bicubic"}],
        [{"_target_": "SpatialPadd", "keys": "image", "spatial_size": [40, 25]}],
        [{"_target_": "SpatialPadd", "keys": "image", "spatial_size": [40, 25], "method": "end", "mode": "edge"}],
        [{"_target_": "DivisiblePadd", "keys": "image", "k": 16, "mode": "reflect"}],
        [{"_target_": "Spacingd", "keys": "image", "pixdim": [1.0, 1.0], "mode": "bilinear"}],
        [{"_target_": "Resized", "keys": "label", "spatial_size": [5, 5]}],
        [{"_target_": "Flipd", "keys": "image", "_disabled_": True}],
    ],
)  # fmt: skip
def test_the_network_is_given_what_monai_gives_it(tmp_path: Path, transforms: list[Any]) -> None:
    folder = bundle(tmp_path / "bundle", configuration([*PREPROCESSING, *transforms]))
    if any("label" in step.get("keys", "") for step in transforms):  # MONAI needs the label to be there
        config = configuration([*PREPROCESSING, *({**step, "allow_missing_keys": True} for step in transforms)])
        (tmp_path / "bundle" / "configs" / "inference.json").write_text(json.dumps(config))
    images = (LEVELS / 255).requires_grad_()
    network = made(folder)
    torch.testing.assert_close(given_to(network, images).detach(), of_monai(folder, tmp_path), rtol=1e-4, atol=1e-4)
    logits = network(images)
    assert logits.shape == (2, 2, 22, 30)
    torch.testing.assert_close(network(images[1:]), logits[1:], rtol=1e-4, atol=1e-5)
    logits.square().sum().backward()
    assert images.grad is not None
    assert bool(images.grad.isfinite().all())
    assert float(images.grad.abs().max()) > 0


@pytest.mark.parametrize(
    "inferer",
    [
        None,
        {"_target_": "SlidingWindowInferer", "roi_size": [16, 8], "sw_batch_size": 3, "device": "@device"},
        {
            "_target_": "SlidingWindowInferer",
            "roi_size": [16, 16],
            "overlap": 0.5,
            "mode": "gaussian",
            "progress": False,
        },
        {"_target_": "monai.inferers.SlidingWindowInferer", "roi_size": [40, 16], "padding_mode": "reflect"},
    ],
)
def test_the_logits_are_those_of_monais_inferer(tmp_path: Path, inferer: Any) -> None:
    folder = bundle(tmp_path / "bundle", configuration(inferer=inferer))
    model = parsed(folder, "network_def").eval()
    model.load_state_dict(torch.load(tmp_path / "bundle" / "models" / "model.pt", weights_only=True))
    with torch.no_grad():
        expected = parsed(folder, "inferer")(of_monai(folder, tmp_path), model)
    # MONAI's readers have the width as the first axis.
    torch.testing.assert_close(made(folder)(LEVELS / 255), expected.mT, rtol=1e-4, atol=1e-5)


def test_yaml_safetensors_and_wrapped_weights(tmp_path: Path) -> None:
    import yaml
    from safetensors.torch import save_file

    expected = made(bundle(tmp_path / "json"))(LEVELS / 255)
    folder = bundle(
        tmp_path / "yaml", save=lambda network, to: save_file(network.state_dict(), to / "model.safetensors")
    )
    config = tmp_path / "yaml" / "configs" / "inference.json"
    config.with_suffix(".yaml").write_text(yaml.safe_dump(configuration()))
    config.unlink()
    torch.testing.assert_close(made(folder)(LEVELS / 255), expected)
    state = {f"module.{name}": tensor for name, tensor in torch.load(tmp_path / "json/models/model.pt").items()}
    torch.save({"model": state, "ema": state}, tmp_path / "both.pt")
    with pytest.raises(InputError, match=r"several sets of weights: model \(.*victim\.entry=model"):
        made(folder, weights=str(tmp_path / "both.pt"))
    torch.testing.assert_close(made(folder, weights=str(tmp_path / "both.pt"), entry="ema")(LEVELS / 255), expected)


@pytest.mark.parametrize(
    "loader",
    [
        {"load_path": "$@bundle_root + '/models/best.pt'"},
        {"load_path": "@ckpt_path"},
        {"load_path": "$@ckpt_dir + @ckpt_name", "_disabled_": "$not os.path.exists(@ckpt_path)"},
    ],
)
def test_the_weights_that_the_configuration_loads(tmp_path: Path, loader: dict[str, Any]) -> None:
    from monai.networks.nets import UNet

    names = {"ckpt_dir": "models/", "ckpt_name": "best.pt", "ckpt_path": "$os.path.join(@ckpt_dir, @ckpt_name)"}
    config = configuration() | names | {"handlers": [{"_target_": "CheckpointLoader"} | loader]}
    folder = bundle(tmp_path / "bundle", config)
    expected = made(bundle(tmp_path / "plain"))(LEVELS / 255)
    with pytest.raises(InputError, match=r"loads best\.pt, which is not in .*models; give victim\.weights=.*model\.pt"):
        made(folder)
    models = tmp_path / "bundle" / "models"
    assert torch.equal(made(folder, weights=str(models / "model.pt"))(LEVELS / 255), expected)
    torch.save(UNet(2, 3, 2, channels=[4, 8], strides=[2]).state_dict(), models / "best.pt")
    best = made(folder)(LEVELS / 255)
    assert not torch.allclose(best, expected)
    assert torch.equal(made(folder, weights=str(models / "best.pt"))(LEVELS / 255), best)
    config["handlers"].append({"_target_": "CheckpointLoader", "load_path": "models/model.pt"})
    (tmp_path / "bundle" / "configs" / "inference.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"loads best\.pt and model\.pt; choose with victim\.weights="):
        made(folder)


def test_a_picture_has_the_orientation_that_most_bundles_ask_for(tmp_path: Path) -> None:
    orientation = {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"}
    turned = made(bundle(tmp_path / "turned", configuration([*PREPROCESSING, orientation])))
    assert torch.equal(turned(LEVELS / 255), made(bundle(tmp_path / "plain"))(LEVELS / 255))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("network_def._target_", "os.system", r"network_def\._target_=os\.system: is no class of MONAI"),
        ("network_def._target_", "Unett", "unknown network of MONAI 'Unett'"),
        ("network_def._target_", "monai.bundle.scripts.run", "unknown network of MONAI 'run'"),
        ("network_def.channels", "$__import__('os').mkdir('executed')", "is an expression, which is not run"),
        ("network_def.channels", "@absent::1", r"network_def\.channels=@absent::1: refers to nothing"),
        ("network_def.channels", "%other.json#channels", "other files are not read"),
        ("network_def.spatial_dims", 3, r"network_def\.spatial_dims=3: the data need 2"),
        ("network_def.norm", "@network_def", "circle"),
        ("channels", 1, r"network_def\.in_channels=1: the data need 3"),
        ("classes", 4, r"network_def\.out_channels=4: the data need 2"),
        ("network_def._requires_", "$@device", r"network_def\._requires_=.*not supported"),
        ("network_def", "$@network_def.to(@device)", r"circle"),
        ("network_def", "$@other.to(@device)", r"network_def=@other: refers to nothing"),
        ("preprocessing.transforms.3", {"_target_": "Lambdad", "keys": "image", "func": "$x"}, "Lambdad: not"),
        ("preprocessing.transforms.3", {"_target_": "RandFlipd", "keys": "image"}, "RandFlipd: not supported"),
        ("preprocessing.transforms.3", {"_target_": "torch.load"}, "torch.load: is no class of MONAI"),
        ("preprocessing.transforms.3", {"_target_": "Orientationd", "keys": "image", "axcodes": "LPS"}, "axcodes=LPS"),
        ("preprocessing.transforms.3", {"_target_": "Spacingd", "keys": "image", "pixdim": [2, 2]}, "pixdim="),
        ("preprocessing.transforms.3", {"_target_": "ScaleIntensityd", "keys": "image", "gamma": 2}, "gamma"),
        ("preprocessing.transforms.0.reader", "NibabelReader", "reader=NibabelReader: is not for pictures"),
        ("preprocessing", "$@a + @b", "preprocessing.*is an expression"),
        ("inferer", {"_target_": "SliceInferer", "roi_size": [8, 8]}, "SliceInferer: not supported"),
        ("inferer", {"_target_": "SlidingWindowInferer", "roi_size": [8, 8, 8]}, "images have 2 dimensions"),
        ("inferer", {"_target_": "SlidingWindowInferer", "roi_size": 8, "with_coord": True}, "with_coord=True: only"),
        ("postprocessing.transforms.2._target_", "KeepLargestConnectedComponentd", "give victim.postprocess if"),
        ("postprocessing.transforms.0", {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}, "multilabel"),
        ("postprocessing.transforms.1", {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.3}, "threshold=0.3"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, value: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = bundle(tmp_path / "bundle", changed(place, value))
    with pytest.raises(InputError, match=message) as caught:
        made(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "executed").exists()


def test_the_background_of_a_bundle_is_that_of_the_data(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "bundle")
    formats = {"outputs": {"pred": {"channel_def": {"0": "lesion", "1": "Background"}}}}
    (tmp_path / "bundle" / "configs" / "metadata.json").write_text(json.dumps({"network_data_format": formats}))
    with pytest.raises(InputError, match="class 1 is background, that of the data is 0; give them its order"):
        made(folder)
    adapters.make("monai", {"folder": folder}, 3, 2, background=1)


def test_folders_that_are_no_bundles(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no configs/inference\.json; give the folder of a MONAI bundle"):
        made(str(tmp_path))
    folder = bundle(tmp_path / "bundle", save=lambda network, to: torch.jit.script(network).save(str(to / "model.ts")))
    with pytest.raises(InputError, match=r"has no model\.pt .*victim=torchscript victim\.program=.*model\.ts"):
        made(folder)
    with pytest.raises(InputError, match=r"victim\.network_class: victim\.folder=.* says which network"):
        made(folder, network_class="UNet")
    (tmp_path / "bundle" / "configs" / "metadata.json").write_text(
        json.dumps({"network_data_format": {"inputs": {"image": {"num_channels": 1}}}})
    )
    with pytest.raises(InputError, match=r"metadata\.json: inputs of 1 channels, the data need 3"):
        made(folder)
