"""Whatever a network raises or returns in place of logits becomes one line."""

import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from benchmark.errors import ForeignError, InputError, MachineError, Stopped, first_line, said_by

_OWN = Path(__file__).resolve().parent  # the package; what is raised there is not the user's
_LIBRARIES = ("site-packages", "dist-packages", sysconfig.get_path("stdlib"))
_WRAP = "wrap it in a module of images (B,C,H,W) -> logits (B,K,H,W), as docs/own_models.md shows"

_MEMORY = re.compile(r"out of memory|can't allocate memory|MemoryError|_ALLOC_FAILED")
_PLAIN = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_ANY_NUMBER = "the check and the scores predict single images, so that a network has to take any number of them"
PROGRAM_IN_FLOAT = (
    "a file has to be of the network in float, without rounding, argmax or .detach(): give the one in float"
)
_SIZE = "set data.size or victim.stride to what it takes"

# What torch says of tensors on different devices, and of those without values; others speak of devices, too.
_OTHER_DEVICE = "|".join(
    (
        r"tensors? to be on the same device",
        r"on the same device as the indexed",
        r"but expected (them to be )?on (GPU|CPU|cuda|cpu)",
        r"[Ee]xpected object of device type",
        r"Expected a '\w+' device type for generator",
        r"not on the expected device",
        r"found two different devices",
        r"Input type \(torch\.cuda\.\w+\) and weight type \(torch\.[A-Z]",
        r"Input type \(torch\.[A-Z]\w+\) and weight type \(torch\.cuda",
        r"[Mm]eta tensors?\b",
    )
)
_CURES = {
    r"Expected more than 1 value per channel": "set data.batch_size to 2 or more",
    r"does not require grad|not have been used in the graph|inference tensors?|doesn't support automatic diff": (
        "leave out torch.no_grad(), .detach() and argmax in forward, or train the network in float"
    ),
    r"quantized|Quantized|qint": "a quantised network has no gradients; attack the one in float that it was made of",
    _OTHER_DEVICE: ("register the network's own tensors as buffers, or make them on the device of the images"),
    r"same dtype|scalar type|expected .* but (found|got) .*(Half|BFloat16|Double|Float)|Input type": (
        "let the network take float32 images, or float64 with engine.precision=64"
    ),
    r"to have \d+ channels|takes images \(B": "give data of its channels, see data.channels",
    r"positional argument|keyword|unexpected .*argument": _WRAP,
    r"Sizes of tensors must match|size of tensor|shape|size|Width|height|divisible|multiple": (
        f"{_SIZE}, engine.slots=1 for one that takes one image at a time, or {_WRAP}"
    ),
}
"""What the message holds -> what to do about it; the first that fits."""


