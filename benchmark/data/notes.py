"""What was assumed of a data set, in sentences that a run records and says."""

from benchmark.data.datamodule import SegmentationData
from benchmark.data.loading_options import EVERY
from benchmark.data.source import SPLITS

_SHOWN = 20  # images that are skipped


def data_set_notes(data: SegmentationData, *, trains: bool = False) -> list[str]:
    """Of the source, of predicted labels, of images that a drawn split leaves out, and of attacked training images.

    `trains` says whether a victim is trained on the data, so that its other splits are needed.
    """
    ids = data.test_ids()
    notes = list(getattr(data.source, "notes", []))
    if data.is_predicted:
        notes.append(
            f"data.labels=predicted: the victim's predictions of the {len(ids)} clean images are taken as their masks"
        )
    notes += skipped_notes(data)
    drawn = getattr(data.source, "splits_drawn", False)
    if drawn and data.test_split != EVERY and not trains:
        parts = {split: len(members) for split, members in data.source.splits().items()}
        others = " and ".join(f"{count} {split}" for split, count in parts.items() if split != data.test_split)
        notes.append(
            f"{data.name} is not split, so that this program drew {others} images of its {sum(parts.values())}, which "
            "are not attacked; data.test_split=all attacks all, for a victim that was not trained on them"
        )
    counts = {split: sum(data.own_split(id) == split for id in ids) for split in SPLITS}
    if counts["train"]:
        shown = ", ".join(f"{count} of {split}" for split, count in counts.items() if count)
        shown += "; this program drew the splits" * drawn
        notes.append(
            f"data.test_split={data.test_split} attacks {len(ids)} images ({shown}): a victim that was trained on the "
            "training images is attacked on them"
        )
    return notes


def skipped_notes(data: SegmentationData) -> list[str]:
    """Of images that are left out, by data.on_bad=skip."""
    if not data.skipped:
        return []
    shown = "; ".join(one.reason for one in data.skipped[:_SHOWN])
    more = f"; and {len(data.skipped) - _SHOWN} more" if len(data.skipped) > _SHOWN else ""
    total = len(data.skipped) + sum(map(len, data.splits().values()))
    return [f"data.on_bad=skip: {len(data.skipped)} of {total} images skipped ({shown}{more})"]
