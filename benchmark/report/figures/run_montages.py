"""The montages of a run: what each shows, and where it lies."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.report.figures.montage import MontageItem, montage
from benchmark.report.figures.saved_images import montage_paths
from benchmark.results.column_arrays import joined
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import group_rows


class RunMontage(NamedTuple):
    """The montage of one attack: its file, its images and its title."""

    attack: str
    path: Path
    items: Sequence[MontageItem]
    title: str

    def draw(self, path: Path | None = None) -> Path:
        """Draw it at `path`, by default where it belongs."""
        return montage(path or self.path, self.items, self.title)


def run_montages(
    run: RunFolder,
    rows: Sequence[Mapping[str, Any]],
    count: int,
    pictures: Callable[[Mapping[str, Any]], MontageItem | None],
) -> Iterator[RunMontage]:
    """The montages of the first `count` images by id, for each attack of `montage_paths` that has pictures."""
    by_attack = group_rows(rows, "attack")
    for attack, path in montage_paths(run, rows).items():
        attacked = sorted(by_attack[attack], key=lambda row: row["id"])
        if items := [item for row in attacked[:count] if (item := pictures(row)) is not None]:
            named = {**attacked[0], "split": joined(attacked, "split")}
            yield RunMontage(attack, path, items, "{attack} against {victim} on {data} ({split})".format(**named))
