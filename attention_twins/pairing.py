"""Pairs the layers of two models, and gives both the same initial weights."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attention_twins.errors import InputError
from attention_twins.traces import Place, load_trace, save_traces
from attention_twins.training import Dtype, Loss
from attention_twins.user_model import UserModel

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


class Pairing:
    """Two models, as far as they are known; called with what their workers have made of them."""

    def __init__(
        self,
        folder: Path,
        specs: dict[str, str],
        source: str,
        loss: Loss,
        steps: int,
        seed: int,
        input_shape: tuple[int, ...] | None,
    ) -> None:
        self.folder, self.source, self.seed = folder, source, seed
        self.models = {
            side: UserModel(spec, "float32", steps, seed, loss, input_shape)
            for side, spec in specs.items()
        }
        self.layers: list[tuple[str, str, str]] = []
        self.differences: list[str] = []

    def model(self, side: str, dtype: Dtype = "float32") -> UserModel:
        """The model of a side, keras or torch, as far as it is known."""
        return replace(self.models[side], dtype=dtype)

    def __call__(self, made: dict[str, Any]) -> dict[str, UserModel]:
        """What every worker has made → what each is to run.

        Raises:
            InputError: one side is missing, or layers or shapes cannot be paired.
        """
        keras = next((made[worker] for worker in made if worker != "torch"), None)
        if keras is None or "torch" not in made:
            raise InputError("both models must be there to be compared")
        torch = made["torch"]
        self.layers = pair_layers(keras["layers"], torch["layers"])
        self.differences = [*settings(keras, torch, self.layers)]
        names = {theirs: ours for _, ours, theirs in self.layers}
        shapes = {}
        for name, shape in torch["shapes"].items():
            layer, variable = name.split("/", 1)
            shapes[f"{names[layer]}/{variable}"] = shape
        check_shapes(keras["shapes"], shapes, self.differences)
        for side, model in self.models.items():
            self.models[side] = replace(
                model,
                input_shape=keras["input_shape"],
                output_shape=keras["output_shape"],
                names=tuple(names.items()) if side == "torch" else (),
                initial=self.folder / "initial.safetensors",
                source=self.folder / "source.safetensors",
            )
        if self.models["keras"].loss == "ce" and len(keras["output_shape"]) != 1:
            raise InputError(
                f"loss ce needs an output (B, classes), got (B, {keras['output_shape']})"
            )
        self._write_initial(min(worker for worker in made if worker.startswith(self.source)))
        return {worker: self.models[worker.split("-")[0]] for worker in made}

    def _write_initial(self, worker: str) -> None:
        """The source's weights, and the same under noise: no bias is 0, no scale is 1."""
        generator = np.random.default_rng(self.seed)
        own = load_trace(self.folder / worker / "made.safetensors")
        source = self.models[self.source].shared(own)
        initial = {}
        for key, array in source.items():
            noisy = array + generator.normal(0, 0.1, array.shape).astype(array.dtype)
            initial[key] = abs(noisy) + 0.1 if key.tensor == "moving_variance" else noisy
        save_traces(self.folder / "source.safetensors", {Place("weights", 0): source})
        save_traces(self.folder / "initial.safetensors", {Place("weights", 0): initial})


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
