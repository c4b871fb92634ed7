import io

import pytest
from rich.console import Console

from benchmark.report.tables.console import print_summary
from benchmark.report.tables.table import TextTable, print_tables
from benchmark.results.summary import Summary, summarise
from benchmark.results.worst_case import worst_cases
from tests.example_rows import row, table


def _printed(*rows: dict, width: int = 80) -> str:
    stream, read = io.StringIO(), table(*rows)
    print_summary(Summary(summarise(read), worst_cases(read)), Console(file=stream, width=width))
    return stream.getvalue()


def _line(text: str, label: str) -> str:
    line = next(line for line in text.splitlines() if line.strip().startswith(label + "  "))
    return " ".join(line.split())


def test_numbers_stand_beside_their_names() -> None:
    text = _printed(*(row(str(i), adv_iou_target=0.90 + 0.02 * i, linf=0.1, success8=i < 3) for i in range(4)))
    assert _line(text, "success") == "success 100.0 % 51.0 to 100.0 %"
    assert _line(text, "success, 8-bit") == "success, 8-bit 75.0 % 30.1 to 95.4 %"
    assert _line(text, "IoU to target").startswith("IoU to target 0.930 ± 0.026 0.930 0.9")
    assert _line(text, "L∞ · 255 *") == "L∞ · 255 * 25.50 ± 0.00 25.50 25.50 to 25.50"


def test_fits_80_columns_without_colour_or_cut_words() -> None:
    wide = {"l2": 123.4, "linf": 1.0, "seconds": 1234.5, "psnr": 33.3}
    scaled = [{name: value * (1 + i / 10) for name, value in wide.items()} for i in range(9)]
    text = _printed(*(row(str(i), **values, steps=1000 * i) for i, values in enumerate(scaled)))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    assert "\x1b" not in text


def test_caption_names_attack_judge_and_what_was_left_out() -> None:
    text = _printed(
        row("a", judge="iou [target] >= 0.95"),
        row("b", judge="iou [target] >= 0.95", success=False, success8=False),
        row("c", judge="iou [target] >= 0.95", success_clean=True, nonfinite_gradient=True),
    )
    assert "asma · 3 images · victim victim" in text
    assert "Success: iou [target] >= 0.95." in text
    assert "Attacked: 2; already satisfied, left out: 1." in text
    assert "Failed: 1 in float, 1 after rounding to 8 bits." in text
    assert "because a gradient was not finite: 1." in text
    assert "* over the 1 successes" in text


def test_what_is_unknown_is_a_dash() -> None:
    text = _printed(row("a", success_clean=True))
    assert _line(text, "success") == "success - -"
    assert _line(text, "PSNR, dB *") == "PSNR, dB * - - -"
    assert _line(text, "steps") == "steps 4.0 4.0 -"


def test_one_attack_has_its_sizes() -> None:
    sized = {"clean_confusion_truth": [90, 7, 1, 2], "norm": "inf", "linf": 0.1}
    text = _printed(row("a", **sized), row("b", **sized, success8=False))
    assert _line(text, "small (< 5 %)") == "small (< 5 %) 2 50.0 9 to 91 inf 0.500 0.500"
    assert "Failures count as infinite in medians." in text


def test_one_attack_has_its_scores_after_transforms() -> None:
    text = _printed(row("a", jpeg_iou_truth=0.25))
    assert "Mean IoU to truth after input transforms" in text
    assert _line(text, "asma") == "asma 0.500 0.250"


def test_several_attacks_are_compared_and_not_detailed() -> None:
    text = _printed(*(row(image, attack=attack) for attack in ("asma", "pgd") for image in "ab"), width=100)
    assert _line(text, "asma") == "asma 100.0 34 to 100 0.500 0.500 to 0.500 127.50 4 4 0.500"
    assert "2 attacks by L2 · 2 images · victim victim" in text
    assert "Worst case over untargeted attacks" in text
    assert "mean ± std" not in text


def test_a_comparison_fits_100_columns() -> None:
    rows = [
        row(str(i), attack=f"segmentation_pgd_l2@{eps}", family="segmentation_pgd_l2", eps=eps, l2=99.0, passes=99999)
        for i in range(3)
        for eps in (0.5, 1.0, 2.0, 4.0, 8.0)
    ]
    others = [row(str(i), attack="asma [auto]", targeted=True, linf=1.0, l2=99.0 + i) for i in range(3)]
    text = _printed(*rows, *others, width=100)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "99.000 to 101.000" in text
    assert "…" not in text
    assert "asma [auto]" in text
    assert "segmentation_pgd" in text


def test_without_a_given_console_no_name_and_no_number_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    sizes = ["64 / 78.5 / 151", "33 / 80.5 / 201", "1000 of 2000 images"]
    print_tables([TextTable("t", ["split", *sizes], [["train", *sizes], ["validation", *sizes]])])
    names = [line.split("  ")[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert {"split", "train", "validation"} <= {*names}


def test_nothing_to_show_prints_nothing() -> None:
    assert _printed() == ""
