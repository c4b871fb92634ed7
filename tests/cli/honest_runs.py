"""Small runs of many kinds, all of them honest: `verify` must not find a difference in any."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.grey_images import write_grey_images
from tests.miniatures import OPTIONS, WRITERS

SHORT = ("trainer=cpu", "data.size=32", "run.montage=0", "engine.max_passes=12")
DRAWN = ("data=synthetic", "data.n_test=2", "data.n_train=4", "data.n_val=2")
BRIGHT = ("victim=python", "victim.factory=tests.cli.honest_networks:bright")
ONE_LOGIT = "victim=python victim.factory=tests.cli.honest_networks:one_logit victim.head=sigmoid"
UNTARGETED = "attack=[sea_js,pgd] attacks.pgd.rule.targeted=false"
TINY = "victim=unet victim.encoder=mobilenet_v2 victim.options={decoder_channels:[8,8,8,4,4]}"
VALID = "victim=unet_valid victim.input_size=44 victim.options.widths=[4,6]"
GREY = "data=folder data.fractions=[.5,.25,.25] data.channels=1 data.encoding={0:0,255:1}"


class HonestRun(NamedTuple):
    """A run by its command line.

    Attributes:
        kind, what: its place in the table of the documentation.
        arguments: after the command; {root} stands for the folder that `data` fills.
        data: writes data; None: they are drawn.
        trains: whether the command is `run` and not `attack`.
    """

    kind: str
    what: str
    arguments: tuple[str, ...]
    data: Callable[[Path], object] | None = None
    trains: bool = False

    def command(self, root: Path) -> list[str]:
        """The command line, without run.dir."""
        given = [text.replace("{root}", str(root)) for text in self.arguments]
        chosen = {text.partition("=")[0] for text in given}
        defaults = [*(() if self.data else DRAWN), *(() if "victim" in chosen else BRIGHT)]
        if not chosen & {"attack", "experiment"}:
            defaults.append("attack=[asma,pgd]")
        if self.trains:
            defaults.append("trainer.max_epochs=1")
        return ["run" if self.trains else "attack", *SHORT, *defaults, *given]

    def network(self) -> list[str]:
        """The option by which `verify` is given a network of one's own again."""
        command = self.command(Path())
        keys = ("victim.factory=", "victim.options=")
        return ["--network", *(text for text in command if text.startswith(keys))] if "victim=python" in command else []


def random_network(outputs: int = 2, channels: int = 3) -> str:
    """Overrides that choose a network of these sizes."""
    options = f"victim.options={{outputs:{outputs},channels:{channels}}}"
    return f"victim=python victim.factory=tests.cli.honest_networks:network {options}"


def grey(bits: int) -> Callable[[Path], object]:
    """Writes eight grey images of so many bits, and masks."""
    return partial(write_grey_images, bits=bits)


ON_DRAWN_IMAGES = {
    "around the network": {
        "windows": "victim.window=16",
        "windows, constant weights, small overlap": "victim.window=[16,24] victim.overlap=.25 "
        "victim.weighting=constant",
        "threshold": "victim.threshold=.3",
        "threshold of one logit": f"{ONE_LOGIT} victim.threshold=.7",
        "working size": "victim.resize=[40,24]",
        "input transforms": "victim.transform=[jpeg,median]",
        "post-processing": "victim.postprocess=[largest_component,fill_holes]",
        "all of these": "victim.transform=[bits] victim.resize=24 victim.window=16 victim.threshold=.6 "
        "victim.postprocess=[{remove_small:{pixels:9}}]",
        "normalisation, stride, input size": "victim.mean=[.1,0,0] victim.std=[.9,1,1] victim.stride=24 "
        "victim.input_size=40",
        "padding perturbed too": "victim.input_size=40 perturb=input",
        "defences": "defence=[bits,jpeg,median,resize]",
        "a defence before windows": "defence=[jpeg] victim.window=16",
    },
    "passes": {
        "bfloat16": "engine.precision=bf16",
        "float16": "engine.precision=16",
        "TF32": "engine.precision=tf32",
        "float64": "engine.precision=64",
        "no acceleration": "engine.fold=false engine.channels_last=false",
        "one slot, seldom looked at": "engine.slots=1 engine.sync_every=3",
        "rows written by a thread": "engine.background_writer=true",
        "an odd number of passes": "engine.max_passes=7",
        "steps, not passes": "engine.max_passes=null attacks.asma.max_steps=5 attacks.pgd.max_steps=3",
        "no stop, the last iterate": "attacks.asma.stop=false attacks.pgd.stop=false attacks.pgd.keep=last "
        "judge.value=.3",
        "success at the start": "judge.value=0",
        "restarts": "attacks.pgd.rule.restarts=3",
    },
    "attacks": {
        "ASMA's variants": "attack=[asma_auto,asma_linf,asma_polyak,asma_published,asma_published_static,asma_static,"
        "asma_static_mask,asma_static_multiplier]",
        "minimal norm": "attack=[alma_prox,dag,dag_l2,pdgd,pdpgd,pdpgd_l1,pdpgd_l2] engine.max_passes=40 "
        "judge.value=.3",
        "bisection": "attack=[pgd_bisection,pgd_l2_bisection] engine.max_passes=60 judge.value=.3",
        "budgets": "attack=[apgd,cospgd,fgsm,padam,padam_cos,pgd_margin,segpgd] budgets=[2,16]",
        "budgets, each from the one below": f"{UNTARGETED} judge=iou_truth budgets=[16,2,4] warm_start=true "
        "cold_images=1",
        "a budget in L2": "attack=pgd_l2",
        "one logit": f"{ONE_LOGIT} attack=[cospgd_sigmoid,asma]",
        "the largest budget": "attack=[pgd,fgsm] budgets=[255]",
        "noise of another's norm": "attack=[asma,pgd,noise] attacks.noise.equal_norm=asma attacks.noise.rule.norm=2",
        "noise": "attack=noise attacks.noise.rule.eps=.1",
        "experiment=sea": "experiment=sea budgets=[2,8] engine.max_passes=20",
        "experiment=fixed_budget": "experiment=fixed_budget budgets=[8] engine.max_passes=8",
    },
    "judges": {
        "IoU to the truth": f"{UNTARGETED} judge=iou_truth",
        "pixel accuracy": f"{UNTARGETED} judge=accuracy_truth",
        "area left": f"{UNTARGETED} judge=residual_area judge.value=.5",
        "area left of an erased target": "judge=residual_area judge.value=.5 target=erased",
        "Dice to the truth": f"{UNTARGETED} judge=iou_truth judge.metric=dice judge.value=.5",
        "pixels of the target": "judge.metric=apsr judge.reference=target judge.value=.6",
        "a value that some reach": "judge.value=.2 engine.max_passes=30",
    },
    "targets": {
        **{
            f"target={name}": f"attack=asma target={name}"
            for name in ("dilated", "eroded", "erased", "farthest", "nearest", "scaled", "shape", "shifted")
        },
        "no limit of likeness": "attack=asma target.max_iou=null",
        "drawn again and again": "attack=asma target=shifted target.max_iou=.3",
    },
    "data": {"three classes": f"{random_network(3)} data.classes=3", "validation images": "data.test_split=val"},
}

