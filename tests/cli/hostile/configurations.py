"""Hostile config.yaml and environment.json, by name."""

from tests.cli.hostile.planting import (
    ESCAPES,
    MODULE,
    SECRET,
    VARIABLE,
    Plant,
    commanded,
    configured,
    edit_environment,
    linked,
    piped,
    sparse,
    write_config,
    written,
)

CONFIGURATIONS: dict[str, Plant] = {
    # the configuration
    "config: a target that runs a program": configured("data._target_", "os.system"),
    "config: a target that evaluates": configured(
        "judge", {"_target_": "builtins.exec", "_args_": ["open('owned','w')"]}
    ),
    "config: a nested target": configured(
        "attacks.pgd.rule.inner", {"_target_": "subprocess.Popen", "args": "touch owned"}
    ),
    "config: a target of a library": configured("defences.jpeg._target_", "torch.hub.load"),
    "config: a module of the folder": lambda run: (
        written("evil.py", MODULE)(run),
        configured("target._target_", "evil.Target")(run),
    ),
    "config: a module of the package": configured("target._target_", "benchmark.targets.mask_file.Image.open"),
    "config: a key that Hydra obeys": configured("target._partial_", True),
    "config: arguments that Hydra obeys": configured("attacks.pgd.rule._args_", [1]),
    "config: a section of Hydra": configured("hydra", {"searchpath": ["file:///tmp"], "job": {"env_set": {"A": "b"}}}),
    "config: a variable": configured("run.name", VARIABLE),
    "config: a variable in the data": configured("data.root", f"{VARIABLE}/x"),
    "config: a section that is decoded": configured("judge", "${oc.create:'{_target_: os.system}'}"),
    "config: a logger of another host": configured(
        "loggers.evil", {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": "http://127.0.0.1:9"}
    ),
    "config: a folder outside": configured("trainer.default_root_dir", "/tmp/owned"),
    "config: a run's folder outside": configured("run.dir", "../../owned"),
    "config: a checkpoint outside": configured("victim.ckpt", "/etc/passwd"),
    "config: a factory": configured("victim.factory", "evil:make"),
    "config: an ONNX file": configured("victim", {"architecture": "onnx", "encoder": None, "program": "/etc/passwd"}),
    "config: a look-alike": configured("v\u0456ctim", {"factory": "evil:make"}),
    "config: very many images": configured(
        "data", {"_target_": "benchmark.data.synthetic.Synthetic", "n_test": 10**9, "size": 64}
    ),
    "config: very large images": configured("data.size", 10**6),
    "config: very many processes": configured("data.num_workers", 10**6),
    "config: very many slots": configured("engine.slots", 10**9),
    "config: numbers of another kind": configured("engine", {"slots": "4", "precision": [64]}),
    "config: a list for a section": configured("attacks", [1, 2]),
    "config: aliases": lambda run: write_config(
        run, "a: &a [x,x]\n" + "".join(f"{b}: &{b} [*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    ),
    "config: deep": lambda run: write_config(run, "data: " + "{a: " * 5000 + "1" + "}" * 5000),
    "config: long": lambda run: write_config(run, "data: [" + "1," * 10**6 + "1]"),
    "config: a tag": lambda run: write_config(run, "seed: !!python/object/apply:os.system ['touch owned']"),
    "config: a long number": lambda run: write_config(run, f"seed: {'9' * 5000}"),
    "config: not text": written("config.yaml", b"\xff\xfe\x00"),
    "config: a terminal's words": configured("run.name", ESCAPES),
    "config: a pipe": piped("config.yaml"),
    "config: a link": linked("config.yaml", "/etc/passwd"),
    "config: a device": linked("config.yaml", "/dev/zero"),
    "config: without end": sparse("config.yaml", b"a: ", 10**11),
    # the environment
    "environment: a search path": commanded("hydra.searchpath=[file:///tmp]"),
    "environment: variables to set": commanded("hydra.job.env_set={LD_PRELOAD:/tmp/x.so}"),
    "environment: a folder for Hydra": commanded("hydra.run.dir=/tmp/owned"),
    "environment: a launcher": commanded("hydra/launcher=slurm"),
    "environment: a configuration of logs": commanded("hydra.job_logging.handlers.file.filename=/tmp/owned"),
    "environment: an ONNX file": commanded("victim=onnx", "victim.program=/etc/passwd"),
    "environment: a group of elsewhere": commanded("+attack@attacks.x=/tmp/x"),
    "environment: a target": commanded("judge._target_=os.system"),
    "environment: a target in braces": commanded("judge={_target_:os.system,_args_:['touch owned']}"),
    "environment: a variable": commanded(f"run.name='{VARIABLE}'"),
    "environment: a variable within": commanded("run.name=${oc.decode:'${oc.env:" + SECRET + "}'}"),
    "environment: a logger": commanded("logger=wandb", "loggers.wandb.entity=stranger"),
    "environment: many processes": commanded("trainer=ddp_cpu", "++trainer.devices=10000"),
    "environment: a folder of the trainer": commanded("+trainer.default_root_dir=/tmp/owned"),
    "environment: a sweep": commanded("seed=1,2,3"),
    "environment: a deletion": commanded("~judge", "~data"),
    "environment: a terminal's words": lambda run: edit_environment(
        run, platform=ESCAPES, processor=ESCAPES, packages={"torch": ESCAPES, "numpy": ESCAPES}, gpus=[ESCAPES]
    ),
    "environment: overrides of a terminal": commanded(f"run.name='{ESCAPES}'"),
    "environment: an id that is a path": lambda run: edit_environment(run, run_id="../../owned"),
    "environment: entries of another kind": lambda run: edit_environment(run, shares=[{"seconds": "x"}], packages=[1]),
    "environment: deep": written("environment.json", "[" * 10**5),
    "environment: a long number": lambda run: written("environment.json", '{"seed": 1' + "0" * 10**6 + "}")(run),
    "environment: a pipe": piped("environment.json"),
    "environment: a link": linked("environment.json", "/etc/passwd"),
    "environment: without end": sparse("environment.json", b"{", 10**11),
}
