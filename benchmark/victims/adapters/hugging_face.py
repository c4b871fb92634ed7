"""A segmentation model in a local folder, as transformers' save_pretrained writes it (safetensors, no code)."""

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.errors import InputError, first_line, printable
from benchmark.victims.adapters import import_extra, read_json
from benchmark.victims.image_processor.folder_files import image_processor, reduces_labels
from benchmark.victims.image_processor.folder_processor import FolderProcessor

HARMLESS = ("preprocess",)

_LARGEST_COUNT, _MOST_LAYERS = 10**6, 1000  # of any number in config.json


def network(folder: str, preprocess: bool = True, channels: int = 3, outputs: int | None = None) -> nn.Module:
    """The model of `folder`, with logits per pixel (SegFormer, UPerNet, BEiT, DPT, ...) or masks with classes
    (MaskFormer, Mask2Former, EoMT), from which logits per pixel are computed.

    Args:
        folder: holds config.json and model.safetensors. Nothing is downloaded; no code of the folder runs.
        preprocess: whether the model gets what the folder's own image processor makes of the images, instead of the
            images in [0, 1].
        channels: of the images.
        outputs: classes that the model has to tell apart; None: any number.

    Raises:
        InputError: no such folder, transformers is not installed, the model cannot be made, it has other classes, or
            its image processor cannot be followed exactly.
    """
    path = Path(folder).expanduser()
    if not (path / "config.json").is_file():
        raise InputError(f"victim.folder={folder}: has no config.json; give a folder that save_pretrained wrote")
    if (path / "adapter_config.json").exists():
        raise InputError(
            f"victim.folder={folder}: adapter_config.json says that its weights are added to those of another model; "
            "merge them (peft's merge_and_unload) and save the whole model"
        )
    transformers = import_extra("transformers", "hugging_face")
    model = _model(transformers, path, folder)
    names = _class_names(model.config)
    if outputs is not None and len(names) != outputs:
        raise InputError(_other_classes(path, folder, names, outputs))
    processor = None
    if preprocess:
        processor = FolderProcessor(*image_processor(path, model.config))
        channels = processor.check(channels)
    needed = _of_config(model.config, "num_channels")
    if isinstance(needed, int) and needed != channels:
        raise InputError(
            f"victim.folder={folder}: its model takes images of {needed} channels and would get {channels}; "
            f"give data.channels={needed}"
        )
    return HuggingFace(model, processor, names, folder)


