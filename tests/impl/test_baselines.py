"""The predictors to beat, against the closed forms and figures known for the tutorial's data."""

import math

import numpy as np
import pytest

from benchmarks.run.worker import large_share
from shared.baselines import baselines, mse
from shared.config import DataConfig
from shared.tasks import load_data


def test_mean_squared_error_by_hand():
    assert mse(np.array([[1.0], [2.0]]), np.array([[0.0], [4.0]])) == 2.5
    assert mse(np.float32([[1e-30]]), np.float32([[0]])) == pytest.approx(1e-60)  # not 0


def test_baselines_of_the_tutorials_data():
    """Σ target² = φ and Σ (target − last)² = φ⁻³ over both sides; the rest by plain formulas."""
    data = load_data(DataConfig(dtype="float64"))
    found, phi = baselines(data), (1 + math.sqrt(5)) / 2
    assert list(found) == ["predict 0", "training mean", "persistence", "linear regression"]
    for name, total in (("predict 0", phi), ("persistence", phi**-3)):
        both = 826 * found[name]["train"] + 354 * found[name]["test"]
        np.testing.assert_allclose(both, total, rtol=1e-12)
    mean = data.train_y.mean()
    np.testing.assert_allclose(found["training mean"]["train"], data.train_y.var(), rtol=1e-12)
    np.testing.assert_allclose(
        found["training mean"]["test"], ((data.test_y - mean) ** 2).mean(), rtol=1e-12
    )
    assert max(found["linear regression"].values()) < 1e-30  # the recurrence, found


def test_one_time_step_has_no_last_two():
    found = baselines(load_data(DataConfig(time_steps=1, dtype="float64")))
    assert 0 < found["linear regression"]["test"] < found["persistence"]["test"]


def test_share_of_the_error_that_large_targets_carry():
    prediction, target = np.zeros((3, 1)), np.array([[1e-4], [0.5], [0.002]])
    share = (0.25 + 4e-6) / (0.25 + 4e-6 + 1e-8)
    np.testing.assert_allclose(large_share(prediction, target), share, rtol=1e-14)
