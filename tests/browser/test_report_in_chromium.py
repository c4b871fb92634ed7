"""The report page in a browser without a network: it draws, sorts, filters, opens, and shuts nobody out."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.__main__ import main
from benchmark.report.page.page import write_page
from benchmark.results.loaded_runs import read_results
from benchmark.runs import tables
from tests.made_run import make_run, random_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WIDTHS = (1440, 390)


@pytest.fixture(scope="module")
def comparison(real_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs, what one of them does to the other victim, and a card, on one page."""
    folder = tmp_path_factory.mktemp("comparison")
    other = real_runs[2].parent / "deeplabv3plus" / "checkpoints" / "best.ckpt"
    transfer, card, page = folder / "transfer", folder / "theirs.json", folder / "comparison.html"
    assert main(["transfer", str(real_runs[0]), "--victims", str(other), "--out", str(transfer)]) == 0
    assert main(["export", str(real_runs[3]), "--card", str(card)]) == 0
    assert main(["report", *map(str, real_runs), str(transfer), str(card), "--out", str(page)]) == 0
    return page


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("which", ["run", "comparison"])
def test_it_renders_without_errors_or_requests(
    tab: Any, real_runs: list[Path], comparison: Path, width: int, which: str
) -> None:
    path = comparison if which == "comparison" else real_runs[0] / "report.html"
    shown = tab(path, width)
    shown.scroll_through()
    shown.keep_screenshot(f"{which}_{width}")
    assert shown.said == []
    assert [url for url in shown.asked if not url.startswith(("file:", "data:"))] == []
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    drawn = shown.locator("[data-plot] svg.main-svg").count()
    assert drawn >= shown.locator("[data-plot]").count() > 0
    pictures = shown.evaluate(
        "[...document.querySelectorAll('#cards img')].filter((one) => one.complete && !one.naturalWidth).length"
    )
    assert pictures == 0
    assert shown.locator("#cards .panels").count() > 0


def test_the_leaderboard_sorts_by_every_column(tab: Any, comparison: Path) -> None:
    shown = tab(comparison)
    headings = shown.locator("#leaderboard thead th")
    assert headings.count() > 10
    for index in range(headings.count()):
        numeric = "number" in (headings.nth(index).get_attribute("class") or "")
        for direction in ("ascending", "descending"):
            headings.nth(index).locator("button").press("Enter")
            assert headings.nth(index).get_attribute("aria-sort") == direction
            cells = shown.locator(f"#leaderboard tbody td:nth-child({index + 1})")
            raw = [cells.nth(k).get_attribute("data-value") for k in range(cells.count())]
            known = [value for value in raw if value != ""]
            assert raw[len(known) :] == [""] * (len(raw) - len(known)), "missing values come last"
            if numeric:
                assert [float(value) for value in known] == sorted(map(float, known), reverse=direction == "descending")
    assert shown.locator("#leaderboard [aria-sort]").count() == 1


def _shown_ids(shown: Any) -> list[str]:
    return [one.get_attribute("data-id") for one in shown.locator("#cards > li").all()]


def test_images_sort_and_filter_by_any_column(tab: Any, real_runs: list[Path]) -> None:
    rows = tables.read(real_runs[0]).to_pylist()
    shown = tab(real_runs[0] / "report.html")
    for name in ("l2", "adv8_iou_target", "id"):
        shown.select_option("[name=sort]", label=name)
        assert _shown_ids(shown) == [row["id"] for row in sorted(rows, key=lambda row: (row[name], row["id"]))]
    shown.click("[name=order]")
    assert _shown_ids(shown) == sorted((row["id"] for row in rows), reverse=True)
    middle = float(np.median([row["clean_iou_truth"] for row in rows]))
    shown.select_option("[name=column]", label="clean_iou_truth")
    shown.fill("[name=value]", f"{middle}")
    shown.press("[name=value]", "Enter")
    kept = {row["id"] for row in rows if row["clean_iou_truth"] >= middle}
    assert set(_shown_ids(shown)) == kept
    assert shown.inner_text("#count") == f"{len(kept)} of {len(rows)} shown"
    shown.fill("[name=find]", min(kept))
    assert _shown_ids(shown) == [min(kept)]
    shown.fill("[name=find]", "")
    shown.click("#filters button")
    assert len(_shown_ids(shown)) == len(rows)


def test_a_single_image_by_keyboard_alone(tab: Any, real_runs: list[Path]) -> None:
    shown = tab(real_runs[0] / "report.html")
    shown.locator("#cards a").first.focus()
    shown.keyboard.press("Enter")
    shown.wait_for_selector("#detail[open]")
    ids = _shown_ids(shown)
    assert shown.inner_text("#detail-title").startswith(ids[0])
    shown.keyboard.press("ArrowRight")
    shown.until(f"document.getElementById('detail-title').textContent.startsWith({json.dumps(ids[1])})")
    shown.keyboard.press("ArrowLeft")
    shown.until(f"document.getElementById('detail-title').textContent.startsWith({json.dumps(ids[0])})")
    columns = dict(
        zip(shown.locator("#columns th").all_inner_texts(), shown.locator("#columns td").all_inner_texts(), strict=True)
    )
    (row,) = [row for row in tables.read(real_runs[0]).to_pylist() if row["id"] == ids[0]]
    assert float(columns["l2"]) == pytest.approx(row["l2"], rel=1e-3)
    assert columns["steps"] == str(row["steps"])
    shown.keyboard.press("Escape")
    shown.wait_for_selector("#detail", state="hidden")
    shown.until(f"(document.activeElement.getAttribute('href') || '').endsWith({json.dumps(ids[0])})")


