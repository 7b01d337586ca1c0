"""Arrows run one way, down the floors of the house, and never in a circle; light is light."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = {"keras", "tensorflow", "torch", "jax"}
FLOORS = (
    {"attention_twins"},
    {"shared"},
    {"torch_impl"},
    {"keras_impl"},  # backends/torch.py is PyTorch: see ALLOWED
    {"benchmarks.common"},
    {"benchmarks.run", "benchmarks.prove", "benchmarks.bench", "benchmarks.study"},
    {"benchmarks.report"},
    {"benchmarks"},
)
"""Rooms, from the ground up: each may take from the floors below it, and not from its neighbours."""

TWINS = {"keras_impl", "torch_impl"}
ALLOWED = {("keras_impl.backends.torch", "torch_impl.inductor")}
"""Arrows between the twins."""

IN_A_FRAMEWORK = ("in_keras", "in_torch", "_impl")
"""What only a framework's own process imports."""


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Name → file of every module of ours."""
    found = {}
    for package in ("attention_twins", "shared", "keras_impl", "torch_impl", "benchmarks"):
        for path in (root / package).rglob("*.py"):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """What a file imports anywhere in it: modules of ours by their own names, else as written."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module or ""


def room(module: str) -> str:
    """The room that a module is in."""
    first, *rest = module.split(".")
    inner = f"{first}.{rest[0]}" if rest else first
    return inner if any(inner in floor for floor in FLOORS) else first


def floor(module: str) -> int:
    """The floor of a module's room."""
    return next(i for i, rooms in enumerate(FLOORS) if room(module) in rooms)


def wrong_arrows(known: dict[str, Path]) -> list[str]:
    """Imports that run up, to a neighbour, or between the twins."""
    wrong = []
    for module, path in known.items():
        for target in imports(path, known):
            if target not in known or room(target) == room(module):
                continue
            between = {room(module), room(target)} == TWINS and (module, target) not in ALLOWED
            if between or floor(target) >= floor(module):
                wrong.append(f"{module} → {target}")
    return wrong


def circle(known: dict[str, Path]) -> list[str]:
    """Modules that import each other in a circle, if there are any."""
    graph = {module: {*imports(path, known)} & known.keys() for module, path in known.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def imported_after(code: str) -> set[str]:
    """Top-level packages in sys.modules of a fresh interpreter that has run `code`."""
    report = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(run.stdout.split())


def test_imports_run_down():
    assert wrong_arrows(modules()) == []


def test_imports_run_in_no_circle():
    assert circle(modules()) == []


@pytest.mark.parametrize(
    ("file", "line", "wrong"),
    [
        ("attention_twins/parity.py", "from shared import config", True),
        ("benchmarks/bench/costs.py", "from benchmarks.study import arms", True),
        ("torch_impl/conv.py", "import keras_impl.conv", True),
        ("keras_impl/conv.py", "import torch_impl.inductor", True),
        ("shared/config.py", "from attention_twins import parity", False),
    ],
)
def test_wrong_arrows_are_seen(tmp_path, file, line, wrong):
    known = modules() | {file.removesuffix(".py").replace("/", "."): tmp_path / "changed.py"}
    (tmp_path / "changed.py").write_text(f"{(ROOT / file).read_text()}\n{line}\n")
    assert bool(wrong_arrows(known)) == wrong


def test_circles_are_seen(tmp_path):
    (tmp_path / "errors.py").write_text("def late():\n    from attention_twins import parity\n")
    known = modules() | {"attention_twins.errors": tmp_path / "errors.py"}
    assert {"attention_twins.errors", "attention_twins.parity"} <= {*circle(known)}


@pytest.mark.parametrize("module", [m for m in modules() if m.startswith("torch_impl")])
def test_pytorch_twin_names_no_other_framework(module):
    known = modules()
    named = {target.split(".")[0] for target in imports(known[module], known)}
    assert not named & {"keras", "tensorflow", "jax"}


def test_what_is_not_in_a_frameworks_process_imports_no_framework():
    light = [
        module
        for module in modules()
        if not any(part in module for part in IN_A_FRAMEWORK) and "__main__" not in module
    ]
    assert len(light) > 50
    assert not FRAMEWORKS & imported_after("import " + ", ".join(light))


def test_the_test_above_can_fail():
    assert "torch" in imported_after("import shared.weights, torch")


def test_pytorch_twin_does_without_keras():
    loaded = imported_after("import torch_impl")
    assert "torch" in loaded
    assert not {"keras", "tensorflow", "jax"} & loaded


@pytest.mark.parametrize("arguments", ["['--help']", "['run', '--help']"])
def test_help_is_light(arguments):
    heavy = FRAMEWORKS | {"sklearn", "matplotlib", "scipy"}
    code = (
        "import contextlib, io\nfrom attention_twins.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({arguments})"
    )
    loaded = imported_after(code)
    assert "tyro" in loaded
    assert not heavy & loaded
