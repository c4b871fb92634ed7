"""Folders that are given as victim.ckpt."""

from pathlib import Path

from benchmark.errors import InputError

# A file in a folder -> what the folder is, and how to attack it.
_FOLDERS = {
    "plans.json": "is a trained model of nnU-Net; give victim=nnunet victim.folder={path}",
    "configs/inference.json": "is a MONAI bundle; give victim=monai victim.folder={path}",
    "configs/inference.yaml": "is a MONAI bundle; give victim=monai victim.folder={path}",
    "saved_model.pb": "is a TensorFlow SavedModel, which is no PyTorch; convert it to ONNX, for victim=onnx "
    "victim.program=FILE.onnx",
    "preprocessor_config.json": "is a Hugging Face model; give victim=hugging_face victim.folder={path}",
}


def import_command(path: Path) -> str:
    """The command that makes a victim's checkpoint of what is at `path`."""
    return f"python -m benchmark victims import {path} --out victim.ckpt"


def explained_folder(path: Path) -> InputError | None:
    """What the folder is; None if that is not known."""
    for name, what in _FOLDERS.items():
        if (path / name).is_file():
            return InputError(f"{path} {what.format(path=path)}")
    config = path / "config.json"
    if config.is_file():
        with config.open("rb") as file:
            of_smp = b'"_model_class"' in file.read(2**16)
        if of_smp:
            what = "is what segmentation-models-pytorch's save_pretrained wrote"
            return InputError(f"{path} {what}; import it: {import_command(path)}")
        return InputError(f"{path} is a Hugging Face model; give victim=hugging_face victim.folder={path}")
    if (path / "model.safetensors").is_file() and (path / "README.md").is_file():
        return InputError(f"{path} is an exported victim; import it: {import_command(path)}")
    checkpoints = sorted([*path.glob("*.ckpt"), *path.glob("checkpoints/*.ckpt")])
    if checkpoints:
        return InputError(f"{path} is a folder; give one of its files, such as victim.ckpt={checkpoints[0]}")
    return None
