"""Every data source of files, made from its YAML in conf/data."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from hydra.utils import get_class
from omegaconf import OmegaConf

from benchmark.config.groups import conf_folder, names
from tests.miniatures import OPTIONS


def _maker(name: str) -> Callable[..., Any]:
    """The source's class with the keys of its YAML, and with those that its miniature needs."""
    section = OmegaConf.load(conf_folder() / "data" / f"{name}.yaml")
    source = get_class(section["_target_"])
    needed = dict(option.removeprefix("data.").split("=") for option in OPTIONS.get(name, ()))
    keys = [key for key in section if key in signature(source).parameters and not OmegaConf.is_missing(section, key)]
    given = OmegaConf.to_container(OmegaConf.create({key: section[key] for key in keys} | needed))
    given |= {key: int(value) for key, value in needed.items() if value.isdecimal()}
    return lambda root, **options: source(root, **given | options)


SOURCES: dict[str, Callable[..., Any]] = {name: _maker(name) for name in names("data") if name != "synthetic"}


FUNDUS = ("rim_one_r3", "rim_one_dl", "drishti_gs1", "refuge")


def expected_mask(drawn: Any, structure: str = "disc") -> np.ndarray:
    """The mask of classes, from a mask or from the maps of disc and cup."""
    disc, cup = drawn if isinstance(drawn, tuple) else ((drawn > 0).astype(np.uint8), (drawn > 1).astype(np.uint8))
    return {"disc": disc, "cup": np.minimum(disc, cup), "both": disc + np.minimum(disc, cup)}[structure]


def read_all(source: Any) -> dict[str, Any]:
    return {id: source.read(split, id) for split, ids in source.splits().items() for id in ids}
