"""What every kind of target in conf/target/ keeps to; a new one is covered by being there."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image

from benchmark.config.build import instantiate
from benchmark.config.groups import names
from benchmark.errors import InputError
from benchmark.images.label_maps import VOID
from benchmark.targets import Split, Target
from tests.targets.random_splits import foreground_iou, random_split

Make = Callable[..., Target]
SEEDS = st.integers(0, 10**6)


@pytest.fixture(params=names("target"), scope="module")
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes targets as a run would, with options of their own."""
    mask = np.zeros((6, 6), np.uint8)
    mask[1:4, 2:5] = 255
    path = tmp_path_factory.mktemp("target") / "mask.png"
    Image.fromarray(mask).save(path)

    def made(seed: int = 0, **options: object) -> Target:
        node = OmegaConf.load(names("target")[request.param])
        given = options | ({"path": str(path)} if request.param == "mask_file" else {})
        config = OmegaConf.create({"seed": seed, "target": OmegaConf.merge(node, given)})
        return instantiate(config.target, "target")

    made.kind = request.param  # type: ignore[attr-defined]
    return made


def drawn(target: Target, split: Split, item: tuple, most: int = 30) -> list[tuple[str, list]]:
    target.prepare(split)
    return [(one.name, one.mask.tolist()) for one, _ in zip(target.draws(*item), range(most), strict=False)]


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS)
def test_a_draw_is_a_map_of_the_data_s_classes_and_names_its_kind(make: Make, seed: int) -> None:
    data, target = random_split(seed), make(seed)
    target.prepare(data.split())
    for image_id in data.masks:
        item = data.item(image_id)
        draws = list(target.draws(*item))
        assert draws
        for one in draws:
            assert one.name.split(":")[0] == make.kind == target.kind  # type: ignore[attr-defined]
            assert one.mask.shape == item[1].shape
            assert one.mask.dtype == torch.int64
            assert set(one.mask.unique().tolist()) <= {*range(data.classes), VOID}
        # The name tells the very map.
        assert len({one.name for one in draws}) == len({(one.name, str(one.mask.tolist())) for one in draws})


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, random=st.randoms())
def test_a_draw_depends_on_seed_and_image_alone(make: Make, seed: int, random) -> None:
    data, target = random_split(seed), make(seed)
    alone = {image_id: drawn(make(seed), data.split(), data.item(image_id)) for image_id in data.masks}
    order = list(data.masks)
    random.shuffle(order)
    target.prepare(data.split(order))
    for image_id in order:
        assert [(one.name, one.mask.tolist()) for one in target.draws(*data.item(image_id))][:30] == alone[image_id]


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, limit=st.sampled_from([0.0, 0.3, 0.8, 1.0, None]))
def test_what_is_chosen_keeps_to_the_limit_or_is_the_least_similar(make: Make, seed: int, limit: float | None) -> None:
    data, target = random_split(seed), make(seed, max_iou=limit)
    target.prepare(data.split())
    for image_id in data.masks:
        item, prediction = data.item(image_id), data.prediction(image_id, seed)
        closeness = []
        for one in target.draws(*item):
            counted = item[2] & (one.mask != VOID)
            ious = [foreground_iou(other, one.mask, counted, data.background) for other in (item[1], prediction)]
            closeness.append(max(ious) if bool(((one.mask != item[1]) & counted).any()) else 9.0)
        bound = 1.0 if limit is None else limit
        within = [number for number, close in enumerate(closeness, 1) if close <= bound]
        chosen = target.choose(*item, prediction)
        if within:
            assert (chosen.draw, chosen.draws, chosen.too_close) == (within[0], within[0], False)
            assert ((chosen.mask != item[1]) & item[2] & (chosen.mask != VOID)).any()
        else:
            least = 1 + int(np.argmin(closeness))
            assert (chosen.draw, chosen.draws, chosen.too_close) == (least, len(closeness), True)
        again = target.repeat(*item, chosen.draw)
        assert again.name == chosen.name
        assert torch.equal(again.mask, chosen.mask)


def test_a_draw_that_does_not_exist_cannot_be_repeated(make: Make) -> None:
    data, target = random_split(0), make()
    target.prepare(data.split())
    with pytest.raises(InputError, match=f"image im 0: target={make.kind} has no draw 99"):  # type: ignore[attr-defined]
        target.repeat(*data.item("im 0"), 99)


@pytest.mark.parametrize("limit", [-0.1, 1.1])
def test_a_limit_out_of_range_is_refused(make: Make, limit: float) -> None:
    with pytest.raises(InputError, match=rf"target\.max_iou={limit}: must be from 0 to 1, or null"):
        make(max_iou=limit)


def test_without_a_background_it_is_refused_or_does_without(make: Make) -> None:
    data, target = random_split(3), make()
    split = data.split()._replace(background=None)
    if make.kind in ("other_image", "nearest", "farthest", "mask_file"):  # type: ignore[attr-defined]
        target.prepare(split)
        assert target.choose(*data.item("im 0")).mask.shape == data.masks["im 0"].shape
    else:
        with pytest.raises(InputError, match="needs a class that is no object, and the data declare none; set data"):
            target.prepare(split)
