"""A Hugging Face victim preprocesses as its folder says and has logits for every pixel."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmark.errors import InputError
from benchmark.victims import adapters
from tests.victims.adapters.own_networks import OUTPUTS, WRITERS


def test_hugging_face_predicts_as_transformers_does(tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

    keys = WRITERS["hugging_face"](tmp_path)
    made = adapters.make("hugging_face", keys, 3, OUTPUTS).eval()
    levels = torch.randint(0, 256, (2, 3, 40, 32), dtype=torch.uint8)
    processor = AutoImageProcessor.from_pretrained(keys["folder"])
    model = AutoModelForSemanticSegmentation.from_pretrained(keys["folder"]).eval()
    pictures = [Image.fromarray(one.permute(1, 2, 0).numpy()) for one in levels]
    output = model(**processor(images=pictures, return_tensors="pt"))
    maps = processor.post_process_semantic_segmentation(output, [(40, 32)] * 2, return_segmentation_scores=True)
    expected = torch.stack([one.segmentation_scores for one in maps])
    torch.testing.assert_close(made(levels / 255), expected, atol=1e-5, rtol=1e-5)


def test_without_preprocessing_the_network_gets_the_images(tmp_path: Path) -> None:
    import torch.nn.functional as F

    plain = adapters.make("hugging_face", WRITERS["hugging_face"](tmp_path) | {"preprocess": False}, 3, OUTPUTS).eval()
    images = torch.rand(2, 3, 40, 32)
    expected = F.interpolate(plain.model(pixel_values=images).logits, (40, 32), mode="bilinear")
    torch.testing.assert_close(plain(images), expected)


def test_a_hugging_face_backbone_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(WRITERS["hugging_face"](tmp_path)["folder"])
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "classifier" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"holds no weights for 2 tensors of the model, such as .*classifier"):
        adapters.make("hugging_face", {"folder": str(folder)}, 3, OUTPUTS)


def test_masks_with_classes_become_logits_as_transformers_does(tmp_path: Path) -> None:
    from benchmark.victims.adapters.hugging_face import _per_pixel

    queries, masks = torch.randn(1, 5, OUTPUTS + 1), torch.randn(1, 5, 6, 4)
    score = sum(queries[0, q].softmax(0)[:-1].view(-1, 1, 1) * masks[0, q].sigmoid() for q in range(5))
    torch.testing.assert_close(_per_pixel(queries, masks)[0], score.log())
