"""`verify` end to end: real runs pass; whatever is changed in one is named."""

import hashlib
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from benchmark.distributed.termination import check_stop
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, TRACES, Writer

PICKED = "pgd@8"


@pytest.fixture
def spoilt(small_run: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoilt."""

    def copy(source: str, target: str) -> None:
        # Checkpoints are large; who changes one puts another file in its place.
        (os.link if source.endswith(".ckpt") else shutil.copy)(source, target)

    return Path(shutil.copytree(small_run, tmp_path / "run", copy_function=copy))


@pytest.fixture
def mismatches(command: Callable[..., Any]) -> Callable[..., list[str]]:
    """Runs `verify` on what is not as it was; the lines it prints, without the verdict."""

    def run(folder: Path, *options: str | Path) -> list[str]:
        outcome = command("verify", folder, *options)
        assert outcome.status == 1, outcome
        *lines, verdict = outcome.out.splitlines()
        counted = f"{len(lines)} difference{'s' * (len(lines) > 1)}; "
        assert verdict.startswith(f"{folder}: ")
        assert counted in verdict or lines[-1].startswith("... and ")
        return lines

    return run


def _first(folder: Path, attack: str = PICKED) -> dict[str, Any]:
    return next(row for row in tables.read(folder).to_pylist() if row["attack"] == attack)


def _edit(path: Path, **values: Any) -> None:
    """Change entries of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _rewrite(folder: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    table = tables.read(folder)
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema), folder / "records.parquet")


def _set(folder: Path, **values: Any) -> str:
    """Change values of one row; returns how lines about it begin."""
    first = _first(folder)
    place = (first["attack"], first["id"])
    _rewrite(folder, lambda rows: [r | values if (r["attack"], r["id"]) == place else r for r in rows])
    return f"{first['attack']} / {first['id']}: "


def _pixels(folder: Path, change: Callable[[np.ndarray], None]) -> str:
    """Change the picture of one row; returns how lines about it begin."""
    row = _first(folder)
    path = RunFolder(folder).adversarial(row["attack"], row["id"])
    with Image.open(path) as picture:
        pixels = np.array(picture)
    change(pixels)
    Image.fromarray(pixels).save(path)
    return f"{row['attack']} / {row['id']}: "


def _columns(lines: list[str], place: str) -> set[str]:
    """The columns of the mismatches of one row; other rows have none."""
    others = [line for line in lines if " / " in line and not line.startswith(place)]
    assert not others
    return {line.removeprefix(place).split(": ")[0] for line in lines if line.startswith(place)}


def test_a_run_is_as_it_was_recorded(command, small_run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_run.rglob("*")}
    outcome = command("verify", small_run)
    assert outcome.status == 0, outcome
    assert re.fullmatch(
        rf"{re.escape(str(small_run))}: as recorded; 6 rows: \d+ columns recomputed, \d+ of the float32 result and its "
        "cost held against bounds and each other, not checked: nonfinite_gradient\n",
        outcome.out,
    )
    assert "note:" not in outcome.err
    assert "6/6" in outcome.err
    assert {path: path.stat().st_mtime_ns for path in small_run.rglob("*")} == before


def test_several_runs_one_of_them_in_float64(command, small_run: Path, trained: Path, tmp_path: Path) -> None:
    outcome = command("verify", small_run, tmp_path / "no", trained)
    assert outcome.status == 2
    assert [line.split(";")[0] for line in outcome.out.splitlines()] == [
        f"{small_run}: as recorded",
        f"{trained}: as recorded",
    ]
    assert f"error: {tmp_path / 'no'}: no such folder; give the folder of a run" in outcome.err


def test_an_attack_alone_in_reduced_precision_to_the_truth(command, small_run: Path, tmp_path: Path) -> None:
    checkpoint, folder = tmp_path / "given.ckpt", tmp_path / "run"
    os.link(small_run / "checkpoints" / "best.ckpt", checkpoint)
    attack = ("attack=sea_js", "judge=accuracy_truth", "engine.precision=bf16", "engine.max_passes=12", "run.montage=0")
    given = (*_data_of(small_run), f"victim.ckpt={checkpoint}", *attack, f"run.dir={folder}")
    assert command("attack", *given).status == 0
    outcome = command("verify", folder)
    assert outcome.status == 0, outcome
    # The checkpoint is where config.yaml says, or where the command line does.
    checkpoint.rename(tmp_path / "moved.ckpt")
    outcome = command("verify", folder)
    assert outcome.status == 2
    assert f"{folder}: has no checkpoints/best.ckpt or at {checkpoint}; give the checkpoint" in outcome.err
    assert command("verify", folder, "--ckpt", tmp_path / "moved.ckpt").status == 0


