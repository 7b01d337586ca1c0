"""Private names of the frameworks: in one file a side; without one, a line and the plain way."""

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers import config_of, some_data

import keras_impl
import torch_impl
from attention_twins import errors
from attention_twins.errors import InputError, private
from attention_twins.in_keras import runtime
from shared.config import TrainConfig
from torch_impl.loop import Loop

ROOT = Path(__file__).parents[2]
BACKEND = keras.backend.backend()
HOMES = {"attention_twins/in_keras/runtime.py", "torch_impl/inductor.py"}
KERAS = {
    "keras.src.backend.common.dtypes:BIT64_TO_BIT32_DTYPE",
    "keras.src.optimizers.base_optimizer:BaseOptimizer._apply_weight_decay",
}
TORCH = {
    "torch._dynamo.config:patch",
    "torch._higher_order_ops:while_loop",
    "torch._inductor.codegen.common:device_codegens",
    "torch._inductor.codegen.common:init_backend_registration",
    "torch._inductor.codegen.cpp_wrapper_cpu:CppWrapperCpu",
    "torch._inductor.codegen.cpp_wrapper_cpu_array_ref:CppWrapperCpuArrayRef",
    "torch._inductor.codegen.cpp_wrapper_cpu_array_ref:MAX_STACK_ALLOCATION_SIZE",
    "torch._inductor.codegen.wrapper:AllocateLine",
    "torch._inductor.compile_fx:compile_fx",
    "torch._inductor.cpp_builder:get_cpp_compiler",
    "torch._inductor.decomposition:select_decomp_table",
    "torch._inductor.exc:InvalidCxxCompiler",
    "torch.fx.experimental.proxy_tensor:make_fx",
}
CONFIG = TrainConfig(epochs=1, batch_size=8, keras_backend=BACKEND)


@pytest.fixture
def looked_up(monkeypatch):
    """The private names that are looked up; one that is put into `hidden` is not found."""
    found, hidden = set(), set()

    def look(module, path):
        found.add(f"{module}:{path}")
        if f"{module}:{path}" in hidden:
            raise AttributeError(path)
        return sys.modules[module] if module in sys.modules else __import__(module, fromlist=["_"])

    monkeypatch.setattr(errors, "importlib", SimpleNamespace(import_module=lambda name: name))
    getter = errors.attrgetter
    monkeypatch.setattr(
        errors, "attrgetter", lambda path: lambda module: getter(path)(look(module, path))
    )
    monkeypatch.delitem(sys.modules, "torch_impl.inductor", raising=False)
    monkeypatch.delattr(torch_impl, "inductor", raising=False)
    return SimpleNamespace(found=found, hidden=hidden)


def test_the_list_above_is_whole(looked_up):
    model = torch_impl.create_model(config_of("rnn", "float32"))
    Loop(model, some_data("float32"), CONFIG, seeds=2)  # nothing is hidden: no error
    runtime.many_optimizer_class(keras.optimizers.Adam)
    runtime._narrower_types()
    assert looked_up.found == KERAS | TORCH


@pytest.mark.parametrize("name", sorted(TORCH))
@pytest.mark.parametrize("way", ["fit_compiled", "fit_many"])
def test_pytorch_without_one(looked_up, name, way):
    looked_up.hidden.add(name)
    config, data = config_of("rnn", "float32"), some_data("float32")
    with pytest.raises(InputError) as error:
        if way == "fit_many":
            torch_impl.fit_many(config, data, CONFIG, [1])
        else:
            torch_impl.fit_compiled(torch_impl.create_model(config), data, CONFIG)
    assert str(error.value) == f"this needs {name} of PyTorch, which this version does not have"
    result = torch_impl.fit(torch_impl.create_model(config), data, CONFIG)
    assert np.isfinite(result.loss).all()


def test_keras_without_the_optimizers_method(looked_up):
    (name,) = (name for name in KERAS if "optimizer" in name)
    looked_up.hidden.add(name)
    config, data = config_of("rnn", "float32"), some_data("float32")
    with pytest.raises(InputError, match=f"this needs {name} of Keras, which this version"):
        keras_impl.fit_many(config, data, CONFIG, [1])
    assert np.isfinite(keras_impl.fit(keras_impl.create_model(config), data, CONFIG).loss).all()


def test_keras_without_the_table_of_types(looked_up):
    """On TensorFlow nothing needs it; elsewhere float64 does, and float32 does not."""
    (name,) = (name for name in KERAS if "dtypes" in name)
    looked_up.hidden.add(name)
    before = keras.config.floatx(), keras.config.dtype_policy()
    with runtime.floatx("float32"):
        assert keras.config.floatx() == "float32"
    if BACKEND == "tensorflow":
        with runtime.floatx("float64"):
            assert keras.config.floatx() == "float64"
    else:
        with (
            pytest.raises(InputError, match=f"this needs {name} of Keras, which this version"),
            runtime.floatx("float64"),
        ):
            raise AssertionError("not reached")
    assert (keras.config.floatx(), keras.config.dtype_policy()) == before


ALL_GONE = """
import attention_twins.errors as errors
def gone(path):
    raise AttributeError(path)
errors.attrgetter = gone
import keras_impl, torch_impl
from shared.config import DataConfig, ModelConfig, TrainConfig
from shared.tasks import load_data
data, config = load_data(DataConfig(numbers=40)), TrainConfig(epochs=1, batch_size=8)
for twin in (torch_impl, keras_impl):
    print(twin.fit(twin.create_model(ModelConfig()), data, config).loss[0] > 0)
    try:
        twin.fit_many(ModelConfig(), data, config, [1])
    except errors.InputError as error:
        print(error)
"""


def test_twins_are_imported_and_fit_without_any():
    run = subprocess.run(
        [sys.executable, "-c", ALL_GONE], capture_output=True, text=True, check=True, cwd=ROOT
    )
    first, torch_line, second, keras_line = run.stdout.splitlines()
    assert first == second == "True"
    assert "of PyTorch, which this version does not have" in torch_line
    assert "of Keras, which this version does not have" in keras_line


def test_what_is_not_there_is_one_line():
    for name in ("keras.nowhere:x", "keras.layers:NoLayer", "keras.layers:Dense.nothing"):
        with pytest.raises(InputError) as error:
            private("Keras", name)
        assert str(error.value) == f"this needs {name} of Keras, which this version does not have"


def private_parts(source):
    """Dotted names in a source that lead into what a framework keeps to itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        else:
            continue
        for name in names:
            first, *parts = name.split(".")
            hidden = any(part.startswith("_") and not part.startswith("__") for part in parts)
            if first in ("keras", "torch", "tf", "jax", "tensorflow") and (
                hidden or name.startswith(("keras.src", "torch.fx.experimental"))
            ):
                yield name


def test_no_other_file_has_one():
    for package in ("attention_twins", "shared", "keras_impl", "torch_impl"):
        for path in (ROOT / package).rglob("*.py"):
            found = set(private_parts(path.read_text())) - {"torch._inductor"}
            assert not found or str(path.relative_to(ROOT)) in HOMES, (path, found)


def test_the_test_above_can_fail():
    for source in (
        "import torch._dynamo",
        "from keras.src.backend import x",
        "torch._dynamo.config",
        "from torch.fx.experimental.proxy_tensor import make_fx",
    ):
        assert list(private_parts(source))
    assert not list(private_parts("import torch.nn; keras.layers.Dense; self._x"))
