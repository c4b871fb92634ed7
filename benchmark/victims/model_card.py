"""The model card beside exported weights: what the victim is, what it was trained on and how well it does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark import __version__

_TRAINING = ("learning_rate", "weight_decay", "schedule")


def provenance(checkpoint: Path, weights_sha256: str) -> dict[str, Any]:
    """What the run's folder around a checkpoint says of it: data and their fingerprint, seed, scores.

    Scores are those of these weights alone: of validation for the best checkpoint, of the test images for a victim that
    the run has attacked.
    """
    folder = checkpoint.resolve().parent.parent
    environment, summary = _json(folder / "environment.json"), _json(folder / "summary.json")
    found: dict[str, Any] = {name: environment.get(name) for name in ("data", "data_fingerprint", "seed")}
    trained = environment.get("trained")
    if isinstance(trained, dict) and checkpoint.name == "best.ckpt":
        found |= {"epochs": trained.get("epochs"), "val_iou": trained.get("val_iou")}
    attacks = summary.get("attacks", [summary])
    first = attacks[0] if isinstance(attacks, list) and attacks and isinstance(attacks[0], dict) else {}
    if environment.get("weights_sha256") == weights_sha256 and first.get("split") == "test":
        for name, key in (("test_iou", "clean_iou_truth"), ("test_dice", "clean_dice_truth")):
            found[name] = first[key].get("mean") if isinstance(first.get(key), dict) else None
        found["test_images"] = first.get("images")
    return {name: value for name, value in found.items() if isinstance(value, str | int | float)}


def model_card(own: Mapping[str, Any], parameters: int, about: Mapping[str, Any], file: str) -> str:
    """README.md as model hubs show it.

    Args:
        own: hyper-parameters of the victim.
        parameters: how many numbers its weights are.
        about: as of `save_victim`, with "licence".
        file: what to import.
    """
    header = {"library_name": "pytorch", "pipeline_tag": "image-segmentation", "license": about["licence"]}
    rows = {
        "architecture": own["architecture"],
        "encoder": own["encoder"],
        "options": own["options"],
        "classes": own["classes"],
        "background": own["background"],
        "head": own["head"],
        "input": f"{own['channels']} channels in [0, 1]; normalised inside the victim",
        "mean": own["mean"],
        "std": own["std"],
        "padded to multiples of": own["stride"] or "what the network declares",
        "around the network": own.get("deployment") or "nothing",
        "numbers in the weights": parameters,
        **{name: own[name] for name in _TRAINING},
        **{name: value for name, value in about.items() if name != "licence"},
    }
    lines = [
        "---",
        *(f"{name}: {json.dumps(value)}" for name, value in header.items()),
        "---",
        f"# {' with '.join(str(own[key]) for key in ('architecture', 'encoder') if own[key])}",
        "",
        f"A segmentation network, exported by segmentation-attack-benchmark {__version__}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {_cell(value)} |" for name, value in rows.items()),
        "",
        "```sh",
        f"python -m benchmark victims import {file} --out victim.ckpt",
        "python -m benchmark attack victim.ckpt=victim.ckpt data=...",
        "```",
        "",
    ]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def _json(path: Path) -> dict[str, Any]:
    """What a file of the run says; nothing where it cannot be read, because a card is no check of a run."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
