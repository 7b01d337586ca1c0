"""ONNX files of both twins, run by onnxruntime: an implementation that none of us wrote."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from helpers import SLOW_IN_TORCH, config_of, for_both

from attention_twins.errors import InputError
from shared import reference
from shared.config import MODELS
from shared.weights import random_weights


def written(twin, config, path):
    """What onnxruntime computes, from the file of a network with random weights."""
    created = twin.create_model(config)
    twin.set_weights(created, random_weights(config))
    twin.export_onnx(created, config, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert given.name == "x" and given.shape[1:] == [*config.input_shape]
    return lambda x: session.run(None, {"x": x})


@for_both(["model"], [(model,) for model in MODELS], ("rnn_with_attention",))
def test_onnxruntime_computes_what_the_definition_says(twin, model, tmp_path):
    config = config_of(model, "float32")
    exported = written(twin, config, tmp_path / "model.onnx")
    for rows in (1, 9):
        x = np.random.default_rng(rows).normal(size=(rows, *config.input_shape)).astype("float32")
        (found,) = exported(x)
        desired = reference.forward(config, random_weights(config), x.astype("float64"))["output"]
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, desired, rtol=0, atol=1e-6)


@pytest.mark.parametrize("score", ["linear", "additive"])
@SLOW_IN_TORCH
def test_variants_of_attention_too(twin, score, tmp_path):
    config = replace(config_of("rnn_with_attention", "float32"), score=score)
    x = np.random.default_rng(0).normal(size=(4, *config.input_shape)).astype("float32")
    (found,) = written(twin, config, tmp_path / "model.onnx")(x)
    desired = reference.forward(config, random_weights(config), x.astype("float64"))["output"]
    np.testing.assert_allclose(found, desired, rtol=0, atol=1e-6)


@SLOW_IN_TORCH
def test_a_wrong_weight_would_be_seen(twin, tmp_path):
    config = config_of("lstm", "float32")
    x = np.ones((2, *config.input_shape), "float32")
    (found,) = written(twin, config, tmp_path / "model.onnx")(x)
    weights = random_weights(config)
    weights["lstm/bias"][0] += 1e-3
    assert abs(found - reference.forward(config, weights, x)["output"]).max() > 1e-6


def test_what_cannot_be_written_is_one_line(twin, tmp_path):
    config = config_of("rnn", "float32")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="model cannot be written as ONNX here: "):
        twin.export_onnx(twin.create_model(config), config, tmp_path / "file" / "x.onnx")
