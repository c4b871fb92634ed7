"""A finished run whose saved pictures are shown to other models: whether everything is as it was when it ran."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset

from benchmark.callbacks.pictures import load_picture
from benchmark.callbacks.session import Case, repeat_case, split_of
from benchmark.criterion import Criterion
from benchmark.data.datamodule import SegmentationData
from benchmark.errors import InputError
from benchmark.maps import VOID, load_map
from benchmark.run_folder import Picture, adversarial_path, picture_path
from benchmark.targets import Target


@dataclass(frozen=True)
class Source:
    """A run's folder with the data, targets and judge that its configuration names.

    Attributes:
        folder: of the run.
        name: unique among the runs given.
        data, target, judge: made again from config.yaml.
        rows: as `benchmark.records.read` gives them, at least one.
        splits: split -> ids, as recorded.
        fingerprint: of the data, as recorded.
        weights_sha256: of the attacked model; None where the run recorded none.
        checkpoints: where that model may be found.
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

    def check(self) -> None:
        """Raise InputError, naming what differs, unless data, targets, judge and pictures are those of the rows."""
        self._check_data()
        for name, found in (("judge", str(self.judge)), ("split", self.data.test_split)):
            if wrong := {row[name] for row in self.rows} - {found}:
                raise InputError(
                    f"{self.folder}: rows have {name} {wrong.pop()!r}, its config.yaml says {found!r}; "
                    "put config.yaml back as the run wrote it"
                )
        for row in self.rows:
            self._check_picture(row)
        drawn = {case.id: case.target_name for case in self.cases(sorted({row["id"] for row in self.rows}))}
        for row in self.rows:
            if row["target"] != drawn[row["id"]]:
                raise InputError(
                    f"{self.folder}: image {row['id']} was attacked towards {row['target']}, "
                    f"its config.yaml now gives {drawn[row['id']]}; restore the target it was run with"
                )

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
        paths: dict[Picture, Path] = {name: picture_path(self.folder, name, case.id) for name in ("truth", "target")}
        truth, target = (torch.from_numpy(load_map(path)).long() for path in paths.values())
        image = load_picture(picture_path(self.folder, "clean", case.id))
        valid, aims = truth != VOID, target != VOID
        truth, target = truth.masked_fill(~valid, 0), target.masked_fill(~aims, 0)
        return replace(case, image=image, truth=truth, target=target, valid=valid, target_valid=aims)

    @cached_property
    def _items(self) -> tuple[Dataset, dict[str, int]]:
        self.data.setup("test")
        ids = self.data.test_ids()
        self.target.prepare(split_of(self.data, "test"))
        return self.data.test_dataloader().dataset, {image_id: index for index, image_id in enumerate(ids)}

    def _check_data(self) -> None:
        name = self.data.name
        for split, ids in self.data.splits().items():
            said = self.splits.get(split)
            recorded = said if isinstance(said, list) else []
            if recorded != ids:
                raise InputError(
                    f"{self.folder}: split {split} of {name} has {len(ids)} images now, other ones than the "
                    f"{len(recorded)} recorded; restore the data the run was made on"
                )
        found = self.data.fingerprint()
        if found != self.fingerprint:
            raise InputError(
                f"{self.folder}: the files or settings of data set {name} have changed (fingerprint {found[:12]}, "
                f"recorded {self.fingerprint[:12]}); restore the data the run was made on"
            )
        if unknown := {row["id"] for row in self.rows} - set(self.data.test_ids()):
            raise InputError(f"{self.folder}: rows of {min(unknown)}, which data set {name} does not have; restore it")

    def _check_picture(self, row: Mapping[str, Any]) -> None:
        path = adversarial_path(self.folder, row["attack"], row["id"])
        try:
            with Image.open(path) as picture:
                size = picture.size
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror or 'no picture'}); restore it or attack the image again"
            ) from error
        if size != (row["width"], row["height"]):
            raise InputError(
                f"{path}: has {size[0]} x {size[1]} pixels, its row says {row['width']} x {row['height']}; "
                "restore the picture the run wrote"
            )
