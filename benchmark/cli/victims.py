"""Check a victim before it is attacked; export trained victims as files that hold no code, and import such files.

`check` predicts a few test images alone, beside others and once more, and takes a gradient, with the slots and the
precision of an attack. It says what is wrong or doubtful, each with its value, the limit and the cure, and shows the
clean IoU of each class. `attack` and `run` make the same check. Exit status of `check`: 0 nothing found, 3 doubts,
2 a victim that `attack` refuses (victim.allow=[NAME] attacks it as it is).

An export holds weights, hyper-parameters (architecture, classes, head, normalisation, what is around the network) and
what the run's folder knows (data and their fingerprint, validation and test IoU), as safetensors with a model card.
`import` reads such a file, or a folder of save_pretrained of segmentation-models-pytorch.

examples
  python -m benchmark victims check victim=python victim.factory=my_module:net data=folder data.root=PATH
  python -m benchmark victims export runs/demo/.../checkpoints/best.ckpt unet_skin --licence cc-by-4.0
  python -m benchmark victims import unet_skin --out unet_skin.ckpt
"""

from collections.abc import Sequence
from pathlib import Path

from benchmark.atomic_files import save_text
from benchmark.cli.parsers import Command, Parser, path_argument, say
from benchmark.errors import InputError, did_you_mean, writing

ACTIONS = ("check", "export", "import")


def victims(action: str, given: Sequence[str], out: Path | None, licence: str | None) -> int:
    """Check a victim, export a checkpoint as safetensors with a model card, or import a file as the checkpoint `out`.

    Raises InputError for a file that cannot be read or written, for one that holds no victim, and for a victim that
    fails.
    """
    if action == "check":
        from benchmark.cli.victim_report import check

        if out is not None or licence is not None:
            raise InputError("victims check: takes KEY=VALUE only, as attack does")
        return check(given)
    if action == "export":
        if len(given) != 2 or out is not None:
            raise InputError("victims export: needs a checkpoint and where to: CKPT FOLDER or CKPT FILE.safetensors")
        return _export(path_argument(given[0]), path_argument(given[1]), licence)
    if action == "import":
        if out is None or len(given) != 1 or licence is not None:
            raise InputError("victims import: needs what to read and where to write: FILE --out CKPT")
        return _import(path_argument(given[0]), out)
    raise InputError(f"victims {action}: unknown{did_you_mean(action, ACTIONS)}; write victims check, export or import")


def _export(checkpoint: Path, target: Path, licence: str | None) -> int:
    from benchmark.victims.checkpoint_io import read_checkpoint
    from benchmark.victims.fingerprints import checkpoint_sha256, tensors_sha256
    from benchmark.victims.loading import needs_adapter, restore_victim
    from benchmark.victims.model_card import model_card, provenance
    from benchmark.victims.safetensors_io import HUB_FILE, save_victim

    single = target.suffix == ".safetensors"
    file, card = (target, target.with_suffix(".md")) if single else (target / HUB_FILE, target / "README.md")
    for path in (file, card):
        if path.exists():
            raise InputError(f"{path}: already exists; choose another place")
    saved, weights = read_checkpoint(checkpoint)
    # Networks that only code of the user can build are exported without a trial.
    saved = saved if needs_adapter(saved) else dict(restore_victim(saved, weights, checkpoint).hparams)
    about = {
        "licence": licence or "unknown",
        "weights_sha256": tensors_sha256(weights),
        "checkpoint_sha256": checkpoint_sha256(checkpoint),
        **provenance(checkpoint, tensors_sha256(weights)),
    }
    numbers = sum(tensor.numel() for tensor in weights.values())
    with writing(f"{target}: cannot be written", remedy="choose another place"):
        file.parent.mkdir(parents=True, exist_ok=True)
        save_victim(saved, weights, file, about)
        save_text(card, model_card(saved, numbers, about, target.name))
    say(f"victim   {file}", f"card     {card}", f"weights  {about['weights_sha256']}")
    return 0


def _import(path: Path, out: Path) -> int:
    from benchmark.victims.checkpoint_io import save_checkpoint
    from benchmark.victims.fingerprints import tensors_sha256
    from benchmark.victims.loading import needs_adapter, restore_victim
    from benchmark.victims.safetensors_io import read_victim

    if out.exists():
        raise InputError(f"--out {out}: already exists; choose another place")
    saved, weights = read_victim(path)
    if not needs_adapter(saved):
        victim = restore_victim(saved, weights, path)
        saved, weights = dict(victim.hparams), victim.state_dict()
    with writing(f"--out {out}: cannot be written", remedy="choose another place"):
        out.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(saved, weights, out)
    how = " (of a network of your own: attack it with the victim= it was trained with)" if needs_adapter(saved) else ""
    say(f"victim   {out}{how}", f"weights  {tensors_sha256(weights)}")
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.usage = "%(prog)s check KEY=VALUE ... | export CKPT FOLDER [--licence TEXT] | import FILE --out CKPT"
    parser.add_argument("action", metavar="check|export|import", help="see below")
    what = "of check: the configuration, as for attack; else what to export and where to, or what to import"
    parser.add_argument("given", nargs="*", metavar="KEY=VALUE|PATH", help=what)
    parser.add_argument("--out", type=Path, metavar="CKPT", help="of import: the checkpoint to write")
    parser.add_argument("--licence", metavar="TEXT", help="of export: the licence of the weights, for the card")
    parser.add_config_dir()


COMMAND = Command(text=__doc__, run=victims, add_arguments=_add_arguments)
