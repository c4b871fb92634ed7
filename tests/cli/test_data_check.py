"""`data check`: a real sample as it is and with faults planted, every miniature, and bad input."""

import csv
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.miniature_drawing import box, save
from tests.miniatures import OPTIONS, WRITERS

PARTS = {"train": "Training", "val": "Validation", "test": "Test"}


class Sample:
    """A copy of the sample of ISIC 2018, in which faults are planted."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def image(self, split: str, id: str) -> Path:
        return self.root / f"ISIC2018_Task1-2_{PARTS[split]}_Input" / f"{id}.jpg"

    def mask(self, split: str, id: str) -> Path:
        return self.root / f"ISIC2018_Task1_{PARTS[split]}_GroundTruth" / f"{id}_segmentation.png"

    def ids(self, split: str) -> list[str]:
        return sorted(path.stem for path in self.image(split, "").parent.glob("*.jpg"))

    def exchange(self, first: str, second: str) -> None:
        one, two = self.mask("train", first), self.mask("train", second)
        content = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(content)


@pytest.fixture
def sample(isic_root: Path, tmp_path: Path) -> Sample:
    return Sample(Path(shutil.copytree(isic_root, tmp_path / "isic")))


@pytest.fixture
def check(command, tmp_path: Path):
    """Runs data check; returns its status, its output and the lines of findings.csv."""

    def run(name: str, *arguments: str | Path):
        ended = command("data", "check", name, *arguments, "--out", tmp_path / "report")
        with open(tmp_path / "report" / "findings.csv", newline="") as file:
            return ended.status, ended.out, list(csv.DictReader(file))

    return run


def test_the_sample_is_as_it_should_be(check, isic_root: Path, tmp_path: Path) -> None:
    status, out, findings = check("isic2018", f"root={isic_root}")
    # One lesion of this sample can hardly be told from its skin.
    assert (status, [(line["kind"], line["problem"], line["images"]) for line in findings]) == (
        0,
        [("faint mask", "False", "train/ISIC_0000077")],
    )
    assert "no problems" in out
    for expected in ("train      42           0", "image JPEG RGB     42    6    10", "1 lesion"):
        assert expected in out
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        *("check.md", "findings.csv", "sheet_test.png", "sheet_train.png", "sheet_val.png")
    ]
    with Image.open(tmp_path / "report" / "sheet_train.png") as sheet:
        assert sheet.width > 900


def test_a_duplicate_a_corrupt_file_and_a_swapped_mask_are_all_found(check, sample: Sample) -> None:
    ids = sample.ids("train")
    shutil.copy(sample.image("train", ids[3]), sample.image("test", "ISIC_9999999"))
    shutil.copy(sample.mask("train", ids[3]), sample.mask("test", "ISIC_9999999"))
    corrupt = sample.image("train", ids[9])
    corrupt.write_bytes(corrupt.read_bytes()[:4000])
    sample.exchange(ids[20], ids[30])
    status, out, findings = check("isic2018", f"root={sample.root}")
    assert status == 1
    assert [(line["kind"], line["images"]) for line in findings] == [
        ("unreadable", f"train/{ids[9]}"),
        ("same image", f"train/{ids[3]} test/ISIC_9999999"),
        ("exchanged masks", f"train/{ids[20]} train/{ids[30]}"),
        ("faint mask", "train/ISIC_0000077"),
    ]
    assert "across train and test" in findings[1]["detail"]
    assert float(findings[2]["score"]) > 0.1
    assert all(line["images"].split()[0] in out for line in findings)
    assert "3 problems" in out
    assert "train      42           1" in out


@pytest.mark.parametrize("pair", [(0, 41), (5, 17), (11, 12), (28, 33)])
def test_any_two_masks_exchanged(check, sample: Sample, pair: tuple[int, int]) -> None:
    first, second = (sample.ids("train")[place] for place in pair)
    sample.exchange(first, second)
    status, _, findings = check("isic2018", f"root={sample.root}")
    found = [line["images"] for line in findings if line["problem"] == "True"]
    assert (status, found) == (1, [f"train/{first} train/{second}"])


def test_a_mask_that_is_another_image_s(check, sample: Sample) -> None:
    first, second = sample.ids("train")[6], sample.ids("test")[2]
    shutil.copy(sample.mask("test", second), sample.mask("train", first))
    _, _, findings = check("isic2018", f"root={sample.root}")
    (same,) = [line for line in findings if line["kind"] == "same mask"]
    assert same["images"] == f"train/{first} test/{second}"


def test_a_duplicate_that_was_saved_anew(check, sample: Sample) -> None:
    old = sample.ids("train")[15]
    with Image.open(sample.image("train", old)) as image, Image.open(sample.mask("train", old)) as mask:
        image.resize((200, 200)).save(sample.image("val", "ISIC_9999999"), quality=70)
        mask.resize((200, 200), Image.Resampling.NEAREST).save(sample.mask("val", "ISIC_9999999"))
    status, _, findings = check("isic2018", f"root={sample.root}")
    assert status == 1
    problems = [line for line in findings if line["problem"] == "True"]
    assert [(line["kind"], line["images"]) for line in problems] == [("similar image", f"train/{old} val/ISIC_9999999")]


@pytest.mark.parametrize("name", WRITERS)
def test_every_data_set_can_be_checked(check, tmp_path: Path, name: str) -> None:
    miniature = WRITERS[name](tmp_path / "data (1), set")
    status, out, findings = check(name, f"root={tmp_path / 'data (1), set'}", *OPTIONS.get(name, ()))
    assert (
        f"Images of {'medsegbench_busi' if name == 'medsegbench' else name.replace('folder', 'data (1), set')}" in out
    )
    seen = {"exchanged masks", "unlikely mask", "faint mask"}
    # Its two pictures are those of every split, by design.
    alike = name == "rim_one_samples"
    seen |= {"same image", "same mask"} if alike else set()
    assert [line for line in findings if line["kind"] not in seen] == []
    assert status == any(line["problem"] == "True" for line in findings)
    rows = [line.split() for line in out.splitlines()]
    counts = [int(row[1]) for row in rows if row and row[0] in PARTS and row[1].isdecimal()]
    assert (len(counts), sum(counts)) == (3, len(miniature.masks) * (3 if alike else 1))
    assert ("void" in out) == (name in ("pascal_voc", "cityscapes"))
    assert ("Values in the mask files" in out) == (name != "medsegbench")


def test_generated_data_has_nothing_wrong(check) -> None:
    assert check("synthetic", "n_train=40", "data.n_test=8", "size=96")[0] == 0


def test_undeclared_values_are_counted(check, tmp_path: Path) -> None:
    WRITERS["folder"](tmp_path)
    save(tmp_path / "masks" / "case3.png", 255 * box(3) + 9 * (1 - box(3)))
    status, out, findings = check("folder", f"data.root={tmp_path}")
    assert status == 1
    assert "mask values 9 are not in the declared encoding" in findings[0]["detail"]
    row = next(line for line in out.splitlines() if line.startswith(" 9 not declared"))
    assert int((1 - box(3)).sum()) in [int(cell.replace(",", "")) for cell in row.split()[3:]]


def test_the_report_is_markdown(check, tmp_path: Path) -> None:
    WRITERS["kvasir_seg"](tmp_path)
    check("kvasir_seg", f"root={tmp_path}")
    report = (tmp_path / "report" / "check.md").read_text()
    assert [line for line in report.splitlines() if line.startswith("**")] == [
        *("**Images of kvasir\\_seg**", "**Classes**", "**Files**", "**Values in the mask files**", "**Findings**")
    ]
    assert re.search(r"^\| \d+\.\.255 polyp \| [\d,]+ \|", report, re.MULTILINE)


def test_a_data_set_of_one_s_own(check, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("benchmark.config.groups._further", [])
    monkeypatch.setattr(sys, "path", [*sys.path])
    WRITERS["folder"](tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text(
        f"# Mine\n_target_: benchmark.data.folder.Folder\nroot: {tmp_path}\nsize: 32\nseed: ${{seed}}\n"
    )
    assert check("mine", "--config-dir", tmp_path)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "isic2O18", "root=x"), "there is no data 'isic2O18', did you mean isic2018?"),
        (("chek", "isic2018", "root=x"), "data chek: unknown, did you mean check?"),
        (("check", "isic2018"), "data.root is missing; give data.root=VALUE"),
        (("check", "isic2018", "root"), "'root' is not KEY=VALUE; write e.g. seed=1"),
        (("check", "isic2018", "root=nowhere"), "nowhere: no such folder; download the task 1 data"),
        (("check", "isic2018", "root=x", "roots=y"), "unknown key 'data.roots'"),
        (("check", "ph2", "root=x", "fractions={"), "'fractions={' is not KEY=VALUE; write e.g. seed=1"),
        (("check",), "the following arguments are required: NAME"),
    ],
)
def test_bad_input(command, tmp_path: Path, monkeypatch, arguments: tuple[str, ...], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command("data", *arguments)
    assert ended.status == 2
    (line,) = ended.err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_has_no_place(command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    ended = command("data", "check", "synthetic", "--out", tmp_path / "file")
    assert (ended.status, ended.err) == (2, f"error: --out {tmp_path / 'file'}: is not a folder; choose another\n")


def test_the_report_s_folder_is_named_after_the_data_set(command, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("data", "check", "synthetic", "n_train=2", "n_val=1", "n_test=1").status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["data_check_synthetic"]
    assert np.array(Image.open(tmp_path / "data_check_synthetic" / "sheet_val.png")).any()


@pytest.mark.parametrize("labels", ["files", "predicted"])
def test_a_test_split_alone_and_images_alone(command, pairs: Path, tmp_path: Path, labels: str) -> None:
    (pairs / "test").mkdir()
    for name in ("images", "masks") if labels == "files" else ("images",):
        (pairs / name).rename(pairs / "test" / name)
    out = tmp_path / "out"
    outcome = command("data", "check", "folder", f"root={pairs}", f"labels={labels}", "--out", out)
    assert outcome.status == 0, outcome
    assert "empty mask" not in outcome.out
    assert sorted(path.name for path in out.glob("sheet_*")) == ["sheet_test.png"]
