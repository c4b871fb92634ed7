"""One function for each of MONAI's transforms: which options it has, which of their values are done, what it makes."""

from collections.abc import Callable
from typing import Any

from benchmark.victims.monai_bundle import transforms
from benchmark.victims.monai_bundle.options import TransformOptions

Reader = Callable[[TransformOptions, int], transforms.BundleStep | None]

_PADS = ("constant", "reflect", "edge", "replicate", "circular")
_METHODS = ("symmetric", "end")
_RESIZES = ("area", "bilinear", "bicubic", "nearest", "nearest-exact")
_AXES = [["L", "R"], ["P", "A"], ["I", "S"]]  # MONAI's labels


def _scale_intensity(options: TransformOptions, channels: int) -> transforms.BundleStep:
    options.kind()
    return transforms.ScaleIntensity(
        minv=options.number("minv", 0.0),
        maxv=options.number("maxv", 1.0),
        factor=options.number("factor"),
        channel_wise=options.flag("channel_wise"),
    )


def _scale_intensity_range(options: TransformOptions, channels: int) -> transforms.BundleStep:
    options.kind()
    low, high = options.number("a_min", needed=True), options.number("a_max", needed=True)
    if low is None or high is None or low == high:
        raise options.refusal("a_max", high, f"must be another number than a_min={low}")
    below, above = options.number("b_min"), options.number("b_max")
    clip = options.flag("clip")
    if clip and below is None and above is None:
        raise options.refusal("clip", clip, "needs b_min or b_max")
    return transforms.ScaleIntensityRange(a_min=low, a_max=high, b_min=below, b_max=above, clip=clip)


def _normalize_intensity(options: TransformOptions, channels: int) -> transforms.BundleStep:
    options.kind()
    channel_wise = options.flag("channel_wise")
    given = {name: options.numbers(name, channels) for name in ("subtrahend", "divisor")}
    for name, value in given.items():
        if value is not None and isinstance(value, list) != channel_wise:
            raise options.refusal(name, value, "one value needs channel_wise=false, one for each channel needs true")
    return transforms.NormalizeIntensity(nonzero=options.flag("nonzero"), channel_wise=channel_wise, **given)


def _resize(options: TransformOptions, channels: int) -> transforms.BundleStep:
    options.kind(per_key=True)
    _check_not_lazy(options)
    options.choice("anti_aliasing", False, (False,), per_key=True)
    options.harmless("anti_aliasing_sigma")  # it says how anti_aliasing filters
    size_mode = options.choice("size_mode", "all", ("all", "longest"))
    size: Any = (
        options.side("spatial_size")
        if size_mode == "longest"
        else options.sides("spatial_size", lowest=None, single=False)
    )
    mode = options.choice("mode", "area", _RESIZES, per_key=True)
    corners = options.choice("align_corners", None, (None, False, True), per_key=True)
    if corners is not None and mode not in ("bilinear", "bicubic"):
        raise options.refusal("align_corners", corners, f"mode={mode} has no such corners")
    return transforms.ResizeTo(spatial_size=size, size_mode=size_mode, mode=mode, align_corners=corners)


def _spatial_pad(options: TransformOptions, channels: int) -> transforms.BundleStep:
    return transforms.SpatialPad(
        spatial_size=options.sides("spatial_size", lowest=None, single=True), **_padding(options)
    )


def _divisible_pad(options: TransformOptions, channels: int) -> transforms.BundleStep:
    return transforms.DivisiblePad(k=options.sides("k", lowest=1, single=True), **_padding(options))


def _padding(options: TransformOptions) -> dict[str, Any]:
    _check_not_lazy(options)
    mode = options.choice("mode", "constant", _PADS, per_key=True)
    value = options.number("value")
    if value is not None and mode != "constant":
        raise options.refusal("value", value, f"mode={mode} takes none")
    return {"mode": mode, "value": value or 0.0, "method": options.choice("method", "symmetric", _METHODS)}


def _orientation(options: TransformOptions, channels: int) -> None:
    """It leaves a picture as it is, which has the axes RA."""
    _check_not_lazy(options)
    axes = options.value("axcodes")
    if not options.flag("as_closest_canonical"):
        names = "".join(map(str, axes)) if isinstance(axes, list | tuple) else str(axes)
        if names not in ("RA", "RAS", "RAI"):
            raise options.refusal("axcodes", axes, "pictures have RA")
    options.choice("labels", None, (None, _AXES))


def _spacing(options: TransformOptions, channels: int) -> None:
    """It leaves a picture as it is, whose pixels have length 1."""
    _check_not_lazy(options)
    sizes = options.value("pixdim")
    pair = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
    if not 1 <= len(pair) <= 2 or any(isinstance(size, bool) or size not in (1, -1) for size in pair):
        raise options.refusal("pixdim", sizes, "pictures have a pixel of length 1")
    for name in ("min_pixdim", "max_pixdim"):
        options.choice(name, None, (None,))
    options.harmless("diagonal", "mode", "padding_mode", "align_corners", "dtype", "scale_extent")
    options.harmless("recompute_affine", "ensure_same_shape")


def _types(options: TransformOptions, channels: int) -> None:
    options.kind(per_key=True)
    options.choice("data_type", "tensor", ("tensor", "numpy"))
    options.harmless("device", "wrap_sequence", "track_meta")


def _cast(options: TransformOptions, channels: int) -> None:
    options.kind(per_key=True)


def _device(options: TransformOptions, channels: int) -> None:
    options.harmless("device", "non_blocking")


def _items(options: TransformOptions, channels: int) -> None:
    """It keeps or drops items of the dictionary beside the image."""
    options.harmless("sep", "use_re")


def _nothing(options: TransformOptions, channels: int) -> None:
    pass


def _check_not_lazy(options: TransformOptions) -> None:
    """Raise InputError where several transforms become one, with other values."""
    options.choice("lazy", False, (False, None))


READERS: dict[str, Reader] = {
    "ScaleIntensity": _scale_intensity,
    "ScaleIntensityRange": _scale_intensity_range,
    "NormalizeIntensity": _normalize_intensity,
    "Resize": _resize,
    "SpatialPad": _spatial_pad,
    "DivisiblePad": _divisible_pad,
    "Orientation": _orientation,
    "Spacing": _spacing,
    "EnsureType": _types,
    "ToTensor": _types,
    "CastToType": _cast,
    "ToDevice": _device,
    "SelectItems": _items,
    "DeleteItems": _items,
    "Identity": _nothing,
}
"""Name in monai.transforms, without the ending of those that take dictionaries -> what reads its options.

A reader raises InputError for a value that cannot be done. Options that it does not read are refused after it.
"""
