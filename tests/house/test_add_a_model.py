"""docs/add-a-model.md, done as it says, on a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "add-a-model.md").read_text()
PACKAGES = ("shared", "keras_impl", "torch_impl", "benchmarks", "attention_twins")


def steps():
    """(file, line after which to insert or None for the end, code) of every block of Python."""
    file, found = "", []
    for said, code in re.findall(r"(.*?)```python\n(.*?)```", PAGE, re.DOTALL):
        said = " ".join(said.split("\n"))
        files = re.findall(r"`(\w+/\w+\.py)`", said)
        file = files[-1] if files else file
        after = re.findall(r"after `(.*?)`:? *$", said.rstrip())
        assert after or "at the end of" in said, said[-80:]
        found.append((file, after[-1] if after else None, code))
    return found


TINY = "--numbers 60 --epochs 1"
COMMANDS = {
    "prove --model rnn_hidden --steps 30 --keras-backend tensorflow --no-faster": "within tolerance",
    f"run --model rnn_hidden {TINY} --fit --out run": "Report: run/report.html",
    "bench --grid grid.toml --model rnn_hidden --out bench": "Cost of a training step: rnn_hidden",
    f"study --model rnn_hidden {TINY} --seeds 2 --twin Keras/jax --setup twin --out study": (
        "Training errors"
    ),
}
"""Command → what it says of the new network."""

GRID = """
blocks = 1

[[cells]]
twin = "PyTorch"
steps = 50

[[cells]]
twin = "Keras/jax"
way = "fit_compiled"
steps = 50
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project, with what the page says put in."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    (folder / "tests" / "house").mkdir(parents=True)
    for file in ("tests/house/test_mirror.py", "pyproject.toml"):
        shutil.copy(ROOT / file, folder / file)
    done = steps()
    assert {file for file, *_ in done} == {
        "shared/config.py",
        "shared/weights.py",
        "shared/reference.py",
        *(f"{package}/{file}.py" for package in PACKAGES[1:3] for file in ("models", "networks")),
    }
    for file, after, code in done:
        text = (folder / file).read_text()
        if after is None:
            text += f"\n\n{code}"
        else:
            line = f"\n{after}\n"
            assert text.count(line) == 1, (file, after)
            apart = "\n\n" if code.startswith("def ") else ""
            text = text.replace(line, f"{line}{apart}{code}")
        (folder / file).write_text(text)
    (folder / "grid.toml").write_text(GRID)
    return folder


def run(folder, *command):
    """A module of Python in a folder: its exit code and all that it printed."""
    found = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=300
    )
    return found.returncode, found.stdout + found.stderr


@pytest.mark.parametrize(
    "command",
    [
        command if command.startswith("run") else pytest.param(command, marks=pytest.mark.slow)
        for command in COMMANDS
    ],
)
def test_every_command_takes_the_new_network_by_name(copy, command):
    code, said = run(copy, "benchmarks", *command.split())
    assert code == 0 or command.startswith("bench"), said  # of a busy machine no line counts
    assert COMMANDS[command] in said or "busy" in said, said
    assert "rnn_hidden" in said


def test_new_network_keeps_to_the_rules(copy):
    for command in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["pytest", "-q", "tests/house/test_mirror.py"],
    ):
        code, said = run(copy, *command)
        assert code == 0, said
