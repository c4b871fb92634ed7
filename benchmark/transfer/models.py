"""The models that are evaluated on saved pictures, each under a unique name."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import InputError
from benchmark.past_runs.past_run import PastRun
from benchmark.past_runs.victim import find_victim
from benchmark.runs import layout
from benchmark.victims.fingerprints import victim_sha256
from benchmark.victims.loading import OwnNetworkError, load_victim
from benchmark.victims.task import Victim


@dataclass(frozen=True)
class Model:
    """A model that is evaluated on pictures.

    Attributes:
        path: of its checkpoint.
        weights_sha256: as `victim_sha256` returns it; models with the same hash are the same.
        victim: in eval mode.
        given: whether the command line names it; else it is only the victim of a run.
    """

    path: Path
    weights_sha256: str
    victim: Victim
    given: bool

    def judges(self, past_run: PastRun, past_runs: Sequence[PastRun]) -> bool:
        """Whether it is evaluated on a run: if the command line names it, or if it is the victim of a run on the same
        data."""
        alike = (other for other in past_runs if other.fingerprint == past_run.fingerprint)
        return self.given or self.weights_sha256 in {other.weights_sha256 for other in alike}


def load_models(checkpoints: Sequence[Path], past_runs: Sequence[PastRun]) -> tuple[list[Model], list[str]]:
    """Load each different model once: those of `checkpoints`, and the victims of the runs.

    Returns:
        The models, and one line for each run whose victim cannot be found again.

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
        model = _given(path, classes, channels)
        models.setdefault(model.weights_sha256, model)
    missing = []
    for past_run in past_runs:
        if past_run.weights_sha256 in models:
            continue
        victim = _victim_of(past_run)
        if isinstance(victim, Model):
            models[victim.weights_sha256] = victim
        else:
            missing.append(f"{past_run.folder}: no white box ({victim})")
    return list(models.values()), missing


def labels(models: Sequence[Model], past_runs: Sequence[PastRun]) -> tuple[dict[str, str], dict[str, str]]:
    """Names of models in tables and rows: by hash for evaluated models, by name of the run for victims of runs.

    A name is architecture and encoder. Where several models have the same, the folder of the run is added, and where
    that is not enough, the beginning of the hash.
    """
    known = {model.weights_sha256: (model.victim.label, _folder_name(model.path)) for model in models}
    attacked = {past_run.name: past_run.weights_sha256 or f"the model of {past_run.name}" for past_run in past_runs}
    for past_run in past_runs:
        known.setdefault(attacked[past_run.name], (str(past_run.rows[0]["victim"]), past_run.folder.resolve().name))
    names = {key: name for key, (name, _) in known.items()}
    names = _longer_where_equal(names, lambda key: "{} ({})".format(*known[key]))
    names = _longer_where_equal(names, lambda key: "{} ({}, {})".format(*known[key], key[:8]))
    by_model = {model.weights_sha256: names[model.weights_sha256] for model in models}
    return by_model, {run: names[key] for run, key in attacked.items()}


def _longer_where_equal(names: Mapping[str, str], longer: Callable[[str], str]) -> dict[str, str]:
    times = Counter(names.values())
    return {key: name if times[name] == 1 else longer(key) for key, name in names.items()}


def _folder_name(checkpoint: Path) -> str:
    path = checkpoint.resolve()
    return path.parent.parent.name if path.parent.name == layout.CHECKPOINTS else path.stem


def _given(path: Path, classes: int, channels: int) -> Model:
    try:
        victim = load_victim(path, classes=classes, channels=channels)
    except OwnNetworkError as error:
        raise InputError(
            f"{path} is of a network of your own, which transfer cannot build yet; leave it out"
        ) from error
    return Model(path, victim_sha256(victim), victim, given=True)


def _victim_of(past_run: PastRun) -> Model | str:
    """The victim of a run with the recorded weights, or why there is none."""
    try:
        found = find_victim(past_run)
    except InputError as error:
        return str(error)
    victim, path, weights = found.victim, found.checkpoint, found.weights_sha256
    if victim is None or path is None or weights is None or weights != past_run.weights_sha256:
        return "; ".join(map(str, found.mismatches))
    return Model(path, weights, victim, given=False)
