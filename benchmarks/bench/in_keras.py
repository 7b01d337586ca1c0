"""What the bench must know of Keras on its backends: switches, clock, proof of the path.

begin: before the first use; synchronise: before the clock is read; flipped: a cell's switch, on for
a while; device_mib, proof: afterwards. in_torch and in_numba have the same names.
"""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import keras
import numpy as np

import keras_impl.models
from attention_twins.in_keras import optimizer, steps
from attention_twins.in_keras.optimizer import create_optimizer
from attention_twins.in_keras.runtime import floatx
from attention_twins.training import FitResult
from benchmarks.bench.cells import Cell
from benchmarks.common.journal import Line
from shared.config import TrainConfig
from shared.data import Data

BACKEND = keras.backend.backend()

Patch = contextlib.AbstractContextManager[object]

compiled_by_jax: list[str] = []
"""The programs that XLA has compiled for JAX, by the names of their functions."""


def begin(cell: Cell) -> None:
    """See to it that there is the device; listen to what JAX says about compilation."""
    keras_impl.device_name(cell.device)
    if BACKEND == "jax":
        _listen_to_jax()


def _listen_to_jax() -> None:
    """Keep the names of what JAX compiles; it documents neither the event nor its `fun_name`."""
    import jax

    def listen(event: str, duration_secs: float, **details: str | int) -> None:
        if event.endswith("backend_compile_duration"):
            compiled_by_jax.append(str(details.get("fun_name", "")))

    jax.monitoring.register_event_duration_secs_listener(listen)


def synchronise(cell: Cell) -> None:
    """Wait until the device has done all its work."""
    if cell.device == "cpu":
        return
    if BACKEND == "jax":
        import jax

        jax.block_until_ready(jax.live_arrays())
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        tf.test.experimental.sync_devices()
    else:
        import torch

        torch.cuda.synchronize()


@contextlib.contextmanager
def flipped(cell: Cell, package: ModuleType) -> Iterator[None]:
    """The cell's switch, on for a while: patched into the very `fit` that is measured without."""

    def compiled_with(**options: object) -> Patch:
        method = functools.partialmethod(keras.Model.compile, **options)
        return patch.object(keras.Model, "compile", method)

    models = keras_impl.models.MODELS
    unroll = {name: functools.partial(create, unroll=True) for name, create in models.items()}
    adam = {"adam": (keras.optimizers.Adam, {"epsilon": 1e-8})}
    patches: dict[str, Callable[[], Patch]] = {
        "steps_per_execution": lambda: compiled_with(steps_per_execution=cell.steps_in_epoch),
        "jit_compile": lambda: compiled_with(jit_compile=True),
        "unroll": lambda: patch.dict(models, unroll),
        "unrolled": lambda: patch.dict(models, unroll),
        "epsilon": lambda: patch.dict(optimizer.KINDS, adam),
        "callback": lambda: patch.object(steps, "Watcher", steps.StepWatcher),
        "one call": lambda: patch.object(package, "fit", _fit_in_one_call),
        "deterministic": _deterministic,
    }
    with _tf32(cell.switch == "TF32"), patches.get(cell.switch, contextlib.nullcontext)():
        yield


@contextlib.contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """TF32 in matrix products, or not."""
    with contextlib.ExitStack() as stack:
        if BACKEND == "torch":
            from benchmarks.bench.in_torch import tf32

            stack.enter_context(tf32(allowed))
        elif BACKEND == "jax":
            import jax

            precision = "tensorfloat32" if allowed else "highest"
            stack.enter_context(jax.default_matmul_precision(precision))
        else:
            import tensorflow as tf

            tf.config.experimental.enable_tensor_float_32_execution(allowed)
        yield


def _fit_in_one_call(
    model: keras.Model,
    data: Data,
    config: TrainConfig,
    order: np.ndarray,
    progress: Callable[[int, float], bool],
    snapshots: Collection[int],
) -> FitResult:
    """`fit` by a single call for all epochs, with the rows in the order of the first."""
    watcher, data = steps.Watcher(config, snapshots), keras_impl.teacher_forced(model, data)

    def tell(epoch: int, logs: object) -> None:
        if progress(len(watcher.losses), watcher.losses[-1]):
            model.stop_training = True

    with floatx(model.trainable_variables[0].dtype):
        optimizer = create_optimizer(model, config)
        model.compile(optimizer=optimizer, loss=steps.LOSSES[config.loss]())
        teller = keras.callbacks.LambdaCallback(on_epoch_end=tell)
        x, y = data.train_x[order[0]], data.train_y[order[0]]
        options: Line = {"shuffle": False, "callbacks": [watcher, teller], "verbose": 0}
        model.fit(x, y, batch_size=config.batch_size, epochs=len(order), **options)
    weights = keras_impl.get_weights(model)
    return FitResult(weights, {}, watcher.losses, [], 0.0, watcher.snapshots)


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()  # for the rest of the process
    yield


def device_mib(cell: Cell) -> float | None:
    """The most memory of the device that was taken, in MiB."""
    if cell.device == "cpu":
        return None
    if BACKEND == "jax":
        import jax

        stats = jax.local_devices()[0].memory_stats()  # None where JAX has fallen back to the CPU
        return stats["peak_bytes_in_use"] / 2**20 if stats else None
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    import torch

    return torch.cuda.max_memory_allocated() / 2**20


def proof(cell: Cell, model: keras.Model | None) -> Line:
    """What the runtime says about the path that the training took."""
    path = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND](cell)
    if cell.way == "fit" and model is not None:
        path["steps_per_execution"] = model.steps_per_execution
        path["unrolled"] = any(getattr(layer, "unroll", False) for layer in model.layers)
    return path | {"backend": BACKEND, "GPU": bool(device_mib(cell))}


def _tensorflow(cell: Cell) -> Line:
    import tensorflow as tf
    from tensorflow.python.framework import config  # private: tf.config cannot say it

    gpus = tf.config.list_physical_devices("GPU")
    return {
        "XLA": _xla_has_compiled(),
        "device": keras_impl.device_name("cuda") if gpus else "cpu",
        "TF32": bool(gpus) and tf.config.experimental.tensor_float_32_execution_enabled(),
        "deterministic": config.is_op_determinism_enabled(),
    }


def _xla_has_compiled() -> bool | None:
    """TensorFlow says so once, in this process's own output alone; None if that is not readable."""
    try:
        return "Compiled cluster using XLA!" in Path("/dev/fd/2").read_text(errors="replace")
    except OSError:
        return None


def _jax(cell: Cell) -> Line:
    import jax

    return {
        "XLA": " ".join(sorted({name for name in compiled_by_jax if "step" in name})),
        "XLA programs": len(compiled_by_jax),
        "device": jax.devices()[0].device_kind,
        "TF32": jax.default_backend() == "gpu"
        and getattr(jax.config, "jax_default_matmul_precision", None) != "highest",
    }


def _torch(cell: Cell) -> Line:
    import torch

    from benchmarks.bench.in_torch import dynamo, uses_tf32

    return dynamo() | {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if cell.device == "cuda" else "cpu",
        "TF32": cell.device == "cuda" and uses_tf32(),
    }
