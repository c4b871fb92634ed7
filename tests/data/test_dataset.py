"""Decoded splits and their items."""

import numpy as np
import pytest
import torch

from benchmark.data.dataset import DecodedSplit, EpochSampler, SegmentationDataset, labels_and_valid
from benchmark.data.source import Sample
from benchmark.errors import InputError


class Counting:
    """A source of two 8x8 images with a void pixel, which counts how often it is read."""

    name, classes, background, class_names, bits = "counting", 2, 0, ("no", "yes"), 8

    def __init__(self, mask_value=1):
        self.mask_value = mask_value
        self.reads = []

    def splits(self):
        return {"train": ["a", "b"], "val": ["a"], "test": ["b"]}

    def read(self, split, id):
        self.reads.append(id)
        mask = np.zeros((8, 8), np.uint8)
        mask[2:4], mask[0, 0] = self.mask_value, 255
        return Sample(np.full((8, 8, 3), ord(id), np.uint8), mask, id, "patient " + id)

    def fingerprint(self):
        return "none"


def decoded(source, split, ids, cache):
    return DecodedSplit(source, split, {id: (split, id) for id in ids}, size=(8, 8), cache=cache)


@pytest.mark.parametrize("cache", [True, False])
def test_items(cache):
    item = SegmentationDataset(decoded(Counting(), "train", ["a", "b"], cache=cache))[1]
    assert (item["id"], item["group"], item["split"]) == ("b", "patient b", "train")
    assert item["image"].shape == (3, 8, 8)
    assert item["image"].dtype == torch.float32
    assert torch.equal(item["image"], torch.full((3, 8, 8), ord("b")) / 255)
    assert item["mask"].dtype == torch.int64
    assert item["valid"].dtype == torch.bool
    assert (~item["valid"]).nonzero().tolist() == [[0, 0]]
    assert item["mask"][0, 0] == 0
    assert item["mask"].sum() == 16


def test_cached_images_are_decoded_once():
    source = Counting()
    dataset = SegmentationDataset(decoded(source, "train", ["a", "b"], cache=True))
    for _ in range(3):
        assert [dataset[i]["id"] for i in (0, 1)] == ["a", "b"]
    assert sorted(source.reads) == ["a", "b"]


def test_images_that_are_not_cached_are_decoded_when_asked():
    source = Counting()
    split = decoded(source, "train", ["a", "b"], cache=False)
    source.reads.clear()
    assert [split[i].id for i in (1, 1, 0)] == ["b", "b", "a"]
    assert source.reads == ["b", "b", "a"]


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("value", [0, 255], ids=["background", "void"])
def test_split_without_foreground_is_an_error(cache, value):
    with pytest.raises(InputError, match=r"counting: no mask of the split 'val' \(1 images\) shows any foreground"):
        decoded(Counting(value), "val", ["a"], cache=cache)


def test_every_class_counts_where_there_is_no_background():
    source = Counting(0)
    source.background = None
    assert len(decoded(source, "val", ["a"], cache=True)) == 1


def test_void_is_class_0_and_not_valid():
    labels, valid = labels_and_valid(np.array([[0, 1, 255]], np.uint8))
    assert labels.tolist() == [[0, 1, 0]]
    assert valid.tolist() == [[True, True, False]]


def test_augmentation_changes_with_the_epoch_and_only_if_asked():
    split = decoded(Counting(), "train", ["a", "b"], cache=True)
    plain, augmented = SegmentationDataset(split), SegmentationDataset(split, augmented=True)
    assert len({augmented[epoch, 0]["mask"].numpy().tobytes() for epoch in range(20)}) > 3
    assert torch.equal(plain[5, 0]["mask"], plain[0]["mask"])


def test_sampler_yields_every_index_with_the_epoch():
    sampler = EpochSampler(7, seed=3)
    orders = []
    for epoch in (0, 1, 5):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert {e for e, _ in keys} == {epoch}
        assert sorted(i for _, i in keys) == list(range(7))
        assert keys == list(sampler)
        orders.append([i for _, i in keys])
    assert orders[0] != orders[1] != orders[2]
    assert len(sampler) == 7
    assert list(EpochSampler(7, seed=4)) != list(EpochSampler(7, seed=3))
