"""Reads an ONNX file: its own operators only, and external data only from regular files in its folder."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.regular_files import open_regular

LARGEST = 2**31 - 1
"""Bytes of a file with its external data, at most, as in Protocol Buffers."""


def read_onnx(path: Path) -> tuple[Any, str]:
    """The onnx.ModelProto of a file, with all tensors in it, and the SHA-256 of all that was read.

    Constants are initialisers in it, under one name each, and functions are inlined, as the converter needs them.

    Raises:
        InputError: an operator is none of ONNX's own.
        OSError: the file or its external data cannot be read, or are no regular files in the file's folder.
        ValueError: it is too large or no ONNX file.
    """
    import onnx
    import onnx.inliner

    with open_regular(path) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} bytes")
    model = onnx.ModelProto.FromString(content)
    if not model.graph.node:
        raise ValueError("it has no operators")
    digest = hashlib.sha256(content)
    left = LARGEST - len(content)
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            external = _external(tensor, path.parent, left)
            left -= len(external)
            digest.update(external)
            tensor.raw_data = external
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    _refuse_foreign_operators(model, path)
    _name_constants_once(model.graph)
    return model, digest.hexdigest()


def graphs(graph: Any) -> Iterator[Any]:
    """A graph, and those within its operators, such as the branches of If."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from graphs(inner)


def graph_tensors(graph: Any) -> Iterator[Any]:
    """All onnx.TensorProto of a graph, those of attributes and inner graphs included."""
    for inner in graphs(graph):
        yield from inner.initializer
        yield from _attribute_tensors(inner.node)


def _tensors(model: Any) -> Iterator[Any]:
    yield from graph_tensors(model.graph)
    for function in model.functions:
        yield from _attribute_tensors(function.node)


def _attribute_tensors(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else attribute.tensors


def _external(tensor: Any, folder: Path, left: int) -> bytes:
    """The bytes of a tensor, from a file of the folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    with open_regular(folder / entries.get("location", ""), inside=folder) as file:
        file.seek(int(entries.get("offset", 0)))
        length = int(entries.get("length", left + 1))
        content = file.read(min(length, left + 1)) if length >= 0 else b""
    if len(content) > left:
        raise ValueError(f"it is larger than {LARGEST} bytes with its external data")
    if "length" in entries and len(content) != length:
        raise ValueError(f"its tensor {tensor.name[:100]!r} claims bytes that {entries['location'][:100]!r} lacks")
    return content


def _refuse_foreign_operators(model: Any, path: Path) -> None:
    import onnx

    for graph in graphs(model.graph):
        for node in graph.node:
            if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type):
                name = ".".join(part for part in (node.domain, node.op_type) if part)
                raise InputError(
                    f"victim.program={path}: its operator {name[:100]!r} is none of ONNX's own; export it with ONNX's "
                    "operators, without optimisation for one runtime"
                )


def _name_constants_once(graph: Any) -> None:
    """Turn Constant operators into initialisers, and give what Identity copies of an initialiser its first name.

    The converter takes the weights of a convolution only from initialisers.
    """
    first: dict[str, str] = {}
    kept, returned = [], {output.name for output in graph.output}
    known = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = first.get(name, name)
        value = node.attribute[0] if node.op_type == "Constant" and len(node.attribute) == 1 else None
        if value is not None and value.name == "value":
            tensor = graph.initializer.add()
            tensor.CopyFrom(value.t)
            tensor.name = node.output[0]
            known.add(tensor.name)
        elif node.op_type == "Identity" and node.input[0] in known and node.output[0] not in returned:
            first[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    for node in kept:
        for inner in [one for attribute in node.attribute for one in [attribute.g, *attribute.graphs]]:
            for within in graphs(inner):
                for reader in within.node:
                    for position, name in enumerate(reader.input):
                        reader.input[position] = first.get(name, name)
    copies = [type(node).FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)