class HuggingFace(nn.Module):
    """Images in [0, 1] -> logits of their size, by a model of transformers and its image processor.

    `class_names` are the model's names of its classes, in the order of the logits.
    """

    def __init__(
        self, model: nn.Module, processor: FolderProcessor | None, class_names: Sequence[str], folder: str
    ) -> None:
        super().__init__()
        self.model = model
        self.class_names = tuple(class_names)
        self._processor, self._folder = processor, folder

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W), interpolated bilinearly from those the model gives."""
        size = images.shape[-2:]
        if self._processor is None:
            return F.interpolate(self._logits(images, {}), size, mode="bilinear")
        inputs, steps = self._processor(images)
        masked = steps.masked and "pixel_mask" in inspect.signature(self.model.forward).parameters
        logits = self._logits(inputs, {"pixel_mask": steps.pixel_mask(inputs)} if masked else {})
        if steps.padded:
            logits = steps.box.crop(F.interpolate(logits, steps.canvas, mode="bilinear"))
        return F.interpolate(logits, size, mode="bilinear")

    def _logits(self, inputs: Tensor, more: dict[str, Tensor]) -> Tensor:
        try:
            output = self.model(pixel_values=inputs, **more)
        except torch.OutOfMemoryError:
            raise
        except (ValueError, RuntimeError) as error:
            made_for, size = _fixed_size(getattr(self.model, "config", None)), list(inputs.shape[-2:])
            if made_for is None or made_for == size:
                raise
            cure = f"'victim.resize=[{made_for[0]},{made_for[1]}]'"
            if self._processor is not None:
                cure = f"that size in its image processor, or victim.preprocess=false {cure}"
            raise InputError(
                f"victim.folder={self._folder}: its model was made for images of {made_for[0]} x {made_for[1]} "
                f"(height x width) and fails on {size[0]} x {size[1]} ({first_line(error)}); give {cure}"
            ) from error
        if hasattr(output, "masks_queries_logits"):
            return _per_pixel(output.class_queries_logits, output.masks_queries_logits)
        if hasattr(output, "pred_masks"):
            return _per_pixel(output.logits, output.pred_masks)
        logits: Tensor = output.logits
        return logits


def _per_pixel(classes: Tensor, masks: Tensor) -> Tensor:
    """Logarithm of each class's score in each pixel, as in transformers' post_process_semantic_segmentation.

    Args:
        classes: (B, Q, K + 1), logits of the queries' classes; the last is "no object".
        masks: (B, Q, h, w), logits of the queries' masks.
    """
    scores = torch.einsum("bqc,bqhw->bchw", classes.softmax(-1)[..., :-1], masks.sigmoid())
    return scores.clamp(min=torch.finfo(scores.dtype).tiny).log()


def _model(transformers: Any, path: Path, folder: str) -> Any:
    from transformers.models.auto.modeling_auto import MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES

    config = read_json(path / "config.json", "restore it")
    _check_values(config, f"victim.folder={folder}: config.json")
    model_type = config.get("model_type")
    if model_type in ("oneformer", "videomt"):
        raise InputError(
            f"victim.folder={folder}: a model of type {model_type} takes more than one image; wrap it in a function "
            "for victim=python, see docs/own_models.md"
        )
    by_masks = str(model_type) in MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES
    kind = getattr(transformers, f"AutoModelFor{'Universal' if by_masks else 'Semantic'}Segmentation")
    try:
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()  # what it warns of is refused below
        with _without_network():
            model, report = kind.from_pretrained(
                path,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # they are named below
                output_loading_info=True,
            )
    except Exception as error:  # the library raises errors of many types
        raise InputError(
            f"victim.folder={folder}: transformers {transformers.__version__} cannot make a segmentation model of it "
            f"({first_line(error)}); give a folder that save_pretrained wrote for one, with all that config.json names"
        ) from error
    mismatched = [str(name if isinstance(name, str) else name[0]) for name in report["mismatched_keys"]]
    if absent := sorted([*report["missing_keys"], *mismatched]):
        raise InputError(
            f"victim.folder={folder}: holds no weights for {len(absent)} tensors of the model, such as {absent[0]}; "
            "give a model that was trained for segmentation"
        )
    return model


def _check_values(value: Any, where: str, key: str = "") -> None:
    """Raise InputError for a value of config.json that no model of the library itself has.

    These are numbers so large that the model would be built for hours or fill the memory, and attention from elsewhere.
    """
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else ((key, part) for part in value)
        for name, part in parts:
            _check_values(part, where, str(name))
    largest = _MOST_LAYERS if any(word in key for word in ("layers", "depths", "blocks")) else _LARGEST_COUNT
    if isinstance(value, int) and value > largest:
        raise InputError(f"{where}: {key}={value}: is more than {largest}; give the configuration of the weights")
    if key.endswith("attn_implementation") and isinstance(value, str) and value not in ("eager", "sdpa"):
        raise InputError(f"{where}: {key}={value!r}: names code that is not run; take it out")


def _class_names(config: Any) -> list[str]:
    return [printable(config.id2label.get(index, f"class {index}")) for index in range(config.num_labels)]


def _other_classes(path: Path, folder: str, names: Sequence[str], outputs: int) -> str:
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    message = f"victim.folder={folder}: its model tells {len(names)} classes apart ({shown}), {outputs} are needed; "
    message += "give data with the model's classes, or a model trained for these data"
    if reduces_labels(path):
        message += " (by do_reduce_labels its first class is label 1 of the masks it was trained with)"
    return message


def _fixed_size(config: Any) -> list[int] | None:
    """Height and width of a configuration of transformers; None if it has none."""
    size = _of_config(config, "image_size")
    if isinstance(size, int):
        return [size, size]
    return list(size) if isinstance(size, list | tuple) and len(size) == 2 else None


def _of_config(config: Any, name: str) -> Any:
    """A value of a model's configuration or of its backbone's; None if neither has it."""
    value = getattr(config, name, None)
    return getattr(getattr(config, "backbone_config", None), name, None) if value is None else value


@contextmanager
def _without_network() -> Iterator[None]:
    """Let transformers and timm ask no server for a backbone that a folder names."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
