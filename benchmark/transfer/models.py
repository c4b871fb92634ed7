"""The models that are shown the pictures, each under a name of its own."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.past_runs.past_run import PastRun
from benchmark.victims.fingerprints import victim_sha256
from benchmark.victims.loading import OwnNetworkError, load_victim
from benchmark.victims.task import Victim


@dataclass(frozen=True)
class Model:
    """A model that is shown pictures.

    Attributes:
        path: of its checkpoint.
        weights_sha256: by which it is known again as the model of a run; see `victim_sha256`.
        victim: in eval mode.
        given: whether it was asked for, and not only found with a run.
    """

    path: Path
    weights_sha256: str
    victim: Victim
    given: bool

    def judges(self, past_run: PastRun, past_runs: Sequence[PastRun]) -> bool:
        """Whether it is shown the pictures of a run: if asked for, or if it is the model of a run on the same data."""
        alike = (other for other in past_runs if other.fingerprint == past_run.fingerprint)
        return self.given or self.weights_sha256 in {other.weights_sha256 for other in alike}


def load_models(checkpoints: Sequence[Path], past_runs: Sequence[PastRun]) -> tuple[list[Model], list[str]]:
    """Each different model once: those of `checkpoints`, and of the runs those that can be found again.

    Returns:
        The models, and one line for each run whose own model is missing.

    Raises:
        InputError: a checkpoint that cannot be loaded or does not fit the data of the runs.
    """
    kinds = {(past_run.data.classes, past_run.data.channels): past_run for past_run in past_runs}
    if len(kinds) > 1:
        one, other = list(kinds.values())[:2]
        raise InputError(
            f"{one.folder} has {one.data.classes} classes and {other.folder} has {other.data.classes}, "
            "which no model can have both; evaluate them one after the other"
        )
    ((classes, channels),) = kinds
    models: dict[str, Model] = {}
    for path in checkpoints:
        if not path.is_file():
            raise InputError(f"--victims {path}: no such checkpoint; give a .ckpt that `train` wrote")
        model = _load(path, classes, channels, given=True)
        models.setdefault(model.weights_sha256, model)
    missing = []
    for past_run in past_runs:
        if past_run.weights_sha256 in models:
            continue
        own = _model_of(past_run, classes, channels)
        if isinstance(own, Model):
            models[own.weights_sha256] = own
        else:
            missing.append(f"{past_run.folder}: no white box, {own}")
    return list(models.values()), missing


def labels(models: Sequence[Model], past_runs: Sequence[PastRun]) -> tuple[dict[str, str], dict[str, str]]:
    """Names by which tables and rows tell all models apart: by hash for models, by run for what the runs attacked.

    Architecture and encoder; where others have the same, the run's folder too, and then the beginning of the hash.
    """
    known = {model.weights_sha256: (model.victim.label, _folder_name(model.path)) for model in models}
    attacked = {past_run.name: past_run.weights_sha256 or f"the model of {past_run.name}" for past_run in past_runs}
    for past_run in past_runs:
        known.setdefault(attacked[past_run.name], (str(past_run.rows[0]["victim"]), past_run.folder.resolve().name))
    found = {key: name for key, (name, _) in known.items()}
    found = _longer_where_equal(found, lambda key: "{} ({})".format(*known[key]))
    found = _longer_where_equal(found, lambda key: "{} ({}, {})".format(*known[key], key[:8]))
    by_model = {model.weights_sha256: found[model.weights_sha256] for model in models}
    return by_model, {name: found[key] for name, key in attacked.items()}


def _longer_where_equal(found: Mapping[str, str], longer: Callable[[str], str]) -> dict[str, str]:
    times = Counter(found.values())
    return {key: label if times[label] == 1 else longer(key) for key, label in found.items()}


def _folder_name(checkpoint: Path) -> str:
    path = checkpoint.resolve()
    return path.parent.parent.name if path.parent.name == "checkpoints" else path.stem


def _load(path: Path, classes: int, channels: int, given: bool, deployment: Mapping[str, Any] | None = None) -> Model:
    try:
        victim = load_victim(path, classes=classes, channels=channels, deployment=deployment)
    except OwnNetworkError as error:
        cure = "; leave it out" if given else ""
        raise InputError(
            f"{path} is of a network of your own, which transfer cannot rebuild and show pictures yet{cure}"
        ) from error
    return Model(path, victim_sha256(victim), victim, given)


def _model_of(past_run: PastRun, classes: int, channels: int) -> Model | str:
    """The model a run attacked, from its own checkpoint or the one it was given; else what is in the way."""
    reason = "no checkpoint in its folder or where its config.yaml says"
    for path in past_run.checkpoints:
        if not path.is_file():
            continue
        try:
            model = _load(path, classes, channels, given=False, deployment=past_run.deployment)
        except InputError as error:
            reason = str(error)
            continue
        if model.weights_sha256 == past_run.weights_sha256:
            return model
        reason = f"{path} has other weights than what it attacked"
    return reason
