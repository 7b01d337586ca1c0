"""The Keras twin on its other backends: the same bodies, each backend in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = [
    "test_attention.py",
    "test_keras_conventions.py",
    "test_interchange.py",
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


MANY = """
import keras_impl, torch
from shared.config import DataConfig, ModelConfig, TrainConfig
from shared.tasks import load_data

torch._dynamo.config.recompile_limit = 1
data = load_data(DataConfig(numbers=30, time_steps=2))
for units in (1, 2):
    model = keras_impl.create_model(ModelConfig(model="rnn", units=units, time_steps=2))
    keras_impl.fit_compiled(model, data, TrainConfig(epochs=2, keras_backend="torch"))
print("trained")
"""


def test_torch_compiles_as_many_networks_as_there_are():
    """PyTorch compiles one function eight times at most, if it is not told otherwise."""
    run = subprocess.run(
        [sys.executable, "-c", MANY],
        env=os.environ | {"KERAS_BACKEND": "torch"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert run.stdout.endswith("trained\n"), run.stderr
