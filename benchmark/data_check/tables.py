"""A data set's check as tables: images, classes, formats of the files, values in the masks, and findings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from benchmark.data.files import PairedFiles
from benchmark.data.source import SPLITS, VOID, Source
from benchmark.data_check.findings import KINDS, Finding
from benchmark.data_check.scan import Item
from benchmark.report.tables.table import TextTable

SHOWN = 12  # findings of a kind, values of masks


def grids(source: Source, items: Sequence[Item], findings: Sequence[Finding]) -> list[TextTable]:
    """All tables."""
    of = {split: [item for item in items if item.split == split] for split in SPLITS}
    empty = Counter(items[finding.places[0]].split for finding in findings if finding.kind == "empty mask")
    tables = [_images(source, of, empty), _classes(source, of)]
    if isinstance(source, PairedFiles):
        tables += [_formats(of), _values(of, source.encoding, source.class_names)]
    return [*tables, _findings(items, findings)]


def _images(source: Source, of: Mapping[str, Sequence[Item]], empty: Mapping[str, int]) -> TextTable:
    """One row for each split; `empty` is the number of its empty masks."""
    rows = []
    for split, members in of.items():
        sizes = np.array([item.size for item in members if item.size is not None]).reshape(-1, 2)
        groups = {item.group for item in members if item.group}
        unreadable = sum(item.error is not None for item in members)
        numbers = (len(members), unreadable, len(groups) or "-", empty[split], *map(_range, sizes.T))
        rows.append([split, *map(str, numbers)])
    header = ["split", "images", "unreadable", "patients or\nsequences", "empty\nmasks", "width", "height"]
    notes = ["width and height: smallest / median / largest, in pixels"]
    return TextTable(f"Images of {source.name}", header, rows, notes)


def _classes(source: Source, of: Mapping[str, Sequence[Item]]) -> TextTable:
    """The share of the pixels that each class has, and of the images that show it."""
    counts = {split: sum((Counter(item.counts) for item in members), Counter()) for split, members in of.items()}
    names = {index: f"{index} {name}" for index, name in enumerate(source.class_names)}
    if any(count[VOID] for count in counts.values()):
        names[VOID] = "void"
    rows = []
    for index, name in names.items():
        row = [name]
        for split, members in of.items():
            # Void pixels are a share of all pixels, classes of those that are not void.
            whole = counts[split].total() - (0 if index == VOID else counts[split][VOID])
            read = sum(item.error is None for item in members)
            shown = sum(index in item.counts for item in members)
            # Where no pixel has a class, nobody knows which images show it.
            row += [_percent(counts[split][index], whole), _percent(shown, read if whole else 0)]
        rows.append(row)
    header = ["class", *(f"{split}\n{what}" for split in of for what in ("pixels", "images"))]
    return TextTable("Classes", header, rows, ["share of the pixels, and of the images that show the class"])


def _formats(of: Mapping[str, Sequence[Item]]) -> TextTable:
    counts = {split: Counter(kind for item in members for kind in item.formats) for split, members in of.items()}
    kinds = sorted(set().union(*counts.values()))
    rows = [[kind, *(str(counts[split][kind]) for split in of)] for kind in kinds]
    notes = ["modes as Pillow calls them: L gray and RGB of 8 bits, 1 of one bit, P palette, I;16 gray of 16 bits"]
    return TextTable("Files", ["file", *of], rows, notes)


def _values(of: Mapping[str, Sequence[Item]], encoding: Mapping[int, int], names: Sequence[str]) -> TextTable:
    """The pixels of each value; of more than `SHOWN` values, as gray masks have, those of each meaning together."""
    counts = {split: sum((item.values for item in members), Counter()) for split, members in of.items()}
    values = sorted(set().union(*counts.values()))
    many = len(values) > SHOWN
    by_meaning: dict[str, list[int]] = {}
    for value in values:
        meaning = "not declared"
        if value in encoding:
            meaning = "void" if encoding[value] == VOID else names[encoding[value]]
        by_meaning.setdefault(meaning if many else f"{value} {meaning}", []).append(value)
    rows = []
    for meaning, group in by_meaning.items():
        label = f"{group[0]}..{group[-1]} {meaning}" if many else meaning
        rows.append([label, *(f"{sum(counts[split][value] for value in group):,}" for split in of)])
    return TextTable("Values in the mask files", ["value", *of], rows, ["pixels, before any encoding"])


def _findings(items: Sequence[Item], findings: Sequence[Finding]) -> TextTable:
    rows, notes = [], []
    for kind, group in groupby(findings, lambda finding: finding.kind):
        first, *others = group
        rows.append([kind, str(1 + len(others)), "" if first.is_problem else "note"])
        notes.append(f"{kind}: {KINDS[kind]}")
        for finding in [first, *others][:SHOWN]:
            images = ", ".join(items[place].name for place in finding.places[:4])
            more = f" and {len(finding.places) - 4} more" if len(finding.places) > 4 else ""
            notes.append(f"  {images}{more}: {finding.detail}")
        if 1 + len(others) > SHOWN:
            notes.append(f"  and {1 + len(others) - SHOWN} more, see findings.csv")
    return TextTable("Findings", ["kind", "number", ""], rows or [["none", "0", ""]], notes)


def _range(sizes: np.ndarray) -> str:
    """The smallest, the median and the largest size; one number if they are equal."""
    if not len(sizes):
        return "-"
    if sizes.min() == sizes.max():
        return str(sizes[0])
    return f"{sizes.min()} / {np.median(sizes):g} / {sizes.max()}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"
