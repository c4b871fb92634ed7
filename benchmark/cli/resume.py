"""Going on with a run: what it was asked to do, whether this is the same, and which rows it has."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from benchmark.config.groups import assigned, assignment
from benchmark.errors import InputError
from benchmark.results.run_settings import FREE, flat, is_in
from benchmark.runs import tables

_CODE = ("_target_", "factory", "program")  # in assignments that choose code to run

# What only the training depends on, which may be over.
_TRAINING = (
    "trainer",
    "training",
    "adversarial_training",
    "victim.learning_rate",
    "victim.weight_decay",
    "victim.schedule",
)


def resumed_overrides(given: Sequence[str]) -> list[str]:
    """The command line of the run that `run.resume` names, and what is given beside it; `given` if it names none.

    Raises:
        InputError: no such run, or one whose command line names code to run, which has to be given again.
    """
    folders = [assigned(one) for one in given if one.startswith("run.resume=")]
    if not folders or folders[-1] in ("", "null"):
        return list(given)
    folder = Path(folders[-1])
    given = [one for one in given if not one.startswith("run.resume=")]
    if other := [one for one in given if _key(one) == "run.dir"]:
        raise InputError(f"{other[0]}: run.resume={folder} says where the run lies; leave one of them out")
    saved = read_environment(folder).get("overrides")
    if not isinstance(saved, list):
        raise InputError(f"{folder}: environment.json does not say what was asked for; give the run's own command")
    again = {_key(one) for one in given} | {"run.dir", "run.resume"}
    if "trainer" in again:
        # Another trainer, other hardware: how many devices the one before had says nothing of it.
        again |= {key for key in FREE if key.startswith("trainer.")}
    kept = [str(one) for one in saved if _key(str(one)) not in again]
    for one in kept:
        if any(word in one for word in _CODE):
            raise InputError(f"{folder}: was run with {one}, which names code to run; give it again")
    return [*kept, *given, assignment("run.dir", folder)]


def read_environment(folder: Path) -> dict[str, Any]:
    """A run's environment.json. Raises InputError if there is none that can be read."""
    try:
        found = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: is no run to go on with ({error}); give the folder of one") from error
    if not isinstance(found, dict):
        raise InputError(f"{folder / 'environment.json'}: holds no names and values; restore what the run wrote")
    return found


def check_same(folder: Path, config: Mapping[str, Any], environment: Mapping[str, Any], fingerprint: str) -> None:
    """Raise InputError, naming what differs, unless rows of this configuration may stand beside those of the folder."""
    try:
        saved = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"), resolve=True)
    except Exception as error:  # any bytes may come here, and YAML and OmegaConf raise many things at them
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}/config.yaml: cannot be read ({reason}); restore it") from error
    free = (*FREE, *_TRAINING) if environment.get("trained") or environment.get("weights_sha256") else FREE
    before, now = flat(saved), flat(config)
    for key in sorted(before.keys() | now.keys()):
        if not is_in(key, free) and before.get(key) != now.get(key):
            values = f"{before.get(key, 'not set')} in that run, {now.get(key, 'not set')} now"
            raise InputError(f"run.dir={folder} holds another run: {key} is {values}; choose a folder of the run's own")
    if environment.get("data_fingerprint") != fingerprint:
        raise InputError(
            f"run.dir={folder}: the data have changed since the run began (fingerprint "
            f"{str(environment.get('data_fingerprint'))[:12]}, now {fingerprint[:12]}); restore them or start a new run"
        )


def check_victim(folder: Path, environment: Mapping[str, Any], weights_sha256: str) -> None:
    """Raise InputError if the rows of the folder were made with another victim."""
    before = environment.get("weights_sha256")
    if before not in (None, weights_sha256):
        raise InputError(
            f"run.dir={folder}: its rows were made with another victim (weights {str(before)[:12]}, "
            f"now {weights_sha256[:12]}); give that checkpoint or start a new run"
        )


def attacked(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """(attack, id) -> row of what need not be attacked again."""
    if not tables.RECORDS.exists(folder):
        return {}
    return {(row["attack"], row["id"]): row for row in tables.read(folder).to_pylist()}


def _key(one: str) -> str:
    return one.partition("=")[0].lstrip("+~")