def _data_of(run: Path) -> tuple[str, ...]:
    root = OmegaConf.load(run / "config.yaml").data.root
    return ("trainer=cpu", "data=folder", f"data.root={root}", "data.size=32", "data.fractions=[.34,.33,.33]")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_pixel_of_a_picture(mismatches, spoilt: Path) -> None:
    def change(pixels: np.ndarray) -> None:
        pixels[3, 5, 1] ^= 1

    place = _pixels(spoilt, change)
    assert _columns(mismatches(spoilt), place) >= {"adv8_sha256", "adv8_l2", "adv8_psnr"}


def test_a_pixel_of_a_picture_without_a_hash(mismatches, spoilt: Path) -> None:
    def change(pixels: np.ndarray) -> None:
        pixels[3, 5, 1] ^= 1

    _set(spoilt, adv8_sha256=None)
    place = _pixels(spoilt, change)
    assert _columns(mismatches(spoilt), place) >= {"adv8_l2", "adv8_psnr"}


def test_two_pixels_that_change_places(mismatches, spoilt: Path) -> None:
    """No norm sees that, and hardly a prediction: the hash does."""
    root = Path(OmegaConf.load(spoilt / "config.yaml").data.root)
    clean = np.array(Image.open(root / "images" / f"{_first(spoilt)['id']}.png")).astype(int)

    def change(pixels: np.ndarray) -> None:
        delta = pixels - clean
        # Two neighbours of one channel with changes of equal size and other signs take each other's.
        y, x, c = np.argwhere((delta[:, :-1] == -delta[:, 1:]) & (delta[:, :-1] != 0))[0]
        pixels[y, x : x + 2, c] = (clean - delta)[y, x : x + 2, c]

    place = _pixels(spoilt, change)
    columns = _columns(mismatches(spoilt), place)
    assert "adv8_sha256" in columns
    assert not columns & {"adv8_l2", "adv8_linf", "adv8_psnr"}


def test_a_picture_saved_again_has_other_bytes(mismatches, spoilt: Path) -> None:
    row = _first(spoilt)
    path = RunFolder(spoilt).adversarial(row["attack"], row["id"])
    path.write_bytes(path.read_bytes() + b"\0")
    assert _columns(mismatches(spoilt), f"{PICKED} / {row['id']}: ") == {"adv8_sha256"}


@pytest.mark.parametrize("content", [None, b"half", "larger", "grey"])
def test_a_picture_that_is_gone_or_another_one(mismatches, spoilt: Path, content: Any) -> None:
    row = _first(spoilt)
    path = RunFolder(spoilt).adversarial(row["attack"], row["id"])
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        Image.new({"larger": "RGB", "grey": "L"}[content], {"larger": (33, 32), "grey": (32, 32)}[content]).save(path)
    (line,) = mismatches(spoilt)
    assert line.startswith(f"{PICKED} / {row['id']}: adversarial")


@pytest.mark.parametrize(
    ("column", "value"), [("adv8_iou_target", 0.999), ("success8", None), ("target", "other_image:case0")]
)
def test_a_number_of_a_row(mismatches, spoilt: Path, column: str, value: Any) -> None:
    place = _set(spoilt, **{column: value})
    lines = mismatches(spoilt)
    assert any(line.startswith(f"{place}{column}: row says {value!r}, recomputed ") for line in lines)


def test_what_only_the_summary_can_tell(mismatches, spoilt: Path) -> None:
    _set(spoilt, seconds=1000.0)
    assert {line.split(": ")[1].split(".")[2] for line in mismatches(spoilt)} == {"seconds"}


def test_a_number_of_the_summary(mismatches, spoilt: Path) -> None:
    document = json.loads((spoilt / "summary.json").read_text())
    (pgd,) = (one for one in document["attacks"] if one["attack"] == PICKED)
    pgd["adv8_iou_target"]["mean"] += 0.001
    (spoilt / "summary.json").write_text(json.dumps(document))
    (line,) = mismatches(spoilt)
    assert line.startswith("summary.json: attacks.pgd@8.adv8_iou_target.mean: says ")


