"""`transfer` end to end: two tiny victims, one attacked with budgets; what it writes, and what it refuses."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from benchmark.__main__ import main
from benchmark.evaluation.scoring import score_prediction
from benchmark.results.transfer_matrix import TRANSFER, TRANSFER_SCHEMA, write_transfer_summary
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.victims.fingerprints import weights_sha256
from benchmark.victims.loading import load_victim
from tests.fixtures.made_once import made_once
from tests.synthetic_data import synthetic_data

SMOKE = ("experiment=smoke", "trainer=cpu")
JUDGE = 0.2  # of an IoU, which so short a training and attack can reach


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a second victim."""

    def make(folder: Path) -> None:
        assert main(["train", *SMOKE, "victim=fpn", "seed=3", "data.seed=0", f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "other_victim", make) / "run" / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="session")
def attacked(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has attacked the first victim at two budgets."""
    attack = ["attack=[pgd]", "+attacks.pgd.budgets=[8,32]", f"judge.value={JUDGE}", "run.montage=0"]
    given = f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}"

    def make(folder: Path) -> None:
        assert main(["attack", *SMOKE, given, *attack, f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "attacked_at_two_budgets", make) / "run"


@pytest.fixture
def copied(attacked: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be spoilt."""
    return Path(shutil.copytree(attacked, tmp_path / "copied"))


@pytest.fixture
def declined(command: Callable[..., Any], other: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs `transfer` on what it must refuse and returns its one line, when nothing has been left behind."""

    def run(*arguments: str | Path) -> str:
        out = tmp_path / "new" / "out"
        victims = () if "--victims" in arguments else ("--victims", other)
        outcome = command("transfer", *arguments, *victims, "--out", out)
        assert outcome.status == 2, outcome
        assert not out.parent.exists()
        assert outcome.out == ""
        *progress, line = outcome.err.splitlines()
        assert all(text.startswith("transfer:") for text in progress if text)
        assert line.startswith("error: ")
        return line

    return run


@pytest.fixture(scope="session")
def outcome(attacked: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a transfer from the first victim to the second."""

    def make(folder: Path) -> None:
        assert main(["transfer", str(attacked), "--victims", str(other), "--out", str(folder / "out")]) == 0

    return made_once(tmp_path_factory, "transfer", make) / "out"


def _rows(folder: Path) -> list[dict[str, Any]]:
    return TRANSFER.read(folder).to_pylist()


def test_every_picture_is_judged_by_every_model(outcome: Path, attacked: Path, other: Path) -> None:
    assert {path.name for path in outcome.iterdir()} == {"transfer.parquet", "summary.json", "transfer.md"}
    table = TRANSFER.read(outcome)
    assert table.schema.equals(TRANSFER_SCHEMA)
    rows, own = table.to_pylist(), tables.read(attacked).to_pylist()
    keys = {(row["attack"], row["id"], row["victim"]) for row in rows}
    victims = ("fpn_resnet18", "unet_resnet18")
    assert keys == {(row["attack"], row["id"], victim) for row in own for victim in victims}
    assert len(rows) == len(keys) == 16
    assert {row["source_victim"] for row in rows} == {"unet_resnet18"}
    assert {row["source_run"] for row in rows} == {own[0]["run"]}
    hashes = {row["victim"]: row["weights_sha256"] for row in rows}
    assert hashes["fpn_resnet18"] == weights_sha256(load_victim(other))
    assert {row["source_weights_sha256"] for row in rows} == {hashes["unet_resnet18"]}
    assert {(row["attack"], row["family"], row["norm"], round(row["eps"] * 255)) for row in rows} == {
        ("pgd@8", "pgd", "inf", 8),
        ("pgd@32", "pgd", "inf", 32),
    }


def test_the_attacked_model_repeats_its_run(outcome: Path, attacked: Path) -> None:
    own = {(row["attack"], row["id"]): row for row in tables.read(attacked).to_pylist()}
    white = [row for row in _rows(outcome) if row["white_box"]]
    assert {row["victim"] for row in white} == {"unet_resnet18"}
    assert len(white) == len(own)
    for row in white:
        recorded = own[row["attack"], row["id"]]
        for name in (n for n in TRANSFER_SCHEMA.names if n.startswith(("adv8_", "clean_")) and "confusion" not in n):
            assert row[name] == pytest.approx(recorded[name], abs=2e-2), name
        assert (row["success8"], row["l2"]) == (recorded["success8"], pytest.approx(recorded["adv8_l2"], rel=1e-5))
        assert row["source_adv8_iou_target"] == recorded["adv8_iou_target"]
    assert any(row["success8"] for row in white)
    assert json.loads((outcome / "summary.json").read_text())["white_box"]["differing"] == 0


def test_the_other_model_is_judged_on_the_files(outcome: Path, attacked: Path, other: Path) -> None:
    data = synthetic_data(n_train=16, n_val=4, n_test=4, size=32)
    data.setup("test")
    dataset, victim = data.test_dataloader().dataset, load_victim(other)
    for row in _rows(outcome):
        if row["victim"] != "fpn_resnet18":
            continue
        index = data.test_ids().index(row["id"])
        file = np.array(Image.open(RunFolder(attacked).adversarial(row["attack"], row["id"])))
        points = torch.from_numpy(file).permute(2, 0, 1).float() / 255
        clean, item = dataset[index]["image"], dataset[index]
        target = data.mask(row["target"].removeprefix("other_image:"))
        for prefix, image in (("adv8", points), ("clean", clean)):
            with torch.no_grad():
                preds = victim(image[None]).argmax(1)[0]
            scored = score_prediction(preds, item["mask"], target, item["valid"], classes=2, background=0)
            for name in ("iou_target", "iou_truth", "pixel_acc_truth", "dice_truth"):
                assert row[f"{prefix}_{name}"] == pytest.approx(scored[name], abs=2e-2)
        assert row["success8"] == (row["adv8_iou_target"] >= JUDGE)
        assert row["success_clean"] == (row["clean_iou_target"] >= JUDGE)
        assert row["noise8_success"] == (row["noise8_iou_target"] >= JUDGE)
        assert row["linf"] == pytest.approx((points - clean).abs().max().item(), abs=1e-6)
        assert row["noise8_linf"] == pytest.approx(row["linf"], abs=1e-6)
        assert row["white_box"] is False


def test_each_budget_has_its_matrix(outcome: Path) -> None:
    summary = json.loads((outcome / "summary.json").read_text())
    rows = _rows(outcome)
    assert [(table["attack"], round(table["eps"] * 255)) for table in summary["tables"]] == [
        ("pgd@8", 8),
        ("pgd@32", 32),
    ]
    for table in summary["tables"]:
        assert list(table["matrix"]) == ["unet_resnet18"]
        for victim, cell in table["matrix"]["unet_resnet18"].items():
            chosen = [row for row in rows if (row["attack"], row["victim"]) == (table["attack"], victim)]
            assert (cell["images"], cell["white_box"]) == (4, victim == "unet_resnet18")
            assert cell["adv8_iou_target"]["mean"] == pytest.approx(np.mean([row["adv8_iou_target"] for row in chosen]))
    assert summary["models"]["fpn_resnet18"]["given"] is True
    assert summary["models"]["unet_resnet18"]["given"] is False
    assert (
        "**pgd@8 · L∞ ≤ 8/255 · targeted · synthetic (test) · success, 8-bit**" in (outcome / "transfer.md").read_text()
    )


def test_another_run_of_one_architecture_has_a_name_of_its_own(
    command, attacked: Path, trained: Path, tmp_path
) -> None:
    last = tmp_path / "latest.ckpt"
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    # Weights of the last epoch may be those of the best.
    name = next(name for name, value in checkpoint["state_dict"].items() if value.ndim == 4)
    checkpoint["state_dict"][name] = checkpoint["state_dict"][name] * 1.01
    torch.save(checkpoint, last)
    result = command("transfer", attacked, trained, "--victims", last, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    rows = _rows(tmp_path / "out")
    assert {row["victim"] for row in rows} == {f"unet_resnet18 ({trained.name})", "unet_resnet18 (latest)"}
    assert {row["source_victim"] for row in rows} == {f"unet_resnet18 ({trained.name})"}
    assert {row["attack"] for row in rows} == {"asma", "pgd@8", "pgd@32"}
    assert "asma · L2 · targeted · synthetic (test)" in result.out


def test_a_run_whose_model_is_gone_has_no_white_box(command, copied: Path, other: Path, tmp_path: Path) -> None:
    config = OmegaConf.load(copied / "config.yaml")
    config.victim.ckpt = "/nowhere.ckpt"
    OmegaConf.save(config, copied / "config.yaml")
    result = command("transfer", copied, "--victims", other, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    assert (
        f"note: {copied}: no white box ({copied}: has no checkpoints/best.ckpt or at /nowhere.ckpt; give " in result.err
    )
    rows = _rows(tmp_path / "out")
    assert {(row["source_victim"], row["victim"]) for row in rows} == {("unet_resnet18", "fpn_resnet18")}
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["white_box"]["rows"] == 0


def test_a_model_that_does_not_repeat_its_run_is_told(command, copied: Path, other: Path, tmp_path: Path) -> None:
    rows = tables.read(copied).to_pylist()
    (copied / "records.parquet").unlink()
    tables.Writer(copied, tables.RECORDS).append([row | {"adv8_iou_truth": 1.5} for row in rows])
    result = command("transfer", copied, "--victims", other, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    assert "warning: 8 of 8 white-box rows differ from what their runs recorded (IoU by up to 1." in result.err


def test_a_run_that_is_not_there(declined, tmp_path: Path) -> None:
    assert f"{tmp_path / 'no'}: no such folder; give the folder of a run" in declined(tmp_path / "no")
    (tmp_path / "empty").mkdir()
    assert "is this a run's folder?" in declined(tmp_path / "empty")


def test_a_run_given_twice(declined, attacked: Path) -> None:
    assert "is given more than once" in declined(attacked, attacked)


def test_a_victim_that_is_not_there(declined, attacked: Path) -> None:
    line = declined(attacked, "--victims", "/nowhere.ckpt")
    assert line == "error: --victims /nowhere.ckpt: no such checkpoint; give a .ckpt that `train` wrote"


def _as_own_network(source: Path, path: Path) -> Path:
    checkpoint = torch.load(source, weights_only=True)
    checkpoint["hyper_parameters"]["architecture"] = "python"
    torch.save(checkpoint, path)
    return path


def test_a_victim_that_is_a_network_of_ones_own(declined, attacked: Path, other: Path, tmp_path: Path) -> None:
    path = _as_own_network(other, tmp_path / "own.ckpt")
    line = declined(attacked, "--victims", path)
    given = f"--network victim=python victim.factory=... victim.ckpt={path}"
    assert line == f"error: --victims {path}: is of a network of your own; give {given}"


def test_a_run_on_a_network_of_ones_own_has_no_white_box(command, copied: Path, other: Path, tmp_path: Path) -> None:
    path = copied / "checkpoints" / "best.ckpt"
    path.parent.mkdir(exist_ok=True)
    _as_own_network(other, path)
    config = OmegaConf.load(copied / "config.yaml")
    config.victim.ckpt = None
    OmegaConf.save(config, copied / "config.yaml")
    result = command("transfer", copied, "--victims", other, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    assert f"no white box ({path}: is of a network of your own; give victim=python" in result.err


def test_a_victim_of_other_classes(declined, attacked: Path, other: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(other, weights_only=True)
    checkpoint["hyper_parameters"]["classes"] = 3
    torch.save(checkpoint, tmp_path / "three.ckpt")
    line = declined(attacked, "--victims", tmp_path / "three.ckpt")
    assert f"{tmp_path / 'three.ckpt'} was trained on 3 classes, the data have 2" in line


def test_a_missing_picture(declined, copied: Path) -> None:
    path = RunFolder(copied).adversarial("pgd@8", "test_00002")
    path.unlink()
    assert f"pgd@8 / test_00002: {path.relative_to(copied)}: cannot be read (No such file or" in declined(copied)


def test_a_picture_of_another_size(declined, copied: Path) -> None:
    path = RunFolder(copied).adversarial("pgd@8", "test_00002")
    Image.new("RGB", (32, 30)).save(path)
    assert f"{path.relative_to(copied)}: has 32 x 30 pixels, its row says 32 x 32" in declined(copied)


def test_a_picture_that_is_not_the_rows(declined, copied: Path) -> None:
    path = RunFolder(copied).adversarial("pgd@8", "test_00002")
    shutil.copy(RunFolder(copied).adversarial("pgd@32", "test_00002"), path)
    assert f"{path}: is not the picture its row was measured on" in declined(copied)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("data.n_test", 5, "splits.json: test: has 5 images of synthetic now, other ones than the 4 recorded"),
        ("data.seed", 7, "the files or settings of data set synthetic have changed (fingerprint "),
        (
            "data.test_split",
            "val",
            "pgd@32 / test_00000: id: data set synthetic does not have this image; restore the data",
        ),
        ("target.seed", 1, "test_00000: target: row says 'other_image:test_0000"),
        ("judge.value", 0.5, "judge: row says 'iou to target >= 0.2', recomputed 'iou to target >= 0.5'"),
        ("data._target_", "shutil.rmtree", "only code of benchmark.data is run from a run's folder"),
        ("data._target_", "benchmark.data.files.Path", "only code of benchmark.data is run from a run's folder"),
        (
            "target._target_",
            "benchmark.victims.smp_networks.build_from_factory",
            "only code of benchmark.targets is run",
        ),
        ("judge.metric", "jaccard", "config.yaml: judge.metric='jaccard': must be"),
        (
            "target._target_",
            "benchmark.targets.Nope",
            "target._target_=benchmark.targets.Nope: is no class or function",
        ),
        ("judge._target_", "benchmark.criterion.Nope.X", "is no class or function there is; restore"),
        (
            "target._target_",
            "benchmark.targets.VOID",
            "target._target_=benchmark.targets.VOID: is no class or function",
        ),
        ("data._target_", "benchmark.data.synthetic", "is no class or function there is; restore"),
        ("target._target_", "benchmark.targets.TargetMap", "unknown key 'target.seed'"),
        (
            "target",
            {"_target_": "benchmark.targets.TargetMap", "mask": 0, "name": "a"},
            "makes a TargetMap, no Target; restore",
        ),
        ("target", None, "is not the configuration of a run (it has no section target); restore it"),
        ("victim", None, "(it has no section victim)"),
        ("victim", "unet", "(it has no section victim)"),
        ("victim.ckpt", 3, "(victim.ckpt=3 is neither null nor a path)"),
        ("engine.slots", None, "(engine.slots=None is not a whole number from 1)"),
        ("engine.slots", 0, "(engine.slots=0 is not a whole number from 1)"),
        ("data.seed", "${nope}", "Interpolation key 'nope' not found"),
    ],
)
def test_a_run_that_is_no_longer_what_it_was(declined, copied: Path, key: str, value: Any, said: str) -> None:
    config = OmegaConf.load(copied / "config.yaml")
    OmegaConf.update(config, key, value, merge=False)
    OmegaConf.save(config, copied / "config.yaml")
    line = declined(copied)
    assert said in line
    assert str(copied) in line


@pytest.mark.parametrize("section", ["data", "target", "judge", "victim", "engine"])
def test_a_run_that_lacks_a_section(declined, copied: Path, section: str) -> None:
    config = OmegaConf.load(copied / "config.yaml")
    del config[section]
    OmegaConf.save(config, copied / "config.yaml")
    assert f"{copied / 'config.yaml'}: is not the configuration of a run (it has no section {section})" in declined(
        copied
    )


def test_a_split_that_is_no_list(declined, copied: Path) -> None:
    (copied / "splits.json").write_text('{"train": null}')
    assert f"{copied / 'splits.json'}: does not hold a list of ids for each split; restore" in declined(copied)


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "splits.json"])
def test_a_run_that_lacks_a_file(declined, copied: Path, name: str) -> None:
    (copied / name).write_text("[")
    assert f"{copied / name}: " in declined(copied)
    (copied / name).unlink()
    assert f"{copied / name}: " in declined(copied)


def test_a_folder_that_holds_something(command, attacked: Path, other: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    result = command("transfer", attacked, "--victims", other, "--out", tmp_path)
    assert (result.status, result.out) == (2, "")
    assert result.err == f"error: --out {tmp_path}: exists and is not an empty folder; choose another\n"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_arguments_that_are_missing(command) -> None:
    for arguments in (["transfer"], ["transfer", "run"], ["transfer", "--victims", "a.ckpt"]):
        result = command(*arguments)
        assert result.status == 2
        assert "the following arguments are required" in result.err


def test_runs_on_different_data_are_judged_on_their_own(command, attacked: Path, other: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    options = [f"victim.ckpt={other}", "data.seed=1", "data.n_test=3", "engine.max_passes=6", "run.montage=0"]
    assert command("attack", *SMOKE, *options, f"run.dir={second}").status == 0
    result = command("transfer", attacked, second, "--victims", other, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    rows = _rows(tmp_path / "out")
    judged = {(row["source_victim"], row["data_fingerprint"], row["victim"]) for row in rows}
    assert len(judged) == 3
    assert {victim for source, _, victim in judged if source == "fpn_resnet18"} == {"fpn_resnet18"}
    (table,) = (
        t for t in json.loads((tmp_path / "out" / "summary.json").read_text())["tables"] if t["attack"] == "asma"
    )
    assert table["clean"]["fpn_resnet18"]["images"] == 3


def test_an_interrupted_transfer_leaves_nothing(
    command, attacked: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return write_transfer_summary(*given, **named)

    monkeypatch.setattr("benchmark.results.transfer_matrix.write_transfer_summary", interrupted)
    (tmp_path / "there").mkdir()
    for out in (tmp_path / "new" / "out", tmp_path / "there"):
        result = command("transfer", attacked, "--victims", other, "--out", out)
        assert result.status == 130
        assert result.err.splitlines()[-1] == "interrupted: nothing was written"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert not any((tmp_path / "there").iterdir())
