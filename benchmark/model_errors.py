"""Whatever a network raises or returns in place of logits becomes one line."""

import re
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import InputError, Stopped, first_line, said_by

_OWN = Path(__file__).resolve().parent  # the package; what is raised there is not the user's
_LIBRARIES = ("site-packages", "dist-packages", sysconfig.get_path("stdlib"))
_WRAP = "wrap it in a module of images (B,C,H,W) -> logits (B,K,H,W), as docs/own_models.md shows"

_CURES = {
    r"out of memory|can't allocate memory|MemoryError": "set engine.slots lower, or data.size",
    r"Expected more than 1 value per channel": "set data.batch_size to 2 or more",
    r"does not require grad|not have been used in the graph|inference tensors?|doesn't support automatic diff": (
        "leave out torch.no_grad(), .detach() and argmax in forward, or train the network in float"
    ),
    r"quantized|Quantized|qint": "a quantised network has no gradients; attack the one in float that it was made of",
    r"device|meta tensor|Meta tensors": (
        "register the network's own tensors as buffers, or make them on the device of the images"
    ),
    r"same dtype|scalar type|expected .* but (found|got) .*(Half|BFloat16|Double|Float)|Input type": (
        "let the network take float32 images, or float64 with engine.precision=64"
    ),
    r"to have \d+ channels|takes images \(B": "give data of its channels, see data.channels",
    r"positional argument|keyword|unexpected .*argument": _WRAP,
    r"Sizes of tensors must match|size of tensor|shape|size|Width|height|divisible|multiple": (
        "set data.size or victim.stride to what it takes, engine.slots=1 for one that takes one image at a time, or "
        + _WRAP
    ),
}
"""What the message holds -> what to do about it; the first that fits."""


def model_name(model: nn.Module) -> str:
    """As messages call it: the label of a victim, the class of any other module, both for a module of one's own."""
    label, network = getattr(model, "label", None), getattr(model, "network", None)
    if not isinstance(label, str):
        return type(model).__name__
    return f"{label} ({type(network).__name__})" if isinstance(network, nn.Module) else label


@contextmanager
def as_model_error(model: nn.Module, images: Tensor, *, act: str = "fails", cure: str | None = None) -> Iterator[None]:
    """Turn what a model raises on images (B, C, H, W) into an InputError of one line.

    The line has the model, the images' shape, what it said, the place in the user's code, and a cure, `cure` if given.
    A lack of memory on a GPU is left as it is, because fewer images at once may fit.
    """
    lead = f"victim {model_name(model)} {act} on images {tuple(images.shape)}"
    with as_foreign_error(lead, cure, but=(torch.OutOfMemoryError,)):
        yield


@contextmanager
def as_call_error(model: nn.Module, act: str) -> Iterator[None]:
    """Turn what a model raises outside its passes, when `act`, into an InputError of one line."""
    with as_foreign_error(f"victim {model_name(model)} fails when {act}", "mend it there"):
        yield


@contextmanager
def as_foreign_error(
    lead: str, cure: str | None = None, *, but: tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """Turn what code of a user raises into an InputError: `LEAD: WHAT IT SAID (FILE, line N); CURE`.

    That is everything, SystemExit too, except InputErrors, requests to stop, and errors of the kinds `but`.
    """
    try:
        yield
    except (InputError, Stopped):
        raise
    except BaseException as error:
        if isinstance(error, but):
            raise
        # Closing a generator raises one too, but in no code of the user's.
        if isinstance(error, GeneratorExit) and not _place(error):
            raise
        # Commands turn Ctrl-C into a request to stop, so that there an interrupt is that code's own.
        if isinstance(error, KeyboardInterrupt) and not Stopped.replaces_interrupts:
            raise
        said = _said(error)
        raise InputError(f"{lead}: {said}{_place(error)}; {cure or _cure(said)}") from error


def checked_logits(outputs: Any, model: nn.Module, images: Tensor) -> Tensor:
    """What a model has returned for images (B, C, H, W), if it may be logits (B, K, h, w).

    Raises InputError for another type, shape or device, and for numbers that are not real floating-point numbers.
    """
    where = f"victim {model_name(model)} returned"
    given = f"for images {tuple(images.shape)}"
    if not isinstance(outputs, Tensor):
        raise InputError(f"{where} {_described(outputs)} {given}; return the logits (B,K,H,W) alone")
    if outputs.ndim != 4 or len(outputs) != len(images) or not outputs.numel():
        one = outputs.ndim == 4 and len(outputs) == 1
        cure = ", or engine.slots=1 if it takes one image at a time" if one else ""
        raise InputError(f"{where} {tuple(outputs.shape)} {given}; logits (B,K,H,W) are needed{cure}")
    if not outputs.is_floating_point():
        raise InputError(f"{where} {outputs.dtype} {given}; return logits, not classes")
    if outputs.device != images.device:
        raise InputError(
            f"{where} a tensor on {outputs.device} {given} on {images.device}; "
            "keep it where the images are: make no tensor on a device of its own"
        )
    return outputs


def _described(outputs: Any) -> str:
    name = type(outputs).__name__
    if isinstance(outputs, dict):
        return f"a {name} of {', '.join(map(str, list(outputs)[:5]))}"
    return f"a {name} of {len(outputs)} values" if isinstance(outputs, list | tuple) else name


def _said(error: BaseException) -> str:
    """The type and the telling line of a message: what runs programs puts words of its own before it."""
    text = said_by(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and "TorchScript interpreter" in text:
        return lines[-1]
    if within := re.search(r"got (\w+)\(([\"'])(.*)\2\)$", text, re.MULTILINE):  # torch.compile
        return f"{within[1]}: {within[3]}"
    explained = next((line for line in lines if line.startswith("Explanation: ")), None)
    if explained or (len(lines) > 1 and lines[0].endswith(":")):
        return f"{type(error).__name__}: {explained or lines[1]}"
    return first_line(error)


def _cure(said: str) -> str:
    return next((cure for pattern, cure in _CURES.items() if re.search(pattern, said)), f"mend it, or {_WRAP}")


def _place(error: BaseException) -> str:
    """ " (FILE, line N)" of the innermost frame in code of the user's own; empty if there is none."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    # Compiled and scripted code has no frames; its errors quote them.
    quoted = re.findall(r'^\s*File "([^"\n]+)", line (\d+)', said_by(error), re.MULTILINE)
    own = [
        (name, number)
        for name, number in [*frames, *quoted]
        if not any(library in name for library in _LIBRARIES)
        and not Path(name).is_relative_to(_OWN)
        and Path(name).is_file()
    ]
    return f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""
