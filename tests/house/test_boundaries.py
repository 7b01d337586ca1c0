"""Arrows run one way: benchmarks → twins → shared; what must be light is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRAMEWORKS = {"keras", "tensorflow", "torch", "jax"}
MAY_NOT_IMPORT = {
    "shared": FRAMEWORKS | {"keras_impl", "torch_impl", "benchmarks"},
    "keras_impl": {"torch_impl", "benchmarks"},
    "torch_impl": {"keras_impl", "benchmarks", "keras", "tensorflow", "jax"},
    "benchmarks": FRAMEWORKS,
    "benchmarks/documents": FRAMEWORKS,
    "benchmarks/report": FRAMEWORKS,
    "benchmarks/bench": FRAMEWORKS,
    "benchmarks/study": FRAMEWORKS,
}
IN_A_FRAMEWORK = ("in_keras.py", "in_torch.py")
"""Of the stopwatch, what only a framework's own process imports."""


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


@pytest.mark.parametrize("package", MAY_NOT_IMPORT)
def test_imports_run_one_way(package):
    for path in (ROOT / package).glob("*.py"):
        if path.name in IN_A_FRAMEWORK:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: relative import"
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in MAY_NOT_IMPORT[package], f"{path} imports {name}"


def test_shared_and_benchmarks_import_no_framework():
    modules = [
        f"{package.replace('/', '.')}.{path.stem}"
        for package in MAY_NOT_IMPORT
        if not package.endswith("_impl")
        for path in (ROOT / package).glob("*.py")
        if path.stem not in ("__init__", "__main__") and path.name not in IN_A_FRAMEWORK
    ]
    assert len(modules) > 10
    assert not FRAMEWORKS & imported_after("import " + ", ".join(modules))


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
