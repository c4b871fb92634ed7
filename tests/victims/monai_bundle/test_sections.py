"""What a bundle's evaluator, data loader and data set use counts; what they have and nothing here does is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import InputError
from tests.victims.monai_bundle.bundles import LEVELS, PREPROCESSING, bundle, configuration, given_to, made, of_monai

Change = Callable[[dict[str, Any]], None]
NORMALISED = [*PREPROCESSING, {"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": True}]
WINDOWS = {"_target_": "SlidingWindowInferer", "roi_size": [16, 8]}
COMPOSE = {"_target_": "Compose", "transforms": NORMALISED}
EVALUATOR = {
    "_target_": "SupervisedEvaluator",
    "device": "@device",
    "val_data_loader": "@dataloader",
    "network": "@network",
    "inferer": "@inferer",
    "postprocessing": "@postprocessing",
    "val_handlers": "@handlers",
    "amp": True,
}
LARGEST = {"_target_": "KeepLargestConnectedComponentd", "keys": "pred"}


def evaluated(**values: Any) -> dict[str, Any]:
    """A configuration as bundles have it, with a data loader and an evaluator of these arguments."""
    config = configuration()
    config["dataloader"] = {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 4}
    config["evaluator"] = EVALUATOR | values
    config["initialize"] = ["$monai.utils.set_determinism(seed=123)", "$@checkpointloader(@evaluator)"]
    config["run"] = ["$setattr(torch.backends.cudnn, 'benchmark', True)", "$@evaluator.run()"]
    return config


def dataset(transform: Any) -> dict[str, Any]:
    return {"_target_": "CacheDataset", "data": "$@datalist", "transform": transform, "num_workers": 0}


@pytest.mark.parametrize(
    "extra",
    [
        {"dataset": dataset(COMPOSE)},
        {"dataset": dataset(NORMALISED)},
        {"dataset": dataset("@other"), "other": COMPOSE},
        {"dataset": dataset("$@other"), "other": NORMALISED},
        {"dataset": dataset("@all::of::1"), "all": {"of": ["@preprocessing", "@all#other"], "other": COMPOSE}},
        {"dataset": dataset(["@preprocessing", {"_target_": "Compose", "transforms": NORMALISED[-1:]}])},
        {"dataloader": {"_target_": "monai.data.DataLoader", "dataset": dataset(COMPOSE)}},
        {"dataloader": {"_target_": "torch.utils.data.DataLoader", "dataset": "@mine"}, "mine": dataset(COMPOSE)},
    ],
)
@pytest.mark.parametrize("start", [configuration, evaluated])
@pytest.mark.parametrize("preprocessing", [True, False])
def test_the_transform_of_the_data_counts(
    tmp_path: Path, start: Callable[[], dict[str, Any]], extra: dict[str, Any], preprocessing: bool
) -> None:
    expected = of_monai(bundle(tmp_path / "plain", configuration(NORMALISED)), tmp_path)
    config = start() | extra
    if not preprocessing and "@preprocessing" not in str(extra):
        del config["preprocessing"]
    network = made(bundle(tmp_path / "bundle", config))
    torch.testing.assert_close(given_to(network, LEVELS / 255), expected, rtol=1e-4, atol=1e-4)


def test_the_data_loader_of_the_evaluator_counts(tmp_path: Path) -> None:
    expected = of_monai(bundle(tmp_path / "plain", configuration(NORMALISED)), tmp_path)
    loader = {"_target_": "DataLoader", "dataset": dataset(COMPOSE)}
    for index, config in enumerate(
        (evaluated(val_data_loader=loader), evaluated(val_data_loader="@l") | {"l": loader})
    ):
        network = made(bundle(tmp_path / str(index), config))
        torch.testing.assert_close(given_to(network, LEVELS / 255), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "inferer", ["@win", WINDOWS, "$@win", {"_target_": "SlidingWindowInferer", "roi_size": "@win::roi_size"}]
)
def test_the_inferer_of_the_evaluator_counts(tmp_path: Path, inferer: Any) -> None:
    folder = bundle(tmp_path / "bundle", evaluated(inferer=inferer) | {"win": WINDOWS})
    expected = made(bundle(tmp_path / "plain", configuration(inferer=WINDOWS)))(LEVELS / 255)
    torch.testing.assert_close(made(folder)(LEVELS / 255), expected)
    whole = made(bundle(tmp_path / "whole"))(LEVELS / 255)
    assert not torch.allclose(whole, expected)


@pytest.mark.parametrize(
    "network",
    [
        "@network_def",
        "$@network_def",
        "$@network_def.to(@device)",
        "$@network.eval()",
        "$@network_def.to('cuda:0').eval()",
        "$@network_def.to(device=torch.device('cpu'))",
        "$@again.cuda()",
    ],
)
@pytest.mark.parametrize("place", ["network", "evaluator"])
def test_a_network_may_be_put_on_a_device(tmp_path: Path, network: str, place: str) -> None:
    config = evaluated(network=network if place == "evaluator" else "@network") | {"again": "@network_def"}
    if place == "network" and "@network." not in network:
        config["network"] = network
    expected = made(bundle(tmp_path / "plain"))(LEVELS / 255)
    assert torch.equal(made(bundle(tmp_path / "bundle", config))(LEVELS / 255), expected)


NETWORKS = [
    "$torch.nn.Sequential(@network_def, torch.nn.Softmax(1))",
    "$@network_def.half()",
    "$@network_def.to(@device).train()",
    "$@network_def.to(torch.float16)",
    "$monai.networks.utils.convert_to_torchscript(@network_def)",
    "$torch.nn.DataParallel(@network_def.to(@device))",
    "$@network_def.model",
    {"_target_": "torch.nn.Sequential", "_args_": ["@network_def"]},
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("start", [configuration, evaluated])
def test_another_network_is_refused(tmp_path: Path, start: Callable[[], dict[str, Any]], network: Any) -> None:
    with pytest.raises(InputError, match=r"inference\.json: network.*(is an expression|not supported|no class of)"):
        made(bundle(tmp_path / "top", start() | {"network": network}))
    with pytest.raises(InputError, match=r"evaluator\.network.*(is an expression|not supported|no class of)"):
        made(bundle(tmp_path / "evaluator", evaluated(network=network)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"postprocessing": {"_target_": "Compose", "transforms": [LARGEST]}}, "postprocessing: KeepL.*supp"),
        ({"postprocessing": [LARGEST]}, "evaluator.postprocessing: KeepLargestConnectedComponentd: not supported"),
        ({"postprocessing": LARGEST}, "evaluator.postprocessing: KeepLargestConnectedComponentd: not supported"),
        ({"postprocessing": "@mine"}, "mine: KeepLargestConnectedComponentd: not supported"),
        ({"postprocessing": "$@mine"}, "mine: KeepLargestConnectedComponentd: not supported"),
        ({"prepare_batch": "$lambda b: b"}, r"evaluator\.prepare_batch=.*not supported"),
        ({"iteration_update": "$scripts.update"}, r"evaluator\.iteration_update=.*not supported"),
        ({"to_kwargs": {"dtype": "$torch.float16"}}, r"evaluator\.to_kwargs=.*not supported"),
        ({"mode": "train"}, r"evaluator\.mode=train: only eval"),
        ({"threshold": 3}, r"evaluator\.threshold=3: not supported"),
        ({"_target_": "EnsembleEvaluator"}, "evaluator._target_=EnsembleEvaluator: not supported"),
        ({"_target_": "scripts.Mine"}, "is no class of MONAI"),
        ({"inferer": {"_target_": "SliceInferer"}}, r"evaluator\.inferer\._target_=SliceInferer: not supported"),
        ({"inferer": "$monai.inferers.SimpleInferer()"}, r"evaluator\.inferer=.*is an expression"),
        ({"val_data_loader": {"_target_": "DataLoader", "dataset": {"_target_": "ZipDataset"}}}, "ZipDataset: not"),
        ({"val_data_loader": {"_target_": "DataLoader"}}, r"val_data_loader\.dataset is missing"),
        ({"val_data_loader": {"_target_": "DataLoader", "dataset": "@dataset", "collate_fn": "$f"}}, "collate_fn"),
        ({"val_data_loader": {"_target_": "DataLoader", "dataset": "@dataset", "flip": True}}, "flip=True: not"),
        ({"val_handlers": [{"_target_": "PostProcessing", "transform": "@mine"}]}, "0: PostProcessing: not"),
        ({"val_handlers": [{"_target_": "scripts.Mine"}]}, r"val_handlers\.0: scripts\.Mine: not supported"),
    ],
)  # fmt: skip
def test_what_an_evaluator_has_is_done_or_refused(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    config = evaluated(**values) | {"mine": {"_target_": "Compose", "transforms": [LARGEST]}}
    with pytest.raises(InputError, match=message) as caught:
        made(bundle(tmp_path / "bundle", config))
    assert str(tmp_path / "bundle" / "configs" / "inference.json") in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"my_inferer": WINDOWS}, "my_inferer: nothing that is read uses it; name it in an evaluator, or take it out"),
        ({"transforms_test": COMPOSE}, "transforms_test: nothing that is read uses it"),
        ({"later": [LARGEST]}, "later: nothing that is read uses it"),
        ({"handlers": [{"_target_": "PostProcessing"}]}, r"handlers\.0: PostProcessing: not supported"),
        ({"dataset": {"_target_": "Dataset", "data": []}}, r"dataset\.transform is missing, but there is a preproc"),
        ({"initialize": ["$@network_def.register_forward_hook(print)"]}, "initialize: .*is not run; take it out"),
        ({"run": ["$scripts.infer(@network, @preprocessing)"]}, "run: .*is not run; take it out"),
        ({"evaluator": EVALUATOR, "validator": EVALUATOR}, "evaluator and validator: which one counts is open"),
        ({"evaluator": {k: v for k, v in EVALUATOR.items() if k != "inferer"}, "inferer": WINDOWS, "dataloader": None},
         r"evaluator\.inferer is missing, but there is an inferer"),
    ],
)  # fmt: skip
def test_what_stands_at_the_top_is_used_harmless_or_refused(
    tmp_path: Path, extra: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        made(bundle(tmp_path / "bundle", configuration() | extra))


def test_what_an_evaluator_leaves_unused_is_harmless(tmp_path: Path) -> None:
    unused = {"my_inferer": WINDOWS, "later": [LARGEST], "output_dtype": "$numpy.float32", "amp": True}
    expected = made(bundle(tmp_path / "plain"))(LEVELS / 255)
    assert torch.equal(made(bundle(tmp_path / "bundle", evaluated() | unused))(LEVELS / 255), expected)


def test_a_section_may_be_null(tmp_path: Path) -> None:
    nothing = {"inferer": None, "postprocessing": None, "handlers": None}
    expected = made(bundle(tmp_path / "plain"))(LEVELS / 255)
    assert torch.equal(made(bundle(tmp_path / "bundle", evaluated() | nothing))(LEVELS / 255), expected)


def test_the_evaluator_that_is_run_counts(tmp_path: Path) -> None:
    config = evaluated() | {"section": {"mine": EVALUATOR | {"inferer": WINDOWS}}, "run": "$@section::mine.run()"}
    expected = made(bundle(tmp_path / "plain", configuration(inferer=WINDOWS)))(LEVELS / 255)
    torch.testing.assert_close(made(bundle(tmp_path / "bundle", config))(LEVELS / 255), expected)
