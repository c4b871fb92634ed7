"""Messages that show the factory with which victim=python attacks a file."""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmark.errors import DetailedError, InputError
from benchmark.victims.other_files.architectures import constructor
from benchmark.victims.weights import weight_sets

_MOST_LISTED = 20  # hyper-parameters, and values of one
_LONGEST = 60  # characters of a value
_MODULE = "mymodel"
_ATTACK = f"python -m benchmark attack victim=python victim.factory={_MODULE}:load"


def weights_factory(path: Path, tensors: Mapping[str, Tensor], entry: str | None, places: list[str]) -> InputError:
    """For the weights of a network, of several sets those at `entry`."""
    what = f"{path} holds weights alone ({len(tensors)} tensors), which do not say of what network they are"
    if len(places) > 1:
        what = f"{path} holds several sets of weights ({', '.join(places[:4])}), no victim"
    return _loading(path, what, tensors, entry)


def lightning_factory(path: Path, tensors: Any, saved: Mapping[str, Any]) -> InputError:
    """For a checkpoint of the user's LightningModule; `tensors` is None where its file cannot be read as plain data."""
    named = f" (hyper-parameters {', '.join(map(str, list(saved)[:6]))})" if saved else ""
    what = f"{path} is a Lightning checkpoint that another program wrote{named}"
    sets = weight_sets({"state_dict": tensors})
    if not sets:
        lines = [
            "from my_package import MyModule  # your LightningModule; only if you trust the file",
            f"def load(): return MyModule.load_from_checkpoint({_text(path)}, map_location='cpu', weights_only=False)",
        ]
        refused = what.replace(" is a ", " is refused: it is a ", 1)
        return _shown(f"{refused}, with objects, and loading those would execute code", lines)
    entry, tensors = next(iter(sets)) if len(sets) > 1 else None, next(iter(sets.values()))
    if constructor(tensors) is not None:
        return _loading(path, what, tensors, entry)
    lines = [
        "from my_package import MyModule  # your LightningModule, whose forward returns the logits",
        "from benchmark.victims.weights import load_weights",
        "def load():",
        f"    return load_weights(MyModule({_arguments(saved)}), {_place(path, entry)})",
        "# if you trust the file, MyModule.load_from_checkpoint(...) in place of load_weights(...) works, too",
    ]
    return _shown(what, lines)


def module_factory(path: Path, name: str) -> InputError:
    """For a whole pickled module, of the class `name`."""
    lines = [
        "import torch",
        "def load():  # this executes code of the file: only if you trust it",
        f"    return torch.load({_text(path)}, map_location='cpu', weights_only=False)",
    ]
    return _shown(
        f"{path} is refused: it is a whole pickled module ({name}), and loading that would execute code", lines
    )


def mmsegmentation_factory(path: Path) -> InputError:
    """For a checkpoint of mmsegmentation, which keeps its network in a file of its own."""
    lines = [
        "import torch",
        "from mmseg.apis import init_model",
        "class Net(torch.nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        "        config = 'CONFIG.py'  # of its training",
        f"        self.model = init_model(config, {_text(path)}, device='cpu')",
        "    def forward(self, images):  # in [0, 1]; its processor has mean and std of 0 to 255",
        "        made = self.model.data_preprocessor",
        "        inputs = (images * 255 - made.mean) / made.std",
        "        return self.model.encode_decode(inputs, [{'img_shape': images.shape[2:]}] * len(images))",
        "load = Net",
    ]
    return _shown(f"{path} is a checkpoint of mmsegmentation", lines)


def _loading(path: Path, what: str, tensors: Mapping[str, Tensor], entry: str | None) -> InputError:
    found = constructor(tensors)
    imported, made = found or ("from my_package import MyNetwork  # the class of the network", "MyNetwork()")
    if found is None and len({name.partition(".")[0] for name in tensors}) == 1:
        what += f", all under {next(iter(tensors)).partition('.')[0]}."
    lines = [
        imported,
        "from benchmark.victims.weights import load_weights",
        "def load():",
        f"    return load_weights({made}, {_place(path, entry)})",
    ]
    return _shown(what, lines)


def _arguments(saved: Mapping[str, Any]) -> str:
    """The saved hyper-parameters as arguments in Python; `...` stands for a value that is no short plain one."""
    named = ((name, value) for name, value in saved.items() if isinstance(name, str) and name.isidentifier())
    return ", ".join(f"{name}={_plain(value)}" for name, value in islice(named, _MOST_LISTED))


def _plain(value: Any) -> str:
    # A file can make a small nested list endless to print.
    parts = value if isinstance(value, list | tuple) else [value]
    short = len(parts) <= _MOST_LISTED and all(isinstance(part, int | float | str | None) for part in parts)
    text = repr(value) if short else "..."
    return text if len(text) <= _LONGEST else "..."


def _place(path: Path, entry: str | None) -> str:
    return _text(path) + ("" if entry is None else f", {json.dumps(entry)}")


def _text(path: Path) -> str:
    return json.dumps(str(path.resolve()), ensure_ascii=False)


def _shown(what: str, lines: list[str]) -> InputError:
    example = [
        f"# {_MODULE}.py",
        *lines,
        f"# then: {_ATTACK} and the data=, data.KEY= and other keys that you gave",
        "# images arrive in [0, 1]: give victim.mean and victim.std too, unless forward normalises them itself",
    ]
    return DetailedError(f"{what}; attack it with a factory, such as the one below", example)
