"""The data sets of eye fundus images in small, each in the layout in which it unpacks."""

from pathlib import Path

import numpy as np

from tests.miniature_drawing import HEIGHT, WIDTH, Miniature, box, picture, save


def discs(seed: int, height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Maps of 0 and 1, disc and cup; the cup leaves the disc by a row."""
    disc = box(seed, height, width)
    rows, columns = np.nonzero(disc)
    cup = np.zeros_like(disc)
    cup[rows.min() - 1 : rows.min() + 4, columns.min() + 2 : columns.max() - 2] = 1
    return disc, cup


def rim_one_r3(root: Path) -> Miniature:
    height, width = 36, 54  # upright halves of a wide image, as those published
    truth, groups = {}, {}
    seed = 0
    for part, eyes in (
        ("Healthy", ("N-1-L", "N-1-R", "N-2-R", "N-10-L")),
        ("Glaucoma and suspects", ("G-1-L", "G-2-R", "S-1-R", "S-1-L")),
    ):
        for id in eyes:
            seed += 1
            truth[id] = disc, cup = discs(seed, height, width // 2)
            groups[id] = id[:-2]
            left, right = picture(seed, disc), np.zeros((height, width // 2, 3), np.uint8)
            save(root / part / "Stereo Images" / f"{id}.jpg", np.hstack([left, right]), quality=95)
            for folder, ending in (("Average", "{}-Avg"), ("Expert1", "1-{}-exp1"), ("Expert2", "{}-exp2")):
                for name, drawn in (("Disc", disc), ("Cup", cup)):
                    path = root / part / f"{folder}_masks" / f"{id}-{ending.format(name)}.png"
                    # Some are as wide as the stereo image, some as its half.
                    wide = folder == "Average"
                    save(path, 255 * (np.hstack([drawn, np.zeros_like(drawn)]) if wide else drawn))
                    path.with_suffix(".txt").write_text("outline")
    return Miniature(truth, {"train+val+test": sorted(truth)}, groups)


def rim_one_dl(root: Path) -> Miniature:
    truth: dict[str, np.ndarray] = {}
    splits: dict[str, list[str]] = {"train+val": [], "test": []}
    seed = 0
    for split, part, count in (("train+val", "training_set", 3), ("test", "test_set", 2)):
        for label in ("glaucoma", "normal"):
            for _ in range(count):
                seed += 1
                id = f"r{1 + seed % 3}_Im{seed:03d}"
                truth[id] = disc, cup = discs(seed)
                splits[split].append(id)
                for partition in ("by_hospital", "randomly"):
                    folder = root / "RIM-ONE_DL_images" / f"partitioned_{partition}" / part / label
                    save(folder / f"{id}.png", picture(seed, disc))
                for name, drawn in (("Disc", disc), ("Cup", cup)):
                    folder = root / "RIM-ONE_DL_reference_segmentations" / label
                    save(folder / f"{id}-1-{name}-T.png", 255 * drawn)
                    (folder / f"{id}-1-{name}-T.txt").write_text("outline")
    return Miniature(truth, splits)


def rim_one_samples(root: Path) -> Miniature:
    """At the full size, which the cut is for; masks smoothed around 20."""
    truth: dict[str, np.ndarray] = {}
    for seed, id in enumerate(("G_1_L_1", "G_2_R_1"), 1):
        mask = box(seed, 569, 428)
        truth[id] = mask[70:478, 10:418]
        save(root / "image_samples" / f"{id}.png", picture(seed, mask))
        save(root / "mask_samples" / f"{id}.png", np.uint8(20) + np.uint8(235) * mask)
    return Miniature(truth, {split: list(truth) for split in ("train", "val", "test")})


def drishti_gs1(root: Path) -> Miniature:
    truth: dict[str, np.ndarray] = {}
    splits: dict[str, list[str]] = {"train+val": [], "test": []}
    for number in range(1, 9):
        split, part, masks = ("test", "Test", "Test_GT") if number % 2 else ("train+val", "Training", "GT")
        id = f"drishtiGS_{number:03d}"
        truth[id] = disc, cup = discs(number)
        splits[split].append(id)
        top = root / "Drishti-GS1_files" / "Drishti-GS1_files" / part
        save(top / "Images" / ("GLAUCOMA" if number > 4 else "NORMAL") / f"{id}.png", picture(number, disc))
        for name, drawn in (("ODsegSoftmap", disc), ("cupsegSoftmap", cup)):
            # Drawn by none or one of four annotators outside, by two to four inside.
            soft = np.where(drawn > 0, 128 + 64 * (np.arange(WIDTH) % 3), 64 * (np.arange(WIDTH) % 2))
            soft = soft.clip(max=255).astype(np.uint8)
            save(top / masks / id / "SoftMap" / f"{id}_{name}.png", soft)
        (top / masks / id / "AvgBoundary").mkdir()
    return Miniature(truth, splits)


def refuge(root: Path) -> Miniature:
    truth: dict[str, np.ndarray] = {}
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    cases = [("train", label, f"{label[0].lower()}{i:04d}") for label in ("Glaucoma", "Non-Glaucoma") for i in (1, 2)]
    cases += [("val", "", f"V{i:04d}") for i in (1, 2, 3)] + [("test", "GN"[i % 2], f"T{i:04d}") for i in (1, 2, 3)]
    for seed, (split, label, id) in enumerate(cases):
        disc, cup = discs(seed)
        truth[id] = disc + (disc & cup)
        splits[split].append(id)
        images, masks = {
            "train": (f"Training400/{label}", f"Annotation-Training400/Disc_Cup_Masks/{label}"),
            "val": ("REFUGE-Validation400", "REFUGE-Validation400-GT/Disc_Cup_Masks"),
            "test": ("Test400", f"REFUGE-Test-GT/Disc_Cup_Masks/{label}"),
        }[split]
        save(root / images / f"{id}.jpg", picture(seed, disc))
        save(root / masks / f"{id}.bmp", np.array([255, 128, 0], np.uint8)[truth[id]])
    return Miniature(truth, splits)
