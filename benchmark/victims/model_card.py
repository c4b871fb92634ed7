"""The model card of exported weights: the victim's architecture, its training data and its scores."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark import __version__
from benchmark.errors import InputError, printable
from benchmark.runs.folder import RunFolder
from benchmark.runs.victim_doubts import doubt_mark

_NETWORK = ("architecture", "encoder", "options", "classes", "background", "head")
_TRAINING = ("learning_rate", "weight_decay", "schedule")


def provenance(checkpoint: Path, weights_sha256: str) -> dict[str, Any]:
    """Read from the run that wrote a checkpoint: the data and their fingerprint, the seed, the scores.

    Only scores of these very weights are returned: validation scores of the best checkpoint, and scores on the test
    images if the run has attacked this victim.
    """
    run = RunFolder(checkpoint.resolve().parent.parent)
    environment, summary = _read(run.environment), _read(run.summary)
    entries: dict[str, Any] = {name: environment.get(name) for name in ("data", "data_fingerprint", "seed")}
    trained = environment.get("trained")
    if isinstance(trained, dict) and checkpoint.name == run.best_checkpoint.name:
        entries |= {"epochs": trained.get("epochs"), "val_iou": trained.get("val_iou")}
    attacks = summary.get("attacks", [summary])
    first = attacks[0] if isinstance(attacks, list) and attacks and isinstance(attacks[0], dict) else {}
    if environment.get("weights_sha256") == weights_sha256 and first.get("split") == "test":
        for name, key in (("test_iou", "clean_iou_truth"), ("test_dice", "clean_dice_truth")):
            entries[name] = first[key].get("mean") if isinstance(first.get(key), dict) else None
        entries["test_images"] = first.get("images")
        entries["doubts"] = doubt_mark(environment.get("victim_check")) or None
    return {name: value for name, value in entries.items() if isinstance(value, str | int | float)}


def model_card(hyper_parameters: Mapping[str, Any], parameters: int, about: Mapping[str, Any], file: str) -> str:
    """The text of a README.md as model hubs show it.

    Args:
        hyper_parameters: of the victim.
        parameters: the number of its weights.
        about: further entries, "licence" among them.
        file: name of the exported file, for the command that imports it.
    """
    header = {"library_name": "pytorch", "pipeline_tag": "image-segmentation", "license": about["licence"]}
    rows = {
        **{name: hyper_parameters[name] for name in _NETWORK},
        "input": f"{hyper_parameters['channels']} channels in [0, 1]; normalised inside the victim",
        "mean": hyper_parameters["mean"],
        "std": hyper_parameters["std"],
        "padded to multiples of": hyper_parameters["stride"] or "what the network declares",
        "steps around the network": hyper_parameters.get("deployment") or "none",
        "numbers in the weights": parameters,
        **{name: hyper_parameters[name] for name in _TRAINING},
        **{name: value for name, value in about.items() if name != "licence"},
    }
    names = (hyper_parameters[name] for name in ("architecture", "encoder"))
    lines = [
        "---",
        *(f"{name}: {json.dumps(value)}" for name, value in header.items()),
        "---",
        f"# {' with '.join(_cell(name) for name in names if name)}",
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
    return printable(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")


def _read(contents: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A file of the run; empty where it cannot be read, because a checkpoint may lie outside of a run's folder."""
    try:
        return contents()
    except InputError:
        return {}
