"""What several test files share. It imports no framework: processes of the tests' own import it."""

import json
import os
import signal
import sys

import numpy as np
import pytest

from attention_twins.cli import main
from attention_twins.parity import Key
from benchmarks.study.records import Study
from shared.config import MODELS, DataConfig, ModelConfig
from shared.data import Data
from shared.tasks import load_data

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")

DEFAULT = ["run", "--numbers", "60", "--epochs", "2", "--batch-size", "8"]
QUICK = [*DEFAULT, "--fit"]  # nothing to compile
COMMAND = [sys.executable, "-m", "benchmarks"]


def read(out):
    return json.loads((out / "record.json").read_text())


def key(name, part="forward"):
    """The key of a tensor that tables call by this name; of a gradient or a loss its own part."""
    first, *rest = name.split("/", 1)
    if first in ("gradient", "m", "v"):
        layer, _, tensor = rest[0].partition("/")
        return Key(first, layer, tensor) if tensor else Key(first, "", layer)
    if name in ("loss", "t"):
        return Key(name, "", name)
    return Key(part, first, rest[0]) if rest else Key(part, "", name)


def some_data(dtype, rows=23, shape=(5, 3), dense_units=2):
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(rows, *shape)), generator.uniform(-0.9, 0.9, (rows, dense_units))
    x, y = x.astype(dtype), y.astype(dtype)
    return Data(x, y, x[:4], y[:4], load_data(DataConfig(numbers=30)).scaler)


def config_of(model, dtype):
    steps = 13 if MODELS[model][0] == "conv" else 5  # five pooled ones
    sizes = {"units": 4, "dense_units": 2, "time_steps": steps, "features": 3}
    return ModelConfig(model=model, **sizes, dtype=dtype)


def furthest(actual, desired):
    assert actual.weights.keys() == desired.weights.keys()
    return max(abs(actual.weights[name] - desired.weights[name]).max() for name in actual.weights)


def aligned(array):
    """A copy on a boundary of 64 bytes, as JAX needs to take an array without copying it."""
    room = np.zeros(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


SLOW_IN_TORCH = pytest.mark.parametrize(
    "twin", ["keras", pytest.param("torch", marks=pytest.mark.slow)], indirect=True
)
"""In place of the fixture's own cases, where PyTorch compiles or exports."""


def for_both(names, cases, quick_in_torch):
    """Cases for both twins; PyTorch's are slow, but for one."""
    every = [(twin, case) for twin in ("keras", "torch") for case in cases]
    given = [
        pytest.param(twin, *case, marks=pytest.mark.slow)
        if twin == "torch" and case != quick_in_torch
        else (twin, *case)
        for twin, case in every
    ]
    return pytest.mark.parametrize(("twin", *names), given, indirect=["twin"])


FAST = ["--numbers", "60", "--epochs", "2", "--seeds", "6", "--workers", "2"]
FAST += ["--twin", "Keras/jax", "--setup", "twin"]


def study(tmp_path, *options, name="out"):
    """A study into tmp_path/NAME: the exit code, and the record."""
    out = tmp_path / name
    code = main(["study", *options, "--out", str(out)])
    return code, Study.read(out)


def die(send, receive, cell):
    os._exit(3)


def be_killed(send, receive, cell):
    os.kill(os.getpid(), signal.SIGKILL)


def want_too_much(send, receive, cell):
    raise MemoryError("no room for it")
