"""The scalar limit: one more implementation, of the same training."""

import numpy as np
import pytest
from helpers import config_of, furthest, some_data

import torch_impl
from attention_twins.errors import InputError
from benchmarks.common import scalar_limit
from shared import reference
from shared.config import TUTORIAL_MODELS, TrainConfig
from shared.data import batch_order
from shared.weights import random_weights


@pytest.mark.parametrize("model", TUTORIAL_MODELS)
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 5e-6)])
def test_equals_fit(model, batch_size, dtype, tolerance):
    config = TrainConfig(learning_rate=0.01, batch_size=batch_size, epochs=5)
    model_config, data = config_of(model, dtype), some_data(dtype)
    created = torch_impl.create_model(model_config)
    start = random_weights(model_config)
    torch_impl.set_weights(created, start)
    plain = torch_impl.fit(created, data, config, snapshots=(1, 13))
    found = scalar_limit.fit(model_config, start, data, config, snapshots=(1, 13))
    np.testing.assert_allclose(found.loss, plain.loss, rtol=0, atol=tolerance)
    for actual, desired in ((found, plain), (found.snapshots[13], plain.snapshots[13])):
        assert furthest(actual, desired) <= tolerance
        assert actual.state.keys() == desired.state.keys()
        for name, array in desired.state.items():
            np.testing.assert_allclose(actual.state[name], array, rtol=0, atol=tolerance)
            assert actual.state[name].dtype == array.dtype
    assert {array.dtype.name for array in found.weights.values()} == {dtype}
    for name, array in random_weights(model_config).items():
        np.testing.assert_array_equal(start[name], array)  # its own are not touched


@pytest.mark.parametrize("model", TUTORIAL_MODELS)
def test_derivatives_are_those_of_the_definition(model):
    """m after the first step is a tenth of the gradient."""
    config, data = config_of(model, "float64"), some_data("float64")
    start, order = random_weights(config), np.arange(23)[np.newaxis]
    found = scalar_limit.fit(config, start, data, TrainConfig(batch_size=23), order)
    gradients = reference.gradients(config, start, data.train_x, data.train_y)
    for name in start:
        np.testing.assert_allclose(
            found.state[f"m/{name}"], gradients[name] / 10, rtol=1e-12, atol=1e-16, err_msg=name
        )


@pytest.mark.parametrize(
    "options", [{"optimizer": "sgd"}, {"loss": "mae"}, {"setup": "native"}], ids=str
)
def test_refuses_what_it_does_not_know(options):
    config = config_of("rnn", "float64")
    with pytest.raises(InputError, match=next(iter(options))):
        scalar_limit.fit(
            config, random_weights(config), some_data("float64"), TrainConfig(**options)
        )


def test_progress_and_order_from_the_seed():
    told, config = [], config_of("rnn", "float64")
    start, data, train = random_weights(config), some_data("float64"), TrainConfig(epochs=3, seed=9)
    drawn = scalar_limit.fit(config, start, data, train, progress=lambda *said: told.append(said))
    given = scalar_limit.fit(config, start, data, TrainConfig(), batch_order(23, 3, 9))
    assert drawn.loss == given.loss
    assert told == list(enumerate(drawn.loss, 1))
    ended = scalar_limit.fit(config, start, data, train, progress=lambda epochs, _: epochs == 2)
    assert ended.loss == drawn.loss[:2] and int(ended.state["t"]) == 2 * 23
