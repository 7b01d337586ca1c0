"""The notebook runs from top to bottom, and is one that Jupyter can open."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "side_by_side.py"


@pytest.mark.slow
def test_runs_from_top_to_bottom(tmp_path):
    run = subprocess.run(
        [sys.executable, str(NOTEBOOK)],
        env=os.environ | {"MPLBACKEND": "Agg"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    lines = [line for line in run.stdout.splitlines() if "moved by" in line]
    assert len(lines) == 7 and "moved by 0" not in run.stdout


def test_is_a_notebook_with_text_between_its_cells():
    notebook = pytest.importorskip("jupytext").read(NOTEBOOK)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds.count("markdown") >= 6 and kinds.count("code") >= 6


@pytest.mark.parametrize("wrong", ["np.tanh(x @ W + b + 1e-6)", "(np.tanh(x @ W + b) * 1.001)"])
@pytest.mark.slow
def test_its_numbers_are_checked_where_they_are_computed(tmp_path, wrong):
    source = NOTEBOOK.read_text()
    assert source.count("np.tanh(x @ W + b)") == 1
    (tmp_path / "n.py").write_text(source.replace("np.tanh(x @ W + b)", wrong))
    run = subprocess.run(
        [sys.executable, str(tmp_path / "n.py")],
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert run.returncode and "AssertionError" in run.stderr
