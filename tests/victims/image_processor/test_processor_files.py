"""Which file of a folder describes its image processor, and which class that is: as the library has it."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import InputError
from tests.victims.image_processor.processor_folders import difference, loaded, write

OWN, NESTED = "preprocessor_config.json", "processor_config.json"
KEYS: dict[str, Any] = {"size": {"height": 40, "width": 56}, "image_mean": [0.1, 0.2, 0.3]}
OTHER: dict[str, Any] = {"size": {"height": 32, "width": 32}, "do_normalize": False}
SIZES = ((64, 64), (72, 50))


def test_a_nested_section_alone_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path, KEYS | {"image_processor_type": "ViTImageProcessor"}, NESTED, nested=True)
    assert difference(folder, *SIZES) <= 1e-4


def test_where_both_files_disagree_the_nested_section_counts(tmp_path: Path) -> None:
    write(tmp_path, KEYS | {"image_processor_type": "BeitImageProcessor"}, NESTED, nested=True)
    folder = write(tmp_path, OTHER | {"image_processor_type": "SegformerImageProcessor"})
    assert difference(folder, *SIZES) <= 1e-4
    assert loaded(folder).steps(3, 64, 64).canvas == (40, 56)


@pytest.mark.parametrize("beside", [{"processor_class": "X"}, {"image_processor": None}])
def test_without_a_nested_section_the_other_file_counts(beside: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, beside, NESTED)
    folder = write(tmp_path, OTHER | {"image_processor_type": "SegformerImageProcessor"})
    assert difference(folder, *SIZES) <= 1e-4
    assert loaded(folder).steps(3, 64, 64).canvas == (32, 32)


@pytest.mark.parametrize(
    "named",
    [
        {"feature_extractor_type": "BeitFeatureExtractor"},
        {"image_processor_type": "BeitImageProcessorFast"},
        {"image_processor_type": "BeitImageProcessorPil"},
        {"image_processor_type": "BeitImageProcessor", "feature_extractor_type": "ViTFeatureExtractor"},
        {},
    ],
)
def test_the_class_is_the_one_that_the_library_takes(named: dict[str, str], tmp_path: Path) -> None:
    assert difference(write(tmp_path, KEYS | named), *SIZES) <= 1e-4


def test_a_folder_without_a_processor_is_refused(tmp_path: Path) -> None:
    (write(tmp_path, {}) / OWN).unlink()
    with pytest.raises(
        InputError, match=r"has neither preprocessor_config\.json nor .*; restore it, or victim\.preproc"
    ):
        loaded(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "null", '{"size": 1' + "0" * 40 + "}", "[" * 500])
@pytest.mark.parametrize("name", [OWN, NESTED])
def test_files_that_hold_no_keys_are_refused(text: str, name: str, tmp_path: Path) -> None:
    (write(tmp_path, {}) / name).write_text(text)
    with pytest.raises(InputError, match=rf"{name}: .*restore it") as caught:
        loaded(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_section_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    (write(tmp_path, {}) / NESTED).write_text(json.dumps({"image_processor": [1]}))
    with pytest.raises(InputError, match=r"processor_config\.json: image_processor holds no names and values; restore"):
        loaded(tmp_path)


def test_a_file_of_labels_is_not_looked_for(tmp_path: Path) -> None:
    named = {"image_processor_type": "OneFormerImageProcessor", "class_info_file": "x.json", "repo_path": "some/where"}
    processor = loaded(write(tmp_path, KEYS | named))
    assert processor.steps(3, 64, 64).canvas == (40, 56)
