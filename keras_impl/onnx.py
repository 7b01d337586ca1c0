"""ONNX files of the networks, from Keras 3. Mirror: torch_impl/onnx.py."""

import warnings
from pathlib import Path

import keras

from attention_twins.errors import InputError
from attention_twins.in_keras.runtime import floatx
from shared.config import ModelConfig


def export_onnx(model: keras.Model, config: ModelConfig, path: Path) -> None:
    """Write a network to an ONNX file, to run where neither framework is.

    Its input is `x` (B, T, F), its one output (B, D), for any number of rows B. It knows no mask,
    and a decoder runs free.

    Raises:
        InputError: the framework's exporter is not installed, or cannot do it.
    """
    x = keras.InputSpec(shape=(None, *config.input_shape), dtype=config.dtype, name="x")
    try:
        with floatx(config.dtype), warnings.catch_warnings(action="ignore"):  # exporters are noisy
            model.export(path, format="onnx", input_signature=[x], verbose=False)
    except Exception as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise InputError(f"model cannot be written as ONNX here: {said[0]}") from error
