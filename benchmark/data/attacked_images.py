"""Which images of a data set are attacked: those of one split, or all."""

from collections.abc import Mapping

from benchmark.data.loading_options import EVERY
from benchmark.data.source import SPLITS, Source

Places = Mapping[str, tuple[str, str]]
"""Id of an image -> the split and the id under which its source has it."""


def places_of(source: Source, split: str) -> Places:
    """The images of a split in file order; for `EVERY` those of train, val and test.

    Of images that several splits share file by file, the first is taken. Where two splits have different images of one
    id, all ids begin with the name of the split.
    """
    ids = source.splits()
    if split != EVERY:
        return {id: (split, id) for id in ids[split]}
    places: list[tuple[str, str]] = []
    seen: set[object] = set()
    for part in SPLITS:
        for id in ids[part]:
            files = getattr(source, "pairs", {}).get(part, {}).get(id)
            if files is None or (id, files) not in seen:
                places.append((part, id))
                seen.add((id, files))
    unique = len({id for _, id in places}) == len(places)
    return {id if unique else f"{part}/{id}": (part, id) for part, id in places}
