"""Cards: one claim about one attack on one victim, with everything needed to doubt or to repeat it, as a JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import InputError

KIND = "segmentation-attack-benchmark/card"
VERSION = 1


@dataclass(frozen=True)
class Card:
    """A card, read.

    Attributes:
        path: of its file.
        label: what a report calls it.
        summary: the claim, with the keys of summary.json.
        curves: "l1", "l2", "linf", "success_passes" -> {"x": [...], "share": [...], "images": N}.
        provenance: what was run, on what.
    """

    path: Path
    label: str
    summary: Mapping[str, Any]
    curves: Mapping[str, Mapping[str, Any]]
    provenance: Mapping[str, Any]


def read_card(path: Path) -> Card:
    """Raises InputError for a file that is no card, or one of a later version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a card ({error}); give one that `export` wrote") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise InputError(f"{path}: is no card; give one that `export` wrote")
    if document.get("version") != VERSION:
        raise InputError(f"{path}: is a card of version {document.get('version')}, this reads {VERSION}; update this")
    claim, curves, provenance = (document.get(part) for part in ("claim", "curves", "provenance"))
    if not (isinstance(claim, dict) and isinstance(curves, dict) and isinstance(provenance, dict)):
        raise InputError(f"{path}: lacks its claim, curves or provenance; give the card as `export` wrote it")
    if missing := [name for name in ("attack", "victim", "data", "success8_rate", "images") if name not in claim]:
        raise InputError(f"{path}: the claim lacks {', '.join(missing)}; give the card as `export` wrote it")
    return Card(path, f"{claim['victim']} ({path.stem})", claim, curves, provenance)