class ModelMemoryError(ForeignError, torch.OutOfMemoryError):
    """A pass of a model does not fit into memory: one line for the user; whoever can tries with fewer images."""


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
    A torch.OutOfMemoryError stays one, a ModelMemoryError.
    """
    lead = f"victim {model_name(model)} {act} on images {tuple(images.shape)}"
    with as_foreign_error(lead, cure, images=len(images), program=is_program(model)):
        yield


@contextmanager
def as_call_error(model: nn.Module, act: str) -> Iterator[None]:
    """Turn what a model raises outside its passes, when `act`, into an InputError of one line."""
    with as_foreign_error(f"victim {model_name(model)} fails when {act}", "mend it there"):
        yield


@contextmanager
def as_foreign_error(
    lead: str, cure: str | None = None, *, images: int | None = None, program: bool = False
) -> Iterator[None]:
    """Turn what code of a user raises into a ForeignError: `LEAD: WHAT IT SAID (FILE, line N); CURE`.

    That is everything, SystemExit too, except InputErrors, failures of the machine, and requests to stop.

    Args:
        lead: what failed.
        cure: what to do about it, but for a lack of memory; None: what fits to the message.
        images: of the pass that failed, if it was one.
        program: whether the code is a file, in which nothing can be edited.
    """
    try:
        yield
    except (InputError, MachineError, Stopped):
        raise
    except BaseException as error:
        # Closing a generator raises one too, but in no code of the user's.
        if isinstance(error, GeneratorExit) and not _place(error):
            raise
        # Commands turn Ctrl-C into a request to stop, so that there an interrupt is that code's own.
        if isinstance(error, KeyboardInterrupt) and not Stopped.replaces_interrupts:
            raise
        said = _said(error)
        if _MEMORY.search(said):
            cure = _memory_cure(images)
        elif cure is None:
            cure = _cure(error, said, images, program)
        kind = ModelMemoryError if isinstance(error, torch.OutOfMemoryError) else ForeignError
        raise kind(f"{lead}: {said}{_place(error)}; {cure}") from error


def is_program(model: nn.Module) -> bool:
    """Whether the network of the model is a file that holds a program, such as an ONNX file."""
    return any(hasattr(module, "program_sha256") for module in model.modules())


def numbers_fault(outputs: Tensor) -> tuple[str, str] | None:
    """What a tensor holds that can be no logits, and the cure; None for a dense one of floating-point numbers."""
    if outputs.is_nested:
        return "a nested tensor", "return one dense tensor, as torch.stack makes it of the images' logits"
    if outputs.layout != torch.strided:
        kind = "a sparse tensor" if "sparse" in str(outputs.layout) else "a tensor of another layout"
        return f"{kind} ({outputs.layout})", "return logits.to_dense()"
    if outputs.is_quantized:
        return f"a quantised tensor ({outputs.dtype})", "attack the network in float that it was made of"
    if not outputs.is_floating_point():
        return str(outputs.dtype), "return logits, not classes: what argmax is of"
    if outputs.dtype not in _PLAIN:
        return str(outputs.dtype), "return logits.float()"
    if isinstance(outputs, torch.masked.MaskedTensor):
        return "a MaskedTensor", "return logits of all pixels"
    return None


def checked_logits(outputs: Any, model: nn.Module, images: Tensor) -> Tensor:
    """What a model has returned for images (B, C, H, W), if it may be logits (B, K, h, w).

    Raises InputError for another type, shape or device, and for what is no dense tensor of floating-point numbers.
    """
    where = f"victim {model_name(model)} returned"
    given = f"for images {tuple(images.shape)}"
    if not isinstance(outputs, Tensor):
        raise InputError(f"{where} {_described(outputs)} {given}; return the logits (B,K,H,W) alone")
    if fault := numbers_fault(outputs):
        raise InputError(f"{where} {fault[0]} {given}; {fault[1]}")
    if outputs.ndim != 4 or len(outputs) != len(images) or not outputs.numel():
        one = outputs.ndim == 4 and len(outputs) == 1
        cure = ", or engine.slots=1 if it takes one image at a time" if one else ""
        raise InputError(f"{where} {tuple(outputs.shape)} {given}; logits (B,K,H,W) are needed{cure}")
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


def _memory_cure(images: int | None) -> str:
    if images == 1:
        return "not even one image fits into the memory that is left: set data.size or engine.slots lower, or free some"
    return "set engine.slots lower, data.batch_size, or data.size"


def _cure(error: BaseException, said: str, images: int | None, program: bool) -> str:
    if isinstance(error, OSError):
        return "its code reads or writes something there: give it what it needs, or leave that out of forward"
    found = next((cure for pattern, cure in _CURES.items() if re.search(pattern, said)), None)
    if program and found is not None and ".detach()" in found:
        return PROGRAM_IN_FLOAT
    by_number = isinstance(error, AssertionError | IndexError | RuntimeError | TypeError | ValueError)
    if images == 1 and by_number and (found is None or found.startswith(_SIZE)):
        return f"{'mend it' if found is None else _SIZE}, or {_WRAP}; {_ANY_NUMBER}"
    return found or f"mend it, or {_WRAP}"


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


def check_stored(tensors: Iterable[tuple[str, Tensor]], lead: str) -> None:
    """Raise InputError, beginning with `lead`, for named tensors of no shape yet, without values, or sparse."""
    for name, tensor in tensors:
        if is_lazy(tensor):
            raise InputError(
                f"{lead}: {name} has no shape before the first images (a lazy module); call the network once where it "
                "is made, as in network(torch.zeros(1, 3, 64, 64))"
            )
        if tensor.is_meta:
            raise InputError(f"{lead}: {name} has no values (device meta); load the weights where it is made")
        if tensor.layout != torch.strided:
            raise InputError(
                f"{lead}: {name} is a sparse tensor ({tensor.layout}); keep {name}.to_dense() in its place"
            )