def test_a_row_that_is_there_twice(mismatches, spoilt: Path) -> None:
    row = _first(spoilt)
    _rewrite(spoilt, lambda rows: [*rows, row | {"success8": not row["success8"]}])
    assert mismatches(spoilt) == [f"{PICKED} / {row['id']}: id: there are several rows of this attack and image"]


def test_a_row_that_is_missing(mismatches, spoilt: Path) -> None:
    row = _first(spoilt)
    _rewrite(spoilt, lambda rows: [one for one in rows if one != row])
    assert mismatches(spoilt)[0] == f"{PICKED} / {row['id']}: id: the row is missing"


def _changed_weights(folder: Path, amount: float) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    name = [name for name, value in checkpoint["state_dict"].items() if value.ndim == 4][-1]
    checkpoint["state_dict"][name] = checkpoint["state_dict"][name] * (1 + amount)
    path.unlink()
    torch.save(checkpoint, path)


def test_other_weights(mismatches, spoilt: Path) -> None:
    _changed_weights(spoilt, -2.0)
    lines = mismatches(spoilt)
    assert lines[0].startswith("checkpoint: checkpoint_sha256: environment.json says ")
    assert lines[1].startswith("checkpoint: weights_sha256: environment.json says ")
    row = _first(spoilt)
    assert any(line.startswith(f"{PICKED} / {row['id']}: adv8_") for line in lines)


def test_a_weight_that_changes_no_prediction(mismatches, spoilt: Path) -> None:
    _changed_weights(spoilt, 1e-6)
    assert [line.split(": ")[1] for line in mismatches(spoilt)] == ["checkpoint_sha256", "weights_sha256"]


@pytest.mark.parametrize("content", [b"PK nothing"])
def test_a_checkpoint_that_is_damaged(mismatches, spoilt: Path, content: bytes) -> None:
    path = spoilt / "checkpoints" / "best.ckpt"
    path.unlink()
    path.write_bytes(content)
    first, second = mismatches(spoilt)
    assert first.startswith("checkpoint: checkpoint_sha256: environment.json says ")
    assert second.startswith("checkpoint: cannot be loaded: ")


def test_a_checkpoint_of_the_same_weights_in_other_bytes(mismatches, spoilt: Path) -> None:
    _changed_weights(spoilt, 0.0)
    (line,) = mismatches(spoilt)
    assert line.startswith("checkpoint: checkpoint_sha256: ")


def test_no_checkpoint(command, spoilt: Path) -> None:
    (spoilt / "checkpoints" / "best.ckpt").unlink()
    outcome = command("verify", spoilt)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == (
        f"error: {spoilt}: has no checkpoints/best.ckpt; give the checkpoint that it attacked, verify --ckpt PATH or "
        "transfer --victims PATH\n"
    )


def test_a_split_that_was_another(mismatches, spoilt: Path) -> None:
    splits = json.loads((spoilt / "splits.json").read_text())
    _edit(spoilt / "splits.json", test=splits["test"][::-1])
    assert mismatches(spoilt) == ["splits.json: test: has 2 images of pairs now, other ones than the 2 recorded"]


@pytest.mark.parametrize(
    ("key", "value", "column"),
    [
        ("judge.value", 0.9, "judge"),
        ("attacks.pgd.rule.targeted", False, "targeted"),
        ("attacks.pgd.budgets", [8, 16], "id"),
        ("attacks.asma.rule.tau", 0.5, None),
    ],
)
def test_a_configuration_that_was_another(mismatches, spoilt: Path, key: str, value: Any, column: str | None) -> None:
    config = OmegaConf.load(spoilt / "config.yaml")
    OmegaConf.update(config, key, value)
    OmegaConf.save(config, spoilt / "config.yaml")
    lines = mismatches(spoilt)
    assert any(line.startswith("environment.json: config_sha256: says ") for line in lines)
    assert column is None or any(f": {column}: " in line and " / " in line for line in lines)


