"""What `${...}` in the configuration can compute."""

import secrets
from datetime import datetime


def make_stamp() -> str:
    """Time and a token: the name of a run's folder, which no other run has."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(2)}"


def register_resolvers(stamp: str) -> None:
    """`${of255:8}` is 8/255, a budget in steps of an 8-bit image; `${stamp:}` is the run's stamp."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("of255", lambda value: float(value) / 255, replace=True)
    OmegaConf.register_new_resolver("stamp", lambda: stamp, replace=True)
