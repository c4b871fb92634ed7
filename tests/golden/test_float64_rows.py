"""A float64 run with a kill and a resume has the rows of the reference run."""

import math
from pathlib import Path

import pyarrow.parquet as pq

from tests.golden.float64_rows import ROWS, attack


def test_rows_are_those_of_the_golden_run(tmp_path: Path) -> None:
    golden = pq.read_table(ROWS)
    kept, rows = attack(tmp_path / "run")
    assert 0 < kept < golden.num_rows == rows.num_rows
    assert set(golden.column_names) <= set(rows.column_names)
    for row, expected in zip(rows.to_pylist(), golden.to_pylist(), strict=True):
        wrong = {name: (row[name], value) for name, value in expected.items() if not _equal(row[name], value)}
        assert not wrong, (expected["attack"], expected["id"])


def _equal(value: object, expected: object) -> bool:
    """Numbers up to what a processor's order of sums may change; everything else exactly."""
    if isinstance(value, float) and isinstance(expected, float):
        return math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-15)
    return value == expected
