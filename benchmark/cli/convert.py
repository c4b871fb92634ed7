"""Write the ASMA authors' released checkpoint as one that victim.ckpt takes.

Reads the pickled network of github.com/utkuozbulak/adaptive-segmentation-mask-attack without executing anything that
the file says, and writes it as a victim's checkpoint.
"""

from pathlib import Path

from benchmark.cli.parsers import Command, Parser, say
from benchmark.errors import InputError


def convert(file: Path, out: Path) -> int:
    """Write the network of `file` as the victim's checkpoint `out`, without executing code that the file holds."""
    from benchmark.victims.asma_release.convert import convert as convert_file
    from benchmark.victims.fingerprints import checkpoint_sha256
    from benchmark.victims.loading import load_victim

    if out.exists():
        raise InputError(f"--out {out}: already exists; choose another name")
    saved = convert_file(file, out)
    load_victim(out)
    widths = "-".join(map(str, saved["options"]["widths"]))
    say(f"{out}: valid U-Net {widths}, {saved['classes']} classes, from {file} (SHA-256 {checkpoint_sha256(file)})")
    say("use it with victim.ckpt; its masks are 10 rows off, data.mask_offset=10 judges it as it was trained")
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the network or its state dict, as torch.save wrote it")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="CKPT", help="the checkpoint to write, for victim.ckpt"
    )


COMMAND = Command(text=__doc__, run=convert, add_arguments=_add_arguments)
