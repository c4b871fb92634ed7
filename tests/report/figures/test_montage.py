import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from benchmark.images.label_maps import CLASS_COLOURS
from benchmark.report.figures.montage import MontageItem, amplification, montage
from tests.example_rows import row


def _item(name: str = "img", side: int = 32, classes: int = 2, channels: int = 3, **changes: Any) -> MontageItem:
    labels = np.zeros((side, side), dtype=np.int64)
    labels[: side // 2, side // 4 :] = 1
    labels[4:8, 12:20] = classes - 1
    image = np.full((side, side, channels), 90, dtype=np.uint8)
    delta = np.full((side, side, channels), 0.02, dtype=np.float32)
    arrays = {"delta": delta, "truth": labels, "target": labels.T, "clean_pred": labels, "adv_pred": labels.T}
    captions = {"iou_target": 0.97, "psnr": 34.0, "steps": 12, "success": True}
    return MontageItem(id=name, image=image, adv=image + 5, **arrays | captions | changes)


def _pixels_like(path: Path, colour: str) -> int:
    picture = np.asarray(Image.open(path).convert("RGB"), dtype=np.float64) / 255
    return int((np.abs(picture - to_rgb(colour)).max(-1) < 0.02).sum())


def test_writes_one_line_per_item_and_no_temporary_file(tmp_path: Path) -> None:
    one, two = tmp_path / "1.png", tmp_path / "2.png"
    montage(one, [_item()])
    montage(two, [_item(), _item(success=False)], title="asma")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["1.png", "2.png"]
    assert Image.open(one).width == Image.open(two).width
    assert Image.open(two).height > 1.5 * Image.open(one).height


def test_each_class_has_its_colour(tmp_path: Path) -> None:
    montage(tmp_path / "two.png", [_item(classes=2)])
    montage(tmp_path / "three.png", [_item(classes=3)])
    assert _pixels_like(tmp_path / "two.png", CLASS_COLOURS[0]) > 100
    assert _pixels_like(tmp_path / "two.png", CLASS_COLOURS[1]) == 0
    assert _pixels_like(tmp_path / "three.png", CLASS_COLOURS[1]) > 50


@pytest.mark.parametrize(
    "item",
    [
        _item("gray", channels=1),
        _item("many $x_1$ classes " * 9, classes=20),
        _item("empty", truth=np.zeros((32, 32), int), adv_pred=np.ones((32, 32), int)),
        _item("unchanged", delta=np.zeros((32, 32, 3)), psnr=float("inf"), steps=1),
        _item("unknown", psnr=None),
        _item("satisfied", satisfied=True),
    ],
    ids=lambda item: item.id[:9],
)
def test_draws_unusual_images(tmp_path: Path, item: MontageItem) -> None:
    assert Image.open(montage(tmp_path / "m.png", [item], title=r"unet on $\frac$ (test)")).size[0] > 1000


def test_the_truth_is_called_what_it_is(tmp_path: Path) -> None:
    for name in ("predicted", "true"):
        truth = "clean prediction" if name == "predicted" else "truth"
        montage(tmp_path / f"{name}.png", [_item(truth_name=truth)])
    assert (tmp_path / "predicted.png").read_bytes() != (tmp_path / "true.png").read_bytes()


def test_perturbation_is_spread_around_grey() -> None:
    delta = np.full((10, 10, 3), 0.01)
    assert amplification(delta) == 50
    delta[0, 0, 0] = 0.9
    assert amplification(delta) == 50
    assert amplification(np.ones((4, 4, 3))) == 1
    assert amplification(np.zeros((4, 4, 3))) == 1


def test_captions_of_a_row_are_those_of_the_8_bit_picture() -> None:
    template = _item()
    arrays = {name: getattr(template, name) for name in ("image", "truth", "target", "adv", "clean_pred", "adv_pred")}
    values = row("b", adv8_iou_target=0.8, adv_iou_target=0.9, success=True, success8=False, steps=3, adv8_psnr=31.0)
    item = MontageItem.of_row(values, **arrays, delta=template.delta)
    assert (item.id, item.iou_target, item.psnr, item.steps, item.success) == ("b", 0.8, 31.0, 3, False)
    assert not item.satisfied
    assert MontageItem.of_row(values | {"success_clean": True}, **arrays, delta=template.delta).satisfied


def test_no_items_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no items"):
        montage(tmp_path / "m.png", [])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        montage(path, [_item()])
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_never_touches_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from benchmark.report.figures.montage import *\n"
        "m, i = np.eye(8, dtype=int), np.zeros((8, 8, 3), 'u1')\n"
        "arrays = dict(image=i, truth=m, target=m, adv=i, clean_pred=m, adv_pred=m, delta=i * 1.)\n"
        "item = MontageItem(id='a', iou_target=1., psnr=None, steps=1, success=True, **arrays)\n"
        "montage(Path(sys.argv[1]), [item])\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "m.png")], check=True, timeout=60)
