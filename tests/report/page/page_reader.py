"""A report page as tests read it: its data, its tables, its tiles."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class Page(HTMLParser):
    """The page at `path`, taken apart.

    Attributes:
        tables: by caption, lines of (text, data-value or None) of every cell; headings first.
        tiles: (entry, key) -> (text, note).
        data: what the script is given.
        policy: the Content-Security-Policy.
        links: every address the page itself would ask for.
        text: of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[tuple[str, str | None]]]] = {}
        self.tiles: dict[tuple[str, str], tuple[str, str]] = {}
        self.policy, self.links = "", []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self._rows: list[list[tuple[str, str | None]]] = []
        self._caption, self._tile, self._data = "", None, ""
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)
        self.data: dict[str, Any] = json.loads(self._data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._texts = []
        if tag == "meta" and given.get("http-equiv"):
            self.policy = str(given["content"])
        for name in ("src", "href"):
            if given.get(name):
                self.links.append(str(given[name]))
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag == "div" and "data-key" in given:
            self._tile = [str(given["data-entry"]), str(given["data-key"])]
        if tag not in ("meta", "link", "input", "br"):
            self._open.append((tag, given))

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        name, given = self._open.pop()
        assert name == tag, f"</{tag}> closes <{name}>"
        text = "".join(self._texts).strip()
        if tag == "caption":
            self._caption = text
        elif tag in ("td", "th"):
            self._rows[-1].append((text, given.get("data-value")))
        elif tag == "table":
            self.tables[self._caption] = self._rows
        elif tag == "dd" and self._tile is not None:
            self._tile.append(text)
            if len(self._tile) == 4:
                self.tiles[self._tile[0], self._tile[1]] = (self._tile[2], self._tile[3])
                self._tile = None
        elif tag == "script" and given.get("type") == "application/json":
            self._data = text
        if tag != "button":  # a heading's text is that of its button
            self._texts = []
