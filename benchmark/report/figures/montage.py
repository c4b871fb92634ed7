"""The montage: for each image the truth, the target, the adversarial image, the predictions and the perturbation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.atomic_files import atomic_path
from benchmark.images.label_maps import colour_of
from benchmark.results.erased_targets import left_text
from benchmark.results.truth_name import truth_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = ("image", "truth", "prediction", "target", "adversarial", "prediction on it", "perturbation")
_INK, _PALE = "#222222", "#777777"
_FILL = 0.38  # the opacity of the fill of a class
_PANEL_INCHES, _HEADER_INCHES, _TOP_INCHES = 1.72, 0.34, 0.42


@dataclass(frozen=True, kw_only=True)
class MontageItem:
    """One attacked image.

    `image` and `adv` are (H, W, C) uint8 with 1 or 3 channels, `delta` is (H, W, C) float, `adv` minus the
    clean image on the [0,1] scale; `truth`, `target`, `clean_pred`, `adv_pred` are (H, W) int class maps,
    `VOID` where no class is known. The other fields are the caption: IoU to target in [0,1], PSNR in dB, steps.
    """

    id: str
    image: NDArray[Any]
    truth: NDArray[Any]
    target: NDArray[Any]
    adv: NDArray[Any]
    clean_pred: NDArray[Any]
    adv_pred: NDArray[Any]
    delta: NDArray[Any]
    iou_target: float
    psnr: float | None
    steps: int
    success: bool
    truth_name: str = "truth"  # what the truth is called
    satisfied: bool = False  # whether the clean image satisfies the judge, so that it was not attacked
    left: str | None = None  # what is left of a structure that the target erases, in words; None: IoU is judged

    @classmethod
    def of_row(cls, row: Mapping[str, Any], **arrays: Any) -> "MontageItem":
        """An item whose caption has the scores of the row's 8-bit file; `arrays` are the pictures and label maps."""
        success, satisfied = bool(row["success8"]), bool(row["success_clean"])
        scores = {"iou_target": row["adv8_iou_target"], "psnr": row["adv8_psnr"], "steps": row["steps"]}
        scores |= {"id": row["id"], "truth_name": truth_name([row]), "left": left_text(row)}
        return cls(**arrays, **scores, success=success, satisfied=satisfied)


