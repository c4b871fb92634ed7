"""What a run records of the program and the machine, and whether a report made elsewhere can be compared."""

import json
from pathlib import Path

from benchmark.cli import environment


def test_reports_are_compared_where_they_were_made(small_run: Path) -> None:
    recorded = json.loads((small_run / "environment.json").read_text())
    assert environment.drawn_elsewhere(recorded) is None
    other = {"code_sha256": "0", "platform": "p", "packages": {}}
    assert [environment.drawn_elsewhere(recorded | {name: value}) for name, value in other.items()] == [
        *("another state of the program", "another platform"),
        f"other versions (torch None, now {recorded['packages']['torch']})",
    ]
    assert environment.drawn_elsewhere({**recorded, "resumed": [recorded | {"code_sha256": "0"}]}) is not None
