"""What was assumed of a data set, in sentences that a run records and says."""

from benchmark.data.datamodule import SegmentationData
from benchmark.data.source import SPLITS

_SHOWN = 20  # images that are skipped


def data_set_notes(data: SegmentationData) -> list[str]:
    """Of the source, of labels that are predicted, and of images that are attacked though they are for training."""
    ids = data.test_ids()
    notes = list(getattr(data.source, "notes", []))
    if data.is_predicted:
        notes.append(
            f"data.labels=predicted: the victim's predictions of the {len(ids)} clean images are taken as their masks"
        )
    notes += skipped_notes(data)
    counts = {split: sum(data.own_split(id) == split for id in ids) for split in SPLITS}
    if counts["train"]:
        shown = ", ".join(f"{count} of {split}" for split, count in counts.items() if count)
        notes.append(
            f"data.test_split={data.test_split} attacks {len(ids)} images ({shown}): a victim that was trained on this "
            "data set is attacked on its training images"
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
