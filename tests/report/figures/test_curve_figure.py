import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from benchmark.report.figures import curve_figure
from benchmark.report.figures.curve_figure import LINE_COLOURS, draw_curves
from benchmark.results.success_curves import families
from tests.example_rows import row


def _rows(attack: str, **changes: Any) -> list[dict[str, Any]]:
    return [
        row(str(i), attack=attack, l2=1.0 + i, linf=0.01 * (i + 1), success_passes=i + 1, **changes) for i in range(4)
    ]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were laid out."""
    figures: list[Figure] = []
    layout = curve_figure._layout

    def kept(*args: Any) -> Figure:
        figures.append(layout(*args))
        return figures[-1]

    monkeypatch.setattr(curve_figure, "_layout", kept)
    return figures


def _titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_a_panel_per_norm_and_one_for_passes(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves(tmp_path / "c.png", [*_rows("asma"), *_rows("dag")])
    draw_curves(tmp_path / "c.png", [*_rows("asma"), *_rows("alma_prox", norm="inf")])
    assert _titles(drawn[0]) == ["success by L2", "success by passes"]
    note = " (thin: attacks on other norms)"
    assert _titles(drawn[1]) == [f"success by L2{note}", f"success by L∞{note}", "success by passes"]


def test_sweeps_are_drawn_over_their_budgets(tmp_path: Path, drawn: list[Figure]) -> None:
    sweep = {"family": "pgd", "norm": "inf"}
    rows = [one for eps in (1, 2, 8) for one in _rows(f"pgd@{eps}", eps=eps / 255, success=eps > 2, **sweep)]
    draw_curves(tmp_path / "c.png", rows)
    assert _titles(drawn[0]) == [
        "success by passes (at the largest budget)",
        "success by budget (float)",
        "median IoU to truth by budget (float)",
    ]
    (line,) = drawn[0].axes[1].lines
    assert line.get_xdata() == pytest.approx([1, 2, 8])
    assert list(line.get_ydata()) == [0, 0, 1]
    assert [label.get_text() for label in drawn[0].axes[1].get_xticklabels()] == ["1", "2", "8"]


def test_steps_end_at_the_rate_of_success(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = _rows("asma")
    rows[3] |= {"success8": False}
    draw_curves(tmp_path / "c.png", [*rows, *_rows("dag")])
    asma, dag = drawn[0].axes[0].lines
    assert (asma.get_ydata()[0], asma.get_ydata()[-1], dag.get_ydata()[-1]) == (0, 0.75, 1)
    assert asma.get_xdata()[1:-1] == pytest.approx([1, 2, 3])


def test_a_control_is_dashed_in_the_colour_of_what_it_copies(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_curves(tmp_path / "c.png", [*_rows("asma"), *_rows("dag"), *_rows("noise", equal_norm="dag", success8=False)])
    _, dag, noise = drawn[0].axes[0].lines
    assert noise.get_color() == dag.get_color()
    assert (dag.get_linestyle(), noise.get_linestyle()) == ("-", "--")


def test_a_swept_control_is_dashed_in_the_colour_of_the_sweep(tmp_path: Path, drawn: list[Figure]) -> None:
    sweep = [one for eps in (2, 10) for one in _rows(f"pgd@{eps}", family="pgd", norm="inf", eps=eps / 255)]
    control = [
        one | {"attack": f"noise@{one['attack'][4:]}", "family": "noise", "equal_norm": one["attack"]} for one in sweep
    ]
    draw_curves(tmp_path / "c.png", [*_rows("asma"), *sweep, *control])
    by_l2, _, by_budget, _ = drawn[0].axes
    asma, *swept = by_l2.lines
    for noise, pgd in (swept, by_budget.lines):
        assert noise.get_color() == pgd.get_color() != asma.get_color()
        assert (noise.get_linestyle(), pgd.get_linestyle()) == ("--", "-")
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == ["asma", "noise (best of 2 budgets)", "pgd (best of 2 budgets)"]


def test_passes_of_a_sweep_are_those_of_the_largest_budget(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = [one for eps in (2, 10) for one in _rows(f"pgd@{eps}", family="pgd", eps=float(eps), success8=eps == 10)]
    draw_curves(tmp_path / "c.png", rows)
    assert drawn[0].axes[0].lines[0].get_ydata()[-1] == 1


def test_many_attacks_are_told_apart(tmp_path: Path, drawn: list[Figure]) -> None:
    names = [f"attack {i:02d}" for i in range(16)]
    rows = [one for name in names for one in _rows(name)]
    draw_curves(tmp_path / "c.png", rows)
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == names
    looks = {(line.look["color"], str(line.look["linestyle"])) for line in curve_figure._lines(families(rows))}
    assert len(looks) == 16


@pytest.mark.parametrize(
    "changes",
    [{"success8": False}, {"success_clean": True}, {"norm": None, "targeted": None}, {"family": "$x_1$"}, {"l2": 0.0}],
    ids=str,
)
def test_draws_unusual_rows(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = draw_curves(tmp_path / "c.png", [row("a", **changes), row("b", **changes)], title="$a_1")
    assert Image.open(path).size[0] > 1000
    assert [file.name for file in tmp_path.iterdir()] == ["c.png"]


def test_lines_are_seen(tmp_path: Path) -> None:
    picture = np.asarray(Image.open(draw_curves(tmp_path / "c.png", _rows("asma"))).convert("RGB")) / 255
    assert (np.abs(picture - to_rgb(LINE_COLOURS[0])).max(-1) < 0.02).sum() > 1000


def test_no_rows_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="curves: no rows"):
        draw_curves(tmp_path / "c.png", [])
    assert list(tmp_path.iterdir()) == []


def test_reading_curves_needs_no_matplotlib() -> None:
    code = (
        "import sys, benchmark.report.figures.curve_figure; print('matplotlib' in sys.modules, 'torch' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["False", "False"]
