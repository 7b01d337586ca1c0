"""fit_many, in both twins: each seed's training is what `fit` makes of it, whatever is trained beside it."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers import config_of, for_both, some_data
from hypothesis import given
from hypothesis import strategies as st

import keras_impl
import shared.many
import torch_impl
from attention_twins.errors import InputError
from shared.config import ModelConfig, TrainConfig
from shared.data import batch_order, batches
from shared.many import chunks
from shared.weights import random_weights

BACKEND = keras.backend.backend()
SLOW = BACKEND == "torch"  # its compiler takes half a minute each time

SEEDS, RATES = [5, 0, 7], [0.01, 0.02, 0.003]
CONFIG = TrainConfig(epochs=4, batch_size=8, keras_backend=BACKEND)


def train_many(twin, model, dtype, config=CONFIG, seeds=SEEDS, rates=RATES, **options):
    model_config = config_of(model, dtype)
    options = {"initial": random_weights} | options
    return twin.fit_many(model_config, some_data(dtype), config, seeds, rates, **options)


def train_one(twin, model, dtype, config, seed, rate):
    model_config, data = config_of(model, dtype), some_data(dtype)
    created = twin.create_model(model_config, config.setup, seed)
    if config.setup == "twin":
        twin.set_weights(created, random_weights(model_config, seed))
    fields = vars(config) | {"learning_rate": rate, "seed": seed}
    result = twin.fit(created, data, TrainConfig(**fields))
    return result, twin.predict(created, data.train_x), twin.predict(created, data.test_x)


CASES = [("rnn_with_attention", "float64", "twin")]
if not SLOW:
    CASES += [("rnn", "float32", "twin"), ("rnn", "float64", "native")]


@for_both(("model", "dtype", "setup"), CASES, ("rnn", "float32", "twin"))
def test_every_start_is_as_fit_makes_it(twin, model, dtype, setup):
    tolerance = {"float64": 1e-14, "float32": 2e-6}[dtype]
    config = TrainConfig(**vars(CONFIG) | {"setup": setup})
    initial = random_weights if setup == "twin" else None
    many = train_many(twin, model, dtype, config, initial=initial)
    assert many.seeds == SEEDS and many.learning_rates == RATES
    assert many.loss.shape == (3, 4) and (many.loss[:, -1] < many.loss[:, 0]).all()
    assert many.compile_seconds > 0 and len(many.seconds) == 4
    for i, (seed, rate) in enumerate(zip(SEEDS, RATES, strict=True)):
        one, train, test = train_one(twin, model, dtype, config, seed, rate)
        np.testing.assert_allclose(many.loss[i], one.loss, rtol=0, atol=tolerance)
        assert many.weights.keys() == one.weights.keys()
        for name, array in one.weights.items():
            found = many.weights[name][i]
            np.testing.assert_allclose(found, array, rtol=0, atol=tolerance, err_msg=name)
            assert found.dtype == dtype
        for found, should in ((many.train_prediction, train), (many.test_prediction, test)):
            np.testing.assert_allclose(found[i], should, rtol=0, atol=tolerance)
            assert found.dtype == dtype


@pytest.mark.skipif(SLOW, reason="every size of a chunk is compiled")
@pytest.mark.slow
def test_neighbours_do_not_matter(twin, monkeypatch):
    """Bit for bit in chunks of one size, up to rounding in chunks of another."""
    whole = train_many(twin, "rnn", "float32")
    other = train_many(twin, "rnn", "float32", seeds=[1, 0, 2], rates=[0.001, 0.02, 0.03])
    monkeypatch.setattr(twin, "fit_many", replace(twin.fit_many, most=2))
    told = []
    cut = train_many(twin, "rnn", "float32", progress=lambda *epochs: told.append(epochs))
    assert told == [(epoch, 8) for epoch in range(1, 9)]  # two chunks, the second one filled up
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(other.weights[name][1], array[1])
        assert array.shape == cut.weights[name].shape
        np.testing.assert_allclose(cut.weights[name], array, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(other.test_prediction[1], whole.test_prediction[1])
    assert cut.test_prediction.shape == whole.test_prediction.shape


@pytest.mark.skipif(SLOW, reason="as above")
@pytest.mark.slow
def test_order_may_be_given(twin):
    drawn = train_many(twin, "rnn", "float32", seeds=SEEDS)
    orders = np.stack([batch_order(23, 4, seed) for seed in SEEDS])
    given_ = train_many(twin, "rnn", "float32", seeds=SEEDS, order=orders)
    np.testing.assert_array_equal(given_.loss, drawn.loss)
    turned = train_many(twin, "rnn", "float32", seeds=SEEDS, order=orders[:, :, ::-1])
    assert (turned.loss != drawn.loss).any(axis=1).all()


@pytest.mark.parametrize(
    ("seeds", "rates", "message"),
    [
        ([], None, "seeds must be at least one, got none"),
        ([1, -1], None, "seed must be an integer from 0 to 4294967295, got -1"),
        ([1, 2], [0.1], "learning_rates must be one for each of 2 seeds, got 1"),
        ([1, 2], [0.1, 0], "learning_rate must be positive and at most 10, got 0"),
        ([1], [float("nan")], "learning_rate must be positive and at most 10, got nan"),
    ],
)
def test_bad_input_is_one_line(twin, seeds, rates, message):
    with pytest.raises(InputError) as error:
        train_many(twin, "rnn", "float32", seeds=seeds, rates=rates)
    assert str(error.value) == message


@given(count=st.integers(1, 300), most=st.integers(1, 50), units=st.integers(1, 400))
def test_chunks_hold_every_start_once_and_are_of_one_size(count, most, units):
    model = ModelConfig(units=units)
    found = chunks(model, TrainConfig(), range(count), None, most)
    sizes = {len(chunk.indices) for chunk in found}
    assert len(sizes) == 1 and max(sizes) <= most
    flat = [start for chunk in found for start in chunk.indices]
    assert flat[:count] == list(range(count))
    assert len(flat) - count < max(sizes)
    bytes_used = max(sizes) * shared.many.seed_bytes(model, TrainConfig())
    assert bytes_used <= shared.many.BUDGET or sizes == {1}


@given(rows=st.integers(1, 40), size=st.integers(1, 50), starts=st.integers(0, 3))
def test_batches_hold_every_row_in_order(rows, size, starts):
    order = np.arange(max(1, starts) * rows).reshape(-1, rows)
    parts = batches(order if starts else order[0], size)
    for i in range(max(1, starts)):
        own = [part[:, i] if starts else part for part in parts]
        np.testing.assert_array_equal(np.concatenate([o.ravel() for o in own]), order[i])
        assert [o.shape[1] for o in own[:-1]] == [size] * (len(own) - 1)
        assert own[-1].shape[1] == (size if rows % size == 0 else rows % size)


def test_no_rows_to_predict():
    shapes = []

    def predict(x):
        shapes.append(x.shape)
        return np.zeros((3, len(x), 1))

    config = ModelConfig(dtype="float64")
    assert shared.many.predictions(predict, np.zeros((0, 20, 1)), 3, config).shape == (3, 0, 1)
    assert not shapes
    many = shared.many.predictions(predict, np.zeros((70_001, 20, 1)), 3, config)
    assert many.shape == (3, 70_001, 1)
    assert len(set(shapes)) == 1 and len(shapes) > 1


@pytest.mark.skipif(SLOW, reason="as above")
@pytest.mark.slow
def test_twins_agree_on_many_starts():
    both = [train_many(twin, "rnn", "float32") for twin in (keras_impl, torch_impl)]
    for name, array in both[0].weights.items():
        np.testing.assert_allclose(array, both[1].weights[name], rtol=0, atol=2e-6)


@pytest.mark.skipif(SLOW, reason="as above")
@pytest.mark.slow
def test_a_start_that_diverges_touches_no_other():
    config = TrainConfig(**vars(CONFIG) | {"optimizer": "sgd"})
    calm = train_many(keras_impl, "rnn", "float32", config, rates=[0.01, 0.01, 0.01])
    data = some_data("float32")
    wild = keras_impl.fit_many(
        config_of("rnn", "float32"),
        data,
        config,
        SEEDS,
        [0.01, 10, 0.01],
        initial=lambda c, seed: {
            name: array * (np.float32(1e30) if seed == 0 and name == "dense/bias" else 1)
            for name, array in random_weights(c, seed).items()
        },
    )
    for i in (0, 2):
        np.testing.assert_array_equal(wild.loss[i], calm.loss[i])


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (np.zeros((2, 1, 3), int), r"order must be integers \(3, epochs, rows\)"),
        (np.zeros((1, 3), int), r"order must be integers \(3, epochs, rows\)"),
        (np.full((3, 1, 2), 23), "order must name 23 rows, from 0, got rows from 23 to 23"),
    ],
)
def test_wrong_orders_are_one_line(twin, order, message):
    with pytest.raises(InputError, match=message):
        train_many(twin, "rnn", "float32", order=order)


def test_data_of_another_network_is_one_line(twin):
    other = ModelConfig(model="rnn", units=4, dense_units=2, time_steps=9, features=3)
    with pytest.raises(InputError, match=r"train_x must be float32 with rows of shape \(9, 3\)"):
        twin.fit_many(other, some_data("float32"), CONFIG, [1])
    with pytest.raises(InputError, match="train_x must be float32 .* got float64"):
        twin.fit_many(config_of("rnn", "float32"), some_data("float64"), CONFIG, [1])
