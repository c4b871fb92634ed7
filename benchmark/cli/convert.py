"""`convert`: a checkpoint of the ASMA authors' implementation as a victim."""

from pathlib import Path

from benchmark.cli.parsers import Command, Parser
from benchmark.errors import InputError


def convert(file: str, out: str) -> int:
    """Write the network of `file` as the victim's checkpoint `out`, without executing anything that the file says."""
    from benchmark.victims.asma_release.convert import convert as convert_file
    from benchmark.victims.fingerprints import checkpoint_sha256
    from benchmark.victims.loading import load_victim

    if Path(out).exists():
        raise InputError(f"--out {out}: is there already; choose another name")
    own = convert_file(file, out)
    load_victim(out)
    widths = "-".join(map(str, own["options"]["widths"]))
    print(f"{out}: valid U-Net {widths}, {own['classes']} classes, from {file} (SHA-256 {checkpoint_sha256(file)})")
    print("use it with victim.ckpt; its masks are 10 rows off, data.mask_offset=10 judges it as it was trained")
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="what torch.save has written of the network, or its state dict")
    parser.add_argument("--out", required=True, metavar="CKPT", help="the checkpoint to write, for victim.ckpt")


COMMAND = Command(
    what="the ASMA authors' released checkpoint as one that victim.ckpt takes",
    run=convert,
    add_arguments=_add_arguments,
    usage="FILE --out CKPT",
    description="Read the pickled network of github.com/utkuozbulak/adaptive-segmentation-mask-attack without\n"
    "executing anything that the file says, and write it as a victim's checkpoint.",
)
