"""`twins check KERAS TORCH`: is a port of your own model right, and if not, where?"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.console import Console

from attention_twins.compare import Verdict
from attention_twins.coordinator import Ascent, Plan
from attention_twins.errors import InputError, check_choice, check_file, check_integer
from attention_twins.parity import load_trace, save_trace
from attention_twins.processes import no_interrupt
from attention_twins.training import Dtype, KerasBackend, Loss
from attention_twins.user_model import Guest, renamed, visit
from benchmarks.prove.certificate import close_record, judged, open_record, results
from benchmarks.prove.tables import show

ADVICE = {
    "epsilon": "set eps in PyTorch to Keras's epsilon",
    "momentum": "Keras keeps this share of the old statistics, PyTorch takes 1 minus it",
    "running variance": "no setting mends it: PyTorch keeps the unbiased variance, n / (n − 1) of "
    "Keras's; freeze the statistics, or take the difference for what it is",
    "trained biases": "PyTorch trains two biases, so their sum moves twice as far: set bias_hh to "
    "0 and call requires_grad_(False) on it",
    "reset_after": "nn.GRU resets after the product: set reset_after=True in Keras",
}
"""Setting that no copy of weights carries over → what to change."""

STEPS = 100
"""Steps of the trajectory of a pair."""


def check_pair(
    keras: str | Callable[[], Any],
    torch: str | Callable[[], Any],
    *,
    input_shape: tuple[int, ...] | None = None,
    loss: str = "mse",
    source: str = "keras",
    save: Path | str | None = None,
    keras_backends: tuple[str, ...] = ("tensorflow",),
    steps: int = STEPS,
    seed: int = 0,
) -> "PairReport":
    """Compare a Keras model with its port to PyTorch on every rung, in float64 and float32.

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
        What was found; `ok` if every gate holds.

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
        meeting = Meeting(Path(name), specs, source, loss, steps, seed, input_shape)
        plans, target = {}, "torch" if source == "keras" else f"keras-{keras_backends[0]}"
        everyone = {f"keras-{backend}": backend for backend in keras_backends}
        for worker, backend in (everyone | {"torch": "jax"}).items():
            twin = worker.split("-")[0]
            follows = [backend] if twin == "keras" else list(keras_backends)
            partners = ["torch"] if twin == "keras" else [*everyone]
            arguments = (meeting.guest(twin), follows, save if worker == target else None)
            plans[worker] = Plan(backend, partners, 2, visit, arguments)
        record = open_record("check pair", [])
        ascent = Ascent(plans, Path(name), meeting)
        try:
            ascent.climb()
            record["status"] = "complete"
        except KeyboardInterrupt:
            record["status"] = "interrupted"
        with no_interrupt():
            cases = [meeting.guest("keras", dtype) for dtype in ("float64", "float32")]
            verdict = judged(ascent, cases)
    complete = record["status"] == "complete" and not ascent.failures
    record |= {
        "failures": ascent.named_failures(),
        "ok": verdict.ok and complete,
        "models": specs,
        "weights_from": source,
        "loss": loss,
        "saved": str(save) if save else None,
        "layers": meeting.layers,
        "differences": meeting.differences,
    }
    return PairReport(record["ok"], meeting.layers, meeting.differences, verdict, record)


@dataclass(frozen=True)
class PairReport:
    """What the comparison of a pair found."""

    ok: bool
    """Every gate holds."""

    layers: list[tuple[str, str, str]]
    """Kind, name in Keras, name in PyTorch of every pair of layers."""

    differences: list[str]
    """What no copy of weights can mend, and what to change."""

    verdict: Verdict
    """Every comparison."""

    record: dict[str, Any]
    """Models, versions, commit, what failed: the head of the certificate."""

    def show(self) -> None:
        """Print it all."""
        console = Console()
        layers = ", ".join(f"{kind} ({ours} – {theirs})" for kind, ours, theirs in self.layers)
        holds = "" if self.ok else " (not every gate holds)"
        saved = f"Ported weights: {self.record['saved']}{holds}"
        lines = ["", f"Layers, Keras – PyTorch: {layers}", *self.differences]
        for text in lines + [saved] * bool(self.record["saved"]):
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        show(self.record, self.verdict)

    def save(self, path: Path | None) -> None:
        """Write the certificate."""
        close_record(self.record, path, **results(self.verdict))


