"""The ASMA paper's own experiment: what it is configured as, and the real pictures through it end to end."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from benchmark.config.groups import conf_folder
from benchmark.config.resolvers import register_resolvers
from benchmark.images.label_maps import VOID, load_map
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder

EXPERIMENTS = ("paper_glaucoma", "paper_isic")
# A quarter of the paper's pixels along each side, half of its channels: minutes on two cores, not days. Documented in
# docs/paper.md, word for word.
QUARTER = (
    *("data.size=102", "victim.input_size=284", "victim.options.widths=[16,32,64,128,256]"),
    "trainer.check_val_every_n_epoch=50",
    *("attack=[asma]", "attacks.asma.rule.tau=1e-5", "attacks.asma.rule.beta=1e-4", "judge.value=0.9"),
)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_published_parameters(name: str) -> None:
    register_resolvers("stamp")
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg: Any = OmegaConf.to_container(compose("config", [f"experiment={name}"]))
    victim, attacks = cfg["victim"], cfg["attacks"]
    assert (victim["architecture"], victim["input_size"], victim["options"]) == (
        *("unet_valid", 572),
        {"widths": [32, 64, 128, 256, 512]},
    )
    assert (victim["mean"], victim["std"], cfg["perturb"]) == ([0, 0, 0], [1, 1, 1], "input")
    assert set(attacks) == {"asma_published", "asma_published_static"}
    for attack in attacks.values():
        assert (attack["max_steps"], attack["stop"], attack["keep"]) == (2501, False, "last")
        assert (attack["rule"]["tau"], attack["rule"]["beta"], attack["rule"]["two_pass"]) == (1e-7, 1e-6, True)
    assert attacks["asma_published"]["rule"].get("adaptive_mask", True)
    assert not attacks["asma_published_static"]["rule"]["adaptive_mask"]


def test_the_pictures_go_through(command, rim_one_root: Path, tmp_path: Path) -> None:
    """A small network, two epochs, two steps: everything but the numbers."""
    run = tmp_path / "run"
    outcome = command(
        *("run", "experiment=paper_glaucoma", f"data.root={rim_one_root}", "trainer=cpu", "trainer.max_epochs=2"),
        *("data.size=28", "victim.input_size=60", "victim.options.widths=[4,6,8]", f"run.dir={run}"),
        *("attacks.asma_published.max_steps=2", "attacks.asma_published_static.max_steps=2"),
    )
    assert outcome.status == 0, outcome
    rows = tables.read(run).to_pylist()
    assert {(row["attack"], row["id"], row["target"]) for row in rows} == {
        (attack, one, f"other_image:{other}")
        for attack in ("asma_published", "asma_published_static")
        for one, other in (("G_5_R_1", "G_14_R_1"), ("G_14_R_1", "G_5_R_1"))
    }
    for row in rows:
        # Of 28 pixels padded to 60 by 16 on each side, the middle 20 are shown.
        assert (row["height"], row["width"], row["valid_pixels"], row["steps"]) == (60, 60, 400, 2)
        for path in (
            RunFolder(run).adversarial(row["attack"], row["id"]),
            RunFolder(run).prediction(row["attack"], row["id"]),
            RunFolder(run).picture("target", row["id"]),
        ):
            with Image.open(path) as picture:
                assert picture.size == (60, 60)
        assert (load_map(RunFolder(run).picture("truth", row["id"]), inside=run) != VOID).sum() == 400
    assert (run / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parallel
def test_each_picture_is_given_the_others_mask(command, rim_one_root: Path, tmp_path: Path) -> None:
    """Trained on augmented crops of both, each attacked towards the other's mask: IoU of the file at least .9."""
    run = tmp_path / "run"
    outcome = command(
        *("run", "experiment=paper_glaucoma", f"data.root={rim_one_root}", "trainer=cpu", *QUARTER, f"run.dir={run}")
    )
    assert outcome.status == 0, outcome
    print(outcome.out)
    rows = tables.read(run).to_pylist()
    assert {row["target"] for row in rows} == {"other_image:G_5_R_1", "other_image:G_14_R_1"}
    for row in rows:
        assert row["adv8_iou_target"] >= 0.9, row["id"]
        assert row["clean_iou_target"] < 0.5
        assert row["clean_iou_truth"] > 0.8
