"""Every file of conf/ composes into something that can be made; a new one is covered by being there."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from benchmark.attacks.base import Rule
from benchmark.callbacks.adversarial_training import TrainingAttack
from benchmark.config.build import (
    build_adversarial_training,
    build_data,
    build_defences,
    build_plan,
    build_trainer,
    instantiate,
)
from benchmark.config.groups import conf_folder, groups, headline, names
from benchmark.config.resolvers import register_resolvers
from benchmark.config.schema import check_config
from benchmark.criterion import Criterion
from benchmark.distributed.launcher import missing_processes
from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError
from benchmark.evaluation.plan import Attack
from benchmark.targets import Target
from tests.miniatures import OPTIONS, WRITERS

FILES = [(group, name) for group in groups() for name in names(group)]
LIST = ("attack", "logger", "defence")  # groups of which any number can be chosen


@pytest.fixture
def compose_config() -> Iterator[Any]:
    """Composes the root configuration with overrides."""
    register_resolvers("stamp")
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        yield lambda *overrides: compose("config", list(overrides))


def _choice(group: str, name: str) -> str:
    return f"{group}=[{name}]" if group in LIST else f"{group}={name}"


def _plain(cfg: DictConfig) -> Any:
    return OmegaConf.to_container(cfg, resolve=False)


def test_all_groups_are_there() -> None:
    assert {"attack", "victim", "data", "target", "trainer", "logger", "experiment", "judge"} <= set(groups())


@pytest.mark.parametrize(("group", "name"), FILES)
def test_every_file_says_what_it_is(group: str, name: str) -> None:
    assert len(headline(names(group)[name])) > 5


@pytest.mark.parametrize(("group", "name"), FILES)
def test_every_file_composes_into_a_known_configuration(compose_config, group: str, name: str) -> None:
    check_config(_plain(compose_config(_choice(group, name))))


@pytest.mark.parametrize("name", names("attack"))
def test_every_attack_is_made(compose_config, name: str) -> None:
    plan = build_plan(compose_config(f"attack=[{name}]"))
    assert list(plan.attacks) == [name]
    assert isinstance(plan.attacks[name], Attack)
    assert isinstance(plan.attacks[name].rule, Rule)
    assert plan.attacks[name].max_steps > 0


def _norms(rule: DictConfig, key: str) -> Iterator[tuple[str, Any]]:
    """The keys of norms in a rule and in the rules that it is made of, with the classes that take them."""
    taken = inspect.signature(hydra.utils.get_class(rule._target_)).parameters
    if "norm" in taken:
        yield f"{key}.norm", taken["norm"]
    for name, node in rule.items():
        if OmegaConf.is_dict(node):
            yield from _norms(node, f"{key}.{name}")


@pytest.mark.parametrize("name", names("attack"))
def test_the_norms_of_every_attack_can_be_set_on_a_command_line(compose_config, name: str) -> None:
    """`norm=inf` is the number there, and in a file a text; both mean "inf", and 2 may come in quotes."""
    keys = dict(_norms(compose_config(f"attack=[{name}]").attacks[name].rule, f"attacks.{name}.rule"))
    for key, parameter in keys.items():
        for typed, meant in (("inf", "inf"), ("'inf'", "inf"), ("2", 2), ("'2'", 2)):
            cfg = compose_config(f"attack=[{name}]", f"++{key}={typed}")
            check_config(_plain(cfg))
            if repr(meant) in str(parameter.annotation):
                (attack,) = build_plan(cfg).attacks.values()
                assert attack.rule.norm == meant
                assert type(attack.rule.norm) is type(meant)
            else:
                with pytest.raises(InputError, match=re.escape(f"{key}=")):
                    build_plan(cfg)


def test_attacks_can_be_chosen_together(compose_config) -> None:
    chosen = list(names("attack"))
    assert set(build_plan(compose_config(f"attack=[{','.join(chosen)}]")).attacks) == set(chosen)


@pytest.mark.parametrize("name", names("data"))
def test_every_data_set_is_made(compose_config, tmp_path: Path, name: str) -> None:
    if name in WRITERS:
        WRITERS[name](tmp_path)
        options = [f"data.root={tmp_path}", *OPTIONS.get(name, ())]
    else:
        options = ["data.n_train=2", "data.n_val=1", "data.n_test=2"]
    data = build_data(compose_config(f"data={name}", "data.size=16", *options).data)
    data.setup()
    item = data.test_dataloader().dataset[0]
    assert item["image"].shape == (3, 16, 16)
    assert item["mask"].shape == (16, 16)
    assert item["id"] in data.test_ids()


@pytest.mark.parametrize("name", names("target"))
def test_every_target_is_made(compose_config, tmp_path: Path, name: str) -> None:
    cfg = compose_config(f"target={name}")
    if "path" in list(cfg.target):
        WRITERS["folder"](tmp_path)
        cfg.target.path = str(tmp_path / "masks" / "case0.png")
    assert isinstance(instantiate(cfg.target, "target"), Target)


@pytest.mark.parametrize("name", names("judge"))
def test_every_judge_is_made(compose_config, name: str) -> None:
    assert isinstance(instantiate(compose_config(f"judge={name}").judge, "judge"), Criterion)


@pytest.mark.parametrize("name", names("adversarial_training"))
def test_every_adversarial_training_is_made(compose_config, name: str) -> None:
    made = build_adversarial_training(compose_config(f"adversarial_training={name}"))
    assert made is None if name == "none" else isinstance(made, TrainingAttack)


def test_a_share_without_an_attack_to_train_on(compose_config) -> None:
    with pytest.raises(InputError, match=r"adversarial_training\.share: no attack to train on; choose one"):
        build_adversarial_training(compose_config("adversarial_training.share=0.5"))


@pytest.mark.parametrize("name", names("defence"))
def test_every_defence_is_made(compose_config, name: str) -> None:
    import torch

    defences = build_defences(compose_config(f"defence=[{name}]"))
    assert list(defences) == [name]
    pixels = torch.arange(192, dtype=torch.uint8).view(3, 8, 8)
    assert defences[name](pixels).shape == pixels.shape


@pytest.mark.parametrize("name", ["adv8", "Jpeg", "jp_eg"])
def test_a_defence_whose_name_is_no_column(compose_config, name: str) -> None:
    cfg = compose_config(f"+defences.{name}={{_target_:benchmark.transforms.jpeg.JPEG}}")
    with pytest.raises(InputError, match=f"defences.{name}: a name has small letters and digits only"):
        build_defences(cfg)


@pytest.mark.parametrize("name", names("trainer"))
def test_every_trainer_is_made(compose_config, tmp_path: Path, name: str) -> None:
    import torch

    cfg = compose_config(f"trainer={name}")
    if cfg.trainer.accelerator == "gpu" and not torch.cuda.is_available():
        with pytest.raises(InputError, match="trainer: No supported gpu backend found"):
            build_trainer(cfg, tmp_path, [], [], ProcessGroup())
        return
    if cfg.trainer.get("num_nodes", 1) != 1:
        with pytest.raises(InputError, match=r"trainer\.num_nodes=auto: "):
            missing_processes(OmegaConf.to_container(cfg.trainer), ProcessGroup())
        return
    trainer = build_trainer(cfg, tmp_path, [], [], ProcessGroup(), devices=1)
    assert trainer.world_size == 1


def test_the_launcher_s_keys_are_those_of_submitit() -> None:
    config = pytest.importorskip("hydra_plugins.hydra_submitit_launcher.config")
    from submitit.slurm.slurm import _get_default_parameters

    given = OmegaConf.load(conf_folder() / "hydra" / "launcher" / "slurm.yaml")
    known = OmegaConf.structured(config.SlurmQueueConf)
    assert given._target_ == known._target_
    assert set(given) - set(known) <= set(_get_default_parameters())


@pytest.mark.parametrize("name", names("experiment"))
def test_every_experiment_gives_a_plan(compose_config, name: str) -> None:
    assert build_plan(compose_config(f"experiment={name}")).attacks


def test_logger_names_are_known_to_their_makers(compose_config) -> None:
    from benchmark.config.validation import check_arguments

    cfg = compose_config(f"logger=[{','.join(names('logger'))}]")
    assert set(cfg.loggers) == set(names("logger"))
    for name, node in cfg.loggers.items():
        plain = {key: value for key, value in _plain(node).items() if key != "_target_"}
        check_arguments(hydra.utils.get_object(node._target_), plain, f"loggers.{name}")
