"""The one place where what a network returns becomes its logits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import InputError, did_you_mean

Choice = str | int | Sequence[str | int]
"""The name or the index of an output, or a list of them that leads into outputs within outputs."""

_LOGITS = ("out", "logits")  # torchvision's and transformers' names of the prediction
_SHOWN = 8  # outputs in a message


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
        choice: `victim.output`.

    Raises:
        InputError: there is no such output, or there are several and none is named as the prediction.
    """
    found = returned if choice is None else _follow(returned, choice)
    while not isinstance(found, Tensor):
        outputs = {name: output for name, output in _outputs(found).items() if output is not None}
        names = [name for name in _LOGITS if name in outputs]
        if len(names) == 1:
            found = outputs[names[0]]
        elif len(outputs) == 1:
            found = next(iter(outputs.values()))
        elif outputs:
            places = _places(returned)
            raise InputError(
                f"the victim's network returned several outputs: {_shown(places)}; choose the logits with "
                f"victim.output={places[0][0]} or another of these names"
            )
        else:
            kind = type(returned).__name__
            raise InputError(
                f"the victim's network returned {kind} without a tensor; wrap it so that it returns logits"
            )
    return found


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
        InputError: the output has another shape, or holds whole numbers.
    """
    batch, outputs, height, width = expected
    shape = tuple(output.shape)
    if not output.is_floating_point():
        raise InputError(f"the victim's network returned {output.dtype}, which are no logits; return what argmax is of")
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
    steps = [choice] if isinstance(choice, str | int) else list(choice)
    found = returned
    for step in steps:
        outputs = _outputs(found)
        index = step if isinstance(step, int) else None
        if index is None and isinstance(step, str) and step.lstrip("-").isdigit() and step not in outputs:
            index = int(step)
        if index is not None and -len(outputs) <= index < len(outputs):
            found = list(outputs.values())[index]
        elif step in outputs:
            found = outputs[str(step)]
        else:
            near = did_you_mean(str(step), outputs)
            if isinstance(returned, Tensor):
                raise InputError(
                    f"victim.output={_typed(steps)}: the network returned a single tensor; leave victim.output out"
                )
            shown = _shown(_places(returned)) or f"{type(returned).__name__} without a tensor"
            raise InputError(
                f"victim.output={_typed(steps)}: the network returned {shown}{near or '; choose one of these'}"
            )
    if found is None:
        raise InputError(f"victim.output={_typed(steps)}: the network returned None there; choose another output")
    return found


def _outputs(returned: Any) -> dict[str, Any]:
    """Name -> output; an index is the name of what has no other. Empty for what holds no outputs."""
    if isinstance(returned, Mapping):
        return {str(name): output for name, output in returned.items()}
    if is_dataclass(returned) and not isinstance(returned, type):
        return {field.name: getattr(returned, field.name) for field in fields(returned)}
    if isinstance(returned, tuple) and hasattr(returned, "_fields"):
        return dict(zip(returned._fields, returned, strict=True))
    if isinstance(returned, Sequence) and not isinstance(returned, str | bytes):
        return {str(index): output for index, output in enumerate(returned)}
    return {}


def _places(returned: Any) -> list[tuple[str, Tensor]]:
    """What `victim.output` calls each tensor, and the tensor."""

    def walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
        if isinstance(value, Tensor):
            yield _typed(path), value
        for name, output in _outputs(value).items():
            yield from walk(output, (*path, name))

    return list(walk(returned, ()))


def _shown(places: Sequence[tuple[str, Tensor]]) -> str:
    more = f" and {len(places) - _SHOWN} others" if len(places) > _SHOWN else ""
    return ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in places[:_SHOWN] if name) + more


def _typed(steps: Sequence[Any]) -> str:
    return str(steps[0]) if len(steps) == 1 else f"[{','.join(map(str, steps))}]" if steps else ""