def test_an_environment_that_was_another(mismatches, spoilt: Path) -> None:
    names = {"data_fingerprint", "weights_sha256", "checkpoint_sha256", "config_sha256", "seed", "data"}
    _edit(spoilt / "environment.json", **dict.fromkeys(names, "0"))
    lines = mismatches(spoilt)
    assert {line.split(": ")[1] for line in lines if " / " not in line} == names
    assert {line.split(": ")[1] for line in lines if " / " in line} == {"data"}


def test_packages_are_only_noted(command, spoilt: Path) -> None:
    _edit(spoilt / "environment.json", packages={"torch": "1.0"}, config_sha256=_sha256(spoilt / "config.yaml"))
    outcome = command("verify", spoilt)
    assert outcome.status == 0
    assert f"note: {spoilt}: was made with other versions: torch 1.0, now {version('torch')}; " in outcome.err


def test_a_configuration_without_its_hash(mismatches, spoilt: Path) -> None:
    environment = json.loads((spoilt / "environment.json").read_text())
    del environment["config_sha256"]
    (spoilt / "environment.json").write_text(json.dumps(environment))
    (line,) = mismatches(spoilt)
    assert line.startswith("environment.json: config_sha256: says None, config.yaml gives ")


def test_data_that_have_moved(command, small_run: Path, tmp_path: Path, mismatches) -> None:
    root = Path(OmegaConf.load(small_run / "config.yaml").data.root)
    moved = Path(shutil.copytree(root, tmp_path / "elsewhere"))
    assert command("verify", small_run, "--data-root", moved).status == 0
    test = json.loads((small_run / "splits.json").read_text())["test"]
    path = moved / "images" / f"{test[0]}.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0, 0] ^= 8
    Image.fromarray(pixels).save(path)
    lines = mismatches(small_run, "--data-root", moved)
    assert lines[0].startswith("environment.json: data_fingerprint: the files or settings of data set elsewhere have")
    assert {line.split(": ")[0] for line in lines[1:] if " / " in line} == {
        f"{attack} / {test[0]}" for attack in ("asma", "noise@8", PICKED)
    }
    outcome = command("verify", small_run, "--data-root", tmp_path / "nowhere")
    assert outcome.status == 2
    assert f"{tmp_path / 'nowhere'}: is not a folder" in outcome.err
    path.write_bytes(b"")
    assert any(line.startswith("data: cannot be read: ") for line in mismatches(small_run, "--data-root", moved))


def test_a_root_for_data_that_have_none(command, trained: Path) -> None:
    outcome = command("verify", trained, "--data-root", "x")
    assert outcome.status == 2
    assert f"--data-root x: the data of {trained} have no root; leave it out" in outcome.err


def test_a_run_that_is_not_finished(command, mismatches, spoilt: Path) -> None:
    rows, traces = tables.read(spoilt).to_pylist(), TRACES.read(spoilt).to_pylist()
    for name in ("records.parquet", "traces.parquet", "summary.json"):
        (spoilt / name).unlink()
    Writer(spoilt, TRACES).append(traces)
    writer = Writer(spoilt, RECORDS)
    for row in rows[2:]:
        writer.append([row])
    outcome = command("verify", spoilt)
    assert outcome.status == 0, outcome
    assert outcome.out.startswith(f"{spoilt}: unfinished: 4 rows so far, as recorded; ")
    writer.append([rows[0] | {"adv8_l2": 9.0}])
    (line,) = mismatches(spoilt)
    assert line.startswith(f"asma / {rows[0]['id']}: adv8_l2: row says 9.0, ")


def test_many_mismatches_are_counted(mismatches, spoilt: Path) -> None:
    kept = ("attack", "id", "target_draw", "target_draws", "target_too_close")
    _rewrite(spoilt, lambda rows: [dict.fromkeys(row) | {name: row[name] for name in kept} for row in rows])
    lines = mismatches(spoilt)
    assert len(lines) == 51
    assert lines[-1].startswith("... and ")


def test_a_row_that_does_not_name_its_draw(mismatches, spoilt: Path) -> None:
    _rewrite(spoilt, lambda rows: [row | {"target_draw": None} for row in rows])
    lines = mismatches(spoilt)
    assert {line.split(": ", 1)[1].split(", ", 1)[1] for line in lines if " / " in line} == {
        "its row has no target_draw; restore the rows of the run"
    }


