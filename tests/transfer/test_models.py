"""Which models are shown which pictures, and what they are called."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.errors import InputError
from benchmark.transfer.models import Model, labels, load_models


def _model(path: str, sha: str, architecture: str = "unet", given: bool = True) -> Model:
    victim: Any = SimpleNamespace(label=f"{architecture}_resnet18")
    return Model(Path(path), sha, victim, given)


def _source(name: str, sha: str | None, fingerprint: str = "f", classes: int = 2) -> Any:
    data = SimpleNamespace(classes=classes, channels=3, background=0)
    folder = Path("/runs") / name
    rows = [{"victim": "unet_resnet18"}]
    return SimpleNamespace(name=name, folder=folder, rows=rows, weights_sha256=sha, fingerprint=fingerprint, data=data)


def test_architecture_and_encoder_where_they_suffice() -> None:
    models = [_model("/a/checkpoints/best.ckpt", "1"), _model("/b/checkpoints/best.ckpt", "2", "fpn")]
    by_model, by_source = labels(models, [_source("run", "1")])
    assert by_model == {"1": "unet_resnet18", "2": "fpn_resnet18"}
    assert by_source == {"run": "unet_resnet18"}


def test_the_runs_folder_and_then_the_hash_where_they_do_not() -> None:
    models = [
        _model("/x/first/checkpoints/best.ckpt", "a" * 64),
        _model("/x/second/checkpoints/best.ckpt", "b" * 64),
        _model("/y/second/checkpoints/best.ckpt", "c" * 64),
        _model("/z/mine.ckpt", "d" * 64),
    ]
    by_model, _ = labels(models, [_source("run", "a" * 64)])
    assert list(by_model.values()) == [
        "unet_resnet18 (first)",
        "unet_resnet18 (second, bbbbbbbb)",
        "unet_resnet18 (second, cccccccc)",
        "unet_resnet18 (mine)",
    ]


@pytest.mark.parametrize("sha", ["f" * 64, None])
def test_a_model_that_is_gone_does_not_take_anothers_name(sha: str | None) -> None:
    by_model, by_source = labels([_model("/x/first/checkpoints/best.ckpt", "a" * 64)], [_source("run", sha)])
    assert by_model == {"a" * 64: "unet_resnet18 (first)"}
    assert by_source == {"run": "unet_resnet18 (run)"}


def test_runs_against_one_model_share_its_name() -> None:
    _, by_source = labels([_model("/x/first/checkpoints/best.ckpt", "1")], [_source("r", "1"), _source("s", "1")])
    assert by_source == {"r": "unet_resnet18", "s": "unet_resnet18"}


def test_a_model_found_with_a_run_judges_only_runs_on_the_same_data() -> None:
    past_runs = [_source("one", "1", "f"), _source("two", "2", "f"), _source("other", "3", "g")]
    given, found = _model("/a.ckpt", "9"), _model("/b.ckpt", "1", given=False)
    assert [given.judges(past_run, past_runs) for past_run in past_runs] == [True, True, True]
    assert [found.judges(past_run, past_runs) for past_run in past_runs] == [True, True, False]


def test_runs_that_no_model_fits_together() -> None:
    past_runs = [_source("two", "1"), _source("three", "2", classes=3)]
    said = "/runs/two has 2 classes and /runs/three has 3 classes, which no model can have both"
    with pytest.raises(InputError, match=said):
        load_models([Path("a.ckpt")], past_runs)
