"""Compares a converted ONNX network with onnxruntime."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.errors import InputError, first_line
from benchmark.victims.onnx_file import graph_tensors, graphs

TOLERANCE = 1e-4
"""Largest difference, relative to the largest value of an output."""


def compare(network: Any, content: bytes, images: Tensor, name: str) -> None:
    """Compare the outputs of both for images (B, C, H, W), on the CPU.

    Args:
        network: the torch module that onnx2pytorch made, on the CPU.
        content: the serialised onnx.ModelProto that it was made of.
        images: as many as the network takes at once.
        name: of the file, for messages.

    Raises:
        InputError: an output differs; the message names the first operator that does.
    """
    import onnx

    model = onnx.ModelProto.FromString(content)
    doubles = any(value.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE for value in model.graph.input)
    images = images.detach().cpu().to(torch.float64 if doubles else torch.float32)
    _to_float32(model)
    try:
        found = _converted_outputs(network, images)
        expected = _runtime_outputs(model, images, network.output_names)
    except Exception as error:  # both raise errors of many types
        raise InputError(
            f"victim.program={name}: cannot be computed by both torch and onnxruntime, and is not trusted "
            f"({first_line(error)}); give the network itself, victim=python, or its torch.export file"
        ) from error
    if (difference := _difference(found, expected)) <= TOLERANCE:
        return
    raise InputError(
        f"victim.program={name}: converted to torch it differs from onnxruntime by {difference:.2g} of the largest "
        f"output (limit {TOLERANCE:g}){_first_operator(network, model, images)}; give the network itself, "
        "victim=python, or its torch.export file"
    )


def _converted_outputs(network: Any, images: Tensor) -> list[np.ndarray]:
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        result = network(images)
    return [one.double().numpy() for one in ([result] if len(network.output_names) == 1 else result)]


def _runtime_outputs(model: Any, images: Tensor, names: list[str]) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    weights = {tensor.name for tensor in model.graph.initializer}
    (key,) = [value.name for value in session.get_inputs() if value.name not in weights]
    return [np.asarray(one, dtype=np.float64) for one in session.run(names, {key: images.float().numpy()})]


def _difference(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest difference, relative to the largest value of its output."""
    worst = 0.0
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape:
            return float("inf")
        scale = max(float(np.abs(other).max(initial=0)), 1e-12)
        difference = float(np.abs(one - other).max(initial=0)) / scale
        worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    return worst


def _first_operator(network: Any, model: Any, images: Tensor) -> str:
    """The first operator whose output differs, for a message."""
    import onnx

    nodes = [node for node in network.onnx_model.graph.node if node.op_type not in ("Shape", "Constant")]
    names = [node.output[0] for node in nodes]
    returned = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in returned)
    network.output_names = names
    try:
        found, expected = _converted_outputs(network, images), _runtime_outputs(model, images, names)
    except Exception:  # what cannot be looked into has no first operator
        return ""
    for node, one, other in zip(nodes, found, expected, strict=True):
        if _difference([one], [other]) > TOLERANCE:
            return f", first at its operator {node.op_type} {node.name[:100]!r}"
    return ""


def _to_float32(model: Any) -> None:
    """Make a float64 model one of float32, because onnxruntime convolves float32 numbers only."""
    import onnx
    from onnx import numpy_helper

    double, single = onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT
    for tensor in graph_tensors(model.graph):
        if tensor.data_type == double:
            converted = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
            tensor.CopyFrom(converted)
    for graph in graphs(model.graph):
        for value in [*graph.input, *graph.output, *graph.value_info]:
            if value.type.tensor_type.elem_type == double:
                value.type.tensor_type.elem_type = single
        for node in graph.node:
            for attribute in node.attribute:
                if node.op_type == "Cast" and attribute.name == "to" and attribute.i == double:
                    attribute.i = single
