"""What a pickle names, read from its opcodes; nothing is unpickled."""

import pickletools
import zipfile
from pathlib import Path
from typing import NamedTuple

from benchmark.regular_files import open_regular

_LARGEST = 2**26  # bytes of a pickle that are looked at
_MOST = 2_000_000  # opcodes


class PickleNames(NamedTuple):
    """What occurs in a pickle.

    Attributes:
        classes: the classes and functions that it would import, "package.module.Name", in their order.
        words: the texts in it, such as the names of tensors.
    """

    classes: list[str]
    words: set[str]

    @property
    def is_module(self) -> bool:
        """Whether it is a whole torch module."""
        return {"_modules", "_parameters", "_buffers"} <= self.words


def pickle_names(path: Path) -> PickleNames:
    """The names in a file of torch.save, of either form, or in another pickle. Raises ValueError for no pickle."""
    with open_regular(path) as file:
        archive = file.read(4) == b"PK\3\4"
        file.seek(0)
        if archive:
            with zipfile.ZipFile(file) as opened:
                member = next((name for name in opened.namelist() if name.endswith("/data.pkl")), None)
                if member is None:
                    raise ValueError("it holds no pickle")
                with opened.open(member) as part:
                    content = part.read(_LARGEST)
        else:
            content = file.read(_LARGEST)
    return _names(content)


def _names(content: bytes) -> PickleNames:
    classes: dict[str, None] = {}
    words: set[str] = set()
    recent: list[str] = []
    count, start = 0, 0
    # torch's older form is several pickles, one after the other.
    for _ in range(5):
        try:
            for opcode, argument, position in pickletools.genops(content[start:]):
                count += 1
                if isinstance(argument, str) and opcode.name != "GLOBAL":
                    words.add(argument)
                    recent = [*recent[-1:], argument]
                if opcode.name == "GLOBAL":
                    classes[str(argument).replace(" ", ".")] = None
                elif opcode.name == "STACK_GLOBAL" and len(recent) == 2:
                    classes[".".join(recent)] = None
                if count > _MOST:
                    return PickleNames(list(classes), words)
                end = (position or 0) + 1
        except ValueError as error:
            if not count:
                raise ValueError("it is no pickle") from error
            break
        start += end
    return PickleNames(list(classes), words)
