"""The attack epoch under a real test loop."""

from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor, nn

from benchmark.callbacks.attack_epoch import AttackEpoch, check_precision
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.sharding import Share
from benchmark.errors import InputError, Stopped
from benchmark.evaluation import row_writer
from benchmark.evaluation.case import items_of
from benchmark.evaluation.row_writer import RowWriter
from benchmark.images.quantisation import Quantizer
from benchmark.results.entries import entries
from benchmark.results.loaded_runs import read_results
from benchmark.runs import tables
from benchmark.runs.victim_doubts import doubt_names

IDS = [f"test_{i:05d}" for i in range(5)]


def _epoch(plan, folder: Path, **options: Any) -> AttackEpoch:
    return AttackEpoch(plan, folder, run="run", victim="victim", progress=False, **options)


def _state(victim) -> list[tuple]:
    modes = [(name, module.training) for name, module in victim.named_modules()]
    parameters = [(name, p.requires_grad, p.dtype, p.grad) for name, p in victim.named_parameters()]
    return [modes, parameters]


@pytest.mark.parametrize("inference_mode", [False, True])
def test_every_image_is_a_row_per_attack(
    victim, data, plan, make_trainer, tmp_path: Path, inference_mode: bool
) -> None:
    epoch = _epoch(plan, tmp_path)
    make_trainer(epoch, inference_mode=inference_mode).test(victim, datamodule=data, verbose=False)
    table = tables.read(tmp_path)
    keys = list(zip(table["attack"].to_pylist(), table["id"].to_pylist(), strict=True))
    assert keys == [(attack, image_id) for attack in ("one", "two") for image_id in IDS]
    assert set(table["steps"].to_pylist()) == {2, 3}
    targets = table["target"].to_pylist()
    assert targets[:5] == targets[5:]
    assert any(norm > 0 for norm in table["l2"].to_pylist())


