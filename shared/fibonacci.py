"""The tutorial's data: Fibonacci numbers, cut into windows, split into two sets."""

import numpy as np
from jaxtyping import Float64
from sklearn.preprocessing import MinMaxScaler

from attention_twins.errors import check_fraction, check_integer
from shared.config import LARGEST_FIBONACCI
from shared.data import split_rows, windows


def get_fib_seq(
    n: int, scale_data: bool = True
) -> tuple[Float64[np.ndarray, " {n}"], MinMaxScaler | None]:
    """The first n Fibonacci numbers 1, 2, 3, 5, … (the two starting values are not counted).

    Args:
        n: how many, from 1 to 1475.
        scale_data: scale them to [0, 1].

    Returns:
        The sequence, float64 (n,), and the fitted scaler (None if not scaled).

    Raises:
        InputError: n out of range; the 1476th number is inf in float64.
    """
    check_integer("n", n, 1, LARGEST_FIBONACCI)
    seq = second_order(n, 0.0, 1.0)
    if not scale_data:
        return seq, None
    scaler = MinMaxScaler(feature_range=(0, 1))
    return scaler.fit_transform(seq.reshape(n, 1)).flatten(), scaler


def get_fib_xy(
    total_fib_numbers: int, time_steps: int, train_percent: float, scale_data: bool = True
) -> tuple[
    Float64[np.ndarray, "N {time_steps} 1"],
    Float64[np.ndarray, " N"],
    Float64[np.ndarray, "M {time_steps} 1"],
    Float64[np.ndarray, " M"],
    MinMaxScaler | None,
]:
    """Windows of `time_steps` numbers with the number that follows, shuffled and split.

    Args:
        total_fib_numbers: length of the sequence, at most 1475.
        time_steps: numbers in a window (T), fewer than `total_fib_numbers`.
        train_percent: share of the windows in the training set, between 0 and 1.
        scale_data: scale the numbers to [0, 1].

    Returns:
        train_x (N, T, 1), train_y (N,), test_x (M, T, 1), test_y (M,), float64, and the scaler
        (None if not scaled). Rows are permuted with the tutorial's fixed seed, 13. As in the
        tutorial, a side of very few windows can be empty.

    Raises:
        InputError: a value out of range.
    """
    check_integer("total_fib_numbers", total_fib_numbers, 2, LARGEST_FIBONACCI)
    check_integer("time_steps", time_steps, 1, total_fib_numbers - 1)
    check_fraction("train_percent", train_percent)
    seq, scaler = get_fib_seq(total_fib_numbers, scale_data)
    x, y = windows(seq, time_steps)
    train, test = split_rows(len(x), train_percent)
    return x[train], y[train, 0], x[test], y[test, 0], scaler


def second_order(n: int, previous: float, current: float) -> Float64[np.ndarray, " {n}"]:
    """Each of n numbers is the sum of the two before it; those two are not counted."""
    found = np.zeros(n)
    for i in range(n):
        found[i] = previous + current
        previous, current = current, found[i]
    return found
