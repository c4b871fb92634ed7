"""Texts and pictures of a report that are not what the rows give."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from benchmark.runs.folder import RunFolder
from benchmark.verify.report_files import report_mismatches


@pytest.fixture
def reported(small_run: Path, tmp_path: Path) -> Path:
    """A copy of a run with its report, in another place."""
    ignored = shutil.ignore_patterns("checkpoints")
    return Path(shutil.copytree(small_run, tmp_path / "moved", ignore=ignored))


def mismatches(folder: Path, montage: int = 0) -> list[str]:
    return [str(mismatch) for mismatch in report_mismatches(RunFolder(folder), montage)]


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_report_of_a_run_follows_from_its_rows(
    reported: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mismatches(small_run) == []
    assert mismatches(reported) == []
    monkeypatch.chdir(reported)
    assert mismatches(Path(".")) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("comparison.md", "50.0", "90.0"),
        ("report.html", "50.0 %", "90.0 %"),
        ("report.html", '"adv8_iou_target":[0.', '"adv8_iou_target":[1.'),
        ("report.html", "data:image/webp;base64,U", "data:image/webp;base64,V"),
        ("report.html", "<script>", "<script>document.title=1;"),
    ],
)
def test_an_edited_text_is_named_with_its_line(reported: Path, name: str, old: str, new: str) -> None:
    replace(reported / name, old, new)
    (line,) = mismatches(reported)
    assert line.startswith(f"{name}: line ")
    says, gives = line.split(" says ")[1].split(", the rows give ")
    assert new in says
    assert new not in gives


def test_a_page_with_other_lines(reported: Path) -> None:
    with (reported / "report.html").open("a") as file:
        file.write("<p>certified</p>\n")
    (line,) = mismatches(reported)
    assert line.startswith("report.html: ")


@pytest.mark.parametrize("change", ["another", "pixel", "size", "none"])
def test_a_picture_of_curves_that_is_another(reported: Path, change: str) -> None:
    file = reported / "curves.png"
    with Image.open(file) as picture:
        curves = picture.convert("RGB")
    if change == "another":
        curves = curves.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    elif change == "pixel":
        curves.putpixel((50, 50), (1, 2, 3))
    elif change == "size":
        curves = curves.crop((0, 0, 50, 50))
    curves.save(file)
    assert mismatches(reported) == ([] if change == "none" else ["curves.png: is not the picture that the rows give"])
    file.write_bytes(b"no picture")
    (line,) = mismatches(reported)
    assert line.startswith("curves.png: cannot be read (")


def test_a_montage_of_other_images(trained: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints")))
    shown = RunFolder(trained).config()["run"]["montage"]
    assert mismatches(copied, shown) == []
    assert mismatches(copied, shown + 1) == ["montage.png: is not the picture that the rows give"]


def test_files_that_are_not_there_are_left_out(reported: Path) -> None:
    for name in ("report.html", "comparison.md", "curves.png"):
        os.unlink(reported / name)
    assert mismatches(reported) == []
