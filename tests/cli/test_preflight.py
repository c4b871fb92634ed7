"""What would stop a run later is found before its folder is written."""

from pathlib import Path

import pytest


@pytest.fixture
def split_pairs(pairs: Path) -> Path:
    """`pairs`, of which case0 and case1 are for training."""
    (pairs / "splits").mkdir()
    for split, indices in (("train", (0, 1)), ("val", (2, 3)), ("test", (4, 5))):
        (pairs / "splits" / f"{split}.txt").write_text("".join(f"case{index}\n" for index in indices))
    return pairs


def _on(pairs: Path, trained: Path) -> tuple[str, ...]:
    given = (f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}", "engine.slots=2", "run.montage=0")
    return ("trainer=cpu", "data=folder", "data.size=32", f"data.root={pairs}", *given)


@pytest.mark.parametrize("part", ["images", "masks"])
def test_an_unreadable_training_image_stops_an_attack_that_counts_class_pixels(
    refused, split_pairs: Path, trained: Path, part: str
) -> None:
    path = split_pairs / part / "case1.png"
    path.write_bytes(path.read_bytes()[:60])
    line = refused("attack=sea_balanced_ce", "judge=accuracy_truth", name="attack", base=_on(split_pairs, trained))
    assert str(path) in line


def test_an_attack_that_counts_nothing_needs_no_training_image(
    command, split_pairs: Path, trained: Path, tmp_path: Path
) -> None:
    (split_pairs / "images" / "case1.png").write_bytes(b"")
    attack = ("attack=asma", "attacks.asma.max_steps=1", f"run.dir={tmp_path / 'run'}")
    outcome = command("attack", *_on(split_pairs, trained), *attack)
    assert outcome.status == 0, outcome.err
