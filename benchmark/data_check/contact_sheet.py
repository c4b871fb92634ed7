"""Contact sheets: small copies of a split's images with the outlines of their masks; those with findings first."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmark.data_check.scan import SIDE, Item

MOST = 120  # images on a sheet
COLUMNS = 10
TITLE = 14  # pixels above each image, for its id
EDGE = 4
FRAME = (220, 30, 30)
# Of classes, in turn; none of them is the colour of a frame.
COLOURS = ((60, 230, 90), (70, 170, 255), (255, 220, 60), (255, 110, 230), (90, 240, 240), (255, 150, 60))


def contact_sheet(items: Sequence[Item], marked: Mapping[int, str], background: int | None) -> Image.Image:
    """A sheet of at most `MOST` items: the `marked` ones (place -> what is wrong), framed, then some others."""
    places = _chosen(len(items), marked)
    width, height = SIDE + 2 * EDGE, SIDE + TITLE + 2 * EDGE
    rows = -(-len(places) // COLUMNS)
    sheet = Image.new("RGB", (width * min(COLUMNS, len(places)), height * rows), "white")
    draw = ImageDraw.Draw(sheet)
    font = _font()
    for number, place in enumerate(places):
        left, top = width * (number % COLUMNS), height * (number // COLUMNS)
        if place in marked:
            draw.rectangle((left, top, left + width - 1, top + height - 1), fill=FRAME)
        colour = "white" if place in marked else "black"
        draw.text((left + EDGE, top + 2), _fitting(items[place].id, font), fill=colour, font=font)
        sheet.paste(_tile(items[place], background), (left + EDGE, top + TITLE + EDGE))
        if place in marked:
            draw.rectangle((left, top + height - TITLE, left + width - 1, top + height - 1), fill=FRAME)
            draw.text((left + EDGE, top + height - TITLE + 1), marked[place], fill="white", font=font)
    return sheet


def _font() -> ImageFont.FreeTypeFont:
    """The font of matplotlib, because ids may have letters beyond ASCII, which Pillow's own font lacks."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size=9)


def _chosen(count: int, marked: Mapping[int, str]) -> list[int]:
    first = sorted(marked)[:MOST]
    others = [place for place in range(count) if place not in marked]
    room = min(MOST - len(first), len(others))
    return first + [others[i] for i in np.linspace(0, len(others) - 1, room).round().astype(int)]


def _tile(item: Item, background: int | None) -> Image.Image:
    if item.small is None:
        tile = Image.new("RGB", (SIDE, SIDE), (90, 90, 90))
        ImageDraw.Draw(tile).text((EDGE, SIDE // 2 - 6), "unreadable", fill="white")
        return tile
    pixels = item.small.copy()
    for index in [] if item.small_mask is None else np.unique(item.small_mask).tolist():
        if index == background:
            continue
        region = np.pad((item.small_mask == index).astype(np.uint8), 1)
        inner = cv2.erode(region, np.ones((3, 3), np.uint8))[1:-1, 1:-1]
        pixels[(item.small_mask == index) & (inner == 0)] = COLOURS[index % len(COLOURS)]
    return Image.fromarray(pixels)


def _fitting(title: str, font: ImageFont.FreeTypeFont) -> str:
    """The title, cut at its beginning to the width of an image: ids differ at their ends."""
    while font.getlength(title) > SIDE and len(title) > 1:
        title = title[1:]
    return title
