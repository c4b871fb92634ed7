"""Every key of a folder's image processor does what the library does by it, is harmless, or is refused by name."""

from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import InputError
from tests.victims.image_processor.processor_folders import difference, loaded, write

SEGFORMER: dict[str, Any] = {"image_processor_type": "SegformerImageProcessor", "size": {"height": 40, "width": 56}}
SIZES = ((64, 64), (72, 50))

DONE: dict[str, dict[str, Any]] = {
    "size is a number": {"size": 48},
    "size is height and width": {"size": [48, 40]},
    "shortest edge": {"size": {"shortest_edge": 48}},
    "shortest and longest edge": {"size": {"shortest_edge": 48, "longest_edge": 60}},
    "longest edge is null": {"size": {"shortest_edge": 48, "longest_edge": None}},
    "largest height and width": {"size": {"max_height": 40, "max_width": 50}},
    "a number that is the shortest edge": {"size": 48, "default_to_square": False},
    **{f"filter {number}": {"resample": number} for number in range(4)},
    "no resizing": {"do_resize": False},
    "no rescaling": {"do_rescale": False},
    "no normalisation": {"do_normalize": False},
    "neither": {"do_rescale": False, "do_normalize": False},
    "nothing at all": {"do_resize": False, "do_rescale": False, "do_normalize": False},
    "null is no": {"do_normalize": None},
    "rescaled to -1 to 1": {"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]},
    "rescale_factor is 1": {"rescale_factor": 1},
    "mean and deviation of 8-bit values": {
        **{"do_rescale": False, "image_mean": [123.7, 116.3, 103.5], "image_std": [58.4, 57.1, 57.4]}
    },
    "one mean for all channels": {"image_mean": [0.4], "image_std": [0.3]},
    "mean is a number": {"image_mean": 0.4, "image_std": 0.3},
    "about masks": {"do_reduce_labels": True, "reduce_labels": True, "ignore_index": 255, "num_labels": 150},
    "about the call": {"device": "cpu", "data_format": "channels_last", "input_data_format": "none", "use_fast": False},
    "about classes": {"processor_class": "SomethingProcessor", "_valid_processor_keys": ["images"], "auto_map": {}},
    "an earlier name that says the same": {
        **{"image_processor_type": "MaskFormerImageProcessor", "size": {"shortest_edge": 40, "longest_edge": 80}},
        **{"size_divisibility": 16, "size_divisor": 16},
    },
    "multiples of nothing": {
        **{"image_processor_type": "Mask2FormerImageProcessor", "size": {"shortest_edge": 40, "longest_edge": 80}},
        **{"size_divisor": 0},
    },
    "as published for MaskFormer": {
        **{"image_processor_type": None, "feature_extractor_type": "MaskFormerFeatureExtractor", "size": 40},
        **{"max_size": 160, "size_divisibility": 32, "reduce_labels": True, "ignore_index": 255, "resample": 2},
    },
    "keys of other classes": {"keep_aspect_ratio": True, "crop_pct": 0.9, "do_flip_channel_order": True, "max_size": 9},
}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"sharpen": 2}, "sharpen is no key of its class"),
    "mistyped": ({"do_normalise": False}, r"do_normalise is no key of its class, did you mean do_normalize\?"),
    "earlier name": ({"size_divisibility": 32}, "size_divisibility=32 is not read .*size_divisor is None; rename it"),
    "a number below 0": ({"size_divisor": -1}, "size_divisor=-1: must be a whole number from 0"),
    "method": ({"preprocess": None, "resize": 3}, "preprocess is no key"),
    "dunder": ({"__class__": "x"}, "__class__ is no key"),
    "text for truth": ({"do_resize": "false"}, "do_resize='false': must be true or false"),
    "number for truth": ({"do_rescale": 1}, "do_rescale=1: must be true or false"),
    "text for a size": ({"size": "512"}, "size='512': must be a side up to 4096 pixels"),
    "text within a size": ({"size": {"height": "64", "width": 64}}, "size=.*: must be a side"),
    "fractions": ({"size": 64.5}, "size=64.5: must be a side"),
    "truth for a size": ({"size": True}, "size=True: must be a side"),
    "empty size": ({"size": {}}, "size={}: must be a side"),
    "no size": ({"size": 0}, "size=0: must be a side"),
    "negative": ({"size": {"height": -4, "width": 4}}, "size=.*: must be a side"),
    "three sides": ({"size": [64, 64, 3]}, "size=.*: must be a side"),
    "huge": ({"size": {"height": 10**9, "width": 10**9}}, "size=.*: must be a side up to 4096"),
    "huge edge": ({"size": {"shortest_edge": 5000}}, "size=.*: must be a side up to 4096"),
    "half a size": ({"size": {"height": 64}}, "cannot be made of it .*size must have one of"),
    "unknown side": ({"size": {"depth": 64, "height": 64}}, "cannot be made of it"),
    "longest edge alone": ({"size": {"longest_edge": 64}}, "the library's own processor fails .*Size must contain"),
    "null size": ({"size": None}, "the library's own processor fails .*`size`"),
    "text for a number": ({"rescale_factor": "1/255"}, "rescale_factor='1/255': must be a number above 0"),
    "factor of zero": ({"rescale_factor": 0}, "rescale_factor=0: must be a number above 0"),
    "factor that is not finite": ({"rescale_factor": float("inf")}, "rescale_factor=inf: must be a number"),
    "texts for means": ({"image_mean": ["a", "b", "c"]}, "image_mean=.*: must be one number for each channel"),
    "mean that is no number": ({"image_mean": [float("nan")] * 3}, "image_mean=.*nan.*: must be one number"),
    "two means": ({"image_mean": [0.5, 0.5]}, "the library's own processor fails .*size of tensor"),
    "no means": ({"image_mean": []}, r"image_mean=\[\]: must be one number"),
    "deviation of zero": ({"image_std": [0, 1, 1]}, "image_std=.*: must be one number above 0"),
    "filter that is none": ({"resample": 6}, "resample=6: must be a filter of Pillow, 0 to 5"),
    "filter by name": ({"resample": "bicubic"}, "resample='bicubic': must be a filter"),
    "filter that torchvision has not": ({"resample": 4}, "the library's own processor fails"),
    "own code": ({"auto_map": {"AutoImageProcessor": "mine.Processor"}}, "auto_map names code of the folder"),
    "class that is none": ({"image_processor_type": "NoImageProcessor"}, "'NoImageProcessor' is no image processor"),
    "class of other models": ({"image_processor_type": "SamImageProcessor"}, "is no image processor of a segmentation"),
    "class that is no text": ({"image_processor_type": 5}, "image_processor_type 5 is no image processor"),
}


@pytest.mark.parametrize("name", DONE)
def test_what_a_key_says_is_done(name: str, tmp_path: Path) -> None:
    assert difference(write(tmp_path, SEGFORMER | DONE[name]), *SIZES) <= 1e-4


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_by_name(name: str, tmp_path: Path) -> None:
    keys, message = REFUSED[name]
    folder = write(tmp_path, SEGFORMER | keys)
    with pytest.raises(
        InputError, match=rf"preprocessor_config\.json: .*{message}.*victim\.preprocess=false"
    ) as caught:
        loaded(folder)
    assert "\n" not in str(caught.value)
