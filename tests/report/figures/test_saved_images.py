"""A run's pictures read back from its files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import InputError
from benchmark.images.label_maps import save_map
from benchmark.report.figures.saved_images import saved_pictures
from benchmark.runs.folder import RunFolder
from tests.example_rows import row

RANDOM = np.random.default_rng(0)


def _save(folder: Path, channels: int = 3) -> dict[str, Any]:
    shape = (6, 4) if channels == 1 else (6, 4, 3)
    saved = {name: RANDOM.integers(0, 256, shape, np.uint8) for name in ("clean", "adversarial")}
    saved |= {name: RANDOM.integers(0, 3, (6, 4)) for name in ("truth", "target", "prediction", "fooled")}
    for path, pixels in (
        (RunFolder(folder).picture("clean", "a"), saved["clean"]),
        (RunFolder(folder).adversarial("asma", "a"), saved["adversarial"]),
    ):
        path.parent.mkdir(parents=True)
        Image.fromarray(pixels).save(path)
    for name in ("truth", "target", "prediction"):
        save_map(saved[name], RunFolder(folder).picture(name, "a"))
    save_map(saved["fooled"], RunFolder(folder).prediction("asma", "a"))
    return saved


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_is_what_was_saved(tmp_path: Path, channels: int) -> None:
    saved = _save(tmp_path, channels)
    item = saved_pictures(RunFolder(tmp_path), row("a", adv8_iou_target=0.75))
    assert (item.id, item.iou_target, item.image.shape) == ("a", 0.75, (6, 4, channels))
    assert np.array_equal(item.image.squeeze(), saved["clean"])
    assert np.array_equal(item.adv.squeeze(), saved["adversarial"])
    change = saved["adversarial"].astype(float) / 255 - saved["clean"].astype(float) / 255
    assert item.delta.squeeze() == pytest.approx(change)
    maps = (item.truth, item.target, item.clean_pred, item.adv_pred)
    for found, name in zip(maps, ("truth", "target", "prediction", "fooled"), strict=True):
        assert np.array_equal(found, saved[name])


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    _save(tmp_path)
    RunFolder(tmp_path).picture("clean", "a").unlink()
    with pytest.raises(InputError, match=r"clean/a\.png: cannot be read"):
        saved_pictures(RunFolder(tmp_path), row("a"))
