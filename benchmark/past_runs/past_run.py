"""A finished run whose saved pictures are shown to other models: whether everything is as it was when it ran."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from benchmark.criterion import Criterion
from benchmark.data.datamodule import SegmentationData
from benchmark.errors import InputError
from benchmark.evaluation.case import Case, repeat_case, split_of
from benchmark.images.image_files import load_picture, open_picture
from benchmark.images.label_maps import VOID, load_map
from benchmark.past_runs.mismatch import Mismatch, differing, row_place
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, group_rows
from benchmark.targets import Target

_DATA = "restore the data the run was made on"
_PICTURE = "restore it or attack the image again"


@dataclass(frozen=True)
class PastRun:
    """A run's folder with the data, targets and judge that its configuration names.

    Attributes:
        folder: of the run.
        name: unique among the runs given.
        data, target, judge: made again from config.yaml.
        rows: as `benchmark.runs.tables.read` gives them, at least one.
        splits: split -> ids, as recorded.
        fingerprint: of the data, as recorded.
        weights_sha256: of the attacked model; None where the run recorded none.
        checkpoints: where that model may be found.
        deployment: what its configuration puts around the model, other than what the checkpoint says.
        batch: images to predict at once, as many as the run attacked at once.
    """

    folder: Path
    name: str
    data: SegmentationData
    target: Target
    judge: Criterion
    rows: Sequence[Mapping[str, Any]]
    splits: Mapping[str, Sequence[str]]
    fingerprint: str
    weights_sha256: str | None
    checkpoints: Sequence[Path]
    batch: int
    deployment: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise InputError, naming what differs, unless data, targets, judge and pictures are those of the rows."""
        for mismatch in self._mismatches():
            raise InputError(f"{self.folder}: {mismatch}; {mismatch.cure}")

    def _mismatches(self) -> Iterator[Mismatch]:
        yield from self.data_mismatches()
        by_id, absent = group_rows(self.rows, "id"), RECORDS.missing(self.folder)
        for case in self.cases(sorted(by_id)):
            facts = {name: value for name, value in self.facts(case).items() if name not in absent}
            for row in by_id[case.id]:
                yield from differing(row, facts)
                yield from self.picture_mismatches(row)

    def data_mismatches(self) -> Iterator[Mismatch]:
        """What of the data is not as the run recorded it."""
        name, found = self.data.name, self.data.splits()
        for split in dict.fromkeys([*found, *self.splits]):
            said, ids = self.splits.get(split), found.get(split, [])
            recorded = said if isinstance(said, list) else []
            if said != ids:
                what = f"has {len(ids)} images of {name} now, other ones than the {len(recorded)} recorded"
                yield Mismatch("splits.json", what, _DATA, split)
        if (fingerprint := self.data.fingerprint()) != self.fingerprint:
            what = (
                f"the files or settings of data set {name} have changed (fingerprint {fingerprint[:12]}, "
                f"recorded {self.fingerprint[:12]})"
            )
            yield Mismatch("environment.json", what, _DATA, "data_fingerprint")
        known = set(self.data.test_ids())
        for row in self.rows:
            if row["id"] not in known:
                yield Mismatch(row_place(row), f"data set {name} does not have this image", _DATA, "id")

    def facts(self, case: Case) -> dict[str, Any]:
        """Columns that say what was attacked and how it is judged, for an image."""
        return {
            "split": self.data.test_split,
            "judge": str(self.judge),
            "classes": self.data.classes,
            "background": self.data.background,
            **case.columns(),
        }

    def picture_mismatches(self, row: Mapping[str, Any]) -> Iterator[Mismatch]:
        """Whether the saved picture is missing, no PNG, or of another size than the row says."""
        path = RunFolder(self.folder).adversarial(row["attack"], row["id"])
        place, column = row_place(row), str(path.relative_to(self.folder))
        try:
            with open_picture(path) as picture:
                size = picture.size
        except OSError as error:
            reason = error.strerror or "no PNG"
            yield Mismatch(place, f"cannot be read ({reason})", _PICTURE, column)
            return
        if size != (row["width"], row["height"]):
            what = f"has {size[0]} x {size[1]} pixels, its row says {row['width']} x {row['height']}"
            yield Mismatch(place, what, _PICTURE, column)

    def read_data(self) -> None:
        """Decode the images; raises InputError if one cannot be read."""
        _ = self._items

    def cases(self, ids: Sequence[str]) -> Iterator[Case]:
        """Image, truth and target of each id, as the rows have it."""
        dataset, position = self._items
        rows = {row["id"]: row for row in self.rows}
        for image_id in ids:
            item, row = dataset[position[image_id]], rows[image_id]
            case = repeat_case(item, self.target, row)
            if int(item["valid"].sum()) != row["valid_pixels"] or item["mask"].shape != (row["height"], row["width"]):
                case = self._as_saved(case)
            yield case

    def _as_saved(self, case: Case) -> Case:
        """The case of a model that shows but a window of its input, from the pictures: the rows are about these."""
        run = RunFolder(self.folder)
        image = load_picture(run.picture("clean", case.id))
        truth = torch.from_numpy(load_map(run.picture("truth", case.id))).long()
        target = torch.from_numpy(load_map(run.picture("target", case.id))).long()
        valid, aims = truth != VOID, target != VOID
        truth, target = truth.masked_fill(~valid, 0), target.masked_fill(~aims, 0)
        return replace(case, image=image, truth=truth, target=target, valid=valid, target_valid=aims)

    @cached_property
    def _items(self) -> tuple[Dataset, dict[str, int]]:
        self.data.setup("test")
        ids = self.data.test_ids()
        self.target.prepare(split_of(self.data, "test"))
        return self.data.test_dataloader().dataset, {image_id: index for index, image_id in enumerate(ids)}
