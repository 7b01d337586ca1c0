"""The data: the tutorial's own values, closed forms, and properties of every split."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from sklearn.preprocessing import MinMaxScaler

from attention_twins.errors import InputError
from shared.config import DataConfig
from shared.data import batch_order, windows
from shared.fibonacci import get_fib_seq, get_fib_xy
from shared.tasks import load_data


def tutorial_get_fib_seq(n, scale_data=True):
    """The tutorial's function, line for line."""
    seq = np.zeros(n)
    fib_n1 = 0.0
    fib_n = 1.0
    for i in range(n):
        seq[i] = fib_n1 + fib_n
        fib_n1 = fib_n
        fib_n = seq[i]
    scaler = []
    if scale_data:
        scaler = MinMaxScaler(feature_range=(0, 1))
        seq = np.reshape(seq, (n, 1))
        seq = scaler.fit_transform(seq).flatten()
    return seq, scaler


def tutorial_get_fib_xy(total_fib_numbers, time_steps, train_percent, scale_data=True):
    """The tutorial's get_fib_XY, line for line."""
    dat, scaler = tutorial_get_fib_seq(total_fib_numbers, scale_data)
    Y_ind = np.arange(time_steps, len(dat), 1)
    Y = dat[Y_ind]
    rows_x = len(Y)
    X = dat[0:rows_x]
    for i in range(time_steps - 1):
        temp = dat[i + 1 : rows_x + i + 1]
        X = np.column_stack((X, temp))
    rand = np.random.RandomState(seed=13)
    idx = rand.permutation(rows_x)
    split = int(train_percent * rows_x)
    train_ind = idx[0:split]
    test_ind = idx[split:]
    trainX = X[train_ind]
    trainY = Y[train_ind]
    testX = X[test_ind]
    testY = Y[test_ind]
    trainX = np.reshape(trainX, (len(trainX), time_steps, 1))
    testX = np.reshape(testX, (len(testX), time_steps, 1))
    return trainX, trainY, testX, testY, scaler


@st.composite
def splits(draw):
    numbers = draw(st.integers(2, 1475))
    time_steps = draw(st.integers(1, numbers - 1))
    return numbers, time_steps, draw(st.floats(0.001, 0.999)), draw(st.booleans())


def test_sequence_printed_in_the_tutorial():
    np.testing.assert_array_equal(get_fib_seq(10, False)[0], [1, 2, 3, 5, 8, 13, 21, 34, 55, 89])


def test_split_printed_in_the_tutorial():
    train_x, train_y, test_x, test_y, scaler = get_fib_xy(12, 3, 0.7, False)
    np.testing.assert_array_equal(
        train_x[..., 0],
        [[8, 13, 21], [5, 8, 13], [2, 3, 5], [13, 21, 34], [21, 34, 55], [34, 55, 89]],
    )
    np.testing.assert_array_equal(train_y, [34, 21, 8, 55, 89, 144])
    np.testing.assert_array_equal(np.sort(test_y), [5, 13, 233])
    assert test_x.shape == (3, 3, 1)
    assert scaler is None


@given(splits())
def test_same_arrays_as_the_tutorial_bit_for_bit(split):
    *ours, scaler = get_fib_xy(*split)
    *tutorials, tutorials_scaler = tutorial_get_fib_xy(*split)
    for actual, desired in zip(ours, tutorials, strict=True):
        assert actual.shape == desired.shape
        assert actual.dtype == desired.dtype
        assert actual.tobytes() == desired.tobytes()
    assert bool(scaler) == bool(tutorials_scaler)
    n, scale_data = split[0], split[3]
    actual, desired = get_fib_seq(n, scale_data)[0], tutorial_get_fib_seq(n, scale_data)[0]
    assert actual.tobytes() == desired.tobytes()


@given(splits())
def test_every_window_is_on_one_side_and_goes_on_as_fibonacci_does(split):
    numbers, time_steps, share, _ = split
    train_x, train_y, test_x, test_y, _ = get_fib_xy(numbers, time_steps, share, False)
    assert len(train_x) == len(train_y) == int(share * (numbers - time_steps))
    starts = np.concatenate([train_x[:, 0, 0], test_x[:, 0, 0]])
    np.testing.assert_array_equal(np.sort(starts), get_fib_seq(numbers, False)[0][: len(starts)])
    for x, y in ((train_x, train_y), (test_x, test_y)):
        series = np.concatenate([x[..., 0], y[:, np.newaxis]], axis=1)
        np.testing.assert_array_equal(series[:, 2:], series[:, 1:-1] + series[:, :-2])


