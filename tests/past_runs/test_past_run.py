"""A run's cases made again from its rows."""

import torch

from benchmark.criterion import Criterion
from benchmark.past_runs.past_run import PastRun
from benchmark.runs.folder import RunFolder
from benchmark.targets import OtherImage
from tests.synthetic_data import synthetic_data


def test_targets_are_the_draws_that_the_rows_name_without_any_model() -> None:
    data = synthetic_data(n_train=2, n_val=2, n_test=5, size=16)
    ids = data.test_ids()
    size = {"height": 16, "width": 16, "valid_pixels": 256}
    rows = [
        {"id": image_id, "target_draw": 1 + i % 3, "target_draws": 3, "target_too_close": False, **size}
        for i, image_id in enumerate(ids)
    ]
    target = OtherImage(4)
    past_run = PastRun(
        run=RunFolder(""),
        name="run",
        rows=rows,
        config={},
        environment={},
        splits=data.splits(),
        data=data,
        target=target,
        judge=Criterion(),
    )
    cases = list(past_run.cases(ids))
    assert [case.target_draw for case in cases] == [1, 2, 3, 1, 2]
    for case in cases:
        named = [one.name for one in target.draws(case.id, case.truth, case.valid)]
        assert case.target_name == named[case.target_draw - 1]
        assert torch.equal(case.target, data.mask(case.target_name.removeprefix("other_image:")))
