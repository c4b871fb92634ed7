"""What adversarial training buys on the ISIC sample; called with its ROOT, a FOLDER for the runs, and KEY=VALUE.

For each seed two victims are trained alike, one on clean images and one with `adversarial_training=pgd_at`. Both are
attacked within Linf 4/255 with PGD and SEA, and the hardened one is shown the undefended one's PGD files. Printed is
the IoU to the truth of the 8-bit files, and the 95 % bootstrap interval over images of the difference, image by image,
each image's difference being its mean over the seeds.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from benchmark.__main__ import main
from benchmark.results.intervals import bootstrap_means
from benchmark.results.transfer_matrix import TRANSFER
from benchmark.runs import tables

SEEDS = (0, 1, 2)
SETTING = (
    *("data=isic2018", "data.size=64", "victim=unet", "trainer=cpu", "trainer.max_epochs=30", "training.patience=30"),
    *("attack=[pgd,sea_mask_ce,sea_balanced_ce,sea_js]", "attacks.pgd.rule.targeted=false", "judge=iou_truth"),
    *("budgets=[4]", "engine.max_passes=64"),
)
SEA = ("sea_mask_ce@4", "sea_balanced_ce@4", "sea_js@4")
COLUMNS = ("clean", "PGD", "SEA", "transfer")


def compare(root: Path, folder: Path, options: Sequence[str] = (), seeds: Sequence[int] = SEEDS) -> str:
    """Run everything and return the table."""
    scores: dict[str, list[dict[str, dict[str, float]]]] = {"none": [], "pgd_at": []}
    for seed in seeds:
        for adversarial_training in scores:
            run = folder / f"{adversarial_training}_{seed}"
            chosen = (
                f"data.root={root}",
                f"seed={seed}",
                f"adversarial_training={adversarial_training}",
                f"run.dir={run}",
            )
            if not (run / "summary.json").exists():
                assert main(["run", *SETTING, *options, *chosen]) == 0
        source, hardened = folder / f"none_{seed}", folder / f"pgd_at_{seed}" / "checkpoints" / "best.ckpt"
        shown = folder / f"transfer_{seed}"
        if not (shown / "summary.json").exists():
            assert main(["transfer", str(source), "--victims", str(hardened), "--out", str(shown)]) == 0
        seen = [row for row in TRANSFER.read(shown).to_pylist() if row["attack"] == "pgd@4"]
        for adversarial_training, result in scores.items():
            own = _own(folder / f"{adversarial_training}_{seed}")
            files = [row for row in seen if row["white_box"] == (adversarial_training == "none")]
            result.append(own | {"transfer": {row["id"]: row["adv8_iou_truth"] for row in files}})
    return _table(scores["none"], scores["pgd_at"])


def _own(run: Path) -> dict[str, dict[str, float]]:
    rows = tables.read(run).to_pylist()
    by_attack = {
        name: {row["id"]: row["adv8_iou_truth"] for row in rows if row["attack"] == name} for name in ("pgd@4", *SEA)
    }
    clean = {row["id"]: row["clean_iou_truth"] for row in rows}
    worst = {image_id: min(by_attack[name][image_id] for name in SEA) for image_id in clean}
    return {"clean": clean, "PGD": by_attack["pgd@4"], "SEA": worst}


def _table(undefended: Sequence[dict[str, dict[str, float]]], hardened: Sequence[dict[str, dict[str, float]]]) -> str:
    lines = ["| IoU to truth | undefended | hardened | difference | 95 % interval |", "|---|---|---|---|---|"]
    for column in COLUMNS:
        ids = sorted(undefended[0][column])
        before, after = (
            np.array([mean(one[column][image_id] for one in victims) for image_id in ids])
            for victims in (undefended, hardened)
        )
        bounds = bootstrap_means((after - before)[:, None], ids)[0]
        assert bounds is not None
        interval = " to ".join(f"{bound:+.3f}" for bound in bounds)
        lines.append(
            f"| {column} | {before.mean():.3f} | {after.mean():.3f} | {(after - before).mean():+.3f} | {interval} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(compare(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
