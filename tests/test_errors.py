"""Text from files reaches a terminal without what the terminal would obey."""

import pickle

import pytest

from benchmark.cli.parsers import say
from benchmark.errors import InputError, printable
from benchmark.past_runs.mismatch import Mismatch
from benchmark.report.tables.table import TextTable, markdown, print_tables

HOSTILE = "a\x1b[2J\x1b]0;title\x07\r\n\x9b1m\u202eb\u2066\u2028\x00\ud800"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\r\n\x9b1m\u202eb\u2066\u2028\x00\ud800"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable(HOSTILE) == SHOWN
    assert printable("é 日本 مرحبا می\u200cخواهم 👩\u200d⚕️") == "é 日本 مرحبا می\u200cخواهم 👩\u200d⚕️"
    assert printable("a\nb\r", breaks=True) == "a\nb\\r"


def test_every_way_to_a_terminal_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError(HOSTILE)
    assert str(error) == str(pickle.loads(pickle.dumps(error))) == SHOWN
    assert str(Mismatch("records", HOSTILE)) == f"records: {SHOWN}"
    say(HOSTILE)
    say(HOSTILE, error=True)
    assert capsys.readouterr() == (SHOWN + "\n", SHOWN + "\n")
    table = TextTable(HOSTILE, ("name\nof it", HOSTILE), [(HOSTILE, "1")], [HOSTILE])
    print_tables([table])
    shown = capsys.readouterr().out + markdown([table])
    assert not set(HOSTILE) - {"\n", *SHOWN} & set(shown)
    assert len(markdown([table]).splitlines()) == 7


def test_a_message_is_cut_in_the_middle() -> None:
    text = str(InputError("start " + "x" * 10**6 + "; the cure"))
    assert len(text) < 5000
    assert text.startswith("start ")
    assert text.endswith("; the cure")
