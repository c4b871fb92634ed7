"""What the truth of a result is, in the words of tables, figures and pages, and what has to stand beside its scores.

By data.labels=predicted the victim's prediction of the clean image is taken as the truth. Then the IoU of the clean
image is 1 by definition, and scores to the truth say how far a prediction was moved, not how good it is.
"""

from collections.abc import Iterable, Mapping
from typing import Any

PREDICTED = "predicted"
BY_DEFINITION = "1 by definition"
"""What stands in place of the clean IoU to a predicted truth."""


def is_predicted(result: Mapping[str, Any]) -> bool:
    """Whether the truth of a row or summary, the claim of a card included, is the victim's own prediction."""
    return result.get("labels") == PREDICTED


def truth_name(results: Iterable[Mapping[str, Any]]) -> str:
    """What rows or summaries that stand together have as their truth."""
    kinds = {is_predicted(result) for result in results}
    if kinds == {True}:
        return "clean prediction"
    return "truth or clean prediction" if True in kinds else "truth"


def data_notes(summaries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sentences that have to stand beside scores: about a predicted truth, skipped images and training images."""
    listed, notes = list(summaries), []
    if any(map(is_predicted, listed)):
        notes.append(
            "The truth is the victim's own prediction of the clean image (data.labels=predicted): the clean IoU to it "
            f"is {BY_DEFINITION} and says nothing about the victim's quality. If that clean IoU is less, the victim "
            "does not predict the clean image the same twice."
        )
    left_out = {(one["skipped"], one["images"]) for one in listed if one.get("skipped")}
    notes += [
        f"{skipped} of {skipped + images} images skipped, because their files cannot be used (data.on_bad=skip)."
        for skipped, images in sorted(left_out)
    ]
    counts = {(one["training_images"], one["images"]) for one in listed if one.get("training_images")}
    notes += [
        f"{training} of {images} images are of the data set's training split, or of the one that this program drew: "
        "a victim that was trained on them is attacked on its training images."
        for training, images in sorted(counts)
    ]
    return notes
