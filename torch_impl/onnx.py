"""ONNX files of the networks, from PyTorch. Mirror: keras_impl/onnx.py."""

import warnings
from pathlib import Path

import torch
from torch import nn

from attention_twins.errors import InputError
from shared.config import ModelConfig


def export_onnx(model: nn.Module, config: ModelConfig, path: Path) -> None:
    """Write a network to an ONNX file, to run where neither framework is.

    Its input is `x` (B, T, F), its one output (B, D), for any number of rows B. It knows no mask,
    and a decoder runs free.

    Raises:
        InputError: the framework's exporter is not installed, or cannot do it.
    """
    weight = next(model.parameters())
    x = torch.zeros(2, *config.input_shape, dtype=weight.dtype, device=weight.device)
    rows = {0: torch.export.Dim("rows")}
    try:
        with warnings.catch_warnings(action="ignore"):  # exporters are noisy
            names = {"input_names": ["x"], "external_data": False, "verbose": False}
            torch.onnx.export(model, (x,), path, dynamic_shapes=(rows,), dynamo=True, **names)
    except Exception as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise InputError(f"model cannot be written as ONNX here: {said[0]}") from error