def montage(path: Path, items: Sequence[MontageItem], title: str = "", dpi: int = 150) -> Path:
    """Draw a line of pictures for each item into a PNG, written whole or not at all.

    Each class has a fill and an outline, except class 0. On the prediction of the adversarial image, a dashed white
    line shows the target. Raises ValueError without items.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if not items:
        raise ValueError("montage: no items to draw")
    figure = _layout(items, title)
    FigureCanvasAgg(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, facecolor="white")
    return path


def _layout(items: Sequence[MontageItem], title: str) -> "Figure":
    from matplotlib.figure import Figure

    # The height of a line follows its image, so that wide images leave no gaps.
    heights = [_HEADER_INCHES + _PANEL_INCHES * min(1.6, item.image.shape[0] / item.image.shape[1]) for item in items]
    top = _TOP_INCHES + (0.3 if title else 0)
    width, height = _PANEL_INCHES * len(_PANELS), sum(heights) + top
    figure = Figure(figsize=(width, height))
    if title:
        # A $ in a name must not start a formula.
        y = 1 - 0.2 / height
        figure.text(0.004, y, title, fontsize=11, fontweight="bold", color=_INK, va="center", parse_math=False)
    for column, name in enumerate(_PANELS):
        x = (column + 0.5) / len(_PANELS)
        shown = items[0].truth_name if name == "truth" else name
        figure.text(x, 1 - (top - 0.14) / height, shown, fontsize=9, color=_PALE, ha="center", va="center")
    edge = top
    for item, line in zip(items, heights, strict=True):
        _header(figure, item, 1 - (edge + 0.21) / height)
        for column in range(len(_PANELS)):
            bottom, panel = 1 - (edge + line) / height, (line - _HEADER_INCHES) / height
            axes = figure.add_axes((column / len(_PANELS) + 0.002, bottom, 1 / len(_PANELS) - 0.004, panel * 0.985))
            axes.set_axis_off()
            _draw(axes, item, _PANELS[column])
        edge += line
    return figure


def _header(figure: "Figure", item: MontageItem, y: float) -> None:
    mark, colour = ("✓ success", "#006B4E") if item.success else ("✗ failed", "#B24A00")
    if item.satisfied:
        mark, colour = "– already satisfied", _PALE
    psnr = "–" if item.psnr is None or not math.isfinite(item.psnr) else f"{item.psnr:.1f} dB"
    steps = "1 step" if item.steps == 1 else f"{item.steps} steps"
    score = item.left or f"IoU to target {item.iou_target:.3f}"
    numbers = f"{score}   ·   PSNR {psnr}   ·   {steps}"
    name = item.id if len(item.id) <= 48 else f"{item.id[:30]}…{item.id[-16:]}"
    figure.text(0.004, y, name, fontsize=9, fontweight="bold", color=_INK, va="center", parse_math=False)
    figure.text(0.996, y, numbers, fontsize=9, color=_INK, va="center", ha="right")
    figure.text(0.5, y, mark, fontsize=9, fontweight="bold", color=colour, va="center", ha="center")


def _draw(axes: "Axes", item: MontageItem, panel: str) -> None:
    if panel == "perturbation":
        _draw_perturbation(axes, item.delta)
        return
    image, labels = {
        "image": (item.image, None),
        "truth": (item.image, item.truth),
        "prediction": (item.image, item.clean_pred),
        "target": (item.image, item.target),
        "adversarial": (item.adv, None),
        "prediction on it": (item.adv, item.adv_pred),
    }[panel]
    _draw_classes(axes, _rgb(image), labels)
    if panel == "prediction on it":
        _outline(axes, item.target, dashed=True)


def _rgb(image: NDArray[Any]) -> NDArray[np.float64]:
    picture = np.asarray(image, dtype=np.float64) / 255
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture[..., :3]


def _classes(labels: NDArray[Any]) -> list[int]:
    return [int(label) for label in np.unique(labels) if label > 0]


def _draw_classes(axes: "Axes", picture: NDArray[np.float64], labels: NDArray[Any] | None) -> None:
    """Draw the picture, with a fill and an outline for each class of `labels`."""
    from matplotlib.colors import to_rgb

    for label in [] if labels is None else _classes(labels):
        picture[labels == label] = (1 - _FILL) * picture[labels == label] + _FILL * np.array(to_rgb(colour_of(label)))
    axes.imshow(picture)
    if labels is not None:
        _outline(axes, labels)


def _outline(axes: "Axes", labels: NDArray[Any], dashed: bool = False) -> None:
    for label in _classes(labels):
        # A border of zeros closes the line where a region touches the picture's edge.
        inside = np.pad((labels == label).astype(float), 1)
        x, y = np.arange(-1, labels.shape[1] + 1), np.arange(-1, labels.shape[0] + 1)
        colour, style = ("white", "--") if dashed else (colour_of(label), "-")
        axes.contour(x, y, inside, levels=[0.5], colors=[colour], linewidths=1.1, linestyles=style)
    axes.set_xlim(-0.5, labels.shape[1] - 0.5)
    axes.set_ylim(labels.shape[0] - 0.5, -0.5)


def _draw_perturbation(axes: "Axes", delta: NDArray[Any]) -> None:
    scale, largest = amplification(delta), float(np.abs(delta).max(initial=0))
    axes.imshow(_rgb(np.clip(0.5 + scale * np.asarray(delta, dtype=np.float64), 0, 1) * 255))
    note = "no change" if largest == 0 else f"×{scale}, |δ|∞ {largest * 255:.1f}/255"
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axes.text(0.03, 0.04, note, transform=axes.transAxes, fontsize=7.5, color=_INK, va="bottom", bbox=box)


def amplification(delta: NDArray[Any]) -> int:
    """The whole factor ≥ 1 that spreads all but the largest 0.5 % of values over the range around mid-grey."""
    typical = float(np.quantile(np.abs(delta), 0.995)) if delta.size else 0.0
    return max(1, min(999, int(0.5 / typical))) if typical > 0 else 1
