"""`train`: make a victim."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from benchmark.cli.context import Context, open_context
from benchmark.cli.preflight import rehearse
from benchmark.config.build import build_adversarial_training, build_trainer
from benchmark.config.validation import check_arguments
from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from benchmark.tracking.guarded_logger import GuardedLogger
    from benchmark.victims.task import Victim


def train(cfg: DictConfig, processes: ProcessGroup) -> None:
    """Train a victim and say where its checkpoint is."""
    context = open_context(cfg, processes)
    if cfg.victim.ckpt is not None:
        raise InputError("victim.ckpt names a trained victim; leave it out to train, or use `attack`")
    victim = victim_from_config(context)
    rehearse(context, victim, fits=True, attacks=False)
    with context.begin() as loggers:
        train_victim(context, victim, loggers)


def victim_from_config(context: Context) -> "Victim":
    """An untrained victim that fits the data."""
    from benchmark.victims.deployment import Deployment
    from benchmark.victims.loading import build_victim, split_keys

    data = context.data
    options = {key: value for key, value in context.config["victim"].items() if key != "ckpt"}
    keys = split_keys(options)
    _check_keys(keys.victim, keys.adapter)
    check_arguments(Deployment, keys.deployment, "victim")
    try:
        return build_victim(classes=data.classes, background=data.background, channels=data.channels, **options)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"victim: {' '.join(str(error).split())}") from error


def _check_keys(own: dict[str, Any], left: dict[str, Any]) -> None:
    """Raise InputError for a key of the victim's section that neither the victim nor its adapter takes."""
    from benchmark.victims import adapters
    from benchmark.victims.task import Victim

    if own.get("architecture") not in adapters.names():
        check_arguments(Victim, own | left, "victim")
        return
    check_arguments(Victim, own, "victim")
    check_arguments(adapters.maker(own["architecture"]), left, "victim")


def train_victim(context: Context, victim: "Victim", loggers: "list[GuardedLogger]") -> Path:
    """Fit, or go on with it; the victim ends with the weights of its best epoch. Returns the best checkpoint."""
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

    from benchmark.callbacks.adversarial_training import MONITOR, AdversarialTraining
    from benchmark.callbacks.progress import TrainingProgress
    from benchmark.callbacks.validation_attack import ValidationAttack

    settings, folder = context.cfg.training, context.folder / "checkpoints"
    if context.environment().get("trained"):
        _take_best(victim, folder / "best.ckpt")
        return folder / "best.ckpt"
    adversarial_training = build_adversarial_training(context.cfg)
    monitor = "val/iou" if adversarial_training is None else MONITOR
    checkpoint = ModelCheckpoint(
        folder,
        filename="best",
        monitor=monitor,
        mode="max",
        save_last=True,
        enable_version_counter=False,
    )
    stopping = EarlyStopping(monitor, mode="max", patience=settings.patience)
    callbacks: list[pl.Callback] = [checkpoint, stopping, TrainingProgress()]
    if adversarial_training is not None:
        # Before those that look at what it logs.
        callbacks.insert(0, AdversarialTraining(adversarial_training, context.cfg.seed, context.data.background))
    if settings.attack_every:
        callbacks.append(
            ValidationAttack(context.plan, settings.attack_every, settings.attack_images, context.processes)
        )
    trainer = build_trainer(context.cfg, context.folder, loggers, callbacks, context.processes)
    images = len(context.data.splits()["train"])
    print(
        f"training {victim_name(context, victim)} on {images} images of {context.data.name} in {context.folder}",
        flush=True,
    )
    last = folder / "last.ckpt"
    begun = context.resumed and last.exists()
    trainer.fit(victim, datamodule=context.data, ckpt_path=last if begun else None, weights_only=True)
    if not checkpoint.best_model_path:
        raise InputError("training ended without a validation; give trainer.max_epochs at least 1")
    path = Path(checkpoint.best_model_path)
    _take_best(victim, path)
    best = float(checkpoint.best_model_score or 0)
    context.record(trained={"epochs": trainer.current_epoch, monitor.replace("/", "_"): best})
    print(f"trained {trainer.current_epoch} epochs; best {monitor} {best:.3f}: {path}")
    return path


def _take_best(victim: "Victim", path: Path) -> None:
    from benchmark.victims.checkpoint_io import read_checkpoint

    if not path.exists():
        raise InputError(f"{path}: is missing, and the training is over; start a new run")
    _, weights = read_checkpoint(path)
    victim.load_state_dict(weights)


def victim_name(context: Context, victim: "Victim") -> str:
    """What rows call the victim: architecture and encoder, or the network of a user's own; and what is around it."""
    from benchmark.victims import adapters

    own, architecture = context.config["victim"], victim.hparams["architecture"]
    if architecture not in adapters.names():
        return victim.label
    which = str(own[adapters.needed(architecture)[0]])
    name = which if architecture == "python" else f"{architecture}_{Path(which).stem}"
    return name + victim.deployment.label()