ON_FILES = {
    "folder": ("data=folder data.fractions=[.5,.25,.25]", WRITERS["folder"]),
    "folder, no background": (
        f"data=folder data.fractions=[.5,.25,.25] data.background=null {random_network()}",
        WRITERS["folder"],
    ),
    "a mask for all images": (
        "data=folder data.fractions=[.5,.25,.25] target=mask_file target.path={root}/masks/case0.png "
        "target.max_iou=null",
        WRITERS["folder"],
    ),
    "8 bits, grey": (f"{GREY} {random_network(2, 1)}", grey(8)),
    "12 bits": (f"{GREY} data.bits=12 {random_network(2, 1)}", grey(12)),
    "16 bits": (f"{GREY} data.bits=16 {random_network(2, 1)}", grey(16)),
    "isic2018": ("data=isic2018", WRITERS["isic2018"]),
    "medsegbench, three classes": (f"data=medsegbench {random_network(3)}", WRITERS["medsegbench"]),
    "cvc_clinicdb, groups": ("data=cvc_clinicdb", WRITERS["cvc_clinicdb"]),
    "refuge": (f"data=refuge {random_network()}", WRITERS["refuge"]),
    "pascal_voc, 21 classes, void": (
        f"data=pascal_voc {random_network(21)} target.max_iou=null",
        WRITERS["pascal_voc"],
    ),
    "cityscapes, 19 classes": (f"data=cityscapes {random_network(19)} target.max_iou=null", WRITERS["cityscapes"]),
}

TRAINED = {
    "U-Net": TINY,
    "with windows and a transform": f"{TINY} victim.window=32 victim.transform=[jpeg]",
    "one logit": f"{TINY} victim.head=sigmoid",
    "FPN, three classes": "victim=fpn victim.encoder=mobilenet_v2 data.classes=3",
    "an output smaller than the input": VALID,
    "padding perturbed too": f"{VALID} perturb=input",
    "a network of one's own": f"{random_network()} victim.window=24 victim.threshold=.4",
    "adversarially": f"{TINY} adversarial_training=pgd_at adversarial_training.warmup_epochs=0",
    "attacked while training": f"{TINY} training.attack_every=1 training.attack_images=2",
}


def _on_files(what: str, text: str, data: Callable[[Path], object]) -> HonestRun:
    name = next(part.partition("=")[2] for part in text.split() if part.startswith("data="))
    return HonestRun("data", what, ("data.root={root}", *OPTIONS.get(name, ()), *text.split()), data)


RUNS = [
    *(HonestRun(kind, what, (*text.split(),)) for kind, part in ON_DRAWN_IMAGES.items() for what, text in part.items()),
    *(_on_files(what, *made) for what, made in ON_FILES.items()),
    *(HonestRun("trained victims", what, (*text.split(),), trains=True) for what, text in TRAINED.items()),
]

QUICK = {"windows", "threshold of one logit", "bfloat16", "success at the start", "a value that some reach", "12 bits"}
"""Those that every test run makes."""
