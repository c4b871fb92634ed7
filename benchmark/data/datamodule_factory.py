"""From the section `data` of a configuration to the arguments of a source and of its data module."""

import inspect
from collections.abc import Callable
from typing import Any

from benchmark.data.datamodule import SegmentationData
from benchmark.data.source import Source
from benchmark.errors import InputError


def datamodule_for(source: type[Source]) -> Callable[..., SegmentationData]:
    """The function that builds the data module of a source's class from the section `data` of a configuration.

    Its signature, against which configurations are checked, has the keyword arguments of the class and those of
    `SegmentationData`; arguments that both have, such as `size` and `seed`, go to both.

    Raises:
        InputError: the class is no `Source`.
    """
    if not (isinstance(source, type) and all(hasattr(source, name) for name in ("splits", "read", "fingerprint"))):
        name = getattr(source, "__qualname__", source)
        raise InputError(f"data._target_: {name} is no data source; name a class such as benchmark.data.folder.Folder")
    of_source = dict(inspect.signature(source).parameters)
    of_loading = dict(inspect.signature(SegmentationData).parameters)
    del of_loading["source"]
    joined = {name: item.replace(kind=item.KEYWORD_ONLY) for name, item in (of_source | of_loading).items()}
    signature = inspect.Signature(list(joined.values()))

    def make(**options: Any) -> SegmentationData:
        signature.bind(**options)
        data_set = source(**{name: value for name, value in options.items() if name in of_source})
        return SegmentationData(data_set, **{name: value for name, value in options.items() if name in of_loading})

    make.__signature__ = signature  # type: ignore[attr-defined]
    make.__annotations__ = {name: item.annotation for name, item in joined.items()}
    return make
