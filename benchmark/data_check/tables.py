"""A data set's check as tables: what there is, how it is stored, what the masks hold, what is wrong."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

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
    tables = [_images(source, of, findings, items), _classes(source, of)]
    if isinstance(source, PairedFiles):
        tables += [_formats(of), _values(of, source.encoding, source.class_names)]
    return [*tables, _found(items, findings)]


def _images(
    source: Source, of: Mapping[str, Sequence[Item]], findings: Sequence[Finding], items: Sequence[Item]
) -> TextTable:
    rows = []
    for split, some in of.items():
        sizes = np.array([item.size for item in some if item.size is not None]).reshape(-1, 2)
        groups = {item.group for item in some if item.group}
        empty = sum(f.kind == "empty mask" and items[f.places[0]].split == split for f in findings)
        unreadable = sum(item.error is not None for item in some)
        numbers = (len(some), unreadable, len(groups) or "-", empty, _three(sizes[:, 0]), _three(sizes[:, 1]))
        rows.append([split, *map(str, numbers)])
    header = ["split", "images", "unreadable", "patients or\nsequences", "empty\nmasks", "width", "height"]
    return TextTable(
        f"Images of {source.name}", header, rows, ["width and height: smallest / median / largest, in pixels"]
    )


def _classes(source: Source, of: Mapping[str, Sequence[Item]]) -> TextTable:
    """The share of the pixels that each class has, and of the images that show it."""
    counts = {split: _total(item.counts for item in some) for split, some in of.items()}
    named = [*enumerate(source.class_names), (VOID, "void")]
    rows = []
    for index, name in named:
        if index == VOID and not any(count[VOID] for count in counts.values()):
            continue
        row = [name if index == VOID else f"{index} {name}"]
        for split, some in of.items():
            # Void pixels are a share of all pixels, classes of those that are not void.
            whole = counts[split].total() - (0 if index == VOID else counts[split][VOID])
            read = sum(item.error is None for item in some)
            row += [_percent(counts[split][index], whole), _percent(sum(index in i.counts for i in some), read)]
        rows.append(row)
    header = ["class", *(f"{split}\n{what}" for split in of for what in ("pixels", "images"))]
    return TextTable("Classes", header, rows, ["share of the pixels, and of the images that show the class"])


def _formats(of: Mapping[str, Sequence[Item]]) -> TextTable:
    counts = {split: Counter(kind for item in some for kind in item.formats) for split, some in of.items()}
    kinds = sorted(set().union(*counts.values()))
    rows = [[kind, *(str(counts[split][kind]) for split in of)] for kind in kinds]
    notes = ["modes as Pillow calls them: L gray and RGB of 8 bits, 1 of one bit, P palette, I;16 gray of 16 bits"]
    return TextTable("Files", ["file", *of], rows, notes)


def _values(of: Mapping[str, Sequence[Item]], encoding: Mapping[int, int], names: Sequence[str]) -> TextTable:
    counts = {split: _total(item.values for item in some) for split, some in of.items()}
    values = sorted(set().union(*counts.values()))
    several = len(values) > SHOWN  # gray masks: by what the values mean
    meanings: dict[str, list[int]] = {}
    for value in values:
        meaning = _meaning(value, encoding, names)
        meanings.setdefault(meaning if several else f"{value} {meaning}", []).append(value)
    rows = []
    for label, some in meanings.items():
        first = f"{min(some)}..{max(some)} {label}" if several else label
        rows.append([first, *(f"{sum(counts[split][value] for value in some):,}" for split in of)])
    return TextTable("Values in the mask files", ["value", *of], rows, ["pixels, before any encoding"])


def _found(items: Sequence[Item], findings: Sequence[Finding]) -> TextTable:
    kinds = Counter(finding.kind for finding in findings)
    rows, notes = [], []
    for kind, count in kinds.items():
        rows.append([kind, str(count), "" if any(f.is_problem for f in findings if f.kind == kind) else "note"])
        notes.append(f"{kind}: {KINDS[kind]}")
        some = [finding for finding in findings if finding.kind == kind]
        for finding in some[:SHOWN]:
            who = ", ".join(items[place].name for place in finding.places[:4])
            more = f" and {len(finding.places) - 4} more" if len(finding.places) > 4 else ""
            notes.append(f"  {who}{more}: {finding.detail}")
        if count > SHOWN:
            notes.append(f"  and {count - SHOWN} more, see findings.csv")
    if not rows:
        return TextTable("Findings", ["kind", "number", ""], [["none", "0", ""]])
    return TextTable("Findings", ["kind", "number", ""], rows, notes)


def _three(sizes: np.ndarray) -> str:
    if not len(sizes):
        return "-"
    if sizes.min() == sizes.max():
        return str(sizes[0])
    return f"{sizes.min()} / {np.median(sizes):g} / {sizes.max()}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def _total(counts: Iterable[Mapping[int, int]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for count in counts:
        total.update(count)
    return total


def _meaning(value: int, encoding: Mapping[int, int], names: Sequence[str]) -> str:
    if value not in encoding:
        return "not declared"
    return "void" if encoding[value] == VOID else names[encoding[value]]
