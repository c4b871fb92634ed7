"""Adversarial training on real images: what the table of docs/adversarial_training.md has to hold."""

from pathlib import Path

import numpy as np
import pytest

from tests.callbacks.adversarial_training_table import COLUMNS, _table, compare


@pytest.mark.slow
@pytest.mark.parallel
def test_it_helps_against_white_box_ensemble_and_transfer(isic_root: Path, tmp_path: Path) -> None:
    table = compare(isic_root, tmp_path, ["run.montage=0"])
    print(table)
    lower = {line.split("|")[1].strip(): line.split("|")[5].split(" to ")[0] for line in table.splitlines()[2:]}
    assert lower.keys() == set(COLUMNS)
    assert [name for name in ("PGD", "SEA", "transfer") if float(lower[name]) <= 0] == []


def test_the_table_pairs_images_and_averages_seeds() -> None:
    images = [f"i{number}" for number in range(20)]
    rng = np.random.default_rng(0)
    base = {image: float(rng.random()) for image in images}

    def victims(gain: float) -> list[dict[str, dict[str, float]]]:
        return [
            {column: {image: base[image] + gain + noise for image in images} for column in COLUMNS}
            for noise in (-0.01, 0.01)
        ]

    for line in _table(victims(0), victims(0.1)).splitlines()[2:]:
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        assert float(cells[2]) - float(cells[1]) == pytest.approx(0.1, abs=0.0011)
        # However much images differ from each other, each has gained the same.
        assert cells[3:] == ["+0.100", "+0.100 to +0.100"]
