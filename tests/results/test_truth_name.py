"""What the truth is called, and what stands beside scores to it."""

import pytest

from benchmark.results.truth_name import data_notes, truth_name

FILES, PREDICTED = {"labels": "files", "images": 5}, {"labels": "predicted", "images": 5}


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ([FILES], "truth"),
        ([], "truth"),
        ([{}], "truth"),
        ([PREDICTED, PREDICTED], "clean prediction"),
        ([PREDICTED, FILES], "truth or clean prediction"),
    ],
)
def test_the_name(shown, name: str) -> None:
    assert truth_name(shown) == name


def test_nothing_to_say() -> None:
    assert data_notes([FILES, FILES | {"skipped": 0, "training_images": 0}]) == []


def test_what_has_to_be_said_is_said_once() -> None:
    several = [PREDICTED | {"skipped": 2, "training_images": 3}] * 2
    predicted, skipped, training = data_notes(several)
    assert "1 by definition" in predicted
    assert skipped.startswith("2 of 7 images skipped")
    assert training.startswith("3 of 5 images are of the data set's training split, or of the one that this program")
