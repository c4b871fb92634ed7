"""The choice of an output by its name or its position, and what messages propose to type."""

import re
import shlex
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from onnx import TensorProto, helper
from torch import Tensor

from benchmark.errors import InputError
from benchmark.victims import adapters
from benchmark.victims.network_outputs import checked_choice, chosen_output
from benchmark.victims.task import Victim

MAIN, AUX = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
Odd = namedtuple("Odd", ["_1", "_0"], rename=True)


@pytest.mark.parametrize(
    ("returned", "choice"),
    [
        ({1: MAIN, 0: AUX}, 1),
        ({1: MAIN, 0: AUX}, "1"),
        ({"1": MAIN, "0": AUX}, 1),
        ({"12": MAIN, "3": AUX}, 12),
        ({"-1": MAIN, "a": AUX}, -1),
        ({4: AUX, 2: MAIN}, 2),
        ({4: AUX, 2: MAIN}, 1),
        ({4: AUX, 2: MAIN}, -1),
        ({"heads": {1: MAIN, 0: AUX}, "x": AUX}, ["heads", 1]),
        ([{3: AUX, 1: MAIN}, AUX], [0, 1]),
        ({1: MAIN, "1": AUX}, 0),
        ({True: MAIN, None: AUX}, "True"),
        (Odd(AUX, MAIN), 1),
        ((MAIN, "text", 0.5), None),
        ({"loss": torch.zeros(()).item(), "masks": MAIN}, None),
    ],
)
def test_names_come_before_positions(returned: Any, choice: Any) -> None:
    assert chosen_output(returned, choice) is MAIN


NAMES = [
    ("1", "0"), ("12", "3"), ("007", "1e3"), ("null", "true"), ("a,b", "c d"), ("'x", '"y'), ("${a}", "$HOME"),
    ("/decoder/out", "onnx::Conv_12"), ("[a]", "{b}"), ("", " "), ("out.1", "out:0"), ("NaN", "inf"), ("-1", "0"),
    ("é", "a=b"), ("a-b", "~"), ("1_000", "1.5"), ("*", "a\\b"), ("0", "x y"), ("False", "None"), ("²", "--1"),
]  # fmt: skip


def proposals(message: str) -> list[Any]:
    """What Hydra makes of each assignment that a message proposes, typed in a shell."""
    listed = re.split(r" returned (?:several outputs: )?|; choose|; say|, did you mean", message)[1]
    typed = [f"victim.output={name}" for name in re.findall(r"(?:^|\), )(\[[^ ]+\]|[^ ]+)(?= (?:named|\())", listed)]
    typed += [f"victim.output={name}" for name in re.findall(r"did you mean (\S+)\?", message)]
    words = [shlex.split(text) for text in typed]
    assert all(len(word) == 1 for word in words)
    return [OverridesParser.create().parse_override(word[0]).value() for word in words]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("choice", [None, "logitz", "no,such", 99])
@pytest.mark.parametrize("nested", [False, True])
def test_every_proposal_works(names: tuple[str, str], choice: Any, nested: bool) -> None:
    heads = dict(zip(names, (MAIN, AUX), strict=True))
    returned = {"heads": heads, "z": [MAIN, None, (AUX,)]} if nested else heads
    with pytest.raises(InputError) as raised:
        chosen_output(returned, choice)
    found = proposals(str(raised.value))
    assert len(found) >= (4 if nested else 2)
    assert {id(chosen_output(returned, checked_choice(one))) for one in found} == {id(MAIN), id(AUX)}


@pytest.mark.parametrize("choice", ["12x", "[heads,main]", "maiin", ["heads", "maim"]])
def test_what_was_perhaps_meant_works(choice: Any) -> None:
    returned = {"12": MAIN, "heads": {"main": MAIN}, "main": MAIN, "deep": {"er": [None, MAIN]}}
    with pytest.raises(InputError, match="did you mean") as raised:
        chosen_output(returned, choice)
    assert all(chosen_output(returned, one) is MAIN for one in proposals(str(raised.value)))


def _endless(kind: str) -> Any:
    alone: list[Any] = []
    alone.append(alone)
    beside: list[Any] = [MAIN]
    beside.append(beside)
    mapping: dict[str, Any] = {"aux": AUX}
    mapping["out"] = mapping
    one: dict[str, Any] = {"y": MAIN}
    one["out"] = {"out": one, "x": AUX}
    deep: Any = MAIN
    for _ in range(100):
        deep = [deep]
    wide: list[Any] = []
    wide += [wide] * 100
    return {"alone": alone, "beside": beside, "mapping": mapping, "two": one, "deep": deep, "wide": wide}[kind]


@pytest.mark.parametrize("kind", ["alone", "beside", "mapping", "two", "deep", "wide"])
@pytest.mark.parametrize("choice", [None, "nothing"])
def test_outputs_that_hold_themselves_have_an_end(kind: str, choice: Any) -> None:
    with pytest.raises(InputError, match="more than 16 deep, such as a list that holds itself; wrap it"):
        chosen_output(_endless(kind), choice)
    assert chosen_output(_endless("beside"), [1, 1, 0]) is MAIN


@pytest.mark.parametrize(
    ("returned", "choice", "message"),
    [
        (["a", "b"], None, "returned list without a tensor; wrap it"),
        ([1.0, 2.0], 0, "victim.output=0: there is no tensor there; wrap it"),
        ((MAIN, {"a": None}), 1, r"victim.output=1: there is no tensor there; choose one of 0 \(1, 2, 4, 4\)$"),
        ((MAIN, None), 1, r"the network returned None there; choose one of 0 \(1, 2, 4, 4\)$"),
        ({"a": None}, "b", "the network returned dict without a tensor; wrap it"),
        ({"a": MAIN, "b": torch.nested.nested_tensor([MAIN[0]])}, None, r"a \(1, 2, 4, 4\), b nested; say"),
        ([MAIN, AUX], "9" * 5000, "victim.output=9+"),
    ],
)
def test_where_there_is_no_tensor(returned: Any, choice: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chosen_output(returned, choice)


@pytest.mark.parametrize("names", [("1", "0"), ("12", "3")])
def test_outputs_of_onnx_files_that_are_called_by_numbers(tmp_path: Path, names: tuple[str, str]) -> None:
    sides = ("b", 2, "h", "w")
    nodes = [helper.make_node(kind, ["images"], [name]) for kind, name in zip(("Identity", "Neg"), names, strict=True)]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("images", *names)]
    graph = helper.make_graph(nodes, "net", values[:1], values[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    (tmp_path / "net.onnx").write_bytes(made.SerializeToString())
    images = torch.rand(2, 2, 6, 5)

    def logits(output: Any) -> Tensor:
        network = adapters.make("onnx", {"program": str(tmp_path / "net.onnx")}, 2, 2)
        return Victim("onnx", network=network, channels=2, output=output)(images)

    assert torch.equal(logits(int(names[0])), images)
    assert torch.equal(logits(int(names[1])), -images)
    with pytest.raises(InputError, match=rf"several outputs: {names[0]} \(.*, {names[1]} \(.*victim\.output=NAME"):
        logits(None)
