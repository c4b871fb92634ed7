"""An ONNX file, converted to a torch module, because an attack needs its gradient.

The file is a program: load only what you would run. Only the configuration names it, never a checkpoint or a run's
folder. The first images are computed by onnxruntime, too, and a conversion that differs is refused.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.errors import InputError, first_line
from benchmark.victims.adapters import import_extra
from benchmark.victims.onnx_comparison import compare
from benchmark.victims.onnx_file import read_onnx
from benchmark.victims.program import Program, Shape, other_file

_CHECKED = 2  # images, of a network that takes any number of them


def network(program: str) -> nn.Module:
    """The network of the file `program`, on the CPU; of several outputs it returns those by name.

    Raises:
        InputError: there is no such ONNX file, a package is missing, or the network cannot be converted.
    """
    for package in ("onnx", "onnxruntime", "onnx2pytorch"):
        import_extra(package, "onnx")
    path = Path(program)
    if not path.is_file():
        raise InputError(f"victim.program={program}: no such file")
    try:
        model, sha256 = read_onnx(path)
    except InputError:
        raise
    except Exception as error:  # a file of any bytes raises errors of many types
        refusal = InputError(
            f"victim.program={program}: is no ONNX file that can be read ({first_line(error)}); give what "
            "torch.onnx.export or onnx.save wrote, with the files of its external data beside it"
        )
        raise other_file(refusal, program, "onnx") from error
    shape = _input_shape(model, program)
    at_once = shape[0] or _CHECKED
    return Program(Converted(model, program, at_once), program, sha256, shape, fixed_mode=True)


class Converted(nn.Module):
    """The torch module of an ONNX model. At its first images it is compared with onnxruntime.

    Args:
        model: an onnx.ModelProto, as `read_onnx` returns it.
        name: of the file, for messages.
        at_once: images that are compared.
    """

    def __init__(self, model: Any, name: str, at_once: int) -> None:
        super().__init__()
        self._name, self._at_once = name, at_once
        self._unchecked: bytes | None = model.SerializeToString()
        self._outputs = [output.name for output in model.graph.output]
        self.converted = _convert(model, name)

    def forward(self, images: Tensor) -> Any:
        """The output of images (B, C, H, W), or several by name. Raises InputError if onnxruntime's differs."""
        if self._unchecked is not None:
            # The network as it was converted: training may have changed this one, and it may be on a GPU.
            compare(
                _convert(_parsed(self._unchecked), self._name), self._unchecked, images[: self._at_once], self._name
            )
            self._unchecked = None
        result = self.converted(images)
        return result if len(self._outputs) == 1 else dict(zip(self._outputs, result, strict=True))


class FloatingCast(nn.Module):
    """ONNX's Cast to a floating-point type: to the precision that the network is attacked in."""

    like: Tensor

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("like", torch.empty(0, dtype=dtype), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """The values in the type of the network's tensors."""
        return values.to(self.like.dtype)


def _parsed(content: bytes) -> Any:
    import onnx

    return onnx.ModelProto.FromString(content)


def _convert(model: Any, name: str) -> nn.Module:
    import onnx2pytorch
    from onnx2pytorch.operations import Cast, LayerNorm

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Where the converter knows no operator, it says that it guesses.
            warnings.filterwarnings("error", message="No explicit conversion", category=RuntimeWarning)
            converted: nn.Module = onnx2pytorch.ConvertModel(model).eval()
    except Exception as error:  # the converter raises errors of many types
        raise InputError(
            f"victim.program={name}: cannot be converted to torch ({first_line(error)}); give the network itself, "
            "victim=python, or its TorchScript or torch.export file"
        ) from error
    for place, module in list(converted.named_children()):
        if isinstance(module, Cast) and module.dtype in (torch.float32, torch.float64):
            setattr(converted, place, FloatingCast(module.dtype))
        elif isinstance(module, LayerNorm):
            module.register_forward_pre_hook(_accumulate_exactly)
    for module in converted.modules():
        _widen_attributes(module)
    return converted


def _widen_attributes(module: nn.Module) -> None:
    """Give numbers that ONNX keeps in float32, such as the epsilon 1e-5, the value that they were written from."""
    for name, value in list(vars(module).items()):
        if isinstance(value, float) and float(np.float32(value)) == value:
            setattr(module, name, float(str(np.float32(value))))


def _accumulate_exactly(layer: Any, inputs: tuple[Tensor, ...]) -> None:
    """A layer normalisation of float64 numbers adds in float64, whatever the file says."""
    if inputs[0].dtype == torch.float64:
        layer.accumulation_dtype = torch.float64


def _input_shape(model: Any, name: str) -> Shape:
    """The shape of the only input, a batch of images."""
    import onnx

    weights = {tensor.name for tensor in model.graph.initializer}  # older files list them as inputs, too
    inputs = [value for value in model.graph.input if value.name not in weights]
    kind = inputs[0].type.tensor_type if len(inputs) == 1 else None
    if kind is None or len(kind.shape.dim) != 4:
        raise InputError(f"victim.program={name}: takes something else than one batch of images (B, C, H, W)")
    if kind.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE):
        found = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        raise InputError(
            f"victim.program={name}: takes images of type {found}; export the network of float32 or float64"
        )
    batch, channels, height, width = (side.dim_value if side.dim_value > 0 else None for side in kind.shape.dim)
    return batch, channels, height, width