class AddsTheBatch(nn.Module):
    """An image's logits depend on the images beside it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images) + images.mean((0, 2, 3), keepdim=True)[:, :2].sin() * 9


def test_a_wrong_victim_is_refused_unless_it_is_allowed(victim, data, plan, make_trainer, tmp_path: Path) -> None:
    victim.network = AddsTheBatch(victim.network)
    trainer, options = make_trainer(_epoch(plan, tmp_path / "rows")), {"datamodule": data, "verbose": False}
    with pytest.raises(InputError, match=r"depends on the others in the batch.*victim.allow=\[batch_dependence\]"):
        trainer.test(victim, **options)
    assert not (tmp_path / "rows").exists()
    with pytest.raises(InputError, match=r"did you mean batch_dependence\?"):
        _epoch(plan, tmp_path / "rows", allow=["batch_dependance"])
    epoch = _epoch(plan, tmp_path / "rows", allow=["batch_dependence"])
    with pytest.warns(UserWarning, match="victim: batch_dependence \\(allowed\\)"):
        make_trainer(epoch).test(victim, **options)
    assert tables.read(tmp_path / "rows").num_rows == 10
    assert epoch.victim_check is not None
    (entry, _) = entries(read_results([tmp_path / "rows"]))
    assert "batch_dependence" in doubt_names(entry.check)


def test_rows_do_not_depend_on_loader_or_slots(victim, data, plan, make_trainer, tmp_path: Path) -> None:
    runs = []
    for slots, batch_size in ((1, 5), (4, 3)):
        folder = tmp_path / str(slots)
        data.batch_size = batch_size
        plan.engine["slots"] = slots
        epoch = _epoch(plan, folder)
        make_trainer(epoch, inference_mode=False).test(victim, datamodule=data, verbose=False)
        runs.append(tables.read(folder).drop_columns(["seconds"]).to_pylist())
    for one, other in zip(*runs, strict=True):
        assert one == {
            name: pytest.approx(value, rel=1e-6, abs=1e-9) if isinstance(value, float) else value
            for name, value in other.items()
        }


def test_the_victim_is_left_as_it_was(victim, data, plan, make_trainer, tmp_path: Path) -> None:
    next(victim.network.parameters()).requires_grad_(False)
    weights = {name: value.clone() for name, value in victim.state_dict().items()}
    trainer = make_trainer(_epoch(plan, tmp_path), inference_mode=False)
    before = _state(victim)
    trainer.test(victim, datamodule=data, verbose=False)
    assert _state(victim) == before
    assert all(torch.equal(value, weights[name]) for name, value in victim.state_dict().items())


def test_a_failure_keeps_what_is_done_and_frees_the_victim(
    victim, data, plan, make_trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = row_writer.save_picture

    def full_disk(image, path: Path, quantizer: Quantizer) -> None:
        if path.stem == IDS[3]:
            raise OSError("no space left")
        save(image, path, quantizer)

    monkeypatch.setattr(row_writer, "save_picture", full_disk)
    before = _state(victim)
    trainer = make_trainer(_epoch(plan, tmp_path), inference_mode=False)
    with pytest.raises(OSError, match="no space left"):
        trainer.test(victim, datamodule=data, verbose=False)
    assert [parameter[1:3] for parameter in _state(victim)[1]] == [parameter[1:3] for parameter in before[1]]
    kept = tables.read(tmp_path)
    assert 1 <= kept.num_rows < 10
    assert IDS[3] not in kept["id"].to_pylist()


def test_a_collated_batch_is_taken_apart() -> None:
    batch = {"image": torch.arange(4).view(2, 2), "id": ["a", "b"], "group": ("", "p")}
    first, second = items_of(batch)
    assert first["image"].tolist() == [0, 1]
    assert (first["id"], first["group"]) == ("a", "")
    assert second["image"].tolist() == [2, 3]
    assert (second["id"], second["group"]) == ("b", "p")


class _MetaDevice(SingleDeviceStrategy):
    """Moves batches to the device "meta", which loses their values: whoever then reads one fails."""

    def batch_to_device(self, batch: Any, device: torch.device | None = None, dataloader_idx: int = 0) -> Any:
        return super().batch_to_device(batch, torch.device("meta"), dataloader_idx)


def test_test_batches_stay_on_the_host(victim, data, plan, make_trainer, tmp_path: Path) -> None:
    epoch = _epoch(plan, tmp_path)
    trainer = make_trainer(epoch, inference_mode=False, strategy=_MetaDevice("cpu"))
    trainer.test(victim, datamodule=data, verbose=False)
    assert tables.read(tmp_path).num_rows == 10


def test_validation_batches_are_moved_to_the_device(victim, data, make_trainer) -> None:
    devices = []

    class Seen(pl.Callback):
        def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0) -> None:
            devices.append(batch["image"].device.type)

    with suppress(Exception):  # the model cannot be applied to a batch without values
        make_trainer(Seen(), strategy=_MetaDevice("cpu")).validate(victim, datamodule=data, verbose=False)
    assert set(devices) == {"meta"}


@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "transformer-engine"])
def test_reduced_images_are_refused(precision: str) -> None:
    with pytest.raises(InputError, match=f"trainer\\.precision={precision} hands over images in reduced precision"):
        check_precision(SimpleNamespace(precision=precision, world_size=1))


def test_processes_it_knows_nothing_of_are_refused(victim, data, plan, make_trainer, tmp_path: Path) -> None:
    epoch = _epoch(plan, tmp_path, processes=ProcessGroup(0, 2))
    with pytest.raises(InputError, match="the trainer has 1 processes, the attack epoch 2"):
        make_trainer(epoch, inference_mode=False).test(victim, datamodule=data, verbose=False)


@pytest.mark.parametrize("sharding", ["static", "dynamic"])
def test_two_shares_are_an_epoch(victim, data, plan, make_trainer, tmp_path: Path, sharding) -> None:
    """Played one after the other: what a static share leaves, or nobody has drawn yet."""
    store = dist.HashStore()
    store.add("attacked/met", 1)  # the other one has come, or will not be waited for
    plan.engine["slots"] = 1
    for rank in range(2):
        processes = ProcessGroup(rank, 2, store=store)
        data.test_share = Share(range(5), processes, sharding)
        epoch = _epoch(plan, tmp_path)
        trainer = make_trainer(epoch, inference_mode=False)
        if rank == 0:
            with pytest.raises(RuntimeError, match=r"images have no row") if sharding == "static" else nullcontext():
                trainer.test(victim, datamodule=data, verbose=False)
        else:
            trainer.test(victim, datamodule=data, verbose=False)
    assert sorted(set(tables.read(tmp_path)["id"].to_pylist())) == IDS
    assert tables.read(tmp_path).num_rows == 10


def test_what_is_done_is_not_attacked_again(victim, data, plan, make_trainer, tmp_path: Path) -> None:
    row = {"target_draw": 1, "target_draws": 1, "target_too_close": False}
    done = {("one", IDS[0]): row, ("two", IDS[0]): row, ("one", IDS[3]): row}
    epoch = _epoch(plan, tmp_path, done=done)
    with pytest.raises(RuntimeError, match="3 images have no row, such as test_00000 of one"):
        make_trainer(epoch, inference_mode=False).test(victim, datamodule=data, verbose=False)
    rows = tables.read(tmp_path)
    result = set(zip(rows["attack"].to_pylist(), rows["id"].to_pylist(), strict=True))
    assert result == {(name, image_id) for name in ("one", "two") for image_id in IDS} - done.keys()


@pytest.mark.parametrize("background_writer", [False, True])
def test_an_end_by_signal_keeps_what_has_finished(
    victim, data, plan, make_trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background_writer: bool
) -> None:
    """Images that have ended together are handed out one by one; the signal may come after the first."""
    plan.engine["slots"] = 5
    epoch = AttackEpoch(
        replace(plan, background_writer=background_writer), tmp_path, run="run", victim="victim", progress=False
    )
    write, written = RowWriter.write, []

    def first_only(self: RowWriter, *finished: Any) -> list[row_writer.Row]:
        result = write(self, *finished)
        written.append(finished)
        if len(written) == 1:
            raise Stopped(Stopped.TERMINATED)
        return result

    monkeypatch.setattr(RowWriter, "write", first_only)
    with pytest.raises(Stopped, match="terminated"):
        make_trainer(epoch, inference_mode=False).test(victim, datamodule=data, verbose=False)
    assert tables.read(tmp_path).num_rows == len(written) > 1


def test_bf16_true_is_refused_in_the_loop(victim, data, plan, make_trainer, tmp_path: Path) -> None:
    trainer = make_trainer(_epoch(plan, tmp_path), precision="bf16-true")
    with pytest.raises(InputError, match=r"trainer\.precision=bf16-true"):
        trainer.test(victim, datamodule=data, verbose=False)
    assert not tables.RECORDS.exists(tmp_path)


def test_an_epoch_that_misses_images_says_so(victim, data, plan, make_trainer, tmp_path: Path) -> None:
    epoch = _epoch(plan, tmp_path)
    trainer = make_trainer(epoch, inference_mode=False, limit_test_batches=1)
    with pytest.raises(RuntimeError, match="6 images have no row, such as test_00002 of one"):
        trainer.test(victim, datamodule=data, verbose=False)
    assert tables.read(tmp_path).num_rows == 4
