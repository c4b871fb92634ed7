"""Which keys a specification names, found by reading its JSON, and as what."""

from collections.abc import Iterator
from typing import Any, NamedTuple

AXES = {"_step"}  # the client's own


class Named(NamedTuple):
    """`kind`: curve, number (of a run's summary), image, table or chart."""

    kind: str
    key: str


def panels(node: Any) -> Iterator[dict[str, Any]]:
    """All panels below a node, in order."""
    if isinstance(node, dict) and "viewType" in node:
        yield node
    elif isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from panels(child)


def named(specification: Any) -> set[Named]:
    """By panels, and by columns of the tables of runs."""
    found = {one for panel in panels(specification) for one in _of_panel(panel["viewType"], panel["config"])}
    return found | {Named("number", column.removeprefix("summary:")) for column in columns(specification)}


def columns(node: Any) -> Iterator[str]:
    """Columns of summary values that tables of runs begin with."""
    if isinstance(node, dict):
        yield from (column for column in node.get("columnPinned", ()) if column != "run:displayName")
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from columns(child)


def _of_panel(kind: str, config: dict[str, Any]) -> Iterator[Named]:
    if kind == "Run History Line Plot":
        yield from (Named("curve", key) for key in [*config["metrics"], config["xAxis"]])
    elif kind in ("Bar Chart", "Scalar Chart"):
        yield from (Named("number", key) for key in config["metrics"])
    elif kind == "Scatter Plot":
        assert config["xAxis"].startswith("summary:")
        assert config["yAxis"].startswith("summary:")
        yield from (Named("number", config[axis].removeprefix("summary:")) for axis in ("xAxis", "yAxis"))
    elif kind == "Media Browser":
        yield from (Named("image", key) for key in config["mediaKeys"])
    elif kind == "Weave":
        expression = config["panel2Config"]["exp"]["fromOp"]
        assert expression["inputs"]["obj"]["fromOp"]["name"] == "run-summary"
        yield Named("table", expression["inputs"]["key"]["val"])
    elif kind == "Vega2":
        (runs,) = config["userQuery"]["queryFields"]
        yield from (
            Named("chart", a["value"]) for f in runs["fields"] for a in f.get("args", ()) if a["name"] == "tableKey"
        )
    else:
        raise ValueError(f"a panel of kind {kind}")
