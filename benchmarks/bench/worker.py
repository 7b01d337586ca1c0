"""One cell, measured in a process of its own."""

import contextlib
import gc
import importlib
import os
import resource
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
import psutil

from attention_twins.processes import ONE_KERNEL, Send, framework_environment
from attention_twins.training import FitResult
from attention_twins.twins import PYTORCH, SCALAR_LIMIT, TENSORFLOW, TWIN_OF
from attention_twins.weights import Weights
from benchmarks.bench.cells import MANY_EPOCHS, Cell
from benchmarks.bench.steady import Rule, Stopwatch, steady_after
from shared.config import TrainConfig
from shared.data import batch_order
from shared.many import ManyResult
from shared.tasks import load_data
from shared.weights import initial_weights

SIDES = {
    SCALAR_LIMIT.package: "benchmarks.bench.in_numba",
    PYTORCH.package: "benchmarks.bench.in_torch",
    TENSORFLOW.package: "benchmarks.bench.in_keras",
}
"""What trains a twin → what knows its framework: switches, clock, proof of the path."""


def variables(cell: Cell, caches: Path) -> dict[str, str]:
    """The environment of a cell's process: threads fixed, TF32 off, else as the frameworks come.

    Args:
        cell: what is measured there.
        caches: folder for what compilers keep; empty means that they begin cold.
    """
    environment = framework_environment(cell.train_config(1))
    flags = environment["XLA_FLAGS"].replace("--xla_gpu_deterministic_ops=true", "")
    # The option that makes one kernel of a loop is ours, not what everyone has.
    ours = cell.tier in "CD" and cell.switch != "many kernels"
    return environment | {
        "XLA_FLAGS": flags if ours else flags.replace(ONE_KERNEL, ""),
        "TF_DETERMINISTIC_OPS": "0",
        "TF_CPP_MIN_LOG_LEVEL": "0",  # it says once when XLA has compiled
        "NVIDIA_TF32_OVERRIDE": "1" if cell.switch == "TF32" else "0",
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
        "NUMBA_CACHE_DIR": str(caches / "numba"),
        "JAX_ENABLE_COMPILATION_CACHE": "false",  # whatever the caller's environment names
    }


def measure(send: Send, receive: Callable[[], object], cell: Cell) -> None:
    """Train as the cell says until its rule is met; says `measured` with what was seen."""
    package = importlib.import_module(TWIN_OF[cell.twin].package)
    side = importlib.import_module(SIDES[package.__name__])
    send("ready", None)
    side.begin(cell)
    rule = rule_of(cell)
    watch = Stopwatch(lambda: side.synchronise(cell), None if cell.way == "fit_many" else rule)
    with side.flipped(cell, package):
        train, model = prepared(cell, package, rule)
        gc.collect()
        gc.freeze()
        if cell.switch == "collector":
            gc.disable()
        else:
            gc.enable()
        used, before = resource.getrusage(resource.RUSAGE_SELF), peak_mib()
        watch.start()
        result = train(progress=watch)
        ending = watch.end()
        spent = resource.getrusage(resource.RUSAGE_SELF)
        mhz = max((core.current for core in psutil.cpu_freq(percpu=True)), default=0.0)
        proof = side.proof(cell, model)
    seconds, chunks = [round(epoch, 9) for epoch in watch.seconds], 1
    if isinstance(result, ManyResult):
        chunks, loss = len(seconds) // MANY_EPOCHS, result.loss[[0, -1]].tolist()
        weights = {name: array[[0, -1]] for name, array in result.weights.items()}
    else:
        loss, weights = result.loss, result.snapshots[cell.steps_in_epoch].weights
    cpu = spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime
    environment = {name: os.environ.get(name, "") for name in sorted(SHOWN)}
    send(
        "measured",
        {
            "seconds": seconds,
            "steady_after": steady_after(seconds, rule),
            "together": -(-cell.starts // chunks),
            "loss": loss,
            "weights": weights,
            "ending": round(ending, 9),
            "mhz": round(mhz),
            "before_mib": before,
            "peak_mib": peak_mib(),
            "device_mib": side.device_mib(cell),
            "cpu_seconds": cpu,
            "proof": proof
            | {
                "python": sys.version.split()[0],
                "collector": gc.isenabled(),
                "threads of Python": threading.active_count(),
                "variables": environment,
            },
        },
    )


def rule_of(cell: Cell) -> Rule:
    """When a cell is steady: of many seeds an epoch is long enough."""
    return Rule(seconds=0.0) if cell.way == "fit_many" else Rule()


class Train(Protocol):
    """A way to train with all that it is given but what hears of every epoch."""

    def __call__(self, *, progress: Stopwatch) -> FitResult | ManyResult: ...


def prepared(cell: Cell, package: ModuleType, rule: Rule) -> tuple[Train, object]:
    """The way to train with all that it is given, and the network where it is given one.

    What is done here is not measured: users have their data and their network, too, when they call.
    """
    data = load_data(cell.data_config)
    if cell.way == "fit_many":
        package.create_model(cell.model_config)  # Keras imports what is left to import only now
        given = cell.model_config, data, cell.train_config(MANY_EPOCHS), range(cell.starts)
        return partial(package.fit_many, *given), None
    order = order_of(cell, rule.most_epochs)
    options = {"order": order, "snapshots": (cell.steps_in_epoch,)}
    config = cell.train_config(len(order))
    if cell.way == "floor":
        weights = initial_weights(cell.model_config, 0)
        return partial(package.fit, cell.model_config, weights, data, config, **options), None
    model = package.create_model(cell.model_config)
    return partial(getattr(package, cell.way), model, data, config, **options), model


def fitted(
    twin: str, cell: Cell, weights: Weights, config: TrainConfig, order: np.ndarray | None
) -> Weights:
    """The weights of the cell's network after a twin's `fit` from initial ones."""
    package = importlib.import_module(TWIN_OF[twin].package)
    model = package.create_model(cell.model_config)
    package.set_weights(model, weights)
    return package.fit(model, load_data(cell.data_config), config, order).weights


SHOWN = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "JAX_ENABLE_X64",
    "JAX_PLATFORMS",
    "KERAS_BACKEND",
    "LD_PRELOAD",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
)
"""Environment variables that matter, kept with every line."""


def order_of(cell: Cell, most: int) -> np.ndarray:
    """The rows of every epoch, int (epochs, rows), as `batch_order` draws them.

    An epoch that is not one pass over the training rows has always the same rows, some more than
    once if need be, so that the losses of epochs can be compared. Of large epochs there are fewer
    than `most`: a million rows are enough.
    """
    epochs = max(20, min(most, 1_000_000 // cell.rows_in_epoch))
    order = batch_order(cell.rows_in_epoch, epochs, 0)
    if cell.rows_in_epoch == cell.training_rows:
        return order
    return np.resize(batch_order(cell.training_rows, 1, 0), cell.rows_in_epoch)[order]


def peak_mib() -> float:
    """The most memory this process has held so far, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
        return int(peak) / 1024
    except (OSError, ValueError):
        return psutil.Process().memory_info().rss / 2**20


def why(text: str) -> str:
    """The line of a worker's last words that says most."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if "code -9" in lines[0]:
        return "killed, as the system does when memory runs out"
    if lines[0].startswith("process ended"):
        return lines[0]
    with contextlib.suppress(StopIteration):
        return next(line for line in reversed(lines) if "Error" in line)[:300]
    return lines[-1][:300]
