"""Every image processor of a segmentation model: the network gets the processor's output, or the folder is refused."""

from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import InputError
from benchmark.victims.image_processor.folder_files import class_names
from tests.victims.image_processor.processor_folders import difference, write

SQUARE, SHORTEST = {"height": 40, "width": 56}, {"shortest_edge": 40, "longest_edge": 90}
SMALL: dict[str, dict[str, Any]] = {
    "BeitImageProcessor": {"size": SQUARE},
    "BitImageProcessor": {"size": {"shortest_edge": 40}, "do_center_crop": False},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 384}},
    "DINOv3ViTImageProcessor": {"size": SQUARE},
    "DPTImageProcessor": {"size": SQUARE, "keep_aspect_ratio": True, "ensure_multiple_of": 32},
    "DetrImageProcessor": {"size": SHORTEST, "pad_size": {"height": 96, "width": 100}},
    "EomtImageProcessor": {"size": {"shortest_edge": 80, "longest_edge": 80}, "do_pad": True},
    "Mask2FormerImageProcessor": {"size": SHORTEST, "size_divisor": 16},
    "MaskFormerImageProcessor": {"size": SHORTEST},
    "MobileNetV2ImageProcessor": {"size": SQUARE, "crop_size": 64},
    "MobileViTImageProcessor": {"size": SQUARE, "crop_size": {"height": 48, "width": 70}},
    "OneFormerImageProcessor": {"size": SHORTEST},
    "PPLCNetImageProcessor": {"resize_short": 40, "do_center_crop": False},
    "PvtImageProcessor": {"size": SQUARE},
    "RfDetrImageProcessor": {"size": SHORTEST},
    "Sapiens2ImageProcessor": {"size": SQUARE, "do_pad": True},
    "SegformerImageProcessor": {"size": 40},
    "TextNetImageProcessor": {"size": {"shortest_edge": 40}, "size_divisor": 16},
    "Tipsv2DptImageProcessor": {"size": SQUARE},
    "Tipsv2ImageProcessor": {"size": SQUARE},
    "ViTImageProcessor": {"size": SQUARE},
}
"""Class -> keys that make small outputs without cutting; all others are the class's own."""

CUT_BY_DEFAULT = {"BitImageProcessor", "MobileNetV2ImageProcessor", "MobileViTImageProcessor", "PPLCNetImageProcessor"}


def test_the_classes_are_those_of_all_segmentation_models() -> None:
    from transformers.models.auto import image_processing_auto, modeling_auto

    used = {*modeling_auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES}
    used |= {*modeling_auto.MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES}
    rows = [image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES.get(model) or {} for model in used]
    assert {name for row in rows for name in row.values()} <= class_names().keys()
    assert {*class_names().values()} == SMALL.keys()


@pytest.mark.parametrize("name", SMALL)
def test_the_network_gets_what_the_class_makes(name: str, tmp_path: Path) -> None:
    assert difference(write(tmp_path, {"image_processor_type": name, **SMALL[name]}), (64, 64), (72, 50)) <= 1e-4


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("name", sorted(class_names()))
def test_the_network_gets_what_the_class_makes_without_any_key(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path, {"image_processor_type": name})
    if class_names()[name] in CUT_BY_DEFAULT:
        with pytest.raises(
            InputError, match=r"ImageProcessor: for images of .*cuts out a part .*victim\.preprocess=false"
        ):
            difference(folder, (64, 64), (96, 70))
    else:
        assert difference(folder, (64, 64), (96, 70)) <= 1e-4
