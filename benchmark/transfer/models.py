"""The models that are evaluated on saved pictures, each under a unique name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.config.overrides import assignment
from benchmark.config.victim import make_victim, victim_name
from benchmark.data.datamodule import SegmentationData
from benchmark.errors import InputError
from benchmark.label_subsets import are_subsets
from benchmark.past_runs.given_network import OPTION, GivenNetwork
from benchmark.past_runs.past_run import PastRun
from benchmark.past_runs.victim import build_again, find_victim, origin_of, section_without_deployment
from benchmark.runs import layout
from benchmark.victims import adapters
from benchmark.victims.fingerprints import victim_sha256
from benchmark.victims.loading import OwnNetworkError, load_victim, split_keys
from benchmark.victims.task import Victim


@dataclass(frozen=True)
class Model:
    """A model that is evaluated on pictures.

    Attributes:
        path: of its checkpoint; of a network of the user's own without one, what names it, such as its program.
        weights_sha256: as `victim_sha256` returns it; models with the same hash are the same.
        victim: in eval mode.
        given: whether the command line names it; else it is only the victim of a run.
        name: what tables call it; None: its label.
    """

    path: Path
    weights_sha256: str
    victim: Victim
    given: bool
    name: str | None = None

    def judges(self, past_run: PastRun, past_runs: Sequence[PastRun]) -> bool:
        """Whether it is evaluated on a run: if the command line names it, or if it is the victim of a run on the same
        data."""
        alike = (other for other in past_runs if other.fingerprint == past_run.fingerprint)
        return self.given or self.weights_sha256 in {other.weights_sha256 for other in alike}


def load_models(
    checkpoints: Sequence[Path], past_runs: Sequence[PastRun], networks: Sequence[GivenNetwork] = ()
) -> tuple[list[Model], list[str]]:
    """Load each different model once: those of `checkpoints`, the `networks`, and the victims of the runs.

    Returns:
        The models, and one line for each run whose victim cannot be found again.

    Raises:
        InputError: a model that cannot be loaded or does not fit the data of the runs.
    """
    kinds = {_kind(past_run.data): past_run for past_run in past_runs}
    if len(kinds) > 1:
        (one, run), (other, other_run) = list(kinds.items())[:2]
        raise InputError(
            f"{run.folder} has {one} and {other_run.folder} has {other}, "
            "which no model can have both; evaluate them one after the other"
        )
    models: dict[str, Model] = {}
    data = past_runs[0].data
    for model in [
        *(_of_checkpoint(path, data) for path in checkpoints),
        *(_of_network(n, past_runs) for n in networks),
    ]:
        models.setdefault(model.weights_sha256, model)
    missing = []
    for past_run in past_runs:
        if past_run.weights_sha256 in models:
            continue
        found = _victim_of(past_run, networks)
        if isinstance(found, Model):
            models[found.weights_sha256] = found
        else:
            missing.append(f"{past_run.folder}: no white box ({found})")
    return list(models.values()), missing


def _kind(data: SegmentationData) -> str:
    overlapping = are_subsets(data.background)
    what = f"{len(data.scored_names)} labels that overlap" if overlapping else f"{data.classes} classes"
    return what if data.channels == 3 else f"{what} in {data.channels} channels"


def labels(models: Sequence[Model], past_runs: Sequence[PastRun]) -> tuple[dict[str, str], dict[str, str]]:
    """Names of models in tables and rows: by hash for evaluated models, by name of the run for victims of runs.

    A name is architecture and encoder. Where several models have the same, the folder of the run is added, and where
    that is not enough, the beginning of the hash.
    """
    known = {}
    for model in models:
        path = model.path.resolve()
        folder = path.parent.parent.name if path.parent.name == layout.CHECKPOINTS else path.stem
        known[model.weights_sha256] = (model.name or model.victim.label, folder)
    attacked = {past_run.name: past_run.weights_sha256 or f"the model of {past_run.name}" for past_run in past_runs}
    for past_run in past_runs:
        known.setdefault(attacked[past_run.name], (str(past_run.rows[0]["victim"]), past_run.folder.resolve().name))
    names = {key: name for key, (name, _) in known.items()}
    for longer in ("{0} ({1})", "{0} ({1}, {2:.8})"):
        times = Counter(names.values())
        names = {key: name if times[name] == 1 else longer.format(*known[key], key) for key, name in names.items()}
    by_model = {model.weights_sha256: names[model.weights_sha256] for model in models}
    return by_model, {run: names[key] for run, key in attacked.items()}


def _of_checkpoint(path: Path, data: SegmentationData) -> Model:
    if not path.is_file():
        raise InputError(f"--victims {path}: no such checkpoint; give a .ckpt that `train` wrote")
    try:
        overlapping = are_subsets(data.background)
        victim = load_victim(path, classes=data.classes, channels=data.channels, overlapping=overlapping)
    except OwnNetworkError as error:
        overrides = f"{error.overrides} {assignment('victim.ckpt', path)}"
        raise OwnNetworkError(f"--victims {path}", overrides, option=f"{OPTION} ") from error
    return Model(path, victim_sha256(victim), victim, given=True)


def _of_network(network: GivenNetwork, past_runs: Sequence[PastRun]) -> Model:
    """As the command line says; if it is the one that a run attacked, by its weights, read as the run read it."""
    data, kinds = past_runs[0].data, set()
    for past_run in past_runs:
        if (kind := past_run.config["victim"].get("architecture")) in adapters.names():
            kinds.add(str(kind))
            found = _victim_of(past_run, [network])
            if not isinstance(found, Model):
                continue
            section = section_without_deployment(past_run, network)
            if split_keys(section).deployment == split_keys(past_run.config["victim"]).deployment:
                return replace(found, given=True)
            victim = build_again(past_run, section)
            name = victim_name(section, victim)
            return Model(origin_of(section), victim_sha256(victim), victim, given=True, name=name)
    section = network.section(kinds.pop() if len(kinds) == 1 else None)
    victim, origin = make_victim(section, data).eval(), origin_of(section)
    return Model(origin, victim_sha256(victim), victim, given=True, name=victim_name(section, victim))


def _victim_of(past_run: PastRun, networks: Sequence[GivenNetwork]) -> Model | str:
    """The victim of a run with the recorded weights, or why there is none."""
    try:
        found = find_victim(past_run, networks=networks)
    except InputError as error:
        return str(error)
    if found.victim is None or found.weights_sha256 is None or found.weights_sha256 != past_run.weights_sha256:
        return "; ".join(map(str, found.mismatches))
    return Model(found.origin, found.weights_sha256, found.victim, given=False, name=found.name)
