"""The rules of the layout: each is a function from a parsed file to its violations."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from benchmark.runs import layout

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "benchmark"
FILES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".js", ".css", ".html"})
MODULES = [path for path in FILES if path.suffix == ".py"]

LONGEST_FILE = 250
MOST_BY_POSITION = 5

PRESCRIBED = {
    "acceleration/strided_convolution.py:forward": "torch.autograd.Function.apply takes no keywords",
    "callbacks/adversarial_training.py:on_validation_batch_end": "Lightning's hook",
    "callbacks/attack_epoch.py:on_test_batch_end": "Lightning's hook",
}
"""Functions whose many positional parameters a framework prescribes, and which one."""

CALLBACK_BASES = {"Callback", "TQDMProgressBar"}
"""Lightning's classes that the callbacks derive from."""

READERS = {
    "config/": "reads the YAML of conf/",
    "cli/dashboard.py": "reads conf/logger/wandb.yaml",
    "distributed/": "reads what another process has sent",
    "tracking/wandb/dashboard.py": "turns a W&B object into a dictionary",
}
"""Modules outside of runs/ that read YAML or JSON, none of it from a run's folder."""

OPENERS = {"Image.open", "PIL.Image.open", "ImageFile.Parser", "Image.Image.open"}
DECODERS = {"imread", "imreadmulti", "imdecode", "imdecodemulti", "decode_image", "decode_png", "decode_jpeg"}
"""Calls that open or decode a picture, of Pillow and, whatever the library, by their last name."""

RUN_FILES = {
    value
    for name, value in vars(layout).items()
    if name.isupper() and isinstance(value, str) and value.endswith((".yaml", ".json", ".csv", ".html", ".md", ".png"))
} | {"best.ckpt", "last.ckpt", "records.parquet", "traces.parquet", "transfer.parquet"}

Rule = Callable[[Path, ast.Module], Iterator[tuple[int, str]]]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path) -> str:
    """The path below benchmark/, with slashes."""
    return path.relative_to(PACKAGE).as_posix()


def violations(rule: Rule) -> list[str]:
    """`place:line: what is wrong` of every module of the package."""
    return [f"{place(path)}:{line}: {text}" for path in MODULES for line, text in rule(path, tree(path))]


def calls(module: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module) if isinstance(node, ast.Call))


