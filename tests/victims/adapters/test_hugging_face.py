"""A Hugging Face victim preprocesses as its folder says and has logits for every pixel."""

from pathlib import Path

import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims import adapters
from tests.victims.adapters.own_networks import OUTPUTS, WRITERS


def test_hugging_face_preprocesses_as_its_folder_says(tmp_path: Path) -> None:
    import torch.nn.functional as F

    keys = WRITERS["hugging_face"](tmp_path)
    made = adapters.make("hugging_face", keys, 3, OUTPUTS).eval()
    plain = adapters.make("hugging_face", keys | {"preprocess": False}, 3, OUTPUTS).eval()
    images = torch.rand(2, 3, 40, 32)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.4, 0.5, 0.6], [0.2, 0.2, 0.25]))
    inputs = F.interpolate((images - mean) / std, (64, 48), mode="bilinear", antialias=True)
    expected = F.interpolate(plain.model(pixel_values=inputs).logits, (40, 32), mode="bilinear")
    torch.testing.assert_close(made(images), expected)
    assert plain(images).shape == made(images).shape == (2, OUTPUTS, 40, 32)


def test_a_hugging_face_backbone_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(WRITERS["hugging_face"](tmp_path)["folder"])
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "classifier" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"holds no weights for 2 tensors of the model, such as .*classifier"):
        adapters.make("hugging_face", {"folder": str(folder)}, 3, OUTPUTS)


def test_masks_with_classes_become_logits_as_transformers_does(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from benchmark.victims.adapters.hugging_face import _per_pixel

    queries, masks = torch.randn(1, 5, OUTPUTS + 1), torch.randn(1, 5, 6, 4)
    output = SimpleNamespace(class_queries_logits=queries, masks_queries_logits=masks)
    score = sum(queries[0, q].softmax(0)[:-1].view(-1, 1, 1) * masks[0, q].sigmoid() for q in range(5))
    torch.testing.assert_close(_per_pixel(output)[0], score.log())
