"""What a run recorded of images that stand in several of its splits, in one line."""

from collections.abc import Mapping


def overlap_line(overlap: object) -> str | None:
    """The line; None for a run that found none, or that did not look. `overlap` is what environment.json holds."""
    if not isinstance(overlap, Mapping) or not isinstance(overlap.get("pairs"), list):
        return None
    pairs = [pair for pair in overlap["pairs"] if isinstance(pair, list) and len(pair) == 3]
    parts = []
    for key, kind in (("identical", "identical"), ("similar", "nearly identical")):
        number, examples = overlap.get(key), [pair for pair in pairs if (pair[2] == 0) == (key == "identical")]
        if number and examples:
            parts.append(f"{number} pair(s) of {kind} images, such as {examples[0][0]} and {examples[0][1]}")
    if not parts:
        return None
    return f"splits overlap: {'; '.join(parts)}; `python -m benchmark data check` lists them all"