def test_closed_forms_of_the_tutorials_targets():
    golden_ratio = (1 + math.sqrt(5)) / 2
    data = load_data(DataConfig(dtype="float64"))
    x, y = np.concatenate([data.train_x, data.test_x]), np.concatenate([data.train_y, data.test_y])
    assert data.train_x.shape == (826, 20, 1)
    assert data.test_x.shape == (354, 20, 1)
    np.testing.assert_allclose((y**2).sum(), golden_ratio, rtol=1e-12)
    np.testing.assert_allclose(((y - x[:, -1]) ** 2).sum(), golden_ratio**-3, rtol=1e-12)


@given(st.integers(3, 1475))
def test_float64_brings_every_number_back_to_one_rounding(count):
    data = load_data(DataConfig(numbers=count, time_steps=1, dtype="float64"))
    numbers = get_fib_seq(count, False)[0]
    scaled = data.scaler.transform(numbers[:, np.newaxis])[:, 0]
    np.testing.assert_allclose(data.to_numbers(scaled), numbers, rtol=2**-52)


def test_float32_brings_numbers_back_down_to_where_the_docstring_says():
    data = load_data(DataConfig(dtype="float32"))
    numbers = get_fib_seq(1200, False)[0]
    scaled = data.scaler.transform(numbers[:, np.newaxis])[:, 0].astype(np.float32)
    back, exact = data.to_numbers(scaled), data.smallest_exact("float32")
    kept = numbers >= exact
    np.testing.assert_allclose(back[kept], numbers[kept], rtol=2**-24)
    assert (abs(back / numbers - 1)[~kept].max() > 2**-24) and not kept.all()
    np.testing.assert_array_equal(back[numbers < exact * 2**-24], 1)
    # The figures in the docstring of to_numbers.
    assert f"{exact:.1e}" == "5.2e+212"
    assert f"{exact * 2**-24:.1e}" == "3.1e+205"


def test_to_numbers_keeps_the_shape():
    data = load_data(DataConfig())
    assert data.to_numbers(data.test_y).shape == data.test_y.shape
    assert data.to_numbers(data.test_x).shape == data.test_x.shape


@given(st.integers(1, 50), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_batch_order_visits_every_row_once_an_epoch(rows, epochs, seed):
    order = batch_order(rows, epochs, seed)
    np.testing.assert_array_equal(np.sort(order, axis=1), np.tile(np.arange(rows), (epochs, 1)))
    np.testing.assert_array_equal(order, batch_order(rows, epochs, seed))


def test_batch_order_differs_between_epochs_and_seeds():
    first, second = batch_order(100, 2, 0)
    assert (first != second).any()
    assert (batch_order(100, 1, 1)[0] != first).any()


def test_takes_numpys_integers():
    np.testing.assert_array_equal(get_fib_seq(np.int64(10))[0], get_fib_seq(10)[0])


@pytest.mark.parametrize("n", [0, -1, 1476, 2.0, True, "10"])
def test_get_fib_seq_refuses(n):
    with pytest.raises(InputError, match=r"n must be an integer from 1 to 1475, got "):
        get_fib_seq(n)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1476, 20, 0.7), "total_fib_numbers must be an integer from 2 to 1475, got 1476"),
        ((12, 12, 0.7), "time_steps must be an integer from 1 to 11, got 12"),
        ((12, 0, 0.7), "time_steps must be an integer from 1 to 11, got 0"),
        ((12, 3, 1.0), "train_percent must lie between 0 and 1, both excluded, got 1.0"),
        ((12, 3, math.nan), "train_percent must lie between 0 and 1, both excluded, got nan"),
    ],
)
def test_get_fib_xy_refuses(arguments, message):
    with pytest.raises(InputError) as error:
        get_fib_xy(*arguments)
    assert str(error.value) == message


def test_1475_numbers_are_finite_and_the_next_would_not_be():
    last_two = get_fib_seq(1475, False)[0][-2:]
    assert np.isfinite(last_two).all()
    with np.errstate(over="ignore"):
        assert np.isinf(last_two.sum())


@pytest.mark.parametrize("seq", [np.ones((3, 3)), np.ones(3, int)])
def test_shapes_in_signatures_are_held(seq):
    """While the tests run: conftest.py puts a check around every function of shared."""
    with pytest.raises(TypeCheckError, match="shared.data.windows"):
        windows(seq, 2)
