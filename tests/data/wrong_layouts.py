"""One table of all ways in which a data set can be laid out wrong, with what its error says."""

import numpy as np

from tests.data.layout_changes import (
    Wrong,
    copy_first,
    gray_box,
    redraw,
    remove_all,
    remove_everything,
    remove_first,
    replace_arrays,
    truncate,
)
from tests.data.wrong_fundus_layouts import WRONG_FUNDUS


def _isic_cases(year: int, images: str, masks: str) -> dict[str, Wrong]:
    return {
        "nothing": Wrong(
            remove_everything, rf"has no folder {images}; download the .* https://challenge.*#{year}, unpack"
        ),
        "no masks": Wrong(remove_first(masks), rf"has no folder {masks}; download"),
        "no images": Wrong(remove_all(f"{images}/*.jpg"), f"{images}: holds no images"),
        "image alone": Wrong(remove_first(f"{masks}/ISIC*.png"), rf"\.jpg: has no mask in .*{masks}; add the mask"),
        "mask alone": Wrong(remove_first(f"{images}/*.jpg"), rf"\.png: has no image in .*{images}"),
        "two masks": Wrong(copy_first(f"{masks}/*0_[sS]*.png", "ISIC_0000000_SEGMENTATION.png"), "has the same id as"),
        "gray": Wrong(
            redraw(f"{masks}/*.png", gray_box(130)), "mask values 130 are not in the declared encoding", True
        ),
        "size": Wrong(redraw(f"{masks}/*.png", gray_box(255, 31)), r"mask is 40x31 .* but its image", True),
        "not an image": Wrong(lambda root: truncate(root, f"{images}/*.jpg"), "cannot be read as an image", True),
    }


_VOC = "VOCdevkit/VOC2012"

