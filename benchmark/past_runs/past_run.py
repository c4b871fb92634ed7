"""A run opened again, and how its data, targets, judge and pictures differ from its rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from benchmark.criterion import Criterion
from benchmark.data.bad_files import skipped_count
from benchmark.data.datamodule import SegmentationData
from benchmark.engine.precision import normalise_precision
from benchmark.errors import InputError
from benchmark.evaluation.case import Case, make_case, split_of
from benchmark.evaluation.predicted_labels import read_labels, take_saved_labels
from benchmark.images.image_files import load_picture, open_picture
from benchmark.images.label_maps import VOID, load_map
from benchmark.images.quantisation import Quantizer
from benchmark.label_subsets import are_subsets
from benchmark.past_runs.mismatch import RESUME, Mismatch, differing, row_place
from benchmark.runs import layout
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, TRACES, group_rows
from benchmark.targets import Target

_RESTORE_DATA = "restore the data the run was made on"
_RESTORE_ROW = "restore the rows of the run"


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """A run that has ended or was interrupted, with the data, targets and judge that its configuration names.

    Attributes:
        run: its folder.
        name: unique among the runs that were opened together.
        rows: as `benchmark.runs.tables.read` returns them, at least one.
        config: config.yaml.
        environment: environment.json.
        splits: split -> ids of images, as recorded.
        data, target, judge: instantiated from `config`.
        moved: whether `config` has another data.root than the run had.
    """

    run: RunFolder
    name: str
    rows: Sequence[Mapping[str, Any]]
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    splits: Mapping[str, Sequence[str]]
    data: SegmentationData
    target: Target
    judge: Criterion
    moved: bool = False

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        return self.run.path

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the data, as recorded."""
        return str(self.environment.get("data_fingerprint"))

    @property
    def weights_sha256(self) -> str | None:
        """The hash of the victim that the run attacked; None if it has recorded none."""
        return self.environment.get("weights_sha256")

    @property
    def exact(self) -> bool:
        """Whether rows are scored in float64, as they are if the passes of the attack were; else in float32."""
        return normalise_precision(self.config["engine"].get("precision")) == 64

    @property
    def victim_check(self) -> object:
        """What the check of its victim has found, see `victim_doubts`; None: it was not checked."""
        return self.environment.get("victim_check")

    @property
    def quantizer(self) -> Quantizer:
        """The grey levels of the run's image files."""
        return Quantizer(self.data.bits)

    def check(self) -> None:
        """Raise InputError, naming the first mismatch, unless data, targets, judge and pictures fit the rows."""
        if mismatch := next(self._mismatches(), None):
            raise InputError(f"{self.folder}: {mismatch}; {mismatch.cure}")

    def _mismatches(self) -> Iterator[Mismatch]:
        yield from self.altered_tables()
        yield from self.data_mismatches()
        yield from self.label_mismatches()
        by_id = group_rows(self.rows, "id")
        for case in self.cases(sorted(by_id)):
            expected = self.expected_columns(case)
            for row in by_id[case.id]:
                yield from differing(row, expected)
                yield from self.picture_mismatches(row)

    def altered_tables(self) -> Iterator[Mismatch]:
        """The files of rows and traces whose values have changed since they were written."""
        for table in (RECORDS, TRACES):
            for path in table.altered(self.folder):
                what = "its values have changed since they were written"
                yield Mismatch(path.relative_to(self.folder).as_posix(), what, RESUME)

    def data_mismatches(self) -> Iterator[Mismatch]:
        """How the data differ from what the run recorded of them."""
        name, splits = self.data.name, self.data.splits()
        for split in dict.fromkeys([*splits, *self.splits]):
            recorded, ids = self.splits.get(split, []), splits.get(split, [])
            if recorded != ids:
                what = f"has {len(ids)} images of {name} now, other ones than the {len(recorded)} recorded"
                yield Mismatch(layout.SPLITS, what, _RESTORE_DATA, split)
        if (fingerprint := self.data.fingerprint()) != self.fingerprint:
            hashes = f"fingerprint {fingerprint[:12]}, recorded {self.fingerprint[:12]}"
            what = f"the files or settings of data set {name} have changed ({hashes})"
            yield Mismatch(layout.ENVIRONMENT, what, _RESTORE_DATA, "data_fingerprint")
        known = set(self.data.test_ids())
        for row in self.rows:
            if row["id"] not in known:
                yield Mismatch(row_place(row), f"data set {name} does not have this image", _RESTORE_DATA, "id")

    def label_mismatches(self) -> Iterator[Mismatch]:
        """The files of predicted labels that cannot be used."""
        if self.data.is_predicted:
            for image_id, what in read_labels(self.data, self.run)[1].items():
                yield Mismatch(self.run.label(image_id).relative_to(self.folder).as_posix(), what, RESUME)

    def expected_columns(self, case: Case) -> dict[str, Any]:
        """The columns of a row that follow from the image, its target and the judge alone."""
        return {
            "labels": self.data.labels,
            "skipped": skipped_count(self.data),
            "judge": str(self.judge),
            "classes": self.data.classes,
            "background": None if self.data.background is None else int(self.data.background),
            "overlapping": are_subsets(self.data.background),
            "class_names": json.dumps(self.data.scored_names),
            **case.columns(),
        }

    def picture_mismatches(self, row: Mapping[str, Any]) -> Iterator[Mismatch]:
        """The adversarial image of a row: missing, no PNG, or of another size than the row says."""
        path = self.run.adversarial(row["attack"], row["id"])
        place, column = row_place(row), str(path.relative_to(self.folder))
        try:
            with open_picture(path, inside=self.folder) as picture:
                size = picture.size
        except OSError as error:
            reason = error.strerror or "no PNG"
            yield Mismatch(place, f"cannot be read ({reason})", RESUME, column)
            return
        if size != (row["width"], row["height"]):
            what = f"has {size[0]} x {size[1]} pixels, its row says {row['width']} x {row['height']}"
            yield Mismatch(place, what, RESUME, column)

    def read_data(self) -> None:
        """Decode the images. Raises InputError if one cannot be read."""
        _ = self._items

    def item(self, image_id: str) -> dict[str, Any]:
        """The item of the data set. Raises InputError if it cannot be read."""
        dataset, position = self._items
        item: dict[str, Any] = dataset[position[image_id]]
        return item

    def cases(self, ids: Sequence[str]) -> Iterator[Case]:
        """The image, truth and target of each id, with the draw of the target that the rows name.

        Raises:
            InputError: a row does not name its draw, or the target does not have it.
        """
        dataset, position = self._items
        rows = {row["id"]: row for row in self.rows}
        for image_id in ids:
            item, row = dataset[position[image_id]], rows[image_id]
            if row["target_draw"] is None:
                raise InputError(f"its row has no target_draw; {_RESTORE_ROW}")
            case = make_case(item, self.target, row=row)
            if int(item["valid"].sum()) != row["valid_pixels"] or item["mask"].shape != (row["height"], row["width"]):
                case = self._as_saved(case)
            yield case

    def _as_saved(self, case: Case) -> Case:
        """The case as the run saved it: rows of a model with a smaller output are about a window of the image."""
        image = load_picture(self.run.picture("clean", case.id), inside=self.folder)
        truth = torch.from_numpy(load_map(self.run.picture("truth", case.id), inside=self.folder)).long()
        target = torch.from_numpy(load_map(self.run.picture("target", case.id), inside=self.folder)).long()
        valid, target_valid = truth != VOID, target != VOID
        truth, target = truth.masked_fill(~valid, 0), target.masked_fill(~target_valid, 0)
        return replace(case, image=image, truth=truth, target=target, valid=valid, target_valid=target_valid)

    @cached_property
    def _items(self) -> tuple[Dataset, dict[str, int]]:
        self.data.setup("test")
        if self.data.is_predicted:
            take_saved_labels(self.data, self.run)
        ids = self.data.test_ids()
        self.target.prepare(split_of(self.data, "test"))
        return self.data.test_dataloader().dataset, {image_id: index for index, image_id in enumerate(ids)}