def test_the_slider_goes_from_clean_to_adversarial(tab: Any, real_runs: list[Path]) -> None:
    shown = tab(real_runs[0] / "report.html")
    shown.locator("#cards a").first.click()
    shown.wait_for_selector("#detail[open]")
    upper = shown.locator("#blend img").nth(1)
    sources = [one.get_attribute("src") for one in shown.locator("#blend img").all()]
    assert [source.split("/")[0] for source in sources] == ["pictures", "adversarial"], "lossless files, full size"
    assert upper.evaluate("one => getComputedStyle(one).opacity") == "0"
    shown.focus("#mix")
    for _ in range(25):
        shown.keyboard.press("ArrowRight")
    assert upper.evaluate("one => getComputedStyle(one).opacity") == "0.25"
    shown.keyboard.press("End")
    assert upper.evaluate("one => getComputedStyle(one).opacity") == "1"
    assert shown.get_attribute("#mix", "aria-valuetext") == "100 % adversarial"
    shown.keep_screenshot("image_1440")


def test_an_image_has_an_address_of_its_own(tab: Any, comparison: Path) -> None:
    shown = tab(comparison)
    link = shown.locator("#cards a").nth(3).get_attribute("href")
    again = tab(comparison, address=link)
    again.wait_for_selector("#detail[open]")
    assert again.get_attribute("#permalink", "href") == link
    again.click("#close")
    again.until("location.hash === ''")


def test_one_run_against_another(tab: Any, comparison: Path, real_runs: list[Path]) -> None:
    shown = tab(comparison)
    shown.select_option("#pair [name=x]", index=0)
    shown.select_option("#pair [name=y]", index=2)
    shown.select_option("#pair [name=column]", label="adv8_iou_target")
    one, other = ({row["id"]: row["adv8_iou_target"] for row in tables.read(real_runs[k]).to_pylist()} for k in (0, 2))
    above = sum(other[image] > one[image] for image in one)
    said = shown.inner_text("#pairs")
    assert said.startswith(f"adv8_iou_target of {len(one)} images:")
    assert f"has the larger value for {above}," in said
    points = shown.evaluate("document.getElementById('scatter-plot').data[1].x.length")
    assert points == len(one)


def test_mailed_without_its_folder_the_page_still_has_its_pictures(
    tab: Any, real_runs: list[Path], tmp_path: Path
) -> None:
    alone = tmp_path / "mailed.html"
    alone.write_bytes((real_runs[0] / "report.html").read_bytes())
    shown = tab(alone)
    shown.locator("#cards a").first.click()
    shown.until("[...document.querySelectorAll('#detail img')].every((one) => one.complete && one.naturalWidth > 0)")
    assert shown.locator("#blend img").count() == 2
    assert all(one.get_attribute("src").startswith("data:image/") for one in shown.locator("#blend img").all())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_serious_barrier(tab: Any, comparison: Path, axe: str, scheme: str, width: int) -> None:
    shown = tab(comparison, width, scheme)
    shown.scroll_through()
    shown.evaluate("[...document.querySelectorAll('details')].forEach((one) => { one.open = true; })")
    found = _violations(shown, axe)
    shown.locator("#cards a").first.click()
    shown.wait_for_timeout(300)
    found += _violations(shown, axe)
    if scheme == "dark":
        shown.keep_screenshot(f"dark_{width}")
    assert found == []


def _violations(shown: Any, axe: str) -> list[str]:
    # Not as an element of the page, whose policy lets no other script run.
    shown.evaluate(axe)
    result = shown.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_it_prints(tab: Any, real_runs: list[Path], tmp_path: Path) -> None:
    shown = tab(real_runs[0] / "report.html")
    shown.emulate_media(media="print")
    shown.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 100_000
    assert not shown.locator("#tools").is_visible()
    assert shown.locator("#cards .panels").count() == len(tables.read(real_runs[0]))


def test_without_scripts_the_numbers_are_there(browser: Any, real_runs: list[Path]) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((real_runs[0] / "report.html").resolve().as_uri())
    assert "success on the 8-bit file" in page.inner_text(".tiles")
    context.close()


def test_500_images_stay_smooth(tab: Any, tmp_path: Path) -> None:
    ids = [f"image {k:03d}" for k in range(500)]
    run = make_run(tmp_path / "run", random_rows("asma", ids), size=256)
    page = write_page(read_results([run]), run / "report.html")
    assert page.stat().st_size < 30e6
    times = []
    for _ in range(3):  # the machine may have other things to do; the page is as fast as it can be
        begin = time.perf_counter()
        shown = tab(page)
        shown.select_option("[name=sort]", label="l2")
        assert len(_shown_ids_quickly(shown)) == 500
        times.append(time.perf_counter() - begin)
    print(f"500 images: {page.stat().st_size / 1e6:.1f} MB, sorted after {', '.join(f'{t:.2f}' for t in times)} s")
    assert min(times) < 3
    shown.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    shown.wait_for_timeout(500)
    assert shown.said == []


def _shown_ids_quickly(shown: Any) -> list[str]:
    return shown.evaluate("[...document.querySelectorAll('#cards > li')].map((one) => one.dataset.id)")
