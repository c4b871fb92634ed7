"""The ASMA authors' released network, a pickled module, as a victim's checkpoint."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmark.errors import InputError, first_line
from benchmark.victims.asma_release.restricted_unpickler import RefusedError, read_module
from benchmark.victims.checkpoint_io import save_checkpoint
from benchmark.victims.smp_networks import VALID_UNET
from benchmark.victims.task import Victim
from benchmark.victims.weights import put_into

NETWORK = "SimpleUnet"  # the class's name in that repository; its module's is whatever it was saved from
INPUT_SIZE = 572
_LARGEST = 2**30  # bytes; the released network has an eighth


def convert(path: str | Path, out: str | Path) -> dict[str, Any]:
    """Write a victim's checkpoint, which `victim.ckpt` takes, to `out`; returns the victim's hyper-parameters.

    Args:
        path: the network or its state dict, as `torch.save` wrote it, in any format.
        out: the checkpoint.

    Raises:
        InputError: the file cannot be read, names something else than that network, or has other weights.
    """
    path, out = Path(path), Path(out)
    victim = _victim_of(path, _read(path))
    out.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(victim.hparams, victim.state_dict(), out)
    return dict(victim.hparams)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"no file at {path}; give the released checkpoint")
    if (size := path.stat().st_size) > _LARGEST:
        raise InputError(f"{path} has {size} bytes, at most {_LARGEST} are read; give the released checkpoint")
    try:
        return read_module(path, NETWORK)
    except RefusedError as error:
        raise InputError(
            f"{path} is refused: it names {error.name}, which is no part of that network, and reading on would "
            "execute code; give the released checkpoint"
        ) from error
    except Exception as error:  # a file of any bytes raises errors of many types
        raise InputError(f"{path} cannot be read ({first_line(error)}); is it complete?") from error


def _renamed_parts(levels: int) -> dict[str, str]:
    """Name of each part in the authors' repository -> its name in `ValidUNet`."""
    parts = {f"conv{level + 1}_block": f"down.{level}" for level in range(levels)}
    for step in range(levels - 1):
        parts |= {f"up_{step + 1}": f"up.{step}", f"conv_up_{step + 1}": f"merge.{step}"}
    return parts | {"conv_final": "head"}


def _victim_of(path: Path, weights: Mapping[str, Tensor]) -> Victim:
    first, last = weights.get("conv1_block.0.weight"), weights.get("conv_final.weight")
    if first is None or last is None or first.ndim != 4 or last.ndim != 4:
        raise InputError(f"{path} holds no network of the ASMA authors' repository; give the released checkpoint")
    levels = sum(re.fullmatch(r"conv\d+_block\.0\.weight", name) is not None for name in weights)
    widths = [int(weights[f"conv{level + 1}_block.0.weight"].shape[0]) for level in range(levels)]
    victim = Victim(
        VALID_UNET,
        encoder=None,
        classes=int(last.shape[0]),
        channels=int(first.shape[1]),
        # It was trained on images in [0, 1] as they are.
        mean=[0.0] * first.shape[1],
        std=[1.0] * first.shape[1],
        input_size=INPUT_SIZE,
        options={"widths": widths},
    )
    parts = _renamed_parts(levels)
    renamed = {}
    for name, weight in weights.items():
        part, _, rest = name.partition(".")
        renamed[f"{parts.get(part, part)}.{rest}"] = weight.float()
    put_into(victim.network, renamed, str(path))
    return victim.eval()
