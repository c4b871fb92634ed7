"""Any id is a file name: one that file systems take, in its folder, and of no other id."""

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.runs.layout import file_name


@settings(deadline=None)
@given(st.text(), st.text())
def test_file_names_are_one_to_one(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


def test_long_ids_make_file_names_that_file_systems_take() -> None:
    longest, other = "\N{LATIN SMALL LETTER E WITH ACUTE}" * 300, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 299
    assert len(file_name(longest)) < 200
    assert file_name(longest) != file_name(other)


@settings(deadline=None)
@given(
    st.one_of(
        st.text(), st.text(alphabet="./\\%~:.. \n\0"), st.sampled_from(["", ".", "..", "../x", "/etc", "%2E", "a/../b"])
    )
)
def test_file_names_stay_in_their_folder(image_id: str) -> None:
    name = file_name(image_id)
    folder = Path("/run/adversarial")
    assert name
    assert name.isascii()
    assert not set(name) & set('/\\\0:*?"<>|\n')
    assert Path(os.path.normpath(folder / name)).parent == folder
    assert Path(os.path.normpath(folder / name)).name == name


def test_plain_names_stay_readable() -> None:
    assert [file_name(name) for name in ("ISIC_0000001", "left eye (2).b", "a/b", "é")] == [
        "ISIC_0000001",
        "left eye (2).b",
        "a%2Fb",
        "%C3%A9",
    ]
