"""A file of torch.export.save (.pt2).

The file is a program, and its reader evaluates the expressions of sizes in it: load only what you would run. Only the
configuration names it, never a checkpoint or a run's folder. Files with objects that torch would unpickle are refused.
"""

import io
import pickle
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import nn

from benchmark.errors import InputError, first_line
from benchmark.regular_files import file_sha256, open_regular
from benchmark.runs.archives import check_archive
from benchmark.runs.limited_text import parse_json
from benchmark.victims.program import Program, Shape, other_file


def network(program: str) -> nn.Module:
    """The module of the file `program`, on the CPU.

    Raises InputError if there is no such file of torch.export, or if it holds pickled objects.
    """
    path = Path(program)
    if not path.is_file():
        raise InputError(f"victim.program={program}: no such file")
    try:
        refuse_pickles(path)
        exported = torch.export.load(path)
    except InputError as error:
        raise other_file(error, program, "exported") from error
    except Exception as error:  # a file of any bytes raises errors of many types
        refusal = InputError(
            f"victim.program={program}: is no program that this torch can read ({first_line(error)}); give what "
            f"torch.export.save of torch {torch.__version__.partition('+')[0]} or a little older wrote"
        )
        raise other_file(refusal, program, "exported") from error
    return Program(exported.module(), program, file_sha256(path), _input_shape(exported, program), fixed_mode=True)


def _input_shape(exported: torch.export.ExportedProgram, name: str) -> Shape:
    """The shape of the only input, a batch of images."""
    inputs = [node for node in exported.graph.nodes if node.name in exported.graph_signature.user_inputs]
    shape = inputs[0].meta["val"].shape if len(inputs) == 1 else ()
    if len(shape) != 4:
        raise InputError(f"victim.program={name}: takes something else than one batch of images (B, C, H, W)")
    batch, channels, height, width = (side if isinstance(side, int) else None for side in shape)
    return batch, channels, height, width


def refuse_pickles(path: Path) -> None:
    """Raise InputError if the archive holds anything that torch.export.load would unpickle beyond plain tensors."""
    with open_regular(path) as file:
        check_archive(file)
    with zipfile.ZipFile(path) as archive:
        # A member's name begins with the name of the archive's own folder.
        contents = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    if "archive_format" not in contents:
        raise InputError(f"victim.program={path}: is of an older format, or none of torch.export; export it again")
    for name, content in contents.items():
        if name.endswith("_config.json"):
            _check_payloads(path, name, parse_json(content.decode()), contents)
        elif name.endswith(".pt") and content:
            _check_tensors(path, name, content)


def _check_payloads(path: Path, name: str, config: Any, contents: dict[str, bytes]) -> None:
    for payload in config["config"].values():
        member = f"{PurePosixPath(name).parent}/{payload['path_name']}"
        if not PurePosixPath(member).name.startswith(("weight_", "tensor_")):
            raise InputError(f"victim.program={path}: holds the pickled object {member}, which could execute code")
        if payload["use_pickle"]:
            _check_tensors(path, member, contents[member])


def _check_tensors(path: Path, name: str, content: bytes) -> None:
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"victim.program={path}: {name} holds more than tensors and could execute code") from error
