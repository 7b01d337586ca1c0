"""The canonical weights: names and shapes per network, initial values, files.

A network's weights travel as a dict, `layer/variable` → NumPy array, in Keras's layout. Files are
safetensors with the network's configuration in the metadata; nothing is ever unpickled.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from attention_twins.errors import InputError, one_line
from attention_twins.weights import Weights, check_weights
from shared.config import KERNEL_SIZE, MODELS, SETUPS, ModelConfig, Setup


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name → shape of every weight, in the order of computation."""
    F, H, D = config.features, config.units, config.dense_units

    def recurrent(inputs: int, gates: int = 1) -> dict[str, tuple[int, ...]]:
        kernels = {"kernel": (inputs, gates * H), "recurrent_kernel": (H, gates * H)}
        return {**kernels, "bias": (gates * H,)}

    summary = H * config.states if config.pools and not config.attends else H
    numbers = 1 if config.decodes else D
    shapes = {
        "rnn": recurrent(F),
        "lstm": recurrent(F, 4),
        "gru": recurrent(F, 3) | {"bias": (2, 3 * H)},
        "conv": {"kernel": (KERNEL_SIZE, F, H), "bias": (H,)},
        "encoder": recurrent(F),
        "attention": _attention_shapes(config),
        "decoder": recurrent(1 + H * config.attends),
        "dense": {"kernel": (summary, numbers), "bias": (numbers,)},
    }
    return {
        f"{layer}/{variable}": shape
        for layer in MODELS[config.model]
        for variable, shape in shapes[layer].items()
    }


def _attention_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Variable → shape."""
    T, H = config.states, config.units
    if config.score == "additive" or config.decodes:
        return {"W_a": (H, H), "U_a": (H, H), "v_a": (H, 1)}
    biases = {"per_step": {"b": (T, 1)}, "shared": {"b": (1, 1)}, "none": {}}
    scale = {"log_scale": (1,)} if config.temperature else {}
    return {"W": (H, 1), **biases[config.bias], **scale}


def initial_weights(config: ModelConfig, seed: int, setup: Setup = "twin") -> Weights:
    """Initial weights by Keras's rules, drawn in NumPy in float64, then rounded to `config.dtype`.

    kernel, W_a, U_a, v_a: glorot_uniform; recurrent_kernel: orthogonal; W: N(0, 0.05); biases, b
    and log_scale: zeros, but 1 for the forget gate of an LSTM (Jozefowicz et al. 2015).
    Every weight has a random stream of its own, made from `seed` and its name: two networks start
    from equal weights wherever they share a name and a shape.

    Where `setup` has PyTorch's initializers or bias_start, kernels or biases of all layers but
    attention are uniform as nn.RNN, nn.Conv1d and nn.Linear have them; a recurrent bias is the sum
    of two, but for a GRU, which has two.
    """
    found, differences, shapes = {}, SETUPS[setup], weight_shapes(config)
    for name, shape in shapes.items():
        layer, variable = name.split("/")
        generator = np.random.default_rng([seed, *name.encode()])
        rule = "bias_start" if variable == "bias" else "initializers"
        if layer != "attention" and rule in differences:
            recurrent = f"{layer}/recurrent_kernel" in shapes
            fan_in = math.prod(shapes[f"{layer}/kernel"][:-1])
            limit = (config.units if recurrent else fan_in) ** -0.5
            twice = 2 if recurrent and variable == "bias" and len(shape) == 1 else 1
            array = generator.uniform(-limit, limit, (twice, *shape)).sum(axis=0)
        else:
            array = INITIALIZERS[variable](generator, shape)
            if variable == "bias" and layer.startswith("lstm"):
                array[config.units : 2 * config.units] = 1
        found[name] = array.astype(config.dtype)
    return found


def glorot_uniform(
    generator: np.random.Generator, shape: tuple[int, ...]
) -> Float64[np.ndarray, "..."]:
    """U(−l, l) with l = √(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    limit = math.sqrt(6 / (math.prod(shape[:-2]) * sum(shape[-2:])))
    return generator.uniform(-limit, limit, shape)


def orthogonal(
    generator: np.random.Generator, shape: tuple[int, int]
) -> Float64[np.ndarray, "rows columns"]:
    """A random orthogonal matrix, uniform by the signs of R's diagonal (Saxe et al. 2013).

    Where it has fewer rows than columns, its rows are orthonormal.
    """
    rows, columns = shape
    q, r = np.linalg.qr(generator.normal(size=(columns, rows) if rows < columns else shape))
    q = q * np.sign(np.diag(r))
    return q.T if rows < columns else q


INITIALIZERS = {
    **dict.fromkeys(("kernel", "W_a", "U_a", "v_a"), glorot_uniform),
    **dict.fromkeys(("bias", "b", "log_scale"), lambda _, shape: np.zeros(shape)),
    "recurrent_kernel": orthogonal,
    "W": lambda generator, shape: generator.normal(0, 0.05, shape),
}


def random_weights(config: ModelConfig, seed: int = 0) -> Weights:
    """Weights without a single zero: a bias of 0 would hide that it is dropped or doubled.

    Small enough that a wide recurrence does not become chaotic, where no two roundings agree.
    """
    generator = np.random.default_rng(seed)
    scale = min(0.5, config.units**-0.5)
    return {
        name: generator.normal(0, scale, shape).astype(config.dtype)
        for name, shape in weight_shapes(config).items()
    }


def save_weights(path: Path, weights: Weights, config: ModelConfig) -> None:
    """Write the weights of one network to a safetensors file, whole or not at all."""
    check_weights(weights, weight_shapes(config), config.dtype)
    contiguous = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    part = path.with_name(path.name + ".part")
    part.write_bytes(save(contiguous, {"model_config": json.dumps(asdict(config))}))
    part.replace(path)


def load_weights(path: Path) -> tuple[Weights, ModelConfig]:
    """The weights in a file made by `save_weights`, and the network they belong to.

    Raises:
        InputError: not a whole safetensors file, or not the weights that its metadata describe.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, TypeError, AttributeError) as error:  # or its dtype
        raise InputError(
            f"weights must be a safetensors file, got {str(path)!r} ({one_line(error)})"
        ) from error
    try:
        fields = json.loads(metadata["model_config"])
        config = ModelConfig(**fields | {"activation": tuple(fields["activation"])})
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"weights must name their network in the metadata (model_config), "
            f"got {str(path)!r}: {error!r}"
        ) from error
    try:
        check_weights(weights, weight_shapes(config), config.dtype)
    except InputError as error:
        raise InputError(f"{str(path)!r}: {error}") from error
    return weights, config
