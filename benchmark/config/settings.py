"""The sections `run` and `training` of the configuration, as the commands use them."""

from dataclasses import dataclass

from benchmark.errors import InputError


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Where a run lies and what is shown of it; defaults and comments are in conf/config.yaml.

    Raises:
        InputError: a negative number of images.
    """

    name: str
    dir: str
    resume: str | None
    montage: int

    def __post_init__(self) -> None:
        need_at_least("run.montage", self.montage, 0)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How long a victim is trained and how often it is attacked meanwhile; defaults are in conf/config.yaml.

    Raises:
        InputError: a number that is too small.
    """

    patience: int
    attack_every: int
    attack_images: int

    def __post_init__(self) -> None:
        need_at_least("training.patience", self.patience, 0)
        need_at_least("training.attack_every", self.attack_every, 0)
        need_at_least("training.attack_images", self.attack_images, 1)


def need_at_least(key: str, value: int, least: int) -> None:
    """Raise InputError if the value of a key is below `least`."""
    if value < least:
        raise InputError(f"{key}={value}: must be at least {least}")
