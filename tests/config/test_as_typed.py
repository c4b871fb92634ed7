"""Values are complained about as they were typed, with how to quote them."""

import pytest

from benchmark.config.compose import compose
from benchmark.config.overrides import from_command_line, parse
from benchmark.errors import InputError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.name=1e3", """run.name=1e3: is read as 1000.0, must be text; in quotes it is text: 'run.name="1e3"'"""),
        ("run.name=null", "run.name=null: is read as None, must be text"),
        ("run.name=[]", """run.name=[]: must be text; in quotes it is text: 'run.name="[]"'"""),
        ("run={name:7}", """run.name=7: must be text; in quotes it is text: 'run.name="7"'"""),
        ("run.dir=2026_11_29", """run.dir=2026_11_29: is read as 20261129, must be text; in quotes it is text"""),
        ("data.batch_size=1e1", None),
        ("seed=1_0.0", "seed=1_0.0: is read as 10.0, must be a whole number"),
        ("victim.ckpt=1e3", """victim.ckpt=1e3: is read as 1000.0, must be text or null; in quotes"""),
        ("run.dir=a=b", """in quotes: 'run.dir="a=b"'"""),
        ("run.dir=a,b", """needs -m; for a list write 'run.dir=[a,b]', for a text 'run.dir="a,b"'"""),
        ("data.root=(x", """in quotes: 'data.root="(x"'"""),
    ],
)
def test_the_value_stands_there_as_it_was_typed(override: str, message: str | None) -> None:
    if message is None:
        compose([override])  # whoever uses the value checks it
        return
    with pytest.raises(InputError) as raised:
        compose([override])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["2026_11_29", "1e3", "a=b", "a,b", "[x]", "{a}", "null", "a b", "é'ü", "C:\\x", "$y"])
def test_the_advice_is_what_a_shell_and_hydra_read_as_that_text(text: str) -> None:
    import shlex

    from benchmark.config.overrides import in_quotes

    (argument,) = shlex.split(in_quotes("run.dir", text))
    assert from_command_line(argument).value == text


@pytest.mark.parametrize("text", ["run.dir=~/x", 'run.dir="~/x"', "run.dir='~/x'", "+data.splits=~/a b"])
def test_home_is_understood_with_quotes_and_without(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    override = from_command_line(text)
    assert override.value.startswith("/home/me/")
    assert parse(override.text).value == override.value


def test_home_is_understood_in_each_value_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert from_command_line('data.root="~/a","~/b,c",/d').value == ["/home/me/a", "/home/me/b,c", "/d"]


def test_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"~nobody_here/x: there is no home of nobody_here; write the path out, or \./~"
    ):
        from_command_line("run.dir=~nobody_here/x")
    assert from_command_line("run.name=~draft").value == "~draft"