def test_no_code_of_the_folders_choice_is_run(command, spoilt: Path) -> None:
    config = OmegaConf.load(spoilt / "config.yaml")
    for key, value in (
        ("attacks.pgd.rule._target_", "shutil.rmtree"),
        ("defences.jpeg._target_", "benchmark.transforms.jpeg.BytesIO"),
    ):
        changed = OmegaConf.create(OmegaConf.to_container(config))
        OmegaConf.update(changed, key, value)
        OmegaConf.save(changed, spoilt / "config.yaml")
        _edit(spoilt / "environment.json", config_sha256=_sha256(spoilt / "config.yaml"))
        outcome = command("verify", spoilt)
        # As for a run with an attack of the user's own: the rest is checked.
        assert outcome.status == 0, outcome
        section = key.split(".")[0]
        rooms = {"attacks": "attacks", "defences": "transforms"}
        assert f"note: {spoilt}: what its {section} should be is not checked" in outcome.err
        assert f"only code of benchmark.{rooms[section]} is run from a run's folder" in outcome.err
        assert ("eps" if section == "attacks" else "jpeg_iou_target") in outcome.out.split("not checked: ")[1]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("attacks.pgd.rule.eps", -1, "attacks cannot be made again ("),
        ("attacks.pgd.rule", 3, "attacks cannot be made again ("),
        ("attacks", None, "attacks cannot be made again ("),
        ("attacks.pgd.rule._target_", "benchmark.attacks.nope.PGD", "is no class or function there is"),
        ("attacks.pgd.rule._target_", "benchmark.attacks.random_draws.draw", "attacks cannot be made again ("),
        ("engine.precision", 8, "engine.precision=8: not one of 64, 32, tf32, bf16, 16"),
    ],
)
def test_a_configuration_that_makes_nothing(command, spoilt: Path, key: str, value: Any, said: str) -> None:
    config = OmegaConf.load(spoilt / "config.yaml")
    OmegaConf.update(config, key, value, merge=False)
    OmegaConf.save(config, spoilt / "config.yaml")
    outcome = command("verify", spoilt)
    assert outcome.status == 2, outcome
    assert said in outcome.err
    assert outcome.err.startswith("error: ")


def test_a_network_of_ones_own(command, small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_net.py").write_text(
        "import torch\n"
        "class Bright(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.scale = torch.nn.Parameter(torch.tensor(9.0))\n"
        "    def forward(self, images):\n"
        "        return self.scale * (images.mean(1, keepdim=True) - 0.45)\n"
        "def load():\n"
        "    return Bright()\n"
        "def load_with(scale):\n"
        "    return Bright()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    victim = ("victim=python", "victim.factory=own_net:load", "victim.head=sigmoid", "attack=pgd", "run.montage=0")
    folder = tmp_path / "run"
    assert command("attack", *_data_of(small_run), *victim, "engine.max_passes=12", f"run.dir={folder}").status == 0
    outcome = command("verify", folder)
    assert outcome.status == 2
    assert f"{folder}: attacked a network of your own, own_net:load; give --factory MODULE:FUNCTION" in outcome.err
    outcome = command("verify", folder, "--factory", "own_net:load")
    assert outcome.status == 0, outcome
    outcome = command("verify", folder, "--factory", "own_net:load_with")
    assert outcome.status == 2
    assert "own_net:load_with failed when called with {}" in outcome.err
    outcome = command("verify", small_run, "--factory", "own_net:load")
    assert outcome.status == 2
    assert f"--factory own_net:load: {small_run} attacked no network of your own; leave it out" in outcome.err


def test_an_interrupted_check_says_how_far_it_came(command, small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.verify.rows import RowChecks

    seen = []

    def interrupted(self: RowChecks, row: Any, case: Any) -> Any:
        seen.append(row)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            check_stop()
        return iter(())

    monkeypatch.setattr(RowChecks, "mismatches", interrupted)
    outcome = command("verify", small_run)
    assert (outcome.status, outcome.out) == (130, "")
    assert outcome.err.splitlines()[-1] == (f"interrupted: 2 of 6 rows of {small_run} had been checked, 0 differences")


@pytest.mark.parametrize("arguments", [(), ("--ckpt", "a"), ("run", "--chkpt", "a")])
def test_arguments_that_are_missing_or_unknown(command, arguments: tuple[str, ...]) -> None:
    assert command("verify", *arguments).status == 2
