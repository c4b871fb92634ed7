"""Where a run's pictures lie."""

from pathlib import Path

import pytest

from benchmark.runs.layout import adversarial_path, picture_path, prediction_path


@pytest.mark.parametrize("image_id", ["../../escaped", "a/b", "..", "patient 1 (left)", "ä%2F", "con.trast"])
def test_no_id_leaves_its_folder_or_meets_another(tmp_path: Path, image_id: str) -> None:
    for place, path in (
        ("pictures/truth", picture_path(tmp_path, "truth", image_id)),
        ("adversarial/asma", adversarial_path(tmp_path, "asma", image_id)),
        ("predictions/asma", prediction_path(tmp_path, "asma", image_id)),
    ):
        assert path.resolve().parent == (tmp_path / place).resolve()
    assert picture_path(tmp_path, "truth", image_id) != picture_path(tmp_path, "truth", image_id + "%2E")


def test_no_attack_leaves_the_run(tmp_path: Path) -> None:
    for path in (adversarial_path(tmp_path, "../..", "a"), prediction_path(tmp_path, "../..", "a")):
        assert tmp_path.resolve() in path.resolve().parents
