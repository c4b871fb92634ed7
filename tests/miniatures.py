"""Writes each data set in small, in the layout in which it unpacks: `python -m tests.miniatures NAME FOLDER`.

What is returned is what a source has to read, made here and not by it.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fundus_miniatures import drishti_gs1, refuge, rim_one_dl, rim_one_r3, rim_one_samples
from tests.miniature_drawing import VOID, Miniature, box, picture, save


def isic(root: Path, year: int) -> Miniature:
    images, masks, parts, letter = {
        2016: ("ISBI2016_ISIC_Part1_{}_Data", "ISBI2016_ISIC_Part1_{}_GroundTruth", ("Training", "Test"), "S"),
        2017: ("ISIC-2017_{}_Data", "ISIC-2017_{}_Part1_GroundTruth", ("Training", "Validation", "Test_v2"), "s"),
        2018: ("ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth", ("Training", "Validation", "Test"), "s"),
    }[year]
    truth: dict[str, np.ndarray] = {}
    listed = []
    for number, part in enumerate(parts):
        ids = [f"ISIC_{10 * number + i:07d}" for i in range(4)]
        for seed, id in enumerate(ids, 10 * number):
            truth[id] = box(seed)
            save(root / images.format(part) / f"{id}.jpg", picture(seed, truth[id]))
            save(root / masks.format(part) / f"{id}_{letter}egmentation.png", 255 * truth[id])
        (root / images.format(part) / f"{ids[0]}_superpixels.png").write_bytes(b"not read")
        (root / images.format(part) / "LICENSE.txt").write_text("terms")
        (root / masks.format(part) / f"._{ids[0]}_segmentation.png").write_bytes(b"left by an archiver")
        (root / masks.format(part) / "ATTRIBUTION.txt").write_text("names")
        listed.append(ids)
    names = ("train", "val", "test") if len(parts) == 3 else ("train+val", "test")
    return Miniature(truth, dict(zip(names, listed, strict=True)))


def ph2(root: Path) -> Miniature:
    truth = {}
    for number in (2, 3, 4, 6, 8, 9, 10):
        id = f"IMD{number:03d}"
        truth[id] = box(number)
        case = root / "PH2Dataset" / "PH2 Dataset images" / id
        save(case / f"{id}_Dermoscopic_Image" / f"{id}.bmp", picture(number, truth[id]))
        save(case / f"{id}_lesion" / f"{id}_lesion.bmp", truth[id] > 0)
        (case / f"{id}_roi").mkdir()
    (root / "PH2Dataset" / "PH2_dataset.txt").write_text("table")
    return Miniature(truth, {"train+val+test": list(truth)})


def kvasir_seg(root: Path) -> Miniature:
    truth = {}
    for number in range(7):
        id = f"cju{number}zm2"
        truth[id] = box(number, 32, 48)
        save(root / "Kvasir-SEG" / "images" / f"{id}.jpg", picture(number, truth[id]))
        save(root / "Kvasir-SEG" / "masks" / f"{id}.jpg", np.dstack([255 * truth[id]] * 3), quality=75)
    (root / "Kvasir-SEG" / "kavsir_bboxes.json").write_text("{}")
    return Miniature(truth, {"train+val+test": list(truth)})


def cvc_clinicdb(root: Path) -> Miniature:
    truth, groups = {}, {}
    for sequence, frames in ((1, (1, 24, 25)), (2, (26, 27)), (3, (51, 67)), (10, (200, 205)), (29, (592, 612))):
        for frame in frames:
            id = str(frame)
            truth[id], groups[id] = box(frame), f"sequence {sequence}"
            save(root / "CVC-ClinicDB" / "Original" / f"{id}.tif", picture(frame, truth[id]))
            save(root / "CVC-ClinicDB" / "Ground Truth" / f"{id}.tif", 255 * truth[id])
    return Miniature(truth, {"train+val+test": list(truth)}, groups)


def medsegbench(root: Path, subset: str = "busi", resolution: int = 128, channels: int = 1) -> Miniature:
    truth: dict[str, np.ndarray] = {}
    splits: dict[str, list[str]] = {}
    arrays = {}
    for number, split in enumerate(("train", "val", "test")):
        splits[split] = [f"{subset}_{split}_{i:05d}" for i in range(3)]
        labels = [box(10 * number + i, 32, 32) * (1 + i % 2) for i in range(3)]
        truth |= dict(zip(splits[split], labels, strict=True))
        images = [picture(10 * number + i, label) for i, label in enumerate(labels)]
        arrays[f"{split}_images"] = np.stack(images) if channels == 3 else np.stack(images)[..., 0]
        arrays[f"{split}_label"] = np.stack(labels)
        arrays[f"{split}_label_C1"] = np.stack(labels) // 2
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(root / f"{subset}_{resolution}.npz", **arrays)
    return Miniature(truth, splits)


def pascal_voc(root: Path) -> Miniature:
    folder = root / "VOCdevkit" / "VOC2012"
    truth: dict[str, np.ndarray] = {}
    splits: dict[str, list[str]] = {"train+val": [], "test": []}
    for number in range(8):
        split, part = ("test", "val") if number >= 5 else ("train+val", "train")
        id = f"2007_{number:06d}"
        mask = box(number) * (1 + (7 * number) % 20)
        mask[:, :1] = VOID
        truth[id] = mask
        splits[split].append(id)
        save(folder / "JPEGImages" / f"{id}.jpg", picture(number, mask))
        palette = Image.fromarray(mask)
        palette.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
        (folder / "SegmentationClass").mkdir(exist_ok=True)
        palette.save(folder / "SegmentationClass" / f"{id}.png")
        lists = folder / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True, exist_ok=True)
        with open(lists / f"{part}.txt", "a") as file:
            file.write(f"{id}\n")
    save(folder / "JPEGImages" / "2009_000001.jpg", picture(9, box(9)))  # has no mask, like most images
    return Miniature(truth, splits)


def cityscapes(root: Path, labels: str = "labelTrainIds") -> Miniature:
    ids = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    truth, groups = {}, {}
    splits: dict[str, list[str]] = {"train+val": [], "test": []}
    frames = {"aachen": ("000000_000019", "000001_000019", "000002_000019"), "ulm": ("000000_000019", "000001_000019")}
    frames |= {"bochum": ("000000_000313", "000000_000600"), "munster": ("000000_000019", "000001_000019")}
    for city, numbers in frames.items():
        part = "val" if city == "munster" else "train"
        for number, frame in enumerate(numbers):
            id = f"{city}_{frame}"
            seed = len(truth)
            mask = box(seed) * 13
            mask[mask == 0] = number
            mask[-3:] = VOID
            truth[id], groups[id] = mask, id[:-7]
            splits["test" if part == "val" else "train+val"].append(id)
            save(root / "leftImg8bit" / part / city / f"{id}_leftImg8bit.png", picture(seed, mask))
            stored = mask if labels == "labelTrainIds" else np.array([*ids, *[1] * 237], np.uint8)[mask]
            save(root / "gtFine" / part / city / f"{id}_gtFine_{labels}.png", stored)
            save(root / "gtFine" / part / city / f"{id}_gtFine_color.png", picture(seed, mask))
    return Miniature(truth, splits, groups)


def folder(root: Path) -> Miniature:
    truth = {f"case{i}": box(i) for i in range(8)}
    for seed, (id, mask) in enumerate(truth.items()):
        save(root / "images" / f"{id}.png", picture(seed, mask))
        save(root / "masks" / f"{id}.png", 255 * mask)
    return Miniature(truth, {"train+val+test": list(truth)})


def _of_isic(year: int) -> Callable[[Path], Miniature]:
    return lambda root: isic(root, year)


WRITERS: dict[str, Callable[[Path], Miniature]] = {f"isic{year}": _of_isic(year) for year in (2016, 2017, 2018)} | {
    function.__name__: function  # type: ignore[attr-defined]
    for function in (
        *(
            rim_one_r3,
            rim_one_dl,
            rim_one_samples,
            drishti_gs1,
            refuge,
            ph2,
            kvasir_seg,
            cvc_clinicdb,
            medsegbench,
            pascal_voc,
        ),
        *(cityscapes, folder),
    )
}
"""By the names of the files in conf/data."""

OPTIONS: dict[str, Iterable[str]] = {"medsegbench": ("data.subset=busi", "data.resolution=128")}
"""What has to be said of a miniature on the command line, beside data.root."""


if __name__ == "__main__":
    WRITERS[sys.argv[1]](Path(sys.argv[2]))