WRONG: dict[str, dict[str, Wrong]] = {
    "isic2016": _isic_cases(2016, "ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth"),
    "isic2017": _isic_cases(2017, "ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth")
    | {
        "first test": Wrong(lambda r: (r / "ISIC-2017_Test_v2_Data").rename(r / "ISIC-2017_Test_Data"), "_Test_v2_Data")
    },
    "isic2018": _isic_cases(2018, "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
    **WRONG_FUNDUS,
    "ph2": {
        "nothing": Wrong(remove_everything, "has no folder PH2 Dataset images; get PH2 from https"),
        "empty": Wrong(remove_all("*/*/*/*_Image/*.bmp"), "PH2 Dataset images: holds no images"),
        "image alone": Wrong(remove_first("*/*/*/*_lesion/*.bmp"), r"IMD002\.bmp: has no mask in"),
        "mask alone": Wrong(remove_first("*/*/*/*_Image/*.bmp"), r"IMD002_lesion\.bmp: has no image in"),
        "too few": Wrong(
            lambda root: [remove_first("*/*/IMD*")(root) for _ in range(5)], "2 images cannot be split into"
        ),
        "gray": Wrong(redraw("*/*/*/*_lesion/*.bmp", gray_box(1)), "mask values 1 are not in the declared", True),
        "size": Wrong(redraw("*/*/*/*_lesion/*.bmp", gray_box(255, 31)), "mask is 40x31", True),
    },
    "kvasir_seg": {
        "nothing": Wrong(remove_everything, r"has no folder images; get kvasir-seg\.zip from https"),
        "no masks": Wrong(remove_first("*/masks"), r"has no folder masks; get kvasir-seg\.zip from https"),
        "empty": Wrong(remove_all("*/images/*.jpg"), "images: holds no images"),
        "image alone": Wrong(remove_first("*/masks/*.jpg"), r"images/cju0zm2\.jpg: has no mask in .*masks"),
        "mask alone": Wrong(remove_first("*/images/*.jpg"), r"masks/cju0zm2\.jpg: has no image in .*images"),
        "size": Wrong(redraw("*/masks/*.jpg", gray_box(255, 31)), "mask is 40x31", True),
        "coloured": Wrong(
            redraw("*/masks/*.jpg", np.dstack([gray_box(0), gray_box(250), gray_box(0)])), "mask is coloured", True
        ),
    },
    "cvc_clinicdb": {
        "nothing": Wrong(remove_everything, "has no folder Original; get CVC-ClinicDB from https"),
        "no masks": Wrong(remove_first("*/Ground Truth"), "has no folder Ground Truth; get CVC-ClinicDB from https"),
        "empty": Wrong(remove_all("*/Original/*.tif"), "Original: holds no images"),
        "image alone": Wrong(remove_first("*/Ground Truth/*.tif"), r"Original/1\.tif: has no mask in .*Ground Truth"),
        "mask alone": Wrong(remove_first("*/Original/*.tif"), r"Ground Truth/1\.tif: has no image in .*Original"),
        "frame 613": Wrong(
            lambda root: [copy_first(f"*/{x}/1.tif", "613.tif")(root) for x in ("Original", "Ground Truth")],
            r"613\.tif: is no frame 1\.tif to 612\.tif, so its sequence is unknown",
        ),
        "two sequences": Wrong(
            lambda root: [
                remove_first(f"*/*/{x}.tif")(root) for x in (51, 51, 67, 67, 200, 200, 205, 205, 592, 592, 612, 612)
            ],
            "2 patients or sequences cannot be split into train, val and test",
        ),
        "gray": Wrong(redraw("*/Ground Truth/*.tif", gray_box(254)), "mask values 254 are not in the declared", True),
        "size": Wrong(redraw("*/Ground Truth/*.tif", gray_box(255, 31)), "mask is 40x31", True),
    },
    "medsegbench": {
        "nothing": Wrong(
            remove_everything, r"busi_128\.npz: is missing \(there is no \.npz file at all\); download it"
        ),
        "another": Wrong(
            lambda root: (root / "busi_128.npz").rename(root / "busi_512.npz"),
            r"is missing \(there are busi_512\.npz\)",
        ),
        "no archive": Wrong(lambda root: (root / "busi_128.npz").write_text("<html>"), r"cannot be read as \.npz"),
        "cut short": Wrong(lambda root: truncate(root, "busi_128.npz"), r"cannot be read as \.npz"),
        "pickled": Wrong(
            replace_arrays(val_label=np.array([{"a": 1}], dtype=object)),
            r"cannot be read as \.npz \(val_label holds Python objects",
        ),
        "no labels": Wrong(replace_arrays(val_label=None), "has no array val_label, only test_images, test_label"),
        "no images": Wrong(replace_arrays(train_images=None), "has no array train_images, only", True),
        "shape": Wrong(
            replace_arrays(val_label=np.zeros((3, 1, 32, 32), np.uint8)), r"val_label is \(3, 1, 32, 32\) of uint8"
        ),
        "floats": Wrong(replace_arrays(val_label=np.zeros((3, 32, 32))), "val_label is .* of float64; whole numbers"),
        "negative": Wrong(
            replace_arrays(val_label=np.full((3, 32, 32), -1)), r"val_label holds -1\.\.0; 0\.\.255 is needed"
        ),
        "0 and 255": Wrong(
            replace_arrays(val_label=np.full((3, 32, 32), 255, np.uint8)),
            r"labels up to 255, .*; declare data\.encoding",
        ),
        "fewer images": Wrong(
            replace_arrays(val_images=np.zeros((2, 32, 32), np.uint8)), r"val_images is \(2, 32, 32\) of uint8", True
        ),
        "float images": Wrong(replace_arrays(val_images=np.zeros((3, 32, 32))), "val_images is .* of float64", True),
    },
    "pascal_voc": {
        "nothing": Wrong(remove_everything, r"has no folder ImageSets/Segmentation; get VOCtrainval.*holds VOCdevkit/"),
        "no lists": Wrong(remove_first(f"{_VOC}/ImageSets"), "has no folder ImageSets/Segmentation; get"),
        "no list": Wrong(remove_first(f"{_VOC}/ImageSets/*/val.txt"), r"val\.txt: list of images is missing; get"),
        "empty list": Wrong(
            lambda root: (root / _VOC / "ImageSets/Segmentation/val.txt").write_text("\n"), r"val\.txt: lists no images"
        ),
        "no images": Wrong(remove_first(f"{_VOC}/JPEGImages"), "has no folder JPEGImages; get"),
        "no masks": Wrong(remove_first(f"{_VOC}/SegmentationClass"), "has no folder SegmentationClass; get"),
        "image alone": Wrong(
            remove_first(f"{_VOC}/SegmentationClass/*0.png"), r"2007_000000\.jpg: has no mask in .*SegmentationClass"
        ),
        "mask alone": Wrong(remove_first(f"{_VOC}/JPEGImages/*0.jpg"), r"000000\.png: has no image in .*JPEGImages"),
        "neither": Wrong(
            lambda root: [remove_first(f"{_VOC}/{x}")(root) for x in ("JPEGImages/*0.jpg", "SegmentationClass/*0.png")],
            r"lists '2007_000000' but there is no .*\.jpg and no .*\.png",
        ),
        "value": Wrong(redraw(f"{_VOC}/SegmentationClass/*.png", gray_box(21)), "mask values 21 are not in the", True),
        "colours": Wrong(
            redraw(f"{_VOC}/SegmentationClass/*.png", np.dstack([gray_box(128), gray_box(0), gray_box(0)])),
            "is coloured",
            True,
        ),
        "size": Wrong(redraw(f"{_VOC}/SegmentationClass/*.png", gray_box(1, 31)), "mask is 40x31", True),
    },
    "cityscapes": {
        "nothing": Wrong(remove_everything, r"has no folder leftImg8bit; get leftImg8bit_trainvaltest\.zip and"),
        "no masks": Wrong(remove_first("gtFine"), "has no folder gtFine; get leftImg8bit_trainvaltest"),
        "no train": Wrong(remove_first("leftImg8bit/train"), "leftImg8bit: has no folder train; get"),
        "no val masks": Wrong(remove_first("gtFine/val"), "gtFine: has no folder val; get"),
        "empty": Wrong(remove_all("leftImg8bit/val/*/*.png"), "val: holds no images"),
        "image alone": Wrong(remove_first("gtFine/val/*/*TrainIds.png"), r"leftImg8bit\.png: has no mask in .*val"),
        "mask alone": Wrong(remove_first("leftImg8bit/val/*/*.png"), r"TrainIds\.png: has no image in .*val"),
        "one sequence": Wrong(
            lambda root: [remove_first(f"*/train/{city}")(root) for city in ("aachen", "aachen", "ulm", "ulm")],
            "1 patients or sequences cannot be split into train and val",
        ),
        "value": Wrong(
            redraw("gtFine/*/*/*TrainIds.png", gray_box(19)), "mask values 19 are not in the declared", True
        ),
        "size": Wrong(redraw("gtFine/*/*/*TrainIds.png", gray_box(1, 31)), "mask is 40x31", True),
    },
    "folder": {
        "nothing": Wrong(remove_everything, "has no folder images; create it or set"),
        "image alone": Wrong(remove_first("masks/*.png"), r"case0\.png: has no mask in .*masks"),
        "gray": Wrong(redraw("masks/*.png", gray_box(1)), "mask values 1 are not in the declared encoding", True),
    },
}
