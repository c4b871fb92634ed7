"""What lies in a folder, in a few words, for messages that say that something else was expected there."""

from collections import Counter
from itertools import islice
from pathlib import Path

MOST = 5000  # entries that are looked at
SHOWN = 3


def found_in(folder: Path) -> str:
    """A text such as ` (found there: 10 .png files such as a.png; folders p1/, p2/)`; empty for an empty folder."""
    try:
        entries = sorted(islice((path for path in folder.iterdir() if path.name[0] != "."), MOST))
        folders = [f"{path.name}/" for path in entries if path.is_dir()]
    except OSError:
        return ""
    files = [path for path in entries if f"{path.name}/" not in folders]
    parts = []
    for suffix, count in Counter(path.suffix.lower() for path in files).most_common(SHOWN):
        first = next(path.name for path in files if path.suffix.lower() == suffix)
        of_kind = f"{suffix} files" if suffix else "files without a suffix"
        parts.append(first if count == 1 else f"{count} {of_kind} such as {first}")
    if folders:
        more = f" and {len(folders) - SHOWN} more" if len(folders) > SHOWN else ""
        parts.append(f"folder{'s' if len(folders) > 1 else ''} {', '.join(folders[:SHOWN])}{more}")
    return f" (found there: {'; '.join(parts)})" if parts else ""


def names(paths: list[Path]) -> str:
    """The first names and how many more there are."""
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(path.name for path in paths[:SHOWN]) + more
