"""A segmentation model in a local folder, as transformers' save_pretrained writes it (safetensors, no code)."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.errors import InputError, first_line
from benchmark.victims.adapters import import_extra, read_json

HARMLESS = ("preprocess",)


def network(folder: str, preprocess: bool = True) -> nn.Module:
    """The model of `folder`, with logits per pixel (SegFormer, UPerNet, BEiT, DPT, ...) or masks with classes
    (MaskFormer, Mask2Former), from which logits per pixel are computed.

    Args:
        folder: holds config.json and model.safetensors. Nothing is downloaded; no code of the folder runs.
        preprocess: whether to normalise as preprocessor_config.json says, and to resize if it has height and width.

    Raises:
        InputError: no such folder, transformers is not installed, or the model cannot be made.
    """
    path = Path(folder).expanduser()
    if not (path / "config.json").is_file():
        raise InputError(f"victim.folder={folder}: has no config.json; give a folder that save_pretrained wrote")
    transformers = import_extra("transformers", "hugging_face")
    classes = map(str, read_json(path / "config.json", "restore it").get("architectures") or [])
    by_masks = any("MaskFormer" in name or "Mask2Former" in name for name in classes)
    kind = getattr(transformers, f"AutoModelFor{'Universal' if by_masks else 'Semantic'}Segmentation")
    try:
        transformers.utils.logging.disable_progress_bar()
        model, report = kind.from_pretrained(
            path,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # the library raises errors of many types
        raise InputError(
            f"victim.folder={folder}: transformers cannot make a segmentation model of it ({first_line(error)})"
        ) from error
    if absent := sorted([*report["missing_keys"], *map(str, report["mismatched_keys"])]):
        raise InputError(
            f"victim.folder={folder}: holds no weights for {len(absent)} tensors of the model, such as {absent[0]}; "
            "give a model that was trained for segmentation"
        )
    return HuggingFace(model, _preprocessing(path) if preprocess else {})


class HuggingFace(nn.Module):
    """Images in [0, 1] -> logits of their size, by a model of transformers and its preprocessing."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, preprocessing: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self._size = preprocessing.get("size")
        for name, default in (("mean", 0.0), ("std", 1.0)):
            values = torch.tensor(preprocessing.get(name, [default]), dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W), interpolated bilinearly from those the model gives."""
        inputs = (images - self.mean) / self.std
        if self._size is not None:
            inputs = F.interpolate(inputs, self._size, mode="bilinear", antialias=True)
        output = self.model(pixel_values=inputs)
        logits = _per_pixel(output) if hasattr(output, "masks_queries_logits") else output.logits
        return F.interpolate(logits, images.shape[-2:], mode="bilinear")


def _per_pixel(output: Any) -> Tensor:
    """Logarithm of each class's score in each pixel, as in transformers' post_process_semantic_segmentation."""
    classes = output.class_queries_logits.softmax(-1)[..., :-1]
    scores = torch.einsum("bqc,bqhw->bchw", classes, output.masks_queries_logits.sigmoid())
    return scores.clamp(min=torch.finfo(scores.dtype).tiny).log()


def _preprocessing(path: Path) -> dict[str, Any]:
    """`mean` and `std` for images in [0, 1] and `size` (height, width), if the folder has them."""
    file = path / "preprocessor_config.json"
    if not file.is_file():
        return {}
    config = read_json(file, "restore it")
    # transformers multiplies images of 0 to 255 by this factor and then normalises them.
    factor = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    mean, std = [0.0], [1.0]
    if config.get("do_normalize", True) and "image_mean" in config:
        mean, std = config["image_mean"], config["image_std"]
    result: dict[str, Any] = {"mean": [v / (255 * factor) for v in mean], "std": [v / (255 * factor) for v in std]}
    size = config.get("size")
    if config.get("do_resize", True) and isinstance(size, dict) and {"height", "width"} <= size.keys():
        result["size"] = (int(size["height"]), int(size["width"]))
    return result
