"""The Keras twin on its other backends: the same bodies, each backend in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = [
    "test_attention.py",
    "test_keras_conventions.py",
    "test_layers.py",
    "test_models.py",
    "test_optimizer.py",
    "test_trace.py",
    "test_training.py",
    "test_variants.py",
]
FASTER = ["test_compiled.py", "test_many.py", "test_switches.py"]
"""On torch the ladder in test_check.py trains so: compiling it twice would take minutes more."""


@pytest.mark.parametrize(
    ("backend", "files"), [("jax", FILES), ("jax", FASTER), ("torch", FILES)], ids=str
)
def test_everything_holds_on(backend, files, tmp_path):
    folder = Path(__file__).parent
    settings = {"KERAS_BACKEND": backend, "JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
    # Many tests compile the same network: a third of the time is saved.
    settings |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "not torch-", *(folder / f for f in files)],
        env=os.environ | settings,
        cwd=folder.parent,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
