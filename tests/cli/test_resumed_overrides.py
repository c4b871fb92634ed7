"""What a run that goes on takes from the command line in its folder, and what has to be given again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.resume import resumed_overrides
from benchmark.config.overrides import parse
from benchmark.errors import InputError


def _resumed(*texts: str) -> list[str]:
    return [override.text for override in resumed_overrides([parse(text) for text in texts])]


def test_what_was_given_is_given_again(tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text(json.dumps({"overrides": ["seed=1", "attack=pgd", "run.dir=x"]}))
    given = [f"run.resume={tmp_path}", "seed=2", "engine.slots=3"]
    assert _resumed(*given) == ["attack=pgd", "seed=2", "engine.slots=3", f"run.dir={tmp_path}"]
    assert _resumed("seed=2") == ["seed=2"]
    assert _resumed("run.resume=null") == ["run.resume=null"]


def test_another_trainer_brings_its_own_devices(tmp_path: Path) -> None:
    saved = ["trainer=ddp_cpu", "++trainer.devices=2", "++trainer.max_epochs=3"]
    (tmp_path / "environment.json").write_text(json.dumps({"overrides": saved}))
    given = [f"run.resume={tmp_path}", "trainer=cpu"]
    assert _resumed(*given) == ["++trainer.max_epochs=3", "trainer=cpu", f"run.dir={tmp_path}"]


@pytest.mark.parametrize(
    "code",
    [
        "attacks.asma.rule._target_=os.system",
        "attacks={asma:{rule:{_target_:os.system}}}",
        "attacks.asma.rule={rule:{_target_:'os.system'}}",
        "+attacks.asma.list=[{_target_:os.system}]",
        "attacks.asma.rule=${oc.decode:code}",
        "attacks.asma.rule='${oc.create:\"{_target_: os.system}\"}'",
        "attacks.asma.rule='${${of255:1}.x:y}'",
        "+victim.factory=mine:load",
        "victim={factory:mine:load}",
        "++victim.program=model.ts",
        "attack=own",
        "attack=[asma,own]",
        "attack@attacks.x=../../own",
        "hydra.searchpath=[file:///own]",
        "hydra.job.env_set={LD_PRELOAD:x.so}",
        "hydra={run:{dir:/tmp}}",
        "hydra/launcher=own",
        "hydra/job_logging=default",
        "data.root='${oc.env:HOME}/${seed}'",
        "run.name=${hydra:runtime.cwd}",
        "run.name=${hydra.job.env_set}",
        "run.name='${oc.env:SECRET,x}'",
        "victim.options={a:['${oc.env:SECRET}']}",
        "attacks.asma.rule._args_=[1]",
        "+attacks.asma.rule._partial_=true",
        "target={_recursive_:false}",
        "data@victim=folder",
        "seed=1,2",
        "seed=range(1,9)",
    ],
)
def test_a_folder_chooses_no_code_to_run(tmp_path: Path, code: str) -> None:
    (tmp_path / "environment.json").write_text(json.dumps({"overrides": [code]}))
    with pytest.raises(InputError, match="which names code to run; give it again"):
        _resumed(f"run.resume={tmp_path}")
    assert code in _resumed(f"run.resume={tmp_path}", code)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("logger=wandb", "sends elsewhere what the run logs"),
        ("logger=[tensorboard]", "sends elsewhere what the run logs"),
        ("+loggers.wandb.entity=x", "sends elsewhere what the run logs"),
        ("loggers={x:{save_dir:/tmp}}", "sends elsewhere what the run logs"),
        ("+trainer.default_root_dir=/tmp", "a folder cannot set"),
        ("+trainer.profiler=advanced", "a folder cannot set"),
        ("trainer.devices=1000", "may start more than"),
        ("trainer={devices:1000}", "may start more than"),
        ("trainer.devices='1000'", "may start more than"),
        (f"trainer.devices={list(range(300))}".replace(" ", ""), "may start more than"),
        ("trainer.num_nodes=100000", "may start more than"),
        ("data.num_workers=100000", "may start more than"),
        ("victim.encoder_weights=imagenet", "may be downloaded"),
        ("victim={encoder_weights:imagenet}", "may be downloaded"),
        ("+extra=1", "is no key of a run's configuration"),
    ],
)
def test_what_reaches_beyond_the_folder_is_given_again(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "environment.json").write_text(json.dumps({"overrides": [text]}))
    with pytest.raises(InputError, match=rf"which {reason}.*; give it again"):
        _resumed(f"run.resume={tmp_path}")
    assert text in _resumed(f"run.resume={tmp_path}", text)


def test_loggers_can_be_left_out(tmp_path: Path) -> None:
    saved = ["logger=wandb", "loggers.wandb.project=x", "seed=1"]
    (tmp_path / "environment.json").write_text(json.dumps({"overrides": saved}))
    assert _resumed(f"run.resume={tmp_path}", "logger=[]") == ["seed=1", "logger=[]", f"run.dir={tmp_path}"]


@pytest.mark.parametrize(
    "text",
    [
        "data.root=/scratch/programs/isic",
        "data.root='/factory (1)/_target_'",
        "run.name=_target_",
        "victim=torchscript",
        "attack=[asma,pgd]",
        "~attacks.asma",
        "attacks.asma.rule.eps=${of255:4}",
        "data.root='runs/${seed}/${run.name}/${stamp:}'",
        "victim.options={program:1}",
        "victim.factory=null",
        "victim.encoder_weights=null",
        "logger=[]",
        "trainer.devices=2",
        "trainer.strategy=ddp",
        "data.num_workers=4",
    ],
)
def test_what_names_no_code_is_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / "environment.json").write_text(json.dumps({"overrides": [text]}))
    assert _resumed(f"run.resume={tmp_path}") == [text, f"run.dir={tmp_path}"]


def test_a_file_of_an_own_folder_is_given_again(tmp_path: Path) -> None:
    own = Path(__file__).parent / "own_attacks"
    script = (
        "import sys; from pathlib import Path; from benchmark.config.groups import add_folder;"
        "from benchmark.cli.resume import resumed_overrides; from benchmark.config.overrides import parse;"
        "add_folder(Path(sys.argv[1])); resumed_overrides(map(parse, sys.argv[2:]))"
    )
    (tmp_path / "environment.json").write_text(json.dumps({"overrides": ["attack=patches"]}))
    ended = subprocess.run([sys.executable, "-c", script, str(own), f"run.resume={tmp_path}"], capture_output=True)
    assert "attack=patches, which names code to run; give it again" in ended.stderr.decode()


def test_an_environment_with_what_is_no_override(tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text(json.dumps({"overrides": ["seed"]}))
    with pytest.raises(InputError, match=r"environment.json: overrides: 'seed' is not KEY=VALUE"):
        _resumed(f"run.resume={tmp_path}")
