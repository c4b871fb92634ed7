"""Overrides are read as Hydra reads them, and what is written is read back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config.overrides import assignment, parse, quoted
from benchmark.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed=1", {"key": "seed", "value": 1, "group": None}),
        ("data.root=/scratch/programs", {"key": "data.root", "value": "/scratch/programs"}),
        ("run.dir='a (b)'", {"value": "a (b)"}),
        ("run.name=", {"value": ""}),
        ("victim=unet", {"group": "victim", "choices": ["unet"]}),
        ("attack@attacks.x=pgd", {"key": "attack", "group": "attack", "package": "attacks.x"}),
        ("attack=[asma,pgd],[noise]", {"sweep": True, "choices": ["asma", "pgd", "noise"]}),
        ("victim=choice(unet,fpn)", {"sweep": True, "choices": ["unet", "fpn"]}),
        ("seed=range(3)", {"sweep": True, "value": []}),
        ("hydra/launcher=slurm", {"group": "hydra/launcher", "choices": ["slurm"]}),
        ("+a.b=null", {"append": True, "value": None, "delete": False}),
        ("++a.b={c:1}", {"append": True, "value": {"c": 1}}),
        ("~attack", {"delete": True, "value": None, "choices": []}),
        ("~attack=asma", {"delete": True, "choices": []}),
    ],
)
def test_an_override_is_read(text: str, expected: dict[str, Any]) -> None:
    override = parse(text)
    assert {name: getattr(override, name) for name in expected} == expected
    assert override.text == text


def test_every_key_that_is_set_is_listed() -> None:
    items = list(parse("a={b:{c:1},d:[{e:2}]}").items())
    assert [key for key, _ in items] == ["a", "a.b", "a.b.c", "a.d", "a.d.0", "a.d.0.e"]
    assert dict(items)["a.d.0.e"] == 2


@pytest.mark.parametrize("text", ["", "seed", "=3", "judge.op=<", "a b=[", "range(3)"])
def test_what_is_no_override_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"is not KEY=VALUE; write e.g. seed=1"):
        parse(text)


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), min_size=1))
def test_what_is_assigned_is_read_back(text: str) -> None:
    assert parse(assignment("run.dir", text)).value == text


@pytest.mark.parametrize(("text", "written"), [("/a/b-c.ckpt", "/a/b-c.ckpt"), ("12", "'12'"), ("null", "'null'")])
def test_only_what_needs_quotes_gets_them(text: str, written: str) -> None:
    assert quoted(text) == written
