"""The message about a file or folder that is given as victim.ckpt and is something else."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.regular_files import open_regular
from benchmark.victims.other_files.factories import (
    lightning_factory,
    mmsegmentation_factory,
    module_factory,
    weights_factory,
)
from benchmark.victims.other_files.folders import explained_folder, import_command
from benchmark.victims.other_files.pickles import PickleNames, pickle_names
from benchmark.victims.safetensors_io import KEY
from benchmark.victims.weights import read_contents, weight_sets

_LIGHTNING = "pytorch-lightning_version"
_OF_VICTIM = {"architecture", "encoder_weights", "deployment"}  # hyper-parameters
_CANNOT = "which is no PyTorch; convert it to ONNX, for victim=onnx victim.program=FILE.onnx"
# First bytes -> what such a file is.
_MAGIC = {
    b"\x89HDF\r\n\x1a\n": f"is a Keras or other HDF5 file, {_CANNOT}",
    b"\x1f\x8b": "is compressed; unpack it first",
    b"ftrt": "is a TensorRT engine, which has no gradients; give the network that it was made of",
}
_ENDINGS = {
    ".onnx": "is an ONNX file; give victim=onnx victim.program={path}",
    ".tflite": f"is a TensorFlow Lite file, {_CANNOT}",
    ".pb": f"is a TensorFlow file, {_CANNOT}",
    ".keras": f"is a Keras file, {_CANNOT}",
    ".h5": f"is a Keras or other HDF5 file, {_CANNOT}",
    ".engine": "is a TensorRT engine, which has no gradients; give the network that it was made of",
    ".mlmodel": "is a Core ML file, which has no gradients; give the network that it was made of",
}


def explained(path: Path, error: InputError, *, damaged: bool = False) -> InputError:
    """The error, or one that says what the file or folder at `path` is; after its line it may show a factory.

    Of what may be `damaged`, only the kind of file is looked at.
    """
    try:
        return (explained_folder(path) if path.is_dir() else _explained_file(path, damaged)) or error
    except InputError:
        return error
    except Exception:  # a file of any bytes raises errors of many types
        return error


def _explained_file(path: Path, damaged: bool) -> InputError | None:
    with open_regular(path) as file:
        start = file.read(64)
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            return InputError(f"{path} {what}")
    if path.suffix in _ENDINGS:
        return InputError(f"{path} {_ENDINGS[path.suffix].format(path=path)}")
    if start.startswith(b"PK\3\4"):
        return _explained_archive(path, damaged)
    if path.suffix == ".safetensors":
        if _exported(path):
            return InputError(f"{path} is an exported victim; import it: {import_command(path)}")
        return _explained_weights(path, read_contents(path, "victim.ckpt"))
    return _explained_torch(path) if start.startswith(b"\x80") else None


def _exported(path: Path) -> bool:
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        return KEY in (opened.metadata() or {})


def _explained_archive(path: Path, damaged: bool) -> InputError | None:
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        tops = set(archive.namelist())
    if "archive_format" in names:
        return InputError(f"{path} is a program of torch.export; give victim=exported victim.program={path}")
    if "constants.pkl" in names:
        return InputError(f"{path} is a TorchScript program; give victim=torchscript victim.program={path}")
    if "metadata.json" in tops and "config.json" in tops:
        return InputError(f"{path} is a Keras file, {_CANNOT}")
    if any(name.endswith(".npy") for name in tops):
        return InputError(f"{path} holds NumPy arrays; save the network's state_dict with torch.save")
    return _explained_torch(path) if "data.pkl" in names and not damaged else None


def _explained_torch(path: Path) -> InputError | None:
    try:
        contents = read_contents(path, "victim.ckpt")
    except InputError:
        return _explained_pickle(path, pickle_names(path))
    if not isinstance(contents, Mapping):
        return None
    if "network_weights" in contents and "trainer_name" in contents:
        folder = path.resolve().parents[1]
        return InputError(f"{path} is a checkpoint of nnU-Net; give victim=nnunet victim.folder={folder}")
    if _LIGHTNING in contents:
        saved, weights = contents.get("hyper_parameters"), contents.get("state_dict")
        if not isinstance(weights, Mapping) or not weights:
            return None
        return lightning_factory(path, weights, saved if isinstance(saved, Mapping) else {})
    return _explained_weights(path, contents)


def _explained_weights(path: Path, contents: Any) -> InputError | None:
    sets = weight_sets(contents)
    if not sets:
        return None
    place = next(iter(sets))
    if any(name.startswith("decode_head.") for name in sets[place]):
        return mmsegmentation_factory(path)
    # An entry is needed only where there are several.
    return weights_factory(path, sets[place], place if len(sets) > 1 else None, list(sets))


def _explained_pickle(path: Path, names: PickleNames) -> InputError | None:
    if any(word.startswith("decode_head.") for word in names.words):
        return mmsegmentation_factory(path)
    if _LIGHTNING in names.words and not names.words >= _OF_VICTIM:
        return lightning_factory(path, None, {})
    return module_factory(path, names.classes[0]) if names.is_module and names.classes else None
