"""Contact sheets: where images, outlines and frames lie."""

import numpy as np

from benchmark.data_check.contact_sheet import COLOURS, COLUMNS, EDGE, FRAME, MOST, TITLE, contact_sheet
from benchmark.data_check.scan import SIDE, Item


def _item(id: str, value: int) -> Item:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[20:60, 30:70] = 1
    return Item(split="train", id=id, small=np.full((SIDE, SIDE, 3), value, np.uint8), small_mask=mask)


def test_the_outline_of_a_mask() -> None:
    sheet = np.array(contact_sheet([_item("a", 100)], {}, background=0))
    tile = sheet[TITLE + EDGE :, EDGE:][:SIDE, :SIDE]
    outline = np.zeros((SIDE, SIDE), bool)
    outline[20:60, 30:70] = True
    outline[21:59, 31:69] = False
    assert np.array_equal(tile[outline], np.tile(np.uint8(COLOURS[1]), (outline.sum(), 1)))
    assert np.all(tile[~outline] == 100)


def test_marked_images_come_first_and_are_framed() -> None:
    items = [_item(f"{i}", i) for i in range(12)]
    sheet = np.array(contact_sheet(items, {7: "same mask"}, background=0))
    width, height = SIDE + 2 * EDGE, SIDE + TITLE + 2 * EDGE
    assert sheet.shape == (2 * height, COLUMNS * width, 3)
    assert tuple(sheet[height // 2, 0]) == FRAME
    assert tuple(sheet[height // 2, width]) == (255, 255, 255)
    middle = [int(sheet[height // 2 + TITLE, x * width + width // 2 + 40, 0]) for x in range(4)]
    assert middle == [7, 0, 1, 2]


def test_ids_beyond_ascii_are_legible() -> None:
    titles = [np.array(contact_sheet([_item(id, 0)], {}, background=0))[:TITLE] for id in "éßд\ue000"]
    *letters, unknown = (title.tobytes() for title in titles)
    assert len({*letters, unknown}) == 4


def test_a_sheet_has_room_for_so_many() -> None:
    items = [_item(f"{i}", i % 250) for i in range(3 * MOST)]
    sheet = contact_sheet(items, {5: "x", 300: "y"}, background=0)
    assert sheet.height == MOST // COLUMNS * (SIDE + TITLE + 2 * EDGE)


def test_an_image_that_cannot_be_read() -> None:
    sheet = np.array(
        contact_sheet([Item(split="train", id="gone", error="cut short")], {0: "unreadable"}, background=0)
    )
    assert tuple(sheet[-EDGE - SIDE // 4, EDGE + 2]) == (90, 90, 90)
