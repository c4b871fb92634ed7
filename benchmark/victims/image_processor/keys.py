"""The keys of a folder's image processor: those that change pixels, those that do not, and what is refused."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from benchmark.errors import InputError, did_you_mean

AS_IT_IS = "victim.preprocess=false gives the network images in [0, 1] as they are"
"""What else can be done with a folder whose image processor cannot be used."""

_LARGEST_SIDE = 4096  # pixels
_PIXELS = ("min_pixels", "max_pixels")  # of a size; areas, not sides

EARLIER_NAMES = {"size_divisibility": "size_divisor"}
"""Names that the library no longer reads -> what they are called now; both have to say the same."""

_ABOUT_MASKS = {"do_reduce_labels", "reduce_labels", "ignore_index", "num_labels", "format", "do_convert_annotations"}
_ABOUT_TEXTS = {"class_info_file", "repo_path", "metadata", "num_text", "image_seq_length"}
_ABOUT_BODIES = {"keypoint_heatmap_downscale_factor", "keypoint_heatmap_sigma"}
_ABOUT_CALLS = {"data_format", "input_data_format", "device", "disable_grouping", "return_tensors", "use_fast"}
_ABOUT_CLASSES = {
    *(
        "image_processor_type",
        "feature_extractor_type",
        "processor_class",
        "_processor_class",
        "auto_map",
        "_auto_class",
    ),
    *("model_input_names", "_valid_processor_keys", "transformers_version"),
}
HARMLESS = _ABOUT_MASKS | _ABOUT_TEXTS | _ABOUT_BODIES | _ABOUT_CALLS | _ABOUT_CLASSES
"""Keys on which no pixel that the network gets depends."""


def pixel_keys(keys: Mapping[str, Any], where: str, known: Collection[str]) -> dict[str, Any]:
    """The keys that may change pixels, with values that the library can use.

    Args:
        keys: of the folder's file; null stands for the default of the processor's class.
        where: the file, for messages.
        known: keys of the processor's class.

    Raises:
        InputError: a key that is neither one of these nor harmless, or a value of another kind.
    """
    found = {}
    for key, value in keys.items():
        if key in HARMLESS:
            continue
        if key not in _KINDS:
            near = did_you_mean(key, [*_KINDS])
            also = " changes pixels in a way that is not known here" if key in known else " is no key of its class"
            raise InputError(f"{where}: {key}{also}{near}; take it out if it changes no pixel, or {AS_IT_IS}")
        fits, needed = _KINDS[key]
        if value is not None and not fits(value):
            raise InputError(f"{where}: {key}={_short(value)}: must be {needed}; correct it, or {AS_IT_IS}")
        found[key] = value
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any, largest: int = _LARGEST_SIDE) -> bool:
    return type(value) is int and 1 <= value <= largest


def _is_count(value: Any) -> bool:
    return (value == 0 and type(value) is int) or _is_whole(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_size(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) == 2 and all(map(_is_whole, value))
    if not isinstance(value, dict):
        return _is_whole(value)
    largest = {key: _LARGEST_SIDE**2 if key in _PIXELS else _LARGEST_SIDE for key in value}
    sides = {key: side for key, side in value.items() if side is not None}
    return bool(sides) and all(_is_whole(side, largest[key]) for key, side in sides.items())


def _is_mean(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, list) and 1 <= len(value) <= 4 and all(map(_is_number, value)))


def _is_deviation(value: Any) -> bool:
    return _is_mean(value) and all(map(_is_positive, value if isinstance(value, list) else [value]))


def _is_filter(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 5


Kind = tuple[Callable[[Any], bool], str]

_TRUTH: Kind = (_is_truth, "true or false")
_SIZE: Kind = (_is_size, f"a side up to {_LARGEST_SIDE} pixels, [height, width], or names with such sides")
_COUNT: Kind = (_is_count, f"a whole number from 0 to {_LARGEST_SIDE}")
_POSITIVE: Kind = (_is_positive, "a number above 0")

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("do_resize", "do_center_crop", "do_pad", "do_rescale", "do_normalize", "do_convert_rgb"), _TRUTH),
    **dict.fromkeys(("do_flip_channel_order", "do_split_image", "keep_aspect_ratio", "default_to_square"), _TRUTH),
    "pad_and_return_pixel_mask": _TRUTH,
    **dict.fromkeys(("size", "crop_size", "pad_size"), _SIZE),
    **dict.fromkeys(("max_size", "_max_size", "size_divisor", "ensure_multiple_of", "resize_short"), _COUNT),
    **dict.fromkeys(EARLIER_NAMES, _COUNT),
    **dict.fromkeys(("rescale_factor", "crop_pct"), _POSITIVE),
    "image_mean": (_is_mean, "one number for each channel"),
    "image_std": (_is_deviation, "one number above 0 for each channel"),
    "resample": (_is_filter, "a filter of Pillow, 0 to 5"),
}
"""Key -> whether a value may be used, and what is needed."""
