"""Where a run's pictures lie."""

from pathlib import Path

import pytest

from benchmark.runs.folder import RunFolder


@pytest.mark.parametrize("image_id", ["../../escaped", "a/b", "..", "patient 1 (left)", "ä%2F", "con.trast"])
def test_no_id_leaves_its_folder_or_meets_another(tmp_path: Path, image_id: str) -> None:
    for place, path in (
        ("pictures/truth", RunFolder(tmp_path).picture("truth", image_id)),
        ("adversarial/asma", RunFolder(tmp_path).adversarial("asma", image_id)),
        ("predictions/asma", RunFolder(tmp_path).prediction("asma", image_id)),
    ):
        assert path.resolve().parent == (tmp_path / place).resolve()
    assert RunFolder(tmp_path).picture("truth", image_id) != RunFolder(tmp_path).picture("truth", image_id + "%2E")


def test_no_attack_leaves_the_run(tmp_path: Path) -> None:
    for path in (RunFolder(tmp_path).adversarial("../..", "a"), RunFolder(tmp_path).prediction("../..", "a")):
        assert tmp_path.resolve() in path.resolve().parents
