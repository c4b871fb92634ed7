"""The same folders, opened by commands in processes of their own whose system calls are recorded."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.hostile.configurations import CONFIGURATIONS
from tests.cli.hostile.files import FILES
from tests.cli.hostile.opened import COMMANDS, SECRET_VALUE, copy_of
from tests.cli.hostile.planting import SECRET

REPOSITORY = Path(__file__).resolve().parents[3]
PLANTED = {
    "config": "config: a target that runs a program",
    "config, a variable": "config: a variable",
    "config, a logger": "config: a logger of another host",
    "environment": "environment: a target in braces",
    "splits": "splits: surrogates",
    "summary": "summary: names that are paths",
    "metrics": "metrics: a pipe",
    "rows": "rows: ids that are paths",
    "traces": "traces: a pipe",
    "checkpoint": "checkpoint: a call among weights",
    "picture": "picture: a program",
    "folder": "pictures: a link",
    "lock": "lock: a link",
    "handed over": "handed over: calls",
    "modules": "modules beside the run",
}
"""A kind of file -> what is planted in it."""

PLANTS = CONFIGURATIONS | FILES
PLANTS["pictures: a link"] = PLANTS["picture: a folder that is a link"]
_CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\w+)")
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")


def _handed_over(run: Path) -> None:
    for name in ("hub: a pickle", "released: a call", "card: deep"):
        FILES[name](run)


PLANTS["handed over: calls"] = _handed_over


def traced(
    arguments: list[str], run: Path, out: Path
) -> tuple[subprocess.CompletedProcess[str], list[tuple[str, str]]]:
    """Run Python under strace; its outcome, and what it has done: (kind, what) of programs, connections, writes."""
    log, temporary = out.with_name("calls"), out.with_name("temporary")
    temporary.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(temporary),
        "MPLCONFIGDIR": str(temporary),
        "XDG_CACHE_HOME": str(temporary),
        "OMP_NUM_THREADS": "1",
        SECRET: SECRET_VALUE,
    }
    watched = (
        "trace=execve,connect,sendto,chdir,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat"
    )
    # The filter stops the process at watched calls only, which is far quicker.
    trace = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-y",
        "-s",
        "4096",
        "-o",
        str(log),
        "-e",
        watched,
        "-e",
        "signal=none",
    ]
    outcome = subprocess.run(
        [*trace, sys.executable, *arguments],
        cwd=out,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )
    return outcome, _deeds(log, [run, out, temporary])


def _deeds(log: Path, writable: list[Path]) -> list[tuple[str, str]]:
    deeds, folder = [], str(writable[1])  # where the program is started
    allowed = [*(os.path.realpath(path) for path in writable), "/dev", "/proc"]
    for line in log.read_text(errors="replace").splitlines():
        call = _CALL.match(line)
        if call is None or call["result"].startswith("-"):
            continue
        name, arguments = call["name"], call["arguments"]
        if name == "execve":
            deeds.append(("program", arguments.split('"')[1]))
        elif name in ("connect", "sendto"):
            if "AF_INET" in arguments:
                deeds.append(("connection", arguments))
        elif name == "chdir":
            folder = _paths(arguments, folder)[0]
        elif not name.startswith("open") or _WRITES.search(arguments):
            paths = _paths(arguments, folder)
            deeds += [("write", path) for path in paths if not any(f"{path}/".startswith(f"{a}/") for a in allowed)]
    return deeds[1:]  # the first is the program itself


def _paths(arguments: str, folder: str) -> list[str]:
    """The paths of a call; relative ones are completed by the folder that strace names, or by the current one."""
    named = re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', arguments)
    return [os.path.realpath(os.path.join(base or folder, path)) for base, path in named]


def arguments(command: str, run: Path) -> list[str]:
    return ["-m", "benchmark", *COMMANDS[command](run, run.with_name("out"))]


@pytest.mark.slow
@pytest.mark.parallel
def test_what_a_process_does_is_seen(tmp_path: Path) -> None:
    run, out, outside = tmp_path / "run", tmp_path / "out", tmp_path / "outside"
    for folder in (run, out, outside):
        folder.mkdir()
    (run / "theirs").symlink_to(outside)
    script = f"""
import os, socket
open({str(run / "mine")!r}, "w").close()
open({str(run / "theirs" / "a")!r}, "w").close()
os.chdir({str(outside)!r})
open("b", "w").close()
os.rename("b", "c")
os.system("true")
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
socket.create_connection(server.getsockname())
"""
    outcome, deeds = traced(["-c", script], run, out)
    assert outcome.returncode == 0, outcome.stderr
    assert {what for kind, what in deeds if kind == "write"} == {str(outside / name) for name in "abc"}
    assert {kind for kind, _ in deeds} == {"program", "connection", "write"}


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("command", COMMANDS)
def test_a_process_does_nothing_but_its_task(small_run: Path, tmp_path: Path, command: str) -> None:
    assert shutil.which("strace"), "install Debian's package strace"
    honest = copy_of(small_run, tmp_path / "honest" / "run")
    (tmp_path / "honest" / "out").mkdir()
    _, usual = traced(arguments(command, honest), honest, tmp_path / "honest" / "out")
    assert not [deed for deed in usual if deed[0] != "program"]
    for number, (kind, name) in enumerate(PLANTED.items()):
        place = tmp_path / str(number)
        run = copy_of(small_run, place / "run")
        PLANTS[name](run)
        (place / "out").mkdir()
        outcome, deeds = traced(arguments(command, run), run, place / "out")
        shown = outcome.stdout + outcome.stderr
        assert set(deeds) <= set(usual), kind
        assert outcome.returncode in (0, 1, 2, 3), (kind, shown)
        assert "Traceback" not in shown, kind
        assert SECRET_VALUE not in shown, kind
        if outcome.returncode == 2:
            assert len([line for line in outcome.stderr.splitlines() if line.startswith("error: ")]) == 1, shown
        assert not list(place.rglob("owned*")), kind
