"""How a bundle's images reach its network: whole, or in windows, which MONAI itself computes."""

from typing import Any

from benchmark.errors import InputError
from benchmark.victims.monai_bundle.configuration import OWN, BundleConfiguration
from benchmark.victims.monai_bundle.options import TransformOptions
from benchmark.victims.monai_bundle.sections import Section

_SLIDING = ("SlidingWindowInferer", "SlidingWindowInfererAdapt")
# Where and in what portions it computes.
_PORTIONS = {"sw_batch_size", "sw_device", "device", "progress", "cache_roi_weight_map", "cpu_thresh"}
_PORTIONS |= {"buffer_steps", "buffer_dim"}
_PADS = ("constant", "reflect", "replicate", "circular")


def read_windows(configuration: BundleConfiguration, section: Section | None) -> dict[str, Any] | None:
    """Keywords of MONAI's sliding_window_inference; None: whole images. Raises InputError for another inferer."""
    if section is None:
        return None
    value, place = configuration.followed(section.value, section.place)
    made = None if value is None else configuration.component(value, place)
    if made is None:
        return None
    target, arguments = made
    if target not in ("SimpleInferer", *_SLIDING):
        raise InputError(f"{configuration.file}: {place}._target_={target}: not supported; {OWN}")
    options = TransformOptions(configuration, place, arguments, keys=(), key="")
    if target == "SimpleInferer":
        options.finish()
        return None
    options.harmless(*_PORTIONS)
    options.choice("with_coord", False, (False,))
    windows = {
        "roi_size": options.sides("roi_size", lowest=None, single=True),
        "overlap": _parts(options, "overlap", 0.25, below=1.0),
        "mode": options.choice("mode", "constant", ("constant", "gaussian")),
        "sigma_scale": _parts(options, "sigma_scale", 0.125, below=100.0),
        "padding_mode": options.choice("padding_mode", "constant", _PADS),
        "cval": options.number("cval", 0.0, needed=True),
    }
    options.finish()
    return windows


def _parts(options: TransformOptions, name: str, default: float, below: float) -> list[float]:
    """One number, or one for each dimension, from 0 to below a limit."""
    values = options.numbers(name, 2)
    pair = [default] * 2 if values is None else values if isinstance(values, list) else [values] * 2
    if not all(0 <= value < below for value in pair):
        raise options.refusal(name, values, f"must be from 0 to below {below:g}")
    return pair
