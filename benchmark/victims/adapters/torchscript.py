"""A TorchScript file, as torch.jit.save writes it.

The file is a program: load only what you would run. It runs in TorchScript's own interpreter, which reads its pickles
without Python's unpickler. Only the configuration names it, never a checkpoint or a run's folder.
"""

import warnings
from pathlib import Path

import torch
from torch import nn

from benchmark.errors import InputError, first_line
from benchmark.regular_files import file_sha256
from benchmark.victims.program import Program, other_file


def network(program: str) -> nn.Module:
    """The module of the file `program`, on the CPU. Raises InputError if there is no such file of TorchScript."""
    if not Path(program).is_file():
        raise InputError(f"victim.program={program}: no such file")
    try:
        sha256 = file_sha256(Path(program))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that torch.export is preferred
            module: nn.Module = torch.jit.load(program, map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        refusal = InputError(
            f"victim.program={program}: is no TorchScript file ({first_line(error)}); give what torch.jit.save wrote, "
            "or victim=exported for what torch.export.save wrote"
        )
        raise other_file(refusal, program, "torchscript") from error
    return Program(module, program, sha256)
