"""Reads which image processor of transformers a folder has, and with which values. No code of the folder runs."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, did_you_mean, first_line
from benchmark.victims.adapters import read_json
from benchmark.victims.image_processor.keys import AS_IT_IS, EARLIER_NAMES, pixel_keys

_NESTED, _OWN = "processor_config.json", "preprocessor_config.json"
_TASKS = ("SEMANTIC_SEGMENTATION", "UNIVERSAL_SEGMENTATION", "IMAGE_SEGMENTATION", "INSTANCE_SEGMENTATION", "BACKBONE")


@cache
def class_names() -> Mapping[str, str]:
    """Names that a file may give -> the class that the library takes for it, on torchvision where there is one.

    These are the image processors of all segmentation models, and of the backbones that they are built on.
    """
    from transformers.models.auto import image_processing_auto, modeling_auto

    processors = image_processing_auto.IMAGE_PROCESSOR_MAPPING_NAMES
    names = {}
    for task in _TASKS:
        for model_type in getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES"):
            row = processors.get(model_type) or {}
            for name in filter(None, row.values()):
                names[name] = row.get("torchvision") or row["pil"]
    return names


def image_processor(folder: Path, config: Any) -> tuple[Any, str]:
    """The library's processor with the folder's values, and the file that they stand in, for messages.

    Like the library, this takes the section `image_processor` of processor_config.json before
    preprocessor_config.json, and the model's own class of processor where neither names one.

    Args:
        folder: of save_pretrained.
        config: the model's.

    Raises:
        InputError: there is neither file, or the library's processor cannot be made of it.
    """
    keys, file = _described(folder)
    where = f"victim.folder={folder}: {file}"
    name = _class_name(keys, config, where)
    from transformers.models.auto.image_processing_auto import get_image_processor_class_from_name

    kind = get_image_processor_class_from_name(name)
    values = pixel_keys(keys, where, kind.valid_kwargs.__annotations__)
    try:
        processor = kind(**values)
    except Exception as error:  # the library raises errors of many types
        raise InputError(
            f"{where}: {name} cannot be made of it ({first_line(error)}); correct it, or {AS_IT_IS}"
        ) from error
    for earlier, now in EARLIER_NAMES.items():
        said, used = values.get(earlier), getattr(processor, now, None)
        if said is not None and said != used:
            raise InputError(
                f"{where}: {earlier}={said} is not read by this transformers, whose {now} is {used}; "
                f"rename it to {now}, take it out, or {AS_IT_IS}"
            )
    return processor, f"{where}: {name}"


def reduces_labels(folder: Path) -> bool:
    """Whether the folder's masks lose their class 0, so that class 0 of the model is class 1 of the masks."""
    try:
        keys, _ = _described(folder)
    except InputError:
        return False
    return bool(keys.get("do_reduce_labels") or keys.get("reduce_labels"))


def _described(folder: Path) -> tuple[dict[str, Any], str]:
    cure = f"restore it, or {AS_IT_IS}"
    if (folder / _NESTED).is_file():
        nested = read_json(folder / _NESTED, cure).get("image_processor")
        if nested is not None:
            if not isinstance(nested, dict):
                raise InputError(
                    f"victim.folder={folder}: {_NESTED}: image_processor holds no names and values; {cure}"
                )
            return nested, _NESTED
    if (folder / _OWN).is_file():
        return read_json(folder / _OWN, cure), _OWN
    raise InputError(
        f"victim.folder={folder}: has neither {_OWN} nor an image_processor in {_NESTED}, so that nothing says what "
        f"its network takes; {cure}"
    )


def _class_name(keys: Mapping[str, Any], config: Any, where: str) -> str:
    for said in (keys.get("auto_map"), getattr(config, "auto_map", None)):
        if isinstance(said, Mapping) and said.keys() & {"AutoImageProcessor", "AutoFeatureExtractor"}:
            raise InputError(
                f"{where}: auto_map names code of the folder, which is not run; take auto_map out if "
                f"image_processor_type names a class of transformers that does the same, or {AS_IT_IS}"
            )
    name = keys.get("image_processor_type")
    if name is None and keys.get("feature_extractor_type") is not None:
        name = str(keys["feature_extractor_type"]).replace("FeatureExtractor", "ImageProcessor")
    if name is None:
        name = getattr(config, "image_processor_type", None) or _of_model(config, where)
    known = class_names()
    chosen = known.get(str(name).removesuffix("Fast"))
    if chosen is None:
        near = did_you_mean(str(name), known)
        raise InputError(
            f"{where}: image_processor_type {name!r} is no image processor of a segmentation model in this "
            f"transformers{near}; correct it, or {AS_IT_IS}"
        )
    return chosen


def _of_model(config: Any, where: str) -> str:
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    row = IMAGE_PROCESSOR_MAPPING_NAMES.get(config.model_type) or {}
    names = [name for name in row.values() if name]
    if not names:
        raise InputError(
            f"{where}: names no image_processor_type, and transformers has none for {config.model_type}; add it, or "
            f"{AS_IT_IS}"
        )
    return str(names[0])
