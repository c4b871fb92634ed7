"""Every data set of files: its miniature read pixel by pixel, and one line for each way it can be laid out wrong."""

import importlib
import re
import shutil
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf
from PIL import Image

from benchmark.config.groups import conf_folder, names
from benchmark.data.cvc_clinicdb import LAST_FRAMES
from benchmark.data.fundus import CLASS_NAMES
from benchmark.data.isic import ISIC
from benchmark.data.source import SPLITS
from benchmark.errors import InputError
from tests.miniatures import OPTIONS, WRITERS, Miniature, box, cityscapes, medsegbench, save


def _maker(name: str) -> Callable[..., Any]:
    """The source's class with the keys of its YAML, and with those that its miniature needs."""
    section = OmegaConf.load(conf_folder() / "data" / f"{name}.yaml")
    source = get_class(section["_target_"])
    needed = dict(option.removeprefix("data.").split("=") for option in OPTIONS.get(name, ()))
    keys = [key for key in section if key in signature(source).parameters and not OmegaConf.is_missing(section, key)]
    given = OmegaConf.to_container(OmegaConf.create({key: section[key] for key in keys} | needed))
    given |= {key: int(value) for key, value in needed.items() if value.isdecimal()}
    return lambda root, **options: source(root, **given | options)


SOURCES: dict[str, Callable[..., Any]] = {name: _maker(name) for name in names("data") if name != "synthetic"}
FUNDUS = ("rim_one_r3", "rim_one_dl", "drishti_gs1", "refuge")
CLASSES = {"medsegbench": 3, "pascal_voc": 21, "cityscapes": 19}  # of the others: 2


def _expected(drawn: Any, structure: str = "disc") -> np.ndarray:
    """The mask of classes, from a mask or from the maps of disc and cup."""
    disc, cup = drawn if isinstance(drawn, tuple) else ((drawn > 0).astype(np.uint8), (drawn > 1).astype(np.uint8))
    return {"disc": disc, "cup": np.minimum(disc, cup), "both": disc + np.minimum(disc, cup)}[structure]


def _all_read(source: Any) -> dict[str, Any]:
    return {id: source.read(split, id) for split, ids in source.splits().items() for id in ids}


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
    for id, sample in _all_read(source).items():
        wanted = _expected(miniature.masks[id]) if name in FUNDUS else miniature.masks[id]
        assert sample.mask.dtype == sample.image.dtype == np.uint8
        assert np.array_equal(sample.mask, wanted), id
        assert sample.image.shape == (*wanted.shape, 3)
        assert (sample.id, sample.group) == (id, miniature.groups.get(id, ""))


@pytest.mark.parametrize("name", SOURCES)
def test_images_are_those_of_their_ids(tmp_path: Path, name: str) -> None:
    """Each was written brighter by 100 where its own mask is."""
    miniature = WRITERS[name](tmp_path)
    for id, sample in _all_read(SOURCES[name](tmp_path)).items():
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
    read = _all_read(source)
    assert len(read) == len(miniature.masks)
    for id, sample in read.items():
        assert np.array_equal(sample.mask, _expected(miniature.masks[id], structure))


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
        for id, sample in _all_read(SOURCES["rim_one_r3"](tmp_path, structure="both", annotator=annotator)).items():
            assert np.array_equal(sample.mask, _expected(miniature.masks[id], "both"))


def test_both_partitions_of_rim_one_dl(tmp_path: Path) -> None:
    WRITERS["rim_one_dl"](tmp_path)
    moved = tmp_path / "RIM-ONE_DL_images" / "partitioned_randomly"
    (moved / "training_set" / "normal" / "r2_Im004.png").rename(moved / "test_set" / "normal" / "r2_Im004.png")
    assert "r2_Im004" in SOURCES["rim_one_dl"](tmp_path, partition="randomly").splits()["test"]
    assert "r2_Im004" not in SOURCES["rim_one_dl"](tmp_path, partition="by_hospital").splits()["test"]


def test_label_ids_of_cityscapes_become_the_same_classes(tmp_path: Path) -> None:
    miniature = cityscapes(tmp_path, "labelIds")
    for id, sample in _all_read(SOURCES["cityscapes"](tmp_path)).items():
        assert np.array_equal(sample.mask, miniature.masks[id])


