"""The package that others install: it holds the checker alone, and needs no more than it says."""

import ast
import email
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = {"numpy", "rich", "safetensors", "tyro"}

MODELS = """
import keras
from torch import nn


def keras_model():
    return keras.Sequential([keras.Input((5, 2)), keras.layers.GRU(3), keras.layers.Dense(1)])


class Net(nn.Module):
    def __init__(self, wrong=False):
        super().__init__()
        self.gru, self.out, self.step = nn.GRU(2, 3, batch_first=True), nn.Linear(3, 1), -1 - wrong

    def forward(self, x):
        return self.out(self.gru(x)[0][:, self.step])


def right():
    return Net()


def wrong():
    return Net(wrong=True)
"""

SCRIPT = """
import json
import attention_twins, mine, shared, benchmarks
from attention_twins import check_pair

if __name__ == "__main__":
    report = check_pair(mine.keras_model, mine.right, keras_backends=("torch",), steps=4)
    print(json.dumps([report.ok, shared.WHOSE, benchmarks.WHOSE, attention_twins.__file__]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: setuptools writes into the folder that it builds.
    files = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", ":!results"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in (name for name in files if (ROOT / name).is_file()):
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder]
    subprocess.run([*command, folder / "source"], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel, beside the frameworks and what it needs."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    # A line in a .pth file is a folder to look in, and .pth files in that folder are not read: the
    # clone that is installed there for development stays out.
    (site / "frameworks.pth").write_text(next(p for p in sys.path if p.endswith("site-packages")))
    return folder / "bin" / "python"


@pytest.fixture
def project(tmp_path):
    """Somebody's project, with folders that are called as ours are."""
    for name in ("shared", "benchmarks", "keras_impl", "torch_impl", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("WHOSE = 'mine'\n")
    (tmp_path / "mine.py").write_text(MODELS)
    return tmp_path


def run(python, project, *arguments):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "KERAS_BACKEND")}
    return subprocess.run(
        [python, *arguments], cwd=project, env=environment, capture_output=True, text=True
    )


def test_wheel_holds_the_checker_alone(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        message = email.message_from_bytes(file.read(metadata))
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"attention_twins"}
    assert {"attention_twins/in_keras/steps.py", "attention_twins/cli.py"} <= {*names}
    needs = [line for line in message.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {line.split(">")[0].split("=")[0] for line in needs} == NEEDED


def test_checker_imports_no_more_than_the_wheel_needs():
    allowed = {*sys.stdlib_module_names, *NEEDED, "attention_twins"}
    optional = {"matplotlib"}  # for --figure, which says so
    sides = {"in_keras": {"keras", "tensorflow", "jax", "torch"}, "in_torch": {"torch"}}
    for path in (ROOT / "attention_twins").rglob("*.py"):
        may = allowed | sides.get(path.parent.name, set())
        if path.name == "figures.py":
            may |= optional
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            assert {name.split(".")[0] for name in modules} <= may, path


@pytest.mark.slow
def test_command_runs_where_folders_are_called_as_ours(installed, project):
    command = ["-m", "attention_twins", "check", "mine:keras_model", "--keras-backend", "torch"]
    command += ["--steps", "4"]
    right = run(installed, project, *command[:4], "mine:right", *command[4:])
    assert right.returncode == 0, right.stderr
    assert "within tolerance" in right.stdout
    wrong = run(installed, project, *command[:4], "mine:wrong", *command[4:])
    assert wrong.returncode == 1, wrong.stderr
    assert "first difference at the stage forward" in wrong.stdout


def test_commands_of_the_clone_say_that_they_need_it(installed, project):
    found = run(installed, project, "-m", "attention_twins", "run")
    assert found.returncode == 2 and found.stderr.count("\n") == 1
    assert "clone" in found.stderr


@pytest.mark.slow
def test_function_is_imported_where_folders_are_called_as_ours(installed, project):
    (project / "script.py").write_text(SCRIPT)
    found = run(installed, project, "script.py")
    assert found.returncode == 0, found.stderr
    ok, *whose, file = json.loads(found.stdout.splitlines()[-1])
    assert ok and whose == ["mine", "mine"]
    assert Path(file).is_relative_to(installed.parents[1])
