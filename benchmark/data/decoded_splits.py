"""The decoded splits of a data set, each made when it is first needed."""

from benchmark.data.attacked_images import places_of
from benchmark.data.dataset import DecodedSplit
from benchmark.data.loading_options import EVERY
from benchmark.data.source import PREDICTED, SPLITS, Source
from benchmark.errors import InputError


class DecodedSplits:
    """Returns the images of a split, decoded as `DecodedSplit` says; "test" stands for those that are attacked.

    Args:
        source: of the images.
        test_split: which are attacked.
        size, cache, channels: as for `DecodedSplit`.
        labels: as for `SegmentationData`.
    """

    def __init__(
        self, source: Source, *, test_split: str, size: tuple[int, int], cache: bool, channels: int, labels: str
    ) -> None:
        self._source, self._test_split, self._size, self._cache = source, test_split, size, cache
        self._channels, self._predicted = channels, labels == PREDICTED
        self._decoded: dict[str, DecodedSplit] = {}

    def __call__(self, split: str) -> DecodedSplit:
        """The split. Raises InputError as `require`, for an unknown one, and for images that cannot be used."""
        if split not in (*SPLITS, EVERY):
            raise InputError(f"split {split!r}: must be one of {', '.join(SPLITS)}")
        split = self._test_split if split == "test" else split
        if split not in self._decoded:
            self.require(split)
            self._decoded[split] = DecodedSplit(
                self._source,
                split,
                places_of(self._source, split),
                size=self._size,
                cache=self._cache,
                channels=self._channels,
                labelled=not self._predicted,
                checked=split == self._test_split,
            )
        return self._decoded[split]

    def require(self, split: str) -> None:
        """Raise InputError for a split of the source without images, or without masks that training needs."""
        if self._predicted and split != self._test_split:
            raise InputError(
                f"data set {self._source.name}: data.labels=predicted gives masks to the attacked images only, and "
                "training needs some; give masks and data.labels=files to train"
            )
        if not places_of(self._source, split):
            raise InputError(self._without_images(split))

    def known(self, split: str) -> DecodedSplit | None:
        """The split of the source, if it has been decoded."""
        return self._decoded.get(split)

    def _without_images(self, split: str) -> str:
        reason = getattr(self._source, "why_empty", {}).get(split, "has no images")
        cure = "training needs train and val images; `attack` needs the split data.test_split alone"
        if split == self._test_split:
            ids = self._source.splits()
            others = " or ".join(other for other in SPLITS if ids[other]) or EVERY
            cure = f"give some, or attack another split, data.test_split={others}"
        return f"data set {self._source.name}: the split {split!r} {reason}; {cure}"