def test_the_29_sequences_of_clinicdb_have_612_frames() -> None:
    sizes = np.diff([0, *LAST_FRAMES])
    assert (len(sizes), sizes.sum(), sizes.min(), sizes.max()) == (29, 612, 6, 26)


@pytest.mark.parametrize("channels", [1, 3])
def test_categories_and_colours_of_medsegbench(tmp_path: Path, channels: int) -> None:
    miniature = medsegbench(tmp_path, channels=channels)
    source = SOURCES["medsegbench"](tmp_path, category="C1")
    for id, sample in _all_read(source).items():
        assert np.array_equal(sample.mask, miniature.masks[id] // 2)
        assert np.ptp(sample.image, axis=2).any() == (channels == 3)
    assert source.fingerprint() != SOURCES["medsegbench"](tmp_path).fingerprint()


def test_a_declared_encoding_of_medsegbench(tmp_path: Path) -> None:
    miniature = medsegbench(tmp_path)
    declared = {"encoding": {"0": 0, "1": 1, "2": 1}, "class_names": ("none", "tumour")}
    source = SOURCES["medsegbench"](tmp_path, **declared)
    assert (source.classes, source.class_names) == (2, ("none", "tumour"))
    for id, sample in _all_read(source).items():
        assert np.array_equal(sample.mask, miniature.masks[id] > 0)


# What follows is one table of all ways in which a data set can be laid out wrong.


class Wrong(NamedTuple):
    """change: does it to the miniature's root. message: what the error says. read: whether it shows when read only."""

    change: Callable[[Path], object]
    message: str
    read: bool = False


def _without(pattern: str) -> Callable[[Path], object]:
    """Removes a folder, or the first file, that a pattern finds."""

    def change(root: Path) -> None:
        path = sorted(root.glob(pattern))[0]
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def _emptied(pattern: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        paths = sorted(root.glob(pattern))
        assert paths
        for path in paths:
            path.unlink()

    return change


def _copied(pattern: str, name: str) -> Callable[[Path], object]:
    """A copy of the first file found beside it."""

    def change(root: Path) -> None:
        path = sorted(root.glob(pattern))[0]
        shutil.copy(path, path.with_name(name))

    return change


def _drawn(pattern: str, pixels: np.ndarray) -> Callable[[Path], object]:
    """Every file found gets other pixels."""

    def change(root: Path) -> None:
        paths = sorted(root.glob(pattern))
        assert paths
        for path in paths:
            save(path, pixels)

    return change


def _gray(value: int, height: int = 30, width: int = 40) -> np.ndarray:
    return np.where(box(1, height, width) > 0, np.uint8(value), np.uint8(0))


def _archive(**arrays: object) -> Callable[[Path], object]:
    """Replaces arrays of busi_128.npz; None removes one."""

    def change(root: Path) -> None:
        path = root / "busi_128.npz"
        kept = {name: array for name, array in dict(np.load(path)).items() if arrays.get(name, 0) is not None}
        np.savez(path, **kept | {name: array for name, array in arrays.items() if array is not None})

    return change


def _everything_gone(root: Path) -> None:
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _isic_cases(year: int, images: str, masks: str) -> dict[str, Wrong]:
    return {
        "nothing": Wrong(
            _everything_gone, rf"has no folder {images}; download the .* https://challenge.*#{year}, unpack"
        ),
        "no masks": Wrong(_without(masks), rf"has no folder {masks}; download"),
        "no images": Wrong(_emptied(f"{images}/*.jpg"), f"{images}: holds no images"),
        "image alone": Wrong(_without(f"{masks}/ISIC*.png"), rf"\.jpg: has no mask in .*{masks}; add the mask"),
        "mask alone": Wrong(_without(f"{images}/*.jpg"), rf"\.png: has no image in .*{images}"),
        "two masks": Wrong(_copied(f"{masks}/*0_[sS]*.png", "ISIC_0000000_SEGMENTATION.png"), "has the same id as"),
        "gray": Wrong(_drawn(f"{masks}/*.png", _gray(130)), "mask values 130 are not in the declared encoding", True),
        "size": Wrong(_drawn(f"{masks}/*.png", _gray(255, 31)), r"mask is 40x31 .* but its image", True),
        "not an image": Wrong(lambda root: _truncate(root, f"{images}/*.jpg"), "cannot be read as an image", True),
    }


def _truncate(root: Path, pattern: str) -> None:
    for path in root.glob(pattern):
        path.write_bytes(path.read_bytes()[:300])


_R3 = "get RIM-ONE r3 from http.*set data.root to the folder that holds Healthy/"
_DL = "get images and reference segmentations from https.*unpack both archives"
_DRISHTI = "get Drishti-GS1 from https.*set data.root to the folder that holds Drishti-GS1_files"
_REFUGE = "get the REFUGE images .* from https.*unpack all archives into one folder"
_TOP = "Drishti-GS1_files/Drishti-GS1_files"
_VOC = "VOCdevkit/VOC2012"

WRONG: dict[str, dict[str, Wrong]] = {
    "isic2016": _isic_cases(2016, "ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth"),
    "isic2017": _isic_cases(2017, "ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth")
    | {
        "first test": Wrong(lambda r: (r / "ISIC-2017_Test_v2_Data").rename(r / "ISIC-2017_Test_Data"), "_Test_v2_Data")
    },
    "isic2018": _isic_cases(2018, "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
    "rim_one_r3": {
        "nothing": Wrong(_everything_gone, f"has no folder Healthy; {_R3}"),
        "one part": Wrong(_without("Glaucoma*"), f"has no folder Glaucoma and suspects; {_R3}"),
        "no images": Wrong(_without("Healthy/Stereo Images"), f"Healthy: has no folder Stereo Images; {_R3}"),
        "no masks": Wrong(_without("Healthy/Average_masks"), f"Healthy: has no folder Average_masks; {_R3}"),
        "empty": Wrong(_emptied("Healthy/Stereo Images/*"), "Stereo Images: holds no images"),
        "image alone": Wrong(_without("*/Average_masks/*-Disc-Avg.png"), r"\.jpg: has no mask in .*Average_masks"),
        "mask alone": Wrong(_without("Healthy/Stereo Images/*"), r"Disc-Avg\.png: has no image in .*Stereo Images"),
        "gray": Wrong(_drawn("*/Average_masks/*Disc*.png", _gray(9, 36, 54)), "mask values 9 are not in", True),
        "size": Wrong(
            _drawn("*/Average_masks/*Disc*.png", _gray(255, 36, 60)), "mask is 30x36 .* image .* is 27x36", True
        ),
        "half image": Wrong(
            _drawn("*/Stereo Images/*.jpg", np.zeros((36, 27, 3), np.uint8)), "is no stereo image", True
        ),
    },
    "rim_one_dl": {
        "nothing": Wrong(_everything_gone, f"has no folder RIM-ONE_DL_images; {_DL}"),
        "no masks": Wrong(_without("*_segmentations"), f"has no folder RIM-ONE_DL_reference_segmentations; {_DL}"),
        "partition": Wrong(_without("*images/*hospital"), f"has no folder partitioned_by_hospital; {_DL}"),
        "part": Wrong(_without("*images/*hospital/test_set"), f"has no folder test_set; {_DL}"),
        "label": Wrong(_without("*images/*hospital/test_set/normal"), f"test_set: has no folder normal; {_DL}"),
        "mask label": Wrong(_without("*segmentations/normal"), f"segmentations: has no folder normal; {_DL}"),
        "empty": Wrong(_emptied("*images/*hospital/test_set/*/*.png"), "test_set: holds no images"),
        "image alone": Wrong(_without("*segmentations/*/*Disc-T.png"), r"\.png: has no mask in .*segmentations"),
        "mask alone": Wrong(_without("*images/*hospital/*/*/*.png"), r"Disc-T\.png: has no image in"),
        "in both": Wrong(_copied("*images/*hospital/*/glaucoma/*.png", "r2_Im004.png"), "has the same id as"),
        "gray": Wrong(_drawn("*segmentations/*/*.png", _gray(1)), "mask values 1 are not in the declared", True),
        "size": Wrong(_drawn("*segmentations/*/*.png", _gray(255, 31)), "mask is 40x31", True),
    },
    "drishti_gs1": {
        "nothing": Wrong(_everything_gone, f"has no folder Training; {_DRISHTI}"),
        "no test": Wrong(_without(f"{_TOP}/Test"), f"has no folder Test; {_DRISHTI}"),
        "no truth": Wrong(_without(f"{_TOP}/Test/Test_GT"), f"Test: has no folder Test_GT or GT; {_DRISHTI}"),
        "no images": Wrong(_without(f"{_TOP}/Training/Images"), f"Training: has no folder Images; {_DRISHTI}"),
        "empty": Wrong(_emptied(f"{_TOP}/Test/Images/*/*.png"), "Images: holds no images"),
        "image alone": Wrong(_without(f"{_TOP}/Test/Test_GT/*/SoftMap/*ODseg*"), "png: has no mask in .*Test_GT"),
        "mask alone": Wrong(_without(f"{_TOP}/Test/Images/*/*.png"), r"ODsegSoftmap\.png: has no image in .*Images"),
        "size": Wrong(_drawn(f"{_TOP}/*/*GT/*/SoftMap/*.png", _gray(255, 31)), "mask is 40x31", True),
        "coloured": Wrong(
            _drawn(f"{_TOP}/*/*GT/*/SoftMap/*.png", np.dstack([_gray(1), _gray(2), _gray(3)])), "is coloured", True
        ),
    },
    "refuge": {
        "nothing": Wrong(_everything_gone, f"has no folder Training400 or REFUGE-Training400/Tra.*; {_REFUGE}"),
        "label": Wrong(_without("Training400/Non-Glaucoma"), f"Training400: has no folder Non-Glaucoma; {_REFUGE}"),
        "no masks": Wrong(_without("Annotation-Training400"), f"has no folder Annotation-Training400; {_REFUGE}"),
        "no mask folder": Wrong(
            _without("REFUGE-Test-GT/*"), f"REFUGE-Test-GT: has no folder Disc_Cup_Masks; {_REFUGE}"
        ),
        "no validation": Wrong(_without("REFUGE-Validation400"), "has no folder REFUGE-Validation400 or Validation400"),
        "empty": Wrong(_emptied("Test400/*.jpg"), "Test400: holds no images"),
        "image alone": Wrong(_without("REFUGE-Test-GT/*/G/*.bmp"), r"\.jpg: has no mask in .*Disc_Cup_Masks"),
        "mask alone": Wrong(_without("Test400/*.jpg"), r"\.bmp: has no image in .*Test400"),
        "gray": Wrong(_drawn("REFUGE-Test-GT/*/*/*.bmp", _gray(127)), "mask values 127 are not in the declared", True),
        "size": Wrong(_drawn("REFUGE-Test-GT/*/*/*.bmp", _gray(255, 31)), "mask is 40x31", True),
    },
    "ph2": {
        "nothing": Wrong(_everything_gone, "has no folder PH2 Dataset images; get PH2 from https"),
        "empty": Wrong(_emptied("*/*/*/*_Image/*.bmp"), "PH2 Dataset images: holds no images"),
        "image alone": Wrong(_without("*/*/*/*_lesion/*.bmp"), r"IMD002\.bmp: has no mask in"),
        "mask alone": Wrong(_without("*/*/*/*_Image/*.bmp"), r"IMD002_lesion\.bmp: has no image in"),
        "too few": Wrong(lambda root: [_without("*/*/IMD*")(root) for _ in range(5)], "2 images cannot be split into"),
        "gray": Wrong(_drawn("*/*/*/*_lesion/*.bmp", _gray(1)), "mask values 1 are not in the declared", True),
        "size": Wrong(_drawn("*/*/*/*_lesion/*.bmp", _gray(255, 31)), "mask is 40x31", True),
    },
    "kvasir_seg": {
        "nothing": Wrong(_everything_gone, r"has no folder images; get kvasir-seg\.zip from https"),
        "no masks": Wrong(_without("*/masks"), r"has no folder masks; get kvasir-seg\.zip from https"),
        "empty": Wrong(_emptied("*/images/*.jpg"), "images: holds no images"),
        "image alone": Wrong(_without("*/masks/*.jpg"), r"images/cju0zm2\.jpg: has no mask in .*masks"),
        "mask alone": Wrong(_without("*/images/*.jpg"), r"masks/cju0zm2\.jpg: has no image in .*images"),
        "size": Wrong(_drawn("*/masks/*.jpg", _gray(255, 31)), "mask is 40x31", True),
        "coloured": Wrong(
            _drawn("*/masks/*.jpg", np.dstack([_gray(0), _gray(250), _gray(0)])), "mask is coloured", True
        ),
    },
    "cvc_clinicdb": {
        "nothing": Wrong(_everything_gone, "has no folder Original; get CVC-ClinicDB from https"),
        "no masks": Wrong(_without("*/Ground Truth"), "has no folder Ground Truth; get CVC-ClinicDB from https"),
        "empty": Wrong(_emptied("*/Original/*.tif"), "Original: holds no images"),
        "image alone": Wrong(_without("*/Ground Truth/*.tif"), r"Original/1\.tif: has no mask in .*Ground Truth"),
        "mask alone": Wrong(_without("*/Original/*.tif"), r"Ground Truth/1\.tif: has no image in .*Original"),
        "frame 613": Wrong(
            lambda root: [_copied(f"*/{x}/1.tif", "613.tif")(root) for x in ("Original", "Ground Truth")],
            r"613\.tif: is no frame 1\.tif to 612\.tif, so its sequence is unknown",
        ),
        "two sequences": Wrong(
            lambda root: [
                _without(f"*/*/{x}.tif")(root) for x in (51, 51, 67, 67, 200, 200, 205, 205, 592, 592, 612, 612)
            ],
            "2 patients or sequences cannot be split into train, val and test",
        ),
        "gray": Wrong(_drawn("*/Ground Truth/*.tif", _gray(254)), "mask values 254 are not in the declared", True),
        "size": Wrong(_drawn("*/Ground Truth/*.tif", _gray(255, 31)), "mask is 40x31", True),
    },
    "medsegbench": {
        "nothing": Wrong(_everything_gone, r"busi_128\.npz: is missing \(there is no \.npz file at all\); download it"),
        "another": Wrong(
            lambda root: (root / "busi_128.npz").rename(root / "busi_512.npz"),
            r"is missing \(there are busi_512\.npz\)",
        ),
        "no archive": Wrong(lambda root: (root / "busi_128.npz").write_text("<html>"), r"cannot be read as \.npz"),
        "cut short": Wrong(lambda root: _truncate(root, "busi_128.npz"), r"cannot be read as \.npz"),
        "pickled": Wrong(
            _archive(val_label=np.array([{"a": 1}], dtype=object)), r"cannot be read as \.npz \(Object arrays cannot"
        ),
        "no labels": Wrong(_archive(val_label=None), "has no array val_label, only test_images, test_label"),
        "no images": Wrong(_archive(train_images=None), "has no array train_images, only", True),
        "shape": Wrong(
            _archive(val_label=np.zeros((3, 1, 32, 32), np.uint8)), r"val_label is \(3, 1, 32, 32\) of uint8"
        ),
        "floats": Wrong(_archive(val_label=np.zeros((3, 32, 32))), "val_label is .* of float64; whole numbers"),
        "negative": Wrong(_archive(val_label=np.full((3, 32, 32), -1)), r"val_label holds -1\.\.0; 0\.\.255 is needed"),
        "0 and 255": Wrong(
            _archive(val_label=np.full((3, 32, 32), 255, np.uint8)), r"labels up to 255, .*; declare data\.encoding"
        ),
        "fewer images": Wrong(
            _archive(val_images=np.zeros((2, 32, 32), np.uint8)), r"val_images is \(2, 32, 32\) of uint8", True
        ),
        "float images": Wrong(_archive(val_images=np.zeros((3, 32, 32))), "val_images is .* of float64", True),
    },
    "pascal_voc": {
        "nothing": Wrong(_everything_gone, r"has no folder ImageSets/Segmentation; get VOCtrainval.*holds VOCdevkit/"),
        "no lists": Wrong(_without(f"{_VOC}/ImageSets"), "has no folder ImageSets/Segmentation; get"),
        "no list": Wrong(_without(f"{_VOC}/ImageSets/*/val.txt"), r"val\.txt: list of images is missing; get"),
        "empty list": Wrong(
            lambda root: (root / _VOC / "ImageSets/Segmentation/val.txt").write_text("\n"), r"val\.txt: lists no images"
        ),
        "no images": Wrong(_without(f"{_VOC}/JPEGImages"), "has no folder JPEGImages; get"),
        "no masks": Wrong(_without(f"{_VOC}/SegmentationClass"), "has no folder SegmentationClass; get"),
        "image alone": Wrong(
            _without(f"{_VOC}/SegmentationClass/*0.png"), r"lists '2007_000000' but there is no .*\.png"
        ),
        "mask alone": Wrong(_without(f"{_VOC}/JPEGImages/*0.jpg"), r"lists '2007_000000' but there is no .*\.jpg"),
        "value": Wrong(_drawn(f"{_VOC}/SegmentationClass/*.png", _gray(21)), "mask values 21 are not in the", True),
        "colours": Wrong(
            _drawn(f"{_VOC}/SegmentationClass/*.png", np.dstack([_gray(128), _gray(0), _gray(0)])), "is coloured", True
        ),
        "size": Wrong(_drawn(f"{_VOC}/SegmentationClass/*.png", _gray(1, 31)), "mask is 40x31", True),
    },
    "cityscapes": {
        "nothing": Wrong(_everything_gone, r"has no folder leftImg8bit; get leftImg8bit_trainvaltest\.zip and"),
        "no masks": Wrong(_without("gtFine"), "has no folder gtFine; get leftImg8bit_trainvaltest"),
        "no train": Wrong(_without("leftImg8bit/train"), "leftImg8bit: has no folder train; get"),
        "no val masks": Wrong(_without("gtFine/val"), "gtFine: has no folder val; get"),
        "empty": Wrong(_emptied("leftImg8bit/val/*/*.png"), "val: holds no images"),
        "image alone": Wrong(_without("gtFine/val/*/*TrainIds.png"), r"leftImg8bit\.png: has no mask in .*val"),
        "mask alone": Wrong(_without("leftImg8bit/val/*/*.png"), r"TrainIds\.png: has no image in .*val"),
        "one sequence": Wrong(
            lambda root: [_without(f"*/train/{city}")(root) for city in ("aachen", "aachen", "ulm", "ulm")],
            "1 patients or sequences cannot be split into train and val",
        ),
        "value": Wrong(_drawn("gtFine/*/*/*TrainIds.png", _gray(19)), "mask values 19 are not in the declared", True),
        "size": Wrong(_drawn("gtFine/*/*/*TrainIds.png", _gray(1, 31)), "mask is 40x31", True),
    },
    "folder": {
        "nothing": Wrong(_everything_gone, "has no folder images; create it or set"),
        "image alone": Wrong(_without("masks/*.png"), r"case0\.png: has no mask in .*masks"),
        "gray": Wrong(_drawn("masks/*.png", _gray(1)), "mask values 1 are not in the declared encoding", True),
    },
}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in WRONG.items() for case in cases])
def test_a_wrong_layout_is_one_line_with_the_cure(tmp_path: Path, name: str, case: str) -> None:
    WRITERS[name](tmp_path)
    wrong = WRONG[name][case]
    wrong.change(tmp_path)
    source = SOURCES[name](tmp_path) if wrong.read else None
    with pytest.raises(InputError, match=wrong.message) as raised:
        SOURCES[name](tmp_path) if source is None else _all_read(source)
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
        ("ph2", {"fractions": (0.5, 0.5)}, "data.fractions=[0.5, 0.5]: three positive numbers"),
        ("medsegbench", {"resolution": 64}, "data.resolution=64: must be one of 128, 256, 512"),
        ("medsegbench", {"category": "C9"}, "has no array train_label_C9, only"),
        ("medsegbench", {"encoding": {0: 0, 1: 1}}, ": 2 are not in the declared encoding {0: 0, 1: 1}; declare them"),
        ("medsegbench", {"encoding": "0:0"}, "data.encoding='0:0': is no mapping; quote it"),
        ("medsegbench", {"encoding": {0: 0, 1: 0, 2: 0}}, "data.classes=1: a segmentation needs 2 to 255 classes"),
        ("medsegbench", {"background": 3}, "data.background=3: must be one of the classes 0..2, or null"),
        ("medsegbench", {"class_names": ("one",)}, "names for 3 classes are needed"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, name: str, options: dict, message: str) -> None:
    WRITERS[name](tmp_path)
    with pytest.raises(InputError, match=re.escape(message)):
        _all_read(SOURCES[name](tmp_path, **options))


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


def test_palette_and_one_bit_masks_are_what_the_miniatures_hold(tmp_path: Path) -> None:
    WRITERS["pascal_voc"](tmp_path)
    WRITERS["ph2"](tmp_path)
    modes = [
        Image.open(next(tmp_path.rglob(pattern))).mode
        for pattern in ("SegmentationClass/*.png", "*_lesion/*_lesion.bmp")
    ]
    assert modes == ["P", "1"]
