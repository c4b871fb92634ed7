"""What the check of a victim found doubtful or what was allowed, as short sentences that stand beside its numbers."""

from collections.abc import Iterator, Mapping
from typing import Any


def doubt_names(check: object) -> list[str]:
    """The names of the findings; empty for a victim that nothing is wrong with, or that was not checked.

    `check` is what environment.json or a card holds, which a stranger may have written.
    """
    return [str(finding["name"]) for finding in _findings(check)]


def doubt_lines(check: object) -> list[str]:
    """One sentence for each finding: its name, the value and the limit, and what to do about it."""
    return [
        f"{finding['name']}{' (allowed)' if finding.get('refused') is True else ''}: "
        f"{finding['what']}; {finding['cure']}"
        for finding in _findings(check)
    ]


def doubt_notes(check: object) -> list[str]:
    """The same as notes below a table."""
    return [f"Doubtful victim: {line}." for line in doubt_lines(check)]


def doubt_mark(check: object) -> str:
    """What stands beside the name of the victim; empty if there is no doubt."""
    names = doubt_names(check)
    return f"[doubtful: {', '.join(names)}]" if names else ""


def _findings(check: object) -> Iterator[Mapping[str, Any]]:
    listed = check.get("findings") if isinstance(check, Mapping) else None
    for finding in listed if isinstance(listed, list) else ():
        if isinstance(finding, Mapping) and all(isinstance(finding.get(k), str) for k in ("name", "what", "cure")):
            yield finding
