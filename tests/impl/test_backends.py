"""The Keras twin on its other backends: the same bodies, each backend in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
FILES = [
    "impl/test_attention.py",
    "impl/test_keras_conventions.py",
    "impl/test_onnx.py",
    "checker/test_kinds.py",
    "impl/test_models.py",
    "impl/test_optimizer.py",
    "checker/test_trace.py",
    "impl/test_training.py",
    "impl/test_variants.py",
]
FASTER = ["impl/test_compiled.py", "impl/test_many.py", "bench/test_switches.py"]
"""On torch the stages in test_prove.py train so: compiling it twice would take minutes more."""


@pytest.mark.parametrize(
    ("backend", "files"), [("jax", FILES), ("jax", FASTER), ("torch", FILES)], ids=str
)
def test_everything_holds_on(backend, files, pytestconfig):
    tier = ["-m", pytestconfig.option.markexpr, "-k", "not torch-"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *tier, *(TESTS / file for file in files)],
        env=os.environ | {"KERAS_BACKEND": backend},
        cwd=TESTS.parent,
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
