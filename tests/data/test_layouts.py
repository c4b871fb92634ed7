"""A wrong layout is an error of one line that names the remedy; every published layout is read."""

import re
from pathlib import Path

import pytest

from benchmark.data.isic import ISIC
from benchmark.errors import InputError
from tests.data.sources_of_conf import SOURCES, read_all
from tests.data.wrong_layouts import WRONG
from tests.miniatures import WRITERS


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in WRONG.items() for case in cases])
def test_a_wrong_layout_is_one_line_with_the_cure(tmp_path: Path, name: str, case: str) -> None:
    WRITERS[name](tmp_path)
    wrong = WRONG[name][case]
    wrong.change(tmp_path)
    source = SOURCES[name](tmp_path) if wrong.read else None
    with pytest.raises(InputError, match=wrong.message) as raised:
        read_all(SOURCES[name](tmp_path) if source is None else source)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", SOURCES)
def test_a_root_that_is_not_there(tmp_path: Path, name: str) -> None:
    missing = tmp_path / "nowhere"
    with pytest.raises(InputError, match=re.escape(str(missing))):
        SOURCES[name](missing)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rim_one_r3", {"structure": "rim"}, "data.structure='rim': must be one of disc, cup, both"),
        ("refuge", {"structure": "rim"}, "data.structure='rim': must be one of disc, cup, both"),
        ("rim_one_r3", {"annotator": "me"}, "data.annotator='me': must be one of average, expert1, expert2"),
        ("rim_one_dl", {"partition": "mine"}, "data.partition='mine': must be one of by_hospital, randomly"),
        ("isic2016", {"val_fraction": 1.0}, "data.val_fraction=1.0: must be between 0 and 1"),
        ("ph2", {"fractions": (0.5, 0.5)}, "data.fractions=[0.5, 0.5]: three numbers from 0"),
        ("medsegbench", {"resolution": 64}, "data.resolution=64: must be one of 128, 256, 512"),
        ("medsegbench", {"category": "C9"}, "has no array train_label_C9, only"),
        ("medsegbench", {"encoding": {0: 0, 1: 1}}, ": 2 are not in the declared encoding {0: 0, 1: 1}; declare them"),
        ("medsegbench", {"encoding": "0:0"}, "data.encoding='0:0': is no mapping; quote it"),
        ("medsegbench", {"encoding": {0: 0, 1: 0, 2: 0}}, "data.encoding: gives 1 classes; a segmentation needs 2"),
        ("medsegbench", {"background": 3}, "data.background=3: must be one of the classes 0..2, or null"),
        ("medsegbench", {"class_names": ("one",)}, "names for 3 classes are needed"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, name: str, options: dict, message: str) -> None:
    WRITERS[name](tmp_path)
    with pytest.raises(InputError, match=re.escape(message)):
        read_all(SOURCES[name](tmp_path, **options))


def test_an_unknown_year(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.year=2019: must be one of 2016, 2017, 2018"):
        ISIC(tmp_path, 2019)


def test_folders_that_unpacked_into_themselves(tmp_path: Path) -> None:
    WRITERS["refuge"](tmp_path)
    for name in ("Annotation-Training400", "REFUGE-Validation400"):
        (tmp_path / name).rename(tmp_path / "inner")
        (tmp_path / name).mkdir()
        (tmp_path / "inner").rename(tmp_path / name / name)
    (tmp_path / "REFUGE-Training400").mkdir()
    (tmp_path / "Training400").rename(tmp_path / "REFUGE-Training400" / "Training400")
    assert [len(ids) for ids in SOURCES["refuge"](tmp_path).splits().values()] == [4, 3, 3]


def test_roots_below_the_top_folder(tmp_path: Path) -> None:
    for name, inner in (
        ("kvasir_seg", "Kvasir-SEG"),
        ("pascal_voc", "VOCdevkit"),
        ("pascal_voc", "VOCdevkit/VOC2012"),
        ("drishti_gs1", "Drishti-GS1_files/Drishti-GS1_files"),
        ("ph2", "PH2Dataset"),
        ("cvc_clinicdb", "CVC-ClinicDB"),
    ):
        root = tmp_path / inner.replace("/", "_")
        WRITERS[name](root)
        assert SOURCES[name](root / inner).splits() == SOURCES[name](root).splits()
