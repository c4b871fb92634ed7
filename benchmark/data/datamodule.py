"""Any data source as a LightningDataModule."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from benchmark.data.attacked_images import places_of
from benchmark.data.augmentation import resize
from benchmark.data.bad_files import SKIP, STOP, check_pairs, without_bad
from benchmark.data.dataset import EpochSampler, SegmentationDataset, single_threaded_worker
from benchmark.data.decoded_splits import DecodedSplits
from benchmark.data.loading_options import as_given, check_choice, check_loading, image_size
from benchmark.data.nested import NestedLabels
from benchmark.data.open_classes import declare_classes
from benchmark.data.source import FILES, PREDICTED, SPLITS, Source
from benchmark.errors import InputError
from benchmark.label_subsets import are_subsets, scored_names


class SegmentationData(pl.LightningDataModule):
    """The loaders of a data set; items are those of `SegmentationDataset`.

    With several processes, each trains and validates on its own share of the images; the shares are as equal as
    possible.

    Args:
        source: the data set.
        size: pixels to which images are resized, (height, width) or one number for both; the aspect ratio is not kept.
        batch_size, num_workers: images per batch and worker processes, of each loader.
        augment: whether training images are augmented.
        seed: of the augmentation and of the order of the training images.
        test_split: the split that is attacked, "train", "val" or "test", or "all" for the images of all three.
        labels: "predicted": the masks of the attacked images are what `label` is given, a victim's predictions; the
            other splits have none.
        cache_mb: images are decoded once if all of them, at that size, take at most this number of MiB.
        channels: 3, or 1 for grey images.
        on_bad: "skip": images whose files cannot be used are left out, and are in `skipped`; "stop": they are errors.
        overlapping: classes lie one within the other and are read as labels that overlap, see `NestedLabels`.

    Attributes:
        classes_open: whether the classes are the victim's, see `set_classes`.
        test_share: which test images `test_dataloader` yields in this process; None: all.

    Raises:
        InputError: a value that cannot be used. Methods raise it for a split without images that they need.
    """

    def __init__(
        self,
        source: Source,
        *,
        size: int | Sequence[int],
        batch_size: int = 8,
        num_workers: int = 0,
        augment: bool = True,
        seed: int = 0,
        test_split: str = "test",
        labels: str = FILES,
        cache_mb: int = 2048,
        channels: int = 3,
        overlapping: bool = False,
        on_bad: str = STOP,
    ) -> None:
        super().__init__()
        check_choice("on_bad", on_bad, (STOP, SKIP))
        self.size, self._shape = size, image_size(size)
        check_loading(
            batch_size=batch_size,
            num_workers=num_workers,
            test_split=test_split,
            labels=labels,
            channels=channels,
            bits=source.bits,
        )
        self.skipped = without_bad(source, channels) if on_bad == SKIP else []
        check_pairs(source, channels)
        self.classes_open = bool(getattr(source, "classes_open", False))
        if overlapping and not self.classes_open and not are_subsets(source.background):
            source = NestedLabels(source)
        self.channels, self.bits = channels, source.bits
        self.source, self.batch_size, self.num_workers = source, batch_size, num_workers
        self.augment, self.seed, self.test_split, self.labels = augment, seed, test_split, labels
        self.name = source.name
        self.classes, self.background, self.class_names = source.classes, source.background, source.class_names
        self._ids, self._attacked = source.splits(), places_of(source, test_split)
        self._overlapping = overlapping
        images = sum(map(len, self._ids.values()))
        cache = images * self._shape[0] * self._shape[1] * (4 if self.bits == 8 else 7) <= cache_mb * 2**20
        self._splits = DecodedSplits(
            source, test_split=test_split, size=self._shape, cache=cache, channels=channels, labels=labels
        )
        self.test_share: Sampler[int] | None = None

    def setup(self, stage: str | None = None) -> None:
        """Decode and check the splits that the stage uses, unless they are decoded already."""
        splits = {"fit": ["train", "val"], "validate": ["val"], "test": ["test"]}
        for split in splits.get(stage or "", [split for split in SPLITS if self._ids[split]]):
            self._splits(split)

    def splits(self) -> dict[str, list[str]]:
        """The ids of the source's train, val and test split, in file order."""
        return {split: list(ids) for split, ids in self._ids.items()}

    @property
    def scored_names(self) -> tuple[str, ...]:
        """The names of what scores are of: the classes, or the labels that overlap."""
        return scored_names(self.class_names, self.background)

    def test_ids(self) -> list[str]:
        """The ids `test_dataloader` yields, in its order."""
        return list(self._attacked)

    def own_split(self, test_id: str) -> str | None:
        """The split of the source that an image of `test_ids` is of; None if there is no such image."""
        return self._attacked[test_id][0] if test_id in self._attacked else None

    def fingerprint(self) -> str:
        """SHA-256 of all that val and test items depend on; of predicted labels, only that they are predicted."""
        suffix = ("" if self.channels == 3 else f" {self.channels}") + (" predicted" if self.is_predicted else "")
        return hashlib.sha256(f"{self.source.fingerprint()} {as_given(self._shape)}{suffix}".encode()).hexdigest()

    def require_training(self) -> None:
        """Raise InputError unless there are train and val images, and their masks are files."""
        for split in ("train", "val"):
            self._splits.require(split)

    @property
    def is_predicted(self) -> bool:
        """Whether the masks are a victim's predictions."""
        return self.labels == PREDICTED

    def unlabelled(self) -> Iterator[tuple[str, Tensor]]:
        """(id, image (C, H, W) in [0, 1]) of the attacked images in their order, which need no labels for that."""
        attacked = self._splits("test")
        return ((id, attacked.pixels(attacked.unlabelled(index).image)) for index, id in enumerate(attacked.ids))

    def label(self, masks: Mapping[str, np.ndarray]) -> None:
        """Set the masks (H, W) of the attacked images by id, as `DecodedSplit.label` does."""
        self._splits("test").label(masks)

    def set_classes(self, classes: int, *, overlapping: bool) -> None:
        """Say what the victim tells apart, where the data do not (`classes_open`), see `declare_classes`."""
        declare_classes(self.source, classes, overlapping=overlapping, wanted=self._overlapping)
        self.classes, self.background = self.source.classes, self.source.background
        self.class_names, self.classes_open = self.source.class_names, False

    def mask(self, id: str, split: str = "test") -> Tensor:
        """The mask (H, W) int64 of an image, without augmentation; `VOID` where it is not valid.

        "test" is what `test_dataloader` yields. Raises InputError if the split has no image of that id.
        """
        decoded = self._splits(split)
        if id not in decoded.position:
            raise InputError(f"data set {self.name}: no image {id!r} in the split {decoded.split!r}")
        return torch.from_numpy(decoded[decoded.position[id]].mask).long()

    def picture(self, split: str, id: str) -> np.ndarray:
        """An image (H, W, 3) of levels, resized and not augmented, whether or not its split is set up.

        Raises InputError if it cannot be read.
        """
        decoded = self._splits.known(split)
        if decoded is not None:
            return decoded.unlabelled(decoded.position[id]).image
        sample = self.source.read(split, id)
        return resize(sample.image, sample.mask, self._shape)[0]

    def class_pixels(self) -> tuple[float, ...]:
        """The number of pixels of each class in the training masks; void pixels do not count.

        Without training masks those of the attacked images are counted.
        """
        counted = self._splits("train" if self._ids["train"] and not self.is_predicted else "test")
        return tuple(map(float, counted.class_pixels(self.classes)))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Test batches stay on the host, where their images wait for a slot of the attack."""
        if self.trainer is not None and self.trainer.testing:
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def dataset(self, split: str) -> SegmentationDataset:
        """The items of a split, as they are validated on or attacked."""
        return SegmentationDataset(self._splits(split))

    def train_dataloader(self) -> DataLoader:
        train = self._splits("train")
        sampler = EpochSampler(len(train), self.seed, *self._place())
        if len(sampler) < 2:
            raise InputError(
                f"data set {self.name}: batch normalisation needs 2 training images for each process, "
                f"found {len(train)} for {self._place()[1]}"
            )
        # A last batch of one image stops DeepLab and others, whose pooled features batch norm cannot normalise.
        drop_last = len(sampler) > self.batch_size
        dataset = SegmentationDataset(train, augmented=self.augment, seed=self.seed)
        return self._loader(dataset, sampler=sampler, drop_last=drop_last)

    def val_dataloader(self) -> DataLoader:
        val = self._splits("val")
        rank, size = self._place()
        # Every process needs a validation image, because all take part in the exchanges during validation.
        share = range(rank, len(val), size) if len(val) >= size else range(len(val))
        return self._loader(self.dataset("val"), sampler=list(share))

    def test_dataloader(self) -> DataLoader:
        share = self.test_share
        # An image that is loaded ahead could be taken by another process.
        alone = {"batch_size": 1, "num_workers": 0} if getattr(share, "one_at_a_time", False) else {}
        return self._loader(self.dataset("test"), sampler=share, **alone)

    def _place(self) -> tuple[int, int]:
        """Rank and number of the processes that train together."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _loader(self, dataset: SegmentationDataset, **options: Any) -> DataLoader:
        options = {"batch_size": self.batch_size, "num_workers": self.num_workers} | options
        options |= {"persistent_workers": options["num_workers"] > 0, "pin_memory": torch.cuda.is_available()}
        return DataLoader(dataset, worker_init_fn=single_threaded_worker, **options)
