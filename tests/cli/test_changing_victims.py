"""Victims whose buffers change with every pass: the attacked one is the one that was given."""

from pathlib import Path

from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from tests.cli.test_images_alone import SHORT, pictures

FACTORY = "tests.cli.wrong_victims:counts_passes"


def test_a_run_is_verified_and_gone_on_with(command, tmp_path: Path) -> None:
    root, run = pictures(tmp_path / "photos", 3), tmp_path / "run"
    data = ("data=folder", f"data.root={root}", "data.labels=predicted")
    own = ("victim=python", f"victim.factory={FACTORY}")
    outcome = command("attack", *own, *data, *SHORT, "attack=pgd_margin", f"run.dir={run}")
    assert outcome.status == 0, outcome
    assert "changing_state" in outcome.err
    rows = tables.read(run).to_pylist()
    assert {row["weights_sha256"] for row in rows} == {RunFolder(run).environment()["weights_sha256"]}
    checked = command("verify", run, "--factory", FACTORY)
    assert checked.status == 0, checked
    RunFolder(run).adversarial("pgd_margin", rows[0]["id"]).unlink()
    resumed = command("attack", f"run.resume={run}", f"victim.factory={FACTORY}")
    assert resumed.status == 0, resumed
    assert "attacking 1 images" in resumed.out
