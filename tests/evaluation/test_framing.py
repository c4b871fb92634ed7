"""A victim whose output is smaller than its input, from the session to the rows and what can be scored again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.attacks.asma import ASMA
from benchmark.attacks.dag import DAG
from benchmark.attacks.pgd import PGD
from benchmark.criterion import Criterion
from benchmark.errors import InputError
from benchmark.evaluation.case import make_case, split_of, with_padding
from benchmark.evaluation.plan import Attack, Plan
from benchmark.evaluation.row_writer import RowWriter, RunInfo
from benchmark.evaluation.scoring import score_perturbation, score_prediction
from benchmark.evaluation.session import Session
from benchmark.images.image_files import load_picture
from benchmark.images.label_maps import VOID, load_map
from benchmark.images.output_window import OutputWindow
from benchmark.images.quantisation import EIGHT_BIT
from benchmark.report.figures.saved_images import saved_pictures
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.targets import OtherImage
from benchmark.victims.task import Victim
from tests.synthetic_data import synthetic_data

# 32 pixels are padded to 44, of which 28 are shown: 2 of each side of the image are not, 8 of the padded one.
SIZE, INPUT, SHOWN = 32, 44, 28


@pytest.fixture
def valid_victim() -> Victim:
    torch.manual_seed(1)
    victim = Victim("unet_valid", encoder=None, input_size=INPUT, options={"widths": [4, 6]}, schedule="none")
    return victim.double().eval()


@pytest.fixture
def images():
    return synthetic_data(n_train=2, n_val=2, n_test=3, size=SIZE, batch_size=2)


def _plan(perturb: str, **attacks: Attack) -> Plan:
    return Plan(
        attacks=attacks or {"asma": Attack(ASMA(tau=1e-3, beta=1e-2), max_steps=4, stop=False, keep="last")},
        target=OtherImage(0),
        judge=Criterion(),
        engine={"slots": 2, "precision": 64},
        seed=0,
        perturb=perturb,  # type: ignore[arg-type]
    )


def _written(folder: Path, plan: Plan, victim: Victim, images) -> list[dict]:
    dataset = images.test_dataloader().dataset
    with _session(plan, victim, images) as session:
        session.check(dataset[i] for i in range(3))
        writer = RowWriter(RunFolder(folder), RunInfo(plan=plan, data=images, run="run", victim="v"), session.network)
        for i in range(3):
            session.submit(dataset[i])
        return [row for name, finished, case in session.run(drain=True) for row in writer.write(name, finished, case)]


def _session(plan: Plan, victim: Victim, images) -> Session:
    return Session(plan, victim, split_of(images, "test"), quantizer=EIGHT_BIT)


@pytest.mark.parametrize(("perturb", "side"), [("image", SIZE), ("input", INPUT)])
def test_rows_and_pictures_have_one_size_and_can_be_scored_again(
    tmp_path: Path, valid_victim: Victim, images, perturb: str, side: int
) -> None:
    plan = _plan(perturb)
    rows = _written(tmp_path, plan, valid_victim, images)
    assert len(rows) == 3
    inside = valid_victim.window(side, side).inside((side, side))
    assert inside.sum() == SHOWN**2
    for row in rows:
        assert (row["height"], row["width"], row["valid_pixels"]) == (side, side, SHOWN**2)
        clean = load_picture(RunFolder(tmp_path).picture("clean", row["id"]), inside=tmp_path)
        file = load_picture(RunFolder(tmp_path).adversarial("asma", row["id"]), inside=tmp_path)
        maps = {
            name: load_map(RunFolder(tmp_path).picture(name, row["id"]), inside=tmp_path)
            for name in ("truth", "target", "prediction")
        }
        maps["adv8"] = load_map(RunFolder(tmp_path).prediction("asma", row["id"]), inside=tmp_path)
        assert clean.shape == file.shape == (3, side, side)
        for labels in maps.values():
            assert labels.shape == (side, side)
            assert np.array_equal(labels == VOID, ~inside.numpy())
        # The saved file alone, shown to the victim, gives the saved map; saved maps alone give the row's scores.
        with torch.no_grad():
            preds = valid_victim(file[None].double())[0].argmax(0)
        assert np.array_equal(preds.numpy(), maps["adv8"][inside.numpy()].reshape(SHOWN, SHOWN))
        tensors = {name: torch.from_numpy(labels).long() for name, labels in maps.items()}
        again = score_prediction(tensors["adv8"], tensors["truth"], tensors["target"], inside, classes=2, background=0)
        assert {name: row[f"adv8_{name}"] for name in again} == again
        assert row["adv8_l2"] == pytest.approx(score_perturbation(clean, file)["l2"])
        # The page and the montage take them as they take any other run's.
        assert saved_pictures(RunFolder(tmp_path), row).truth.shape == (side, side)


def test_the_masks_are_those_of_the_data_where_the_victim_looks(valid_victim: Victim, images) -> None:
    item = images.test_dataloader().dataset[0]
    plan = _plan("input")
    plan.target.prepare(split_of(images, "test"))
    case = make_case(item, plan.target, window=valid_victim.window(SIZE, SIZE))
    assert torch.equal(case.valid, case.window.inside((SIZE, SIZE)))
    padded = with_padding(case, valid_victim)
    assert torch.equal(padded.image, valid_victim.pad(item["image"][None])[0])
    for one, other in ((case.truth, padded.truth), (case.target, padded.target)):
        assert torch.equal(case.window.crop(one), padded.window.crop(other))
        assert case.window.crop(one).shape == (SHOWN, SHOWN)
    assert torch.equal(case.window.crop(case.truth), images.mask(item["id"])[2:30, 2:30])


def test_what_may_be_perturbed(valid_victim: Victim, images) -> None:
    """Of the input the network sees everything near the window; of the image the padding follows its border."""
    deltas = {}
    for perturb in ("image", "input"):
        with _session(_plan(perturb), valid_victim, images) as session:
            session.submit(images.test_dataloader().dataset[0])
            ((_, finished, case),) = session.run(drain=True)
        deltas[perturb] = finished.adv - case.image
    border = torch.ones(INPUT, INPUT, dtype=torch.bool)
    border[6:38, 6:38] = False
    assert deltas["input"][:, border].abs().max() > 0
    assert deltas["image"].shape == (3, SIZE, SIZE)
    # Border pixels collect the gradients of all their copies.
    assert not torch.equal(deltas["image"], deltas["input"][:, 6:38, 6:38])


@pytest.mark.parametrize("perturb", ["image", "input"])
def test_every_kind_of_rule_runs(valid_victim: Victim, images, perturb: str) -> None:
    plan = _plan(
        perturb,
        pgd=Attack(PGD(targeted=True, norm="inf", eps=8 / 255), max_steps=2),
        dag=Attack(DAG(norm=2), max_steps=2),
    )
    with _session(plan, valid_victim, images) as session:
        session.submit(images.test_dataloader().dataset[0])
        finished = {name: image for name, image, _ in session.run(drain=True)}
    assert set(finished) == {"pgd", "dag"}
    assert finished["pgd"].adv_preds.shape == (SHOWN, SHOWN)
    assert (finished["pgd"].adv - finished["pgd"].job.image).abs().max() <= 8 / 255 + 1e-6


def test_a_victim_that_does_not_pad_is_attacked_alike(victim, data, plan) -> None:
    item = data.test_dataloader().dataset[0]
    plan.target.prepare(split_of(data, "test"))
    case = make_case(item, plan.target)
    assert case.window == OutputWindow.whole(*case.truth.shape)
    assert with_padding(case, victim) is case


def test_padding_to_a_stride_is_input_too(images) -> None:
    """Nothing about it belongs to networks of smaller output."""
    from torch import nn

    network = nn.Conv2d(3, 2, 3, padding=1)
    victim = Victim("python", encoder=None, stride=24, network=network, schedule="none")
    plan = _plan("input")
    plan.target.prepare(split_of(images, "test"))
    case = with_padding(make_case(images.test_dataloader().dataset[0], plan.target), victim)
    assert case.image.shape == (3, 48, 48)
    assert int(case.valid.sum()) == SIZE**2
    assert case.valid[:SIZE, :SIZE].all()
    assert case.window == (0, 0, 48, 48)


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(InputError, match="perturb=images: must be image or input"):
        _plan("images")


def test_rows_of_both_kinds_are_in_the_schema(tmp_path: Path, valid_victim: Victim, images) -> None:
    _written(tmp_path, replace(_plan("input")), valid_victim, images)
    table = tables.read(tmp_path)
    assert table.num_rows == 3
    with Image.open(RunFolder(tmp_path).picture("truth", table["id"][0].as_py())) as picture:
        assert picture.size == (INPUT, INPUT)
