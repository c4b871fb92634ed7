"""What a Hugging Face folder says beside its image processor: classes, sizes, backbones; and how logits come back."""

import json
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims import adapters
from benchmark.victims.adapters.hugging_face import HuggingFace
from tests.victims.adapters.own_networks import OUTPUTS, WRITERS
from tests.victims.image_processor.processor_folders import loaded, write


def changed(folder: str, **values: Any) -> dict[str, str]:
    """The keys of the folder's victim, with other values in its config.json."""
    path = Path(folder) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return {"folder": folder}


def eomt(folder: Path, preprocess: bool, processor: dict[str, Any]) -> nn.Module:
    """A model whose position embeddings are those of 32 x 32 images."""
    from transformers import EomtConfig, EomtForUniversalSegmentation

    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_blocks": 1, "mlp_ratio": 1}
    config = EomtConfig(num_labels=OUTPUTS, image_size=32, num_queries=3, num_upscale_blocks=1, **size)
    EomtForUniversalSegmentation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return adapters.make("hugging_face", {"folder": str(folder), "preprocess": preprocess}, 3, OUTPUTS).eval()


def test_the_model_tells_the_names_of_its_classes(tmp_path: Path) -> None:
    keys = changed(**WRITERS["hugging_face"](tmp_path), id2label={"0": "skin", "1": "na\u0007evus", "2": "hair"})
    assert adapters.make("hugging_face", keys, 3, OUTPUTS).class_names == ("skin", "na\\x07evus", "hair")


@pytest.mark.parametrize("reduced", [False, True])
def test_a_model_of_other_classes_is_refused(reduced: bool, tmp_path: Path) -> None:
    keys = WRITERS["hugging_face"](tmp_path)
    (Path(keys["folder"]) / "preprocessor_config.json").write_text(json.dumps({"do_reduce_labels": reduced}))
    more = r" \(by do_reduce_labels its first class is label 1" if reduced else "$"
    with pytest.raises(
        InputError, match=rf"tells 3 classes apart \(LABEL_0, .*\), 2 are needed; give data .*data{more}"
    ):
        adapters.make("hugging_face", keys, 3, 2)


@pytest.mark.parametrize("preprocess", [True, False])
def test_a_model_of_other_channels_is_refused(preprocess: bool, tmp_path: Path) -> None:
    keys = WRITERS["hugging_face"](tmp_path) | {"preprocess": preprocess}
    with pytest.raises(InputError, match="with 1 channels, the library's" if preprocess else r"give data\.channels=3"):
        adapters.make("hugging_face", keys, 1, OUTPUTS)


def test_a_model_for_one_size_says_which(tmp_path: Path) -> None:
    plain = eomt(tmp_path, False, {})
    with pytest.raises(
        InputError, match=r"made for images of 32 x 32 .* fails on 48 x 48 .*give 'victim\.resize=\[32,32"
    ):
        plain(torch.rand(1, 3, 48, 48))
    right = eomt(tmp_path, True, {"size": {"height": 32, "width": 32}})
    assert right(torch.rand(2, 3, 48, 40)).shape == (2, OUTPUTS, 48, 40)
    wrong = eomt(tmp_path, True, {"size": {"height": 64, "width": 64}})
    with pytest.raises(
        InputError, match=r"fails on 64 x 64 .*; give that size in its image processor, or victim\.prepro"
    ):
        wrong(torch.rand(1, 3, 48, 48))


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "upernet", "backbone": "some/one"},
        {"model_type": "maskformer", "backbone": "resnet18"},
        {"model_type": "detr", "backbone": "hf-hub:some/one", "use_timm_backbone": True},
        {"model_type": "mine", "auto_map": {"AutoConfig": "code.Config"}},
        {"model_type": "bert"},
        {"model_type": 5},
        {},
    ],
    ids=str,
)
def test_nothing_is_downloaded_or_run(config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(WRITERS["hugging_face"](tmp_path)["folder"])
    (folder / "config.json").write_text(json.dumps(config))
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address) or [])
    with pytest.raises(
        InputError, match=r"transformers 5\.\S* cannot make a segmentation model of it .*; give a folder"
    ):
        adapters.make("hugging_face", {"folder": str(folder)}, 3, OUTPUTS)
    assert asked == []


@pytest.mark.parametrize("values", [{"num_labels": 10**9}, {"depths": [1, 1, 10**5, 1]}, {"hidden_sizes": [8, 10**8]}])
def test_numbers_beyond_any_model_are_refused(values: dict[str, Any], tmp_path: Path) -> None:
    keys = changed(**WRITERS["hugging_face"](tmp_path), **values)
    with pytest.raises(InputError, match=rf"config\.json: {next(iter(values))}=10*: is more than 10*; give"):
        adapters.make("hugging_face", keys, 3, OUTPUTS)


@pytest.mark.parametrize("name", ["attn_implementation", "_attn_implementation"])
def test_attention_from_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    keys = changed(**WRITERS["hugging_face"](tmp_path), **{name: "some/kernel"})
    with pytest.raises(
        InputError, match=rf"config\.json: {name}='some/kernel': names code that is not run; take it out"
    ):
        adapters.make("hugging_face", keys, 3, OUTPUTS)


def test_weights_that_belong_to_another_model_are_refused(tmp_path: Path) -> None:
    keys = WRITERS["hugging_face"](tmp_path)
    (Path(keys["folder"]) / "adapter_config.json").write_text('{"base_model_name_or_path": "some/one"}')
    with pytest.raises(InputError, match=r"adapter_config\.json says .* another model; merge them"):
        adapters.make("hugging_face", keys, 3, OUTPUTS)


def test_weights_of_other_shapes_are_named(tmp_path: Path) -> None:
    keys = changed(**WRITERS["hugging_face"](tmp_path), decoder_hidden_size=16)
    with pytest.raises(InputError, match=r"holds no weights for \d+ tensors of the model, such as decode_head"):
        adapters.make("hugging_face", keys, 3, OUTPUTS)


class ShowsItsInput(nn.Module):
    """Returns its input as logits."""

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=pixel_values)


@pytest.mark.parametrize(
    "keys",
    [
        {"image_processor_type": "DetrImageProcessor", "pad_size": {"height": 260, "width": 300}},
        {
            "image_processor_type": "EomtImageProcessor",
            "size": {"shortest_edge": 192, "longest_edge": 192},
            "do_pad": True,
        },
        {"image_processor_type": "Sapiens2ImageProcessor", "size": {"height": 192, "width": 192}, "do_pad": True},
        {"image_processor_type": "MobileViTImageProcessor", "size": 192, "crop_size": 300},
        {"image_processor_type": "SegformerImageProcessor", "size": 96},
    ],
    ids=lambda keys: str(keys["image_processor_type"]),
)
def test_logits_lie_where_their_pixels_lie(keys: dict[str, Any], tmp_path: Path) -> None:
    folder = write(tmp_path, {"size": {"shortest_edge": 192, "longest_edge": 250}, "do_normalize": False, **keys})
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 72), indexing="ij")
    images = torch.stack([rows, columns, (rows + columns) / 2])[None]
    logits = HuggingFace(ShowsItsInput(), loaded(folder), ["a", "b", "c"], "there").eval()(images)
    order = [2, 1, 0] if keys["image_processor_type"].startswith("MobileViT") else [0, 1, 2]
    inside = (..., slice(2, -2), slice(2, -2))  # bilinear interpolation repeats the border
    assert float((logits[:, order] - images)[inside].abs().max()) < 0.5 / 64  # half a pixel
