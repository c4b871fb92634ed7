"""Every data source of files reads its miniature pixel by pixel."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.config.groups import names
from benchmark.data.cvc_clinicdb import LAST_FRAMES
from benchmark.data.fundus import CLASS_NAMES
from benchmark.data.source import SPLITS
from tests.data.sources_of_conf import FUNDUS, SOURCES, expected_mask, read_all
from tests.miniature_drawing import Miniature
from tests.miniatures import WRITERS, cityscapes, medsegbench

CLASSES = {"medsegbench": 3, "pascal_voc": 21, "cityscapes": 19}  # of the others: 2


def test_every_data_set_has_a_miniature() -> None:
    assert set(SOURCES) == set(WRITERS) == set(names("data")) - {"synthetic"}


@pytest.mark.parametrize("name", SOURCES)
def test_the_module_says_source_licence_layout_and_encoding(name: str) -> None:
    module = "isic" if name.startswith("isic") else name
    words = importlib.import_module(f"benchmark.data.{module}").__doc__ or ""
    assert [word for word in ("Source: ", "icence", "Layout", "Encoding: ") if word not in words] == []


def test_the_guide_has_every_data_set() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()
    assert [name for name in names("data") if f"| `{name}` |" not in guide] == []


@pytest.mark.parametrize("name", SOURCES)
def test_splits_groups_and_masks_pixel_by_pixel(tmp_path: Path, name: str) -> None:
    miniature: Miniature = WRITERS[name](tmp_path)
    source = SOURCES[name](tmp_path)
    assert (source.name, source.classes) == (
        {"medsegbench": "medsegbench_busi", "folder": tmp_path.name}.get(name, name),
        CLASSES.get(name, 2),
    )
    assert len(source.class_names) == source.classes
    splits = source.splits()
    assert all(splits[split] for split in SPLITS)
    for joined, ids in miniature.splits.items():
        assert sorted(id for split in joined.split("+") for id in splits[split]) == sorted(ids)
    for id, sample in read_all(source).items():
        wanted = expected_mask(miniature.masks[id]) if name in FUNDUS else miniature.masks[id]
        assert sample.mask.dtype == sample.image.dtype == np.uint8
        assert np.array_equal(sample.mask, wanted), id
        assert sample.image.shape == (*wanted.shape, 3)
        assert (sample.id, sample.group) == (id, miniature.groups.get(id, ""))


@pytest.mark.parametrize("name", SOURCES)
def test_images_are_those_of_their_ids(tmp_path: Path, name: str) -> None:
    """Each was written brighter by 100 where its own mask is."""
    miniature = WRITERS[name](tmp_path)
    for id, sample in read_all(SOURCES[name](tmp_path)).items():
        drawn = miniature.masks[id]
        inside = (drawn[0] if isinstance(drawn, tuple) else drawn) > 0
        if inside.all():
            continue
        gain = sample.image[inside].mean() - sample.image[~inside].mean()
        assert gain == pytest.approx(100, abs=12)


@pytest.mark.parametrize("structure", CLASS_NAMES)
@pytest.mark.parametrize("name", FUNDUS)
def test_disc_cup_or_both_the_cup_in_its_disc(tmp_path: Path, name: str, structure: str) -> None:
    miniature = WRITERS[name](tmp_path)
    source = SOURCES[name](tmp_path, structure=structure)
    assert (source.classes, source.class_names) == (len(CLASS_NAMES[structure]), CLASS_NAMES[structure])
    read = read_all(source)
    assert len(read) == len(miniature.masks)
    for id, sample in read.items():
        assert np.array_equal(sample.mask, expected_mask(miniature.masks[id], structure))


def test_the_cups_of_the_miniatures_leave_their_discs(tmp_path: Path) -> None:
    """Else the test above would not see whether they are cut."""
    drawn = WRITERS["rim_one_dl"](tmp_path).masks.values()
    assert all(np.any(cup > disc) for disc, cup in drawn)


def test_structures_have_fingerprints_of_their_own(tmp_path: Path) -> None:
    for name in FUNDUS:
        WRITERS[name](tmp_path / name)
        assert len({SOURCES[name](tmp_path / name, structure=s).fingerprint() for s in CLASS_NAMES}) == 3


@pytest.mark.parametrize("name", ["rim_one_r3", "cvc_clinicdb", "cityscapes"])
@pytest.mark.parametrize("seed", range(4))
def test_patients_and_sequences_stay_together(tmp_path: Path, name: str, seed: int) -> None:
    WRITERS[name](tmp_path)
    source = SOURCES[name](tmp_path, split_seed=seed)
    groups = [{source.read(split, id).group for id in ids} for split, ids in source.splits().items()]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


@pytest.mark.parametrize("name", [*FUNDUS[:3], "ph2", "kvasir_seg", "cvc_clinicdb", "pascal_voc", "isic2016"])
def test_drawn_splits_depend_on_their_seed_alone(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path)
    drawn = [SOURCES[name](tmp_path, split_seed=seed).splits() for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert any(splits["val"] != drawn[0]["val"] for splits in drawn[2:])
    if name not in ("ph2", "kvasir_seg", "cvc_clinicdb", "rim_one_r3"):
        assert all(splits["test"] == drawn[0]["test"] for splits in drawn)


def test_experts_of_rim_one_r3(tmp_path: Path) -> None:
    miniature = WRITERS["rim_one_r3"](tmp_path)
    for annotator in ("expert1", "expert2"):
        for id, sample in read_all(SOURCES["rim_one_r3"](tmp_path, structure="both", annotator=annotator)).items():
            assert np.array_equal(sample.mask, expected_mask(miniature.masks[id], "both"))


def test_both_partitions_of_rim_one_dl(tmp_path: Path) -> None:
    WRITERS["rim_one_dl"](tmp_path)
    moved = tmp_path / "RIM-ONE_DL_images" / "partitioned_randomly"
    (moved / "training_set" / "normal" / "r2_Im004.png").rename(moved / "test_set" / "normal" / "r2_Im004.png")
    assert "r2_Im004" in SOURCES["rim_one_dl"](tmp_path, partition="randomly").splits()["test"]
    assert "r2_Im004" not in SOURCES["rim_one_dl"](tmp_path, partition="by_hospital").splits()["test"]


def test_label_ids_of_cityscapes_become_the_same_classes(tmp_path: Path) -> None:
    miniature = cityscapes(tmp_path, "labelIds")
    for id, sample in read_all(SOURCES["cityscapes"](tmp_path)).items():
        assert np.array_equal(sample.mask, miniature.masks[id])


def test_the_29_sequences_of_clinicdb_have_612_frames() -> None:
    sizes = np.diff([0, *LAST_FRAMES])
    assert (len(sizes), sizes.sum(), sizes.min(), sizes.max()) == (29, 612, 6, 26)


@pytest.mark.parametrize("channels", [1, 3])
def test_categories_and_colours_of_medsegbench(tmp_path: Path, channels: int) -> None:
    miniature = medsegbench(tmp_path, channels=channels)
    source = SOURCES["medsegbench"](tmp_path, category="C1")
    for id, sample in read_all(source).items():
        assert np.array_equal(sample.mask, miniature.masks[id] // 2)
        assert np.ptp(sample.image, axis=2).any() == (channels == 3)
    assert source.fingerprint() != SOURCES["medsegbench"](tmp_path).fingerprint()


def test_a_declared_encoding_of_medsegbench(tmp_path: Path) -> None:
    miniature = medsegbench(tmp_path)
    declared = {"encoding": {"0": 0, "1": 1, "2": 1}, "class_names": ("none", "tumour")}
    source = SOURCES["medsegbench"](tmp_path, **declared)
    assert (source.classes, source.class_names) == (2, ("none", "tumour"))
    for id, sample in read_all(source).items():
        assert np.array_equal(sample.mask, miniature.masks[id] > 0)


def test_palette_and_one_bit_masks_are_what_the_miniatures_hold(tmp_path: Path) -> None:
    WRITERS["pascal_voc"](tmp_path)
    WRITERS["ph2"](tmp_path)
    modes = [
        Image.open(next(tmp_path.rglob(pattern))).mode
        for pattern in ("SegmentationClass/*.png", "*_lesion/*_lesion.bmp")
    ]
    assert modes == ["P", "1"]
