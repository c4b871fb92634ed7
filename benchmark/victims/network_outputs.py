"""The one place where what a network returns becomes its logits."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import InputError, did_you_mean
from benchmark.model_errors import numbers_fault

Choice = str | int | Sequence[str | int]
"""The name or the index of an output, or a list of them that leads into outputs within outputs."""

_LOGITS = ("out", "logits")  # torchvision's and transformers' names of the prediction
_SHOWN = 8  # outputs in a message
_DEEPEST = 16  # outputs within outputs; one that holds itself has no end
# What Hydra reads as the text that it is, and no shell changes; other names are called by their position.
_PLAIN = re.compile(r"(?!(?:null|true|false|nan|inf)$)[a-z_/][\w/.:@+-]*|0|-?[1-9][0-9]*", re.ASCII | re.IGNORECASE)
_POSITION = re.compile(r"-?[0-9]{1,9}")


class OutputShapeError(InputError):
    """Logits of another number of classes than expected: `outputs`."""

    def __init__(self, message: str, outputs: int) -> None:
        super().__init__(message)
        self.outputs = outputs


class ChosenOutput(nn.Module):
    """A network of which one output is returned, as `chosen_output` finds it."""

    def __init__(self, network: nn.Module, choice: Choice | None = None) -> None:
        super().__init__()
        self.network, self._choice = network, choice

    def choose_output(self, choice: Choice) -> None:
        """Replace the choice."""
        self._choice = choice

    def forward(self, images: Tensor) -> Tensor:
        """The output for images (B, C, H, W). Raises InputError as `chosen_output`."""
        return chosen_output(self.network(images), self._choice)


def chosen_output(returned: Any, choice: Choice | None = None) -> Tensor:
    """The tensor that is the prediction.

    Without a choice it is the only tensor, or the one named "out" or "logits"; None among the outputs counts as absent.
    Which of several tensors is the prediction differs from network to network, so that it is never guessed.

    Args:
        returned: a tensor; or a mapping, dataclass, named tuple, tuple or list of outputs, which may hold outputs, too.
        choice: `victim.output`. A number is a position only where no output has it as its name.

    Raises:
        InputError: there is no such output, there are several and none is named as the prediction, or they are nested
            too deep.
    """
    found = returned if choice is None else _follow(returned, choice)
    for _ in range(_DEEPEST):
        if isinstance(found, Tensor):
            return found
        places = _places(found)
        outputs = _outputs(found)
        held = list(dict.fromkeys(path[0] for path, _ in places))  # outputs that are or hold a tensor
        names = [name for name in _LOGITS if name in held]
        if len(names) == 1:
            found = outputs[names[0]]
        elif len(held) == 1:
            found = outputs[held[0]]
        elif held:
            several = _places(returned)
            raise InputError(
                f"the victim's network returned several outputs: {_shown(returned, several)}; say with "
                "victim.output=NAME which of these are the logits"
            )
        elif choice is not None:
            raise InputError(f"{_given(choice)}: there is no tensor there{_others(returned)}")
        else:
            kind = type(returned).__name__
            raise InputError(
                f"the victim's network returned {kind} without a tensor; wrap it so that it returns logits"
            )
    raise _too_deep()


def checked_choice(choice: Any) -> Choice | None:
    """The choice of an output, or None; raises InputError for anything else."""
    steps = choice if isinstance(choice, list | tuple) and choice else [choice]
    if choice is not None and not all(isinstance(step, str | int) and not isinstance(step, bool) for step in steps):
        raise InputError(
            f"victim.output={choice}: must be the name or the index of an output, or a list of them that leads into "
            "outputs within outputs, such as victim.output=[aux,0]"
        )
    return choice


def as_logits(output: Tensor, expected: Sequence[int]) -> Tensor:
    """Logits (B, K, h, w), `expected`, of an output that may have one axis of length 1 too many or, if K = 1, lack K.

    Raises:
        InputError: the output has another shape, or is no dense tensor of floating-point numbers.
    """
    batch, outputs, height, width = expected
    if fault := numbers_fault(output):
        what, cure = fault
        be = "is" if what.startswith("a ") else "are"
        raise InputError(f"the victim's network returned {what}, which {be} no logits; {cure}")
    shape = tuple(output.shape)
    if shape == tuple(expected):
        return output
    for axis in range(1, output.ndim) if output.ndim == 5 else ():
        if shape[axis] == 1 and (*shape[:axis], *shape[axis + 1 :]) == tuple(expected):
            return output.squeeze(axis)
    if outputs == 1 and shape == (batch, height, width):
        return output[:, None]
    if batch > 1 and shape == (1, *expected[1:]):
        raise InputError(
            f"the victim's network returned {shape} for {batch} images; return logits for each of them, or give "
            "engine.slots=1 if it takes one image at a time"
        )
    cure = "set data.classes, victim.head and victim.stride to match it or wrap it so that it does"
    if shape == (batch, height, width, outputs):
        cure = "its classes come last: return logits.permute(0, 3, 1, 2) in place of logits"
    elif output.ndim == 5:
        cure = "one of its axes is too many, such as the heads of deep supervision: wrap it so that it returns one head"
    message = f"the victim's network returned {shape}, expected logits of shape {tuple(expected)}; {cure}"
    if output.ndim == 4 and (shape[0], *shape[2:]) == (batch, height, width):
        raise OutputShapeError(message, shape[1])
    raise InputError(message)


def joined(parts: Sequence[Any], length: int) -> Any:
    """The outputs of several batches as those of one, cut to its first `length` images; what has no batch stays."""
    from torch.utils._pytree import tree_map

    def join(*values: Any) -> Any:
        batched = all(isinstance(value, Tensor) and value.ndim for value in values)
        return torch.cat(values)[:length] if batched else values[0]

    return tree_map(join, *parts)


def _follow(returned: Any, choice: Choice) -> Any:
    found = returned
    for step in _list(choice):
        outputs = _outputs(found)
        name = str(step)
        if name not in outputs and _POSITION.fullmatch(name) and -len(outputs) <= int(name) < len(outputs):
            name = list(outputs)[int(name)]
        if name not in outputs:
            if isinstance(returned, Tensor):
                raise InputError(f"{_given(choice)}: the network returned a single tensor; leave victim.output out")
            places = _places(returned)
            if not places:
                raise InputError(
                    f"{_given(choice)}: the network returned {type(returned).__name__} without a tensor; wrap it so "
                    "that it returns logits"
                )
            near = did_you_mean(_typed(_list(choice)), [_typed(_steps(returned, path)) for path, _ in places])
            raise InputError(
                f"{_given(choice)}: the network returned {_shown(returned, places)}{near or '; choose one of these'}"
            )
        found = outputs[name]
    if found is None:
        raise InputError(f"{_given(choice)}: the network returned None there{_others(returned)}")
    return found


def _outputs(returned: Any) -> dict[str, Any]:
    """Name -> output; an index is the name of what has no other of its own. Empty for what holds no outputs."""
    if isinstance(returned, Mapping):
        named = {str(name): output for name, output in returned.items()}
        return named if len(named) == len(returned) else _outputs(list(returned.values()))
    if is_dataclass(returned) and not isinstance(returned, type):
        return {field.name: getattr(returned, field.name) for field in fields(returned)}
    if isinstance(returned, tuple) and hasattr(returned, "_fields"):
        return dict(zip(returned._fields, returned, strict=True))
    if isinstance(returned, Sequence) and not isinstance(returned, str | bytes):
        return {str(index): output for index, output in enumerate(returned)}
    return {}


def _places(returned: Any) -> list[tuple[tuple[str, ...], Tensor]]:
    """The names that lead to each tensor, and the tensor. Raises InputError for outputs that are nested too deep."""

    def walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
        if isinstance(value, Tensor):
            yield path, value
        for name, output in _outputs(value).items():
            if len(path) == _DEEPEST:
                raise _too_deep()
            yield from walk(output, (*path, name))

    return list(walk(returned, ()))


def _too_deep() -> InputError:
    return InputError(
        f"the victim's network returned outputs within outputs, more than {_DEEPEST} deep, such as a list that holds "
        "itself; wrap it so that it returns logits"
    )


def _steps(returned: Any, path: Sequence[str]) -> list[str]:
    """A path as it can be typed: names, and positions of outputs whose names would be read as something else."""
    steps = []
    for name in path:
        outputs = _outputs(returned)
        place = list(outputs).index(name)
        positions = [str(number) for number in (place, place - len(outputs)) if str(number) not in outputs]
        steps.append(name if _PLAIN.fullmatch(name) else [*positions, name][0])
        returned = outputs[name]
    return steps


def _shown(returned: Any, places: Sequence[tuple[Sequence[str], Tensor]]) -> str:
    shown = []
    for path, tensor in places[:_SHOWN]:
        typed = _typed(_steps(returned, path))
        named = "" if typed == _typed(path) else f" named {path[-1]!r}"
        shape = "nested" if tensor.is_nested else tuple(tensor.shape)
        shown.append(f"{typed}{named} {shape}")
    return ", ".join(shown) + (f" and {len(places) - _SHOWN} others" if len(places) > _SHOWN else "")


def _others(returned: Any) -> str:
    places = _places(returned)
    return f"; choose one of {_shown(returned, places)}" if places else "; wrap it so that it returns logits"


def _list(choice: Choice) -> Sequence[str | int]:
    return [choice] if isinstance(choice, str | int) else choice


def _given(choice: Choice) -> str:
    return f"victim.output={_typed(_list(choice))}"


def _typed(steps: Sequence[Any]) -> str:
    return str(steps[0]) if len(steps) == 1 else f"[{','.join(map(str, steps))}]"
