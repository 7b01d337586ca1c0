"""The other data: what each is said to be, and that the tutorial's is untouched."""

import numpy as np
import pytest

from attention_twins.errors import InputError
from shared.config import DATA, DataConfig
from shared.fibonacci import get_fib_seq, get_fib_xy
from shared.tasks import TASKS, load_data


def test_every_task_has_a_name_and_a_maker():
    assert TASKS.keys() == DATA.keys()


def test_the_tutorials_is_untouched(dtype):
    config = DataConfig(dtype=dtype)
    ours = load_data(config)
    train_x, train_y, test_x, test_y, _ = get_fib_xy(1200, 20, 0.7)
    for array, plain in ((ours.train_x, train_x), (ours.test_x, test_x)):
        np.testing.assert_array_equal(array, plain.astype(dtype))
    for array, plain in ((ours.train_y, train_y), (ours.test_y, test_y)):
        np.testing.assert_array_equal(array, plain.astype(dtype)[:, np.newaxis])
    numbers = get_fib_seq(1200, scale_data=False)[0][20:]
    found = np.sort(np.concatenate([ours.to_numbers(y)[:, 0] for y in (ours.train_y, ours.test_y)]))
    if dtype == "float64":
        np.testing.assert_allclose(found, numbers, rtol=1e-12)


@pytest.mark.parametrize("data", DATA)
def test_shapes_split_and_type(data, dtype):
    config = DataConfig(data=data, numbers=300, time_steps=12, dtype=dtype)
    found = load_data(config)
    assert found.train_x.shape == (201, 12, config.features)
    assert found.test_x.shape == (87, 12, config.features)
    assert found.train_y.shape == (201, 1) and found.test_y.shape == (87, 1)
    for name in ("train_x", "train_y", "test_x", "test_y"):
        array = getattr(found, name)
        assert array.dtype == dtype and np.isfinite(array).all() and abs(array).max() <= 1
    again, other = load_data(config), load_data(DataConfig(**vars(config) | {"split": 14}))
    np.testing.assert_array_equal(again.test_x, found.test_x)
    assert (other.test_y != found.test_y).any()
    rows = [np.sort(np.concatenate([d.train_y, d.test_y]).ravel()) for d in (found, other)]
    np.testing.assert_array_equal(*rows)  # the same rows, split otherwise


def test_logarithms_are_spread_evenly_and_lead_back():
    data = load_data(DataConfig(data="log_fibonacci", dtype="float64"))
    y = np.sort(np.concatenate([data.train_y, data.test_y]).ravel())
    np.testing.assert_allclose(np.diff(y), np.full(y.size - 1, 1 / 1199), rtol=1e-2)
    numbers = get_fib_seq(1200, scale_data=False)[0][20:]
    np.testing.assert_allclose(np.sort(data.to_numbers(y)), numbers, rtol=1e-10)


def test_lucas_numbers():
    data = load_data(DataConfig(data="lucas", numbers=12, time_steps=2, dtype="float64"))
    y = np.sort(data.to_numbers(np.concatenate([data.train_y, data.test_y])).ravel())
    np.testing.assert_allclose(y, [7, 11, 18, 29, 47, 76, 123, 199, 322, 521], rtol=1e-12)
    with np.errstate(over="ignore"):
        load_data(DataConfig(data="lucas", numbers=1473))
    with pytest.raises(InputError, match="numbers must be an integer from 3 to 1473"):
        DataConfig(data="lucas", numbers=1474)  # float64 does not hold it


def test_recurrences_have_coefficients_of_their_own():
    data = load_data(DataConfig(data="recurrences", numbers=100, time_steps=20, dtype="float64"))
    found = set()
    for x, y in zip(data.train_x[..., 0], data.train_y, strict=True):
        rows = np.stack([x[1:-1], x[:-2]], axis=1)
        coefficients, *_ = np.linalg.lstsq(rows, x[2:], rcond=None)
        np.testing.assert_allclose(coefficients @ [x[-1], x[-2]], y[0], rtol=0, atol=1e-9)
        assert 0.81 <= -coefficients[1] <= 1 + 1e-9
        found.add(round(coefficients[0], 6))
    assert len(found) == len(data.train_y)


def test_addition_marks_one_number_in_each_half():
    data = load_data(DataConfig(data="addition", numbers=500, time_steps=200, dtype="float64"))
    values, marks = data.train_x[..., 0], data.train_x[..., 1]
    assert set(np.unique(marks)) == {0, 1}
    np.testing.assert_array_equal(marks[:, :100].sum(axis=1), np.ones(len(marks)))
    np.testing.assert_array_equal(marks[:, 100:].sum(axis=1), np.ones(len(marks)))
    np.testing.assert_allclose((values * marks).sum(axis=1) / 2, data.train_y[:, 0], rtol=1e-14)
    assert len(np.unique(marks.argmax(axis=1))) > 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "primes"}, "data must be one of fibonacci, log_fibonacci, lucas"),
        ({"data": "addition", "time_steps": 1}, "time_steps must be an integer from 2"),
        ({"split": -1}, "split must be an integer from 0 to 4294967295, got -1"),
    ],
)
def test_bad_data_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        DataConfig(**options)
