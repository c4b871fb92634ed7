"""Checks a zip archive that a stranger may have made before anything in it is read."""

import os
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import BinaryIO

_MOST_MEMBERS = 100_000
_LARGEST_DIRECTORY = 2**24  # bytes of the list of members
_END, _END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q")


def check_archive(file: BinaryIO) -> None:
    """Raise ValueError unless what is in the archive takes no more bytes than the archive itself.

    That is so for all that torch writes, because it compresses nothing. Archives of very many members, encrypted ones
    and names that lead out of a folder are refused, too. The file is left at its start.
    """
    size = file.seek(0, os.SEEK_END)
    members, directory = _declared(file, size)
    if members > _MOST_MEMBERS or directory > _LARGEST_DIRECTORY:
        raise ValueError(f"an archive of {members} members; at most {_MOST_MEMBERS} are read")
    try:
        with zipfile.ZipFile(file) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    for member in found:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or member.flag_bits & 1:
            raise ValueError(f"its member {member.filename[:100]!r} is no file that torch writes")
    if (inflated := sum(member.file_size for member in found)) > size:
        raise ValueError(f"its {size} bytes would become {inflated}")
    file.seek(0)


def check_contents(file: BinaryIO) -> None:
    """Raise ValueError for a member whose bytes have another checksum than the archive says. The file is left at its
    start."""
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise ValueError(" ".join(str(error).split())) from error
    if damaged is not None:
        raise ValueError(f"its member {damaged[:100]!r} was changed after it was written")
    file.seek(0)


def _declared(file: BinaryIO, size: int) -> tuple[int, int]:
    """How many members there are, and how many bytes list them, as the end of the archive says."""
    # A comment of at most 64 KiB may follow the end; the form for large archives stands before it.
    file.seek(max(0, size - 2**16 - _END.size - _END_64.size - 20))
    tail = file.read()
    members, directory = 0, 0
    if (place := tail.rfind(b"PK\5\6")) >= 0 and len(tail) - place >= _END.size:
        *_, members, directory, _, _ = _END.unpack_from(tail, place)
    # Of an archive in the form for large ones, the numbers of the other form may be filled with ones.
    members, directory = members % 0xFFFF, directory % 0xFFFFFFFF
    if (place := tail.rfind(b"PK\6\6")) >= 0 and len(tail) - place >= _END_64.size:
        *_, large_members, large_directory, _ = _END_64.unpack_from(tail, place)
        members, directory = max(members, large_members), max(directory, large_directory)
    return members, directory