class Meeting:
    """Pairs the layers of two networks and gives both the same start."""

    def __init__(
        self,
        folder: Path,
        specs: dict[str, str],
        source: str,
        loss: str,
        steps: int,
        seed: int,
        input_shape: tuple[int, ...] | None,
    ) -> None:
        self.folder, self.source, self.seed = folder, source, seed
        self.guests = {
            twin: Guest(spec, "float32", steps, seed, loss, input_shape)
            for twin, spec in specs.items()
        }
        self.layers: list[tuple[str, str, str]] = []
        self.differences: list[str] = []

    def guest(self, twin: str, dtype: Dtype = "float32") -> Guest:
        """The case of a twin, as far as it is known."""
        return replace(self.guests[twin], dtype=dtype)

    def __call__(self, made: dict[str, Any]) -> dict[str, Guest]:
        """What every worker has made → what each is to climb with.

        Raises:
            InputError: one side is missing, or layers or shapes cannot be paired.
        """
        keras = next((made[worker] for worker in made if worker != "torch"), None)
        if keras is None or "torch" not in made:
            raise InputError("both models must be there to be compared")
        torch = made["torch"]
        self.layers = pair_layers(keras["layers"], torch["layers"])
        self.differences = [*settings(keras, torch, self.layers)]
        names = {"keras": [], "torch": [(theirs, ours) for _, ours, theirs in self.layers]}
        shapes = renamed(torch["shapes"], dict(names["torch"]), torch["shapes"])
        check_shapes(keras["shapes"], shapes, self.differences)
        weights = {"keras": tuple(keras["shapes"]), "torch": tuple(torch["shapes"])}
        for twin, guest in self.guests.items():
            self.guests[twin] = replace(
                guest,
                input_shape=keras["input_shape"],
                output_shape=keras["output_shape"],
                names=tuple(names[twin]),
                weights=weights[twin],
                start=self.folder / "start.safetensors",
                donor=self.folder / "donor.safetensors",
            )
        if self.guests["keras"].loss == "ce" and len(keras["output_shape"]) != 1:
            raise InputError(
                f"loss ce needs an output (B, classes), got (B, {keras['output_shape']})"
            )
        self._write_start(min(worker for worker in made if worker.startswith(self.source)))
        return {worker: self.guests[worker.split("-")[0]] for worker in made}

    def _write_start(self, worker: str) -> None:
        """The donor's weights, and the same under noise: no bias is 0, no scale is 1."""
        generator = np.random.default_rng(self.seed)
        own = load_trace(self.folder / worker / "made.safetensors")
        donor = self.guests[self.source].shared(own)
        start = {}
        for name, array in donor.items():
            noisy = array + generator.normal(0, 0.1, array.shape).astype(array.dtype)
            start[name] = abs(noisy) + 0.1 if name.endswith("/moving_variance") else noisy
        save_trace(self.folder / "donor.safetensors", donor)
        save_trace(self.folder / "start.safetensors", start)


def pair_layers(keras: list[Any], torch: list[Any]) -> list[tuple[str, str, str]]:
    """Kind, name in Keras, name in PyTorch of every layer with weights, paired by order and kind.

    Args:
        keras: (name, kind, settings) of each layer.
        torch: the same.

    Raises:
        InputError: the kinds are not the same in the same order; names both lists.
    """
    kinds = [[kind for _, kind, _ in layers] for layers in (keras, torch)]
    if kinds[0] != kinds[1]:
        lists = [", ".join(f"{kind} ({name})" for name, kind, _ in side) for side in (keras, torch)]
        raise InputError(
            "layers with weights must be the same in the same order; "
            f"Keras has {lists[0] or 'none'}; PyTorch has {lists[1] or 'none'}"
        )
    if not keras:
        raise InputError("a model must have layers with weights, got none in either")
    return [
        (kind, ours, theirs) for (ours, kind, _), (theirs, _, _) in zip(keras, torch, strict=True)
    ]


def settings(keras: Any, torch: Any, pairs: list[tuple[str, str, str]]) -> Iterator[str]:
    """A sentence for every setting that differs, with what to change; and for dropout."""
    for name, side in (("Keras", keras), ("PyTorch", torch)):
        if side["dropped"]:
            layers = ", ".join(dict.fromkeys(side["dropped"]))
            yield f"Dropout is switched off for the check in {name}: {layers}."
    for (kind, ours, theirs), (*_, one), (*_, other) in zip(
        pairs, keras["layers"], torch["layers"], strict=True
    ):
        for key in one.keys() & other.keys():
            if one[key] != other[key]:
                advice = ADVICE.get(key, "make them the same")
                yield (
                    f"{kind} ({ours} in Keras, {theirs} in PyTorch): {key} is {one[key]} in Keras "
                    f"and {other[key]} in PyTorch: {advice}."
                )


def check_shapes(keras: dict[str, Any], torch: dict[str, Any], differences: list[str]) -> None:
    """Raise InputError unless both networks have weights of the same names and shapes."""
    odd = []
    for name in keras | torch:
        here, there = keras.get(name, "missing"), torch.get(name, "missing")
        if here != there:
            odd.append(f"{name} is {here} in Keras and {there} in PyTorch")
    if odd:
        hints = [text for text in differences if not text.startswith("Dropout")]
        raise InputError(f"weights must have the same shapes: {'; '.join([*odd, *hints])}")


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
