import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.results.summary import summarise
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.points import attack_logs
from benchmark.tracking.wandb.dashboard import make_dashboard
from benchmark.tracking.wandb.dashboard_keys import GLOBAL_STEP, Logged, LoggedAttack
from tests.tracking.example_epoch import rows, traces
from tests.tracking.wandb.specification import Named, named, panels

FACTS = {
    "asma": {"family": "asma", "norm": "2", "eps": None, "equal_norm": None, "targeted": True},
    "noise": {"family": "noise", "norm": "2", "eps": None, "equal_norm": None, "targeted": False},
}


def example() -> Logged:
    """What two small attacks and a training have logged."""
    logs = attack_logs(
        FinishedEpoch(rows=rows(), traces=traces(), summaries=summarise(rows()), montages={"asma": Path("montage.png")})
    )
    attacks = {log.attack: LoggedAttack.of(FACTS[log.attack], log) for log in logs}
    return Logged(frozenset({"val/iou", "val/loss", "train/loss", "val_attack/asma/success8_rate"}), attacks)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may ask anybody."""

    def refuse(*_: Any) -> None:
        raise AssertionError("no network is needed")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    return make_dashboard(example(), "bench", "team", find_runs=False).specification()


def _sections(specification: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found = specification["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in found}


def _titles(found: list[dict[str, Any]]) -> list[str]:
    return [panel["config"].get("chartTitle", "") for panel in found]


def test_it_is_for_that_project(specification: dict[str, Any]) -> None:
    workspace, report = specification["workspace"], specification["report"]
    assert (workspace["entity"], workspace["project"]) == ("team", "bench")
    assert report["project"] == {"name": "bench", "entityName": "team"}
    assert workspace["displayName"] == report["displayName"] == "Attacks compared"


def test_sections_are_what_a_team_compares(specification: dict[str, Any]) -> None:
    assert list(_sections(specification)) == [
        *("Leaderboard", "Clean and adversarial IoU", "Perturbation", "Cost"),
        *("Curves over steps", "Single images", "Pictures", "Training"),
    ]
    headings = [b["children"][0]["text"] for b in specification["report"]["spec"]["blocks"] if b["type"] == "heading"]
    assert headings == [name for name in _sections(specification) if name != "Single images"]


def test_the_leaderboard_has_every_attack_and_its_interval(specification: dict[str, Any]) -> None:
    rate, low, high, *single = _sections(specification)["Leaderboard"]
    assert rate["config"]["metrics"] == ["attack/asma/success8_rate", "attack/noise/success8_rate"]
    assert low["config"]["metrics"][0] == "attack/asma/success8_rate_ci95/low"
    assert high["config"]["metrics"][0] == "attack/asma/success8_rate_ci95/high"
    assert [panel["config"]["metrics"] for panel in single] == [[key] for key in rate["config"]["metrics"]]


def test_the_target_is_for_attacks_that_have_one(specification: dict[str, Any]) -> None:
    found = _sections(specification)["Clean and adversarial IoU"]
    aimed = [key for panel in found for _, key in named(panel) if "iou_target" in key]
    assert set(aimed) == {"attack/asma/clean_iou_target/mean", "attack/asma/adv8_iou_target/mean"}


def test_each_curve_has_its_own_axis(specification: dict[str, Any]) -> None:
    axes = {"Curves over steps": "step", "Single images": "image/index"}
    for section, axis in axes.items():
        plots = [panel for panel in _sections(specification)[section] if panel["viewType"] == "Run History Line Plot"]
        assert plots
        for panel in plots:
            (attack,) = {key.split("/")[1] for key in panel["config"]["metrics"]}
            assert panel["config"]["xAxis"] == f"attack/{attack}/{axis}"
    assert {panel["config"]["xAxis"] for panel in _sections(specification)["Training"]} == {GLOBAL_STEP}


def test_training_curves_of_one_name_share_a_panel(specification: dict[str, Any]) -> None:
    metrics = {
        panel["config"]["chartTitle"]: panel["config"]["metrics"] for panel in _sections(specification)["Training"]
    }
    assert metrics == {
        "iou": ["val/iou"],
        "loss": ["train/loss", "val/loss"],
        "success8_rate, attack on validation images": ["val_attack/asma/success8_rate"],
    }


def test_pictures_are_montages_and_tables(specification: dict[str, Any]) -> None:
    assert {one for panel in _sections(specification)["Pictures"] for one in named(panel)} == {
        Named("image", "attack/asma/montage"),
        Named("table", "attack/asma/images"),
        Named("table", "attack/noise/images"),
    }


def test_runs_are_grouped_and_begin_with_the_headline(specification: dict[str, Any]) -> None:
    (runs,) = specification["workspace"]["spec"]["section"]["runSets"]
    assert runs["grouping"] == [{"section": "run", "name": "group"}]
    pinned = [name for name, value in runs["runFeed"]["columnPinned"].items() if value]
    assert pinned == [
        "run:displayName",
        *("summary:attack/asma/success8_rate", "summary:attack/asma/adv8_iou_target/mean"),
        *("summary:attack/noise/success8_rate", "summary:attack/noise/adv8_iou_truth/mean"),
    ]
    grids = [block for block in specification["report"]["spec"]["blocks"] if block["type"] == "panel-grid"]
    for grid in grids:
        (own,) = grid["metadata"]["runSets"]
        assert own["grouping"] == runs["grouping"]
        assert list(own["runFeed"]["columnPinned"]) == pinned[1:]


def test_panels_of_a_report_do_not_overlap(specification: dict[str, Any]) -> None:
    for block in specification["report"]["spec"]["blocks"]:
        taken = [
            (panel["layout"]["x"] + x, panel["layout"]["y"] + y)
            for panel in panels(block)
            for x in range(panel["layout"]["w"])
            for y in range(panel["layout"]["h"])
        ]
        assert len(set(taken)) == len(taken)
        assert max((x for x, _ in taken), default=0) < 24


def test_identifiers_are_unique(specification: dict[str, Any]) -> None:
    identifiers = [panel["__id__"] for panel in panels(specification)]
    assert len(set(identifiers)) == len(identifiers)


def test_it_is_the_same_in_every_process(specification: dict[str, Any]) -> None:
    code = (
        "import json, tests.tracking.wandb.test_dashboard as t; "
        "print(json.dumps(t.make_dashboard(t.example(), 'bench', 'team', find_runs=False).specification()))"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {"PYTHONPATH": str(root), "PYTHONHASHSEED": "7", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout) == specification


def test_without_attacks_there_is_training_only() -> None:
    made = make_dashboard(Logged(frozenset({"val/iou"}), {}), "bench", "", find_runs=False)
    assert list(_sections(made.specification())) == ["Training"]


def test_budgets_of_a_family_are_compared() -> None:
    whole = example()
    renamed = {}
    for name, eps in (("pgd@0.5", 0.5), ("pgd@4", 4.0)):
        key = name.replace(".", "_")
        keys = frozenset(one.replace("asma", key) for one in whole.attacks["asma"].keys)
        renamed[name] = LoggedAttack(FACTS["asma"] | {"family": "pgd", "norm": "inf", "eps": eps / 255}, {}, keys)
    specification = make_dashboard(Logged(frozenset(), renamed), "bench", "", find_runs=False).specification()
    success, iou = _sections(specification)["Success over the budget"]
    assert _titles([success, iou]) == ["pgd: success by rising budget", "pgd: IoU to the target by rising budget"]
    assert success["config"]["metrics"] == ["attack/pgd@0_5/success8_rate", "attack/pgd@4/success8_rate"]
