"""Is a port of your own model right, and if not, where do the two part?"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from attention_twins.compare import compare_pair
from attention_twins.coordinator import Coordinator, Plan
from attention_twins.errors import InputError, check_choice, check_file, check_integer
from attention_twins.pairing import Pairing
from attention_twins.processes import no_interrupt
from attention_twins.report import Report, open_record
from attention_twins.training import KerasBackend, Loss
from attention_twins.user_model import make_and_run

STEPS = 100
"""Steps of the trajectory of a pair."""


def check_pair(
    keras: str | Callable[[], Any],
    torch: str | Callable[[], Any],
    *,
    input_shape: tuple[int, ...] | None = None,
    loss: Loss = "mse",
    source: str = "keras",
    save: Path | str | None = None,
    keras_backends: tuple[KerasBackend, ...] = ("tensorflow",),
    steps: int = STEPS,
    seed: int = 0,
) -> Report:
    """Compare a Keras model with its port to PyTorch on every stage, in float64 and float32.

    Each runs in a process of its own, which imports the module that the function is in: that runs
    its code. A script that calls this needs `if __name__ == "__main__":`.

    Args:
        keras: function without arguments that makes the Keras model: the function, at the top of
            a module, or `package.module:function`, or `file.py:function`.
        torch: the same for PyTorch. Both models take the same input: rows (B, T, F).
        input_shape: shape of one row; may be left out if the Keras model knows it.
        loss: mse, mae, bce (logits) or ce (logits, classes).
        source: keras or torch: whose weights are carried over to the other one.
        save: where to write the ported weights: `.safetensors` for PyTorch
            (safetensors.torch.load_model), `.weights.h5` for Keras (load_weights).
        keras_backends: tensorflow, jax, torch.
        steps: training steps on the trajectory.
        seed: decides the data and the noise that is laid over the weights, so that no bias is 0.

    Returns:
        What was found; `ok` if every tolerance holds.

    Raises:
        InputError: a model cannot be made, or layers cannot be paired.
    """
    check_choice("loss", loss, get_args(Loss))
    check_choice("from", source, ("keras", "torch"))
    for backend in keras_backends:
        check_choice("keras_backend", backend, get_args(KerasBackend))
    check_integer("steps", steps, 2, 100_000)
    check_integer("seed", seed, 0, 2**32 - 1)
    if not keras_backends:
        raise InputError("keras_backends must name at least one, got none")
    if save is not None:
        save = Path(save)
        check_file("save", save)
        suffix = ".safetensors" if source == "keras" else ".weights.h5"
        if not save.name.endswith(suffix):
            raise InputError(f"save must end in {suffix}, got {str(save)!r}")
    specs = {"keras": as_spec(keras), "torch": as_spec(torch)}
    with tempfile.TemporaryDirectory() as name:
        pairing = Pairing(Path(name), specs, source, loss, steps, seed, input_shape)
        target = "torch" if source == "keras" else f"keras-{keras_backends[0]}"
        backends: dict[str, KerasBackend] = {f"keras-{b}": b for b in keras_backends}

        def plan(worker: str, backend: KerasBackend) -> Plan:
            """What a worker does: PyTorch's meets every Keras, each Keras PyTorch's."""
            side = worker.split("-")[0]
            partners = ["torch"] if side == "keras" else [*backends]
            like = [backend] if side == "keras" else keras_backends
            arguments = (pairing.model(side), [*like], save if worker == target else None)
            package = f"attention_twins.in_{side}"
            return Plan(backend, partners, 2, make_and_run, package, arguments)

        plans = {worker: plan(worker, backend) for worker, backend in backends.items()}
        # A module may hold both models: what Keras runs on must be there for PyTorch's worker, too.
        plans["torch"] = plan("torch", keras_backends[0])
        record = open_record("check pair", [])
        coordinator = Coordinator(plans, Path(name), pairing)
        try:
            coordinator.run()
            record["status"] = "complete"
        except KeyboardInterrupt:
            record["status"] = "interrupted"
        with no_interrupt():
            subjects: list[Any] = [
                pairing.model("keras", dtype) for dtype in ("float64", "float32")
            ]
            comparison = compare_pair(coordinator, subjects)
    complete = record["status"] == "complete" and not coordinator.failures
    record |= {
        "failures": coordinator.named_failures(),
        "ok": comparison.ok and complete,
        "models": specs,
        "weights_from": source,
        "loss": loss,
        "saved": str(save) if save else None,
        "layers": pairing.layers,
        "differences": pairing.differences,
    }
    return Report(record["ok"], pairing.layers, pairing.differences, comparison, record)


def as_spec(model: str | Callable[[], Any]) -> str:
    """`package.module:function` or `file.py:function` of a function, for another process.

    Raises:
        InputError: another process could not find it.
    """
    if isinstance(model, str):
        return model
    module, path = model.__module__, model.__qualname__
    if "<" in path:
        raise InputError(f"a model must be a function at the top of a module, got {path}")
    if module == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        if file is None:
            raise InputError(f"a model must be a function in a file, got {path}")
        module = str(Path(file).resolve())
    return f"{module}:{path}"
