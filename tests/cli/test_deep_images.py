"""One-channel images and images of 12 bits: victims, files, rows, report and transfer at their own depth."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from benchmark.evaluation.scoring import score_perturbation
from benchmark.report.figures.saved_images import saved_pictures
from benchmark.results.transfer_matrix import TRANSFER
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS
from benchmark.victims.loading import load_victim
from tests.grey_images import write_grey_images

SHORT = (
    *("trainer=cpu", "trainer.max_epochs=1", "data.size=32", "data.batch_size=2", "data.fractions=[0.5,0.25,0.25]"),
    "attacks.asma.max_steps=3",
)

VICTIM = ("victim=unet", "victim.encoder=resnet18")


@pytest.mark.parametrize("bits", [8, 12])
def test_a_run_keeps_to_the_images_own_depth(command, tmp_path: Path, bits: int) -> None:
    root, folder = write_grey_images(tmp_path / "data", bits), tmp_path / "run"
    data = ("data=folder", f"data.root={root}", "data.channels=1", f"data.bits={bits}")
    outcome = command("run", *data, *SHORT, *VICTIM, "run.montage=1", "engine.precision=64", f"run.dir={folder}")
    assert outcome.status == 0, outcome.err
    victim = load_victim(folder / "checkpoints" / "best.ckpt", channels=1).double()
    rows, highest = tables.read(folder).to_pylist(), 2**bits - 1
    assert victim.hparams["channels"] == 1
    assert rows
    for row in rows:
        with Image.open(RunFolder(folder).adversarial("asma", row["id"])) as picture:
            assert picture.mode == ("L" if bits == 8 else "I;16")
            adv = np.array(picture).astype(np.int64)
        clean = np.array(Image.open(RunFolder(folder).picture("clean", row["id"]))).astype(np.int64)
        assert adv.max() <= highest
        assert bits == 8 or clean.max() > 255
        points = torch.from_numpy(adv).float()[None, None] / highest
        with torch.no_grad():
            preds = victim(points.double()).argmax(1)[0].numpy()
        assert np.array_equal(preds, saved_pictures(RunFolder(folder), row).adv_pred)
        delta = (adv - clean) / highest
        assert row["adv8_linf"] == pytest.approx(np.abs(delta).max(), abs=1e-6)
        # Rounding moves no value by more than half a level of its own depth.
        assert abs(row["adv8_linf"] - row["linf"]) <= 0.5 / highest + 1e-6
        shown = saved_pictures(RunFolder(folder), row)
        assert shown.image.dtype == np.uint8
        np.testing.assert_allclose(shown.delta[:, :, 0], delta, atol=1e-9)
        image = torch.from_numpy(clean).float()[None] / highest
        assert row["adv8_l2"] == pytest.approx(score_perturbation(image, points[0])["l2"], abs=1e-6)
    assert command("verify", folder).status == 0
    values, changed = clean.size, rows[0]
    changed["l1"] += 0.6 * values / highest  # more than rounding to files of this depth can be
    pq.write_table(pa.Table.from_pylist(rows, schema=tables.read(folder).schema), RECORDS.merged(folder))
    verified = command("verify", folder)
    assert verified.status == 1
    assert f"asma / {changed['id']}: l1: row says {changed['l1']!r}, must be within" in verified.out
    out = tmp_path / "transfer"
    assert command("transfer", folder, "--victims", folder / "checkpoints" / "best.ckpt", "--out", out).status == 0
    for row in TRANSFER.read(out).to_pylist():
        assert row["white_box"]
        assert row["noise8_l2"] == pytest.approx(row["l2"], abs=2 / highest)
    assert json.loads((out / "summary.json").read_text())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("data.bits=12",), "data.bits=12: such images have one channel; give data.channels=1"),
        (("data.bits=17",), "data.bits=17: must be 8 to 16"),
        (("data.bits=11", "data.channels=1"), "has levels 0..3071, data.bits=11 are 0..2047"),
        (("data.channels=1",), "give data=folder with data.bits=16 data.channels=1"),
        (("data.channels=2",), "data.channels=2: must be 3, or 1 for grey images"),
        (("data.bits=12", "data.channels=1", "defence=[jpeg]"), "data.bits=12: input transforms are of 8-bit images"),
        (("data.bits=12", "data.channels=1", "victim.transform=[bits]"), "input transforms are of 8-bit images"),
    ],
)
def test_what_does_not_fit_is_one_line(refused, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    root = write_grey_images(tmp_path / "data", 12)
    # Levels that tests can name.
    for path in (root / "images").iterdir():
        levels = np.array(Image.open(path))
        levels[0, :2] = 0, 3071
        Image.fromarray(levels.clip(0, 3071).astype(np.uint16)).save(path)
    said = refused("data=folder", f"data.root={root}", "data.size=32", *options, base=("trainer=cpu",))
    assert message in said


def test_coloured_images_have_no_one_channel(refused, pairs: Path) -> None:
    path = pairs / "images" / "case0.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0] = 1, 2, 3
    Image.fromarray(pixels).save(path)
    said = refused("data=folder", f"data.root={pairs}", "data.size=32", "data.channels=1", base=("trainer=cpu",))
    assert "case0: has colours; data.channels=1 is for grey images" in said
