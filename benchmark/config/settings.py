"""The sections `run` and `training` of the configuration; their defaults and comments are in conf/config.yaml.

Both raise InputError for a number that is too small.
"""

from dataclasses import dataclass

from benchmark.errors import InputError


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Where a run lies, and how many images its montage shows."""

    name: str
    dir: str
    resume: str | None
    montage: int

    def __post_init__(self) -> None:
        _check_least("run", self, montage=0)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How long a victim is trained, and how often it is attacked meanwhile."""

    patience: int
    attack_every: int
    attack_images: int

    def __post_init__(self) -> None:
        _check_least("training", self, patience=0, attack_every=0, attack_images=1)


def _check_least(section: str, settings: object, **least: int) -> None:
    for name, bound in least.items():
        if (value := getattr(settings, name)) < bound:
            raise InputError(f"{section}.{name}={value}: must be at least {bound}")