def dotted(node: ast.expr) -> str:
    """`a.b.c` of such an expression; parts that are something else are left out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    return node.id if isinstance(node, ast.Name) else ""


def names_of_run_files_stand_in_the_layout(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    if place(path) == "runs/layout.py":
        return
    others = {"config.yaml"} if place(path).startswith("config/") else set()  # conf/config.yaml
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in RUN_FILES - others:
            yield node.lineno, f"{node.value!r} is a name of runs/layout.py"


def run_files_are_read_in_runs(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    if place(path).startswith(("runs/", *READERS)):
        return
    for call in calls(module):
        if dotted(call.func) in {"OmegaConf.load", "json.load", "json.loads", "yaml.safe_load"}:
            yield call.lineno, f"{dotted(call.func)} outside of runs/"


def pictures_are_opened_in_one_place(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    if place(path) == "images/image_files.py":
        return
    for call in calls(module):
        name = dotted(call.func)
        if name in OPENERS or name.split(".")[-1] in DECODERS:
            yield call.lineno, f"{name} outside of images/image_files.py"
        # Such a class opens the file of a path by itself.
        if name == "wandb.Image" and not isinstance(call.args[0], ast.Name | ast.Call):
            yield call.lineno, "wandb.Image of something else than a picture"
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("PIL", "torchvision.io")):
            for alias in node.names:
                if alias.name in {"open", "ImageFile", "ImageGrab"} or node.module == "torchvision.io":
                    yield node.lineno, f"{node.module}.{alias.name} is imported"


def arrays_are_loaded_in_one_place(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    if place(path) == "data/array_files.py":
        return
    for call in calls(module):
        if dotted(call.func) in {"np.load", "numpy.load", "np.fromfile", "np.memmap", "np.loadtxt", "np.genfromtxt"}:
            yield call.lineno, f"{dotted(call.func)} outside of data/array_files.py"


def fields_of_slots_are_written_in_their_file(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    if place(path) == "engine/slots.py":
        return
    fields = _fields_of_slots()
    for node in ast.walk(module):
        written: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            written = [part for target in node.targets for part in _parts(target)]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            written = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _in_place(node.func.attr):
            written = [node.func.value]
        for target in written:
            *owner, field = dotted(target).split(".")
            if owner and field in fields and "slots" in owner[-1]:
                yield node.lineno, f"{dotted(target)} is written"


def _fields_of_slots() -> set[str]:
    (slots,) = [
        node
        for node in tree(PACKAGE / "engine" / "slots.py").body
        if isinstance(node, ast.ClassDef) and node.name == "Slots"
    ]
    return {
        node.target.id for node in slots.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _parts(target: ast.expr) -> list[ast.expr]:
    return [part for e in target.elts for part in _parts(e)] if isinstance(target, ast.Tuple | ast.List) else [target]


def _in_place(method: str) -> bool:
    return method.endswith("_") and not method.startswith("_")


def models_are_not_patched(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Subscript) and dotted(node).endswith("._parameters"):
            yield node.lineno, "_parameters[...]"
        if (
            isinstance(node, ast.Subscript)
            and dotted(node).endswith(".__dict__")
            and isinstance(node.slice, ast.Constant)
            and node.slice.value == "forward"
        ):
            yield node.lineno, '__dict__["forward"]'
        if isinstance(node, ast.Assign) and any(dotted(target).endswith(".forward") for target in node.targets):
            yield node.lineno, "a forward is assigned"


def processes_are_ended_by_cli_and_distributed(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    if place(path).startswith(("cli/", "distributed/")):
        return
    for node in ast.walk(module):
        names = [dotted(node)] if isinstance(node, ast.Attribute) else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name in {"sys.argv", "os._exit"} or name.split(".")[0] == "signal":
                yield node.lineno, name


def many_parameters_are_keywords(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        by_position = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
        if len(by_position) > MOST_BY_POSITION and f"{place(path)}:{node.name}" not in PRESCRIBED:
            yield node.lineno, f"{node.name} takes {len(by_position)} parameters by position"


def many_fields_are_keywords(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if not isinstance(node, ast.ClassDef):
            continue
        fields = [
            part
            for part in node.body
            if isinstance(part, ast.AnnAssign) and not ast.unparse(part.annotation).startswith("ClassVar")
        ]
        if len(fields) <= MOST_BY_POSITION:
            continue
        if any(ast.unparse(field.annotation) == "KW_ONLY" for field in fields[: MOST_BY_POSITION + 1]):
            continue
        if any(dotted(base).endswith("NamedTuple") for base in node.bases):
            yield node.lineno, f"{node.name} is a NamedTuple of {len(fields)} fields"
        for decorator in node.decorator_list:
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            if dotted(function).split(".")[-1] == "dataclass" and "kw_only=True" not in ast.unparse(decorator):
                yield node.lineno, f"{node.name} is a dataclass of {len(fields)} fields without kw_only=True"


def no_literal_is_unpacked_into_a_call(path: Path, module: ast.Module) -> Iterator[tuple[int, str]]:
    for call in calls(module):
        for argument in call.args:
            if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Tuple | ast.List):
                yield argument.lineno, f"{ast.unparse(argument)[:60]} is unpacked into a call"


RULES: list[Rule] = [
    names_of_run_files_stand_in_the_layout,
    run_files_are_read_in_runs,
    pictures_are_opened_in_one_place,
    arrays_are_loaded_in_one_place,
    fields_of_slots_are_written_in_their_file,
    models_are_not_patched,
    processes_are_ended_by_cli_and_distributed,
    many_parameters_are_keywords,
    many_fields_are_keywords,
    no_literal_is_unpacked_into_a_call,
]
