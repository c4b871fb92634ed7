"""All ways in which a data set of eye fundus images can be laid out wrong, with what its error says."""

import numpy as np

from tests.data.layout_changes import Wrong, copy_first, gray_box, redraw, remove_all, remove_everything, remove_first

_R3 = "get RIM-ONE r3 from http.*set data.root to the folder that holds Healthy/"
_DL = "get images and reference segmentations from https.*unpack both archives"
_DRISHTI = "get Drishti-GS1 from https.*set data.root to the folder that holds Drishti-GS1_files"
_REFUGE = "get the REFUGE images .* from https.*unpack all archives into one folder"
_TOP = "Drishti-GS1_files/Drishti-GS1_files"

WRONG_FUNDUS: dict[str, dict[str, Wrong]] = {
    "rim_one_r3": {
        "nothing": Wrong(remove_everything, f"has no folder Healthy; {_R3}"),
        "one part": Wrong(remove_first("Glaucoma*"), f"has no folder Glaucoma and suspects; {_R3}"),
        "no images": Wrong(remove_first("Healthy/Stereo Images"), f"Healthy: has no folder Stereo Images; {_R3}"),
        "no masks": Wrong(remove_first("Healthy/Average_masks"), f"Healthy: has no folder Average_masks; {_R3}"),
        "empty": Wrong(remove_all("Healthy/Stereo Images/*"), "Stereo Images: holds no images"),
        "image alone": Wrong(remove_first("*/Average_masks/*-Disc-Avg.png"), r"\.jpg: has no mask in .*Average_masks"),
        "mask alone": Wrong(remove_first("Healthy/Stereo Images/*"), r"Disc-Avg\.png: has no image in .*Stereo Images"),
        "gray": Wrong(redraw("*/Average_masks/*Disc*.png", gray_box(9, 36, 54)), "mask values 9 are not in", True),
        "size": Wrong(
            redraw("*/Average_masks/*Disc*.png", gray_box(255, 36, 60)), "mask is 30x36 .* image .* is 27x36", True
        ),
        "half image": Wrong(
            redraw("*/Stereo Images/*.jpg", np.zeros((36, 27, 3), np.uint8)), "is no stereo image", True
        ),
    },
    "rim_one_dl": {
        "nothing": Wrong(remove_everything, f"has no folder RIM-ONE_DL_images; {_DL}"),
        "no masks": Wrong(remove_first("*_segmentations"), f"has no folder RIM-ONE_DL_reference_segmentations; {_DL}"),
        "partition": Wrong(remove_first("*images/*hospital"), f"has no folder partitioned_by_hospital; {_DL}"),
        "part": Wrong(remove_first("*images/*hospital/test_set"), f"has no folder test_set; {_DL}"),
        "label": Wrong(remove_first("*images/*hospital/test_set/normal"), f"test_set: has no folder normal; {_DL}"),
        "mask label": Wrong(remove_first("*segmentations/normal"), f"segmentations: has no folder normal; {_DL}"),
        "empty": Wrong(remove_all("*images/*hospital/test_set/*/*.png"), "test_set: holds no images"),
        "image alone": Wrong(remove_first("*segmentations/*/*Disc-T.png"), r"\.png: has no mask in .*segmentations"),
        "mask alone": Wrong(remove_first("*images/*hospital/*/*/*.png"), r"Disc-T\.png: has no image in"),
        "in both": Wrong(copy_first("*images/*hospital/*/glaucoma/*.png", "r2_Im004.png"), "has the same id as"),
        "gray": Wrong(redraw("*segmentations/*/*.png", gray_box(1)), "mask values 1 are not in the declared", True),
        "size": Wrong(redraw("*segmentations/*/*.png", gray_box(255, 31)), "mask is 40x31", True),
    },
    "drishti_gs1": {
        "nothing": Wrong(remove_everything, f"has no folder Training; {_DRISHTI}"),
        "no test": Wrong(remove_first(f"{_TOP}/Test"), f"has no folder Test; {_DRISHTI}"),
        "no truth": Wrong(remove_first(f"{_TOP}/Test/Test_GT"), f"Test: has no folder Test_GT or GT; {_DRISHTI}"),
        "no images": Wrong(remove_first(f"{_TOP}/Training/Images"), f"Training: has no folder Images; {_DRISHTI}"),
        "empty": Wrong(remove_all(f"{_TOP}/Test/Images/*/*.png"), "Images: holds no images"),
        "image alone": Wrong(remove_first(f"{_TOP}/Test/Test_GT/*/SoftMap/*ODseg*"), "png: has no mask in .*Test_GT"),
        "mask alone": Wrong(
            remove_first(f"{_TOP}/Test/Images/*/*.png"), r"ODsegSoftmap\.png: has no image in .*Images"
        ),
        "size": Wrong(redraw(f"{_TOP}/*/*GT/*/SoftMap/*.png", gray_box(255, 31)), "mask is 40x31", True),
        "coloured": Wrong(
            redraw(f"{_TOP}/*/*GT/*/SoftMap/*.png", np.dstack([gray_box(1), gray_box(2), gray_box(3)])),
            "is coloured",
            True,
        ),
    },
    "refuge": {
        "nothing": Wrong(remove_everything, f"has no folder Training400 or REFUGE-Training400/Tra.*; {_REFUGE}"),
        "label": Wrong(remove_first("Training400/Non-Glaucoma"), f"Training400: has no folder Non-Glaucoma; {_REFUGE}"),
        "no masks": Wrong(remove_first("Annotation-Training400"), f"has no folder Annotation-Training400; {_REFUGE}"),
        "no mask folder": Wrong(
            remove_first("REFUGE-Test-GT/*"), f"REFUGE-Test-GT: has no folder Disc_Cup_Masks; {_REFUGE}"
        ),
        "no validation": Wrong(
            remove_first("REFUGE-Validation400"), "has no folder REFUGE-Validation400 or Validation400"
        ),
        "empty": Wrong(remove_all("Test400/*.jpg"), "Test400: holds no images"),
        "image alone": Wrong(remove_first("REFUGE-Test-GT/*/G/*.bmp"), r"\.jpg: has no mask in .*Disc_Cup_Masks"),
        "mask alone": Wrong(remove_first("Test400/*.jpg"), r"\.bmp: has no image in .*Test400"),
        "gray": Wrong(
            redraw("REFUGE-Test-GT/*/*/*.bmp", gray_box(127)), "mask values 127 are not in the declared", True
        ),
        "size": Wrong(redraw("REFUGE-Test-GT/*/*/*.bmp", gray_box(255, 31)), "mask is 40x31", True),
    },
}
