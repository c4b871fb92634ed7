"""The YAML files of conf/data build data modules; a section that does not fit is refused."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from benchmark.config.build import build_data
from benchmark.errors import InputError

CONF = Path(__file__).resolve().parents[2] / "conf" / "data"


def _from_yaml(name, **changes):
    shared = OmegaConf.load(CONF / "_base.yaml")
    own = OmegaConf.load(CONF / f"{name}.yaml")
    own.pop("defaults", None)
    root = OmegaConf.create({"seed": 5, "data": OmegaConf.merge(shared, own)})
    root.data.merge_with(changes)
    return build_data(root.data)


def test_synthetic_yaml():
    data = _from_yaml("synthetic", n_train=4, classes=3)
    assert (len(data.splits()["train"]), data.classes, data.size, data.seed, data.source.seed) == (4, 3, 64, 5, 5)


def test_folder_yaml(folder):
    data = _from_yaml("folder", root=str(folder), encoding={"0": 0, "255": 1}, size=16)
    assert (data.name, data.classes, data.size, data.seed) == (folder.name, 2, 16, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sise": 16}, "unknown key 'data.sise', did you mean data.size?; keys are data.root, data.images, "),
        ({"root": 5}, "data.root=5: must be text"),
        ({"split_seed": "x"}, "data.split_seed='x': must be a whole number"),
        ({"batch_size": 2.5}, "data.batch_size=2.5: must be a whole number"),
        (
            {"_target_": "benchmark.data.drawing.fundus"},
            "data._target_: fundus is no data source; name a class such as",
        ),
    ],
)
def test_a_section_that_neither_the_source_nor_its_loaders_take(folder, changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        _from_yaml("folder", **{"root": str(folder), **changes})


def test_a_key_without_a_value_is_named():
    with pytest.raises(InputError, match="data: missing a required argument: 'root'"):
        build_data(OmegaConf.create({"_target_": "benchmark.data.ph2.PH2", "size": 16}))


def test_isic_yaml(isic):
    data = _from_yaml("isic2018", root=str(isic), test_split="val")
    assert (data.name, data.size, data.test_ids()) == ("isic2018", 128, ["ISIC_0000004", "ISIC_0000005"])
