"""What is mistyped on the command line is named with the nearest that exists."""

import pytest


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("victim=unett", "there is no victim 'unett', did you mean unet?"),
        ("attack=asmaa", "there is no attack 'asmaa', did you mean asma?"),
        ("attack=[asma,nope]", "there is no attack 'nope'"),
        ("experiment=smok", "did you mean smoke?"),
        ("victim=", "names no victim; victim is one of deeplabv3"),
        ("victim=null", "names no victim; victim is one of deeplabv3"),
        ("victim.enkoder=x", "unknown key 'victim.enkoder', did you mean victim.encoder?"),
        ("data.siez=3", "unknown key 'data.siez', did you mean data.size?"),
        ("enginee.slots=3", "unknown key 'enginee.slots', did you mean engine.slots?"),
        ("attacks.asma.rule.taau=1", "did you mean attacks.asma.rule.tau?"),
        ("attacks.asma.rule.gamma=1", "is given as +attacks.asma.rule.gamma=VALUE"),
        ("+foo=1", "unknown key 'foo'"),
        ("++sed=1", "unknown key 'sed', did you mean seed?"),
        ("+engine.slot=1", "unknown key 'engine.slot', did you mean engine.slots?"),
        ("+training.patiens=1", "did you mean training.patience?"),
        ("+run.foo=1", "unknown key 'run.foo'"),
        ("+data.siez=1", "unknown key 'data.siez'"),
        ("+victim.depth=1", "unknown key 'victim.depth'"),
        ("+trainer.max_epoch=1", "unknown key 'trainer.max_epoch', did you mean trainer.max_epochs?"),
        ("+attacks.asma.max_step=1", "did you mean attacks.asma.max_steps?"),
        ("+attacks.asma.rule.gamma=1", "unknown key 'attacks.asma.rule.gamma'"),
        ("+judge.treshold=1", "unknown key 'judge.treshold'"),
        ("+target.sed=1", "did you mean target.seed?"),
        ("+attacks.other.max_steps=1", "attacks.other is set but not chosen"),
        ("engine={slot:3}", "unknown key 'engine.slot', did you mean engine.slots?"),
        ("logger=wandb +loggers.wandb.grup=x", "unknown key 'loggers.wandb.grup', did you mean loggers.wandb.group?"),
        ("trainer.max_epoch=1", "error: unknown key 'trainer.max_epoch', did you mean trainer.max_epochs?"),
        ("+trainer.logger=false", "trainer.logger is set by the command"),
        ("trainer.inference_mode=true", "trainer.inference_mode is set by the command"),
        ("victim.program=x.ts", "made here (victim=exported, victim=onnx, victim=torchscript); see"),
        ("data.fractions=[1,1,1]", "data.fractions is a key of another choice than the one made here"),
        ("experiment=null", "names no experiment"),
        ("victim=[]", "victim is missing"),
        ("~victim", "victim is missing"),
        ("~data", "data._target_ is missing"),
        ("~engine", "engine is missing"),
        ("~seed", "seed refers to a key that is not there"),
        ("~attack", "'attack'"),
        ("foo", "'foo' is not KEY=VALUE"),
        ("=3", "'=3' is not KEY=VALUE"),
        (
            "judge.op=<",
            "'judge.op=<' is not KEY=VALUE; write e.g. seed=1, and put a value of special characters in quotes",
        ),
        ("data=folder", "data.root is missing; give data.root=VALUE"),
        ("target=mask_file", "target.path is missing; give target.path=VALUE"),
        ("victim=python", "victim.factory is missing; give victim.factory=VALUE"),
        ("seed=1,2", "seed"),
        ("hydra/launcher=slurm", "hydra/launcher=slurm: chooses where the runs of a sweep go; give -m too"),
        ("~data._target_", "data._target_ is missing"),
        ("data._target_=benchmark.nowhere.thing", "data._target_=benchmark.nowhere.thing: "),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(refused, argument: str, said: str) -> None:
    assert said in refused(*argument.split())


def test_no_attack_is_one_line(refused) -> None:
    line = refused("attack=[]", base=("experiment=smoke", "trainer=cpu"))
    assert "no attack chosen; give attack=NAME" in line
