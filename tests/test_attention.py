"""The layer, in both twins, against the NumPy definition and against what is known of it."""

import math

import numpy as np
import pytest
from conftest import Layer
from hypothesis import given
from hypothesis import strategies as st

from shared import reference

TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def arrays(shape=(7, 5, 3), dtype="float64", seed=0):
    """x (B, T, F), W and b without a single zero."""
    generator = np.random.default_rng(seed)
    B, T, F = shape
    shapes = ((B, T, F), (F, 1), (T, 1))
    return [generator.normal(size=shape).astype(dtype) for shape in shapes]


def some_mask(seed=0):
    """A mask with a full row, an empty row and rows between."""
    mask = np.random.default_rng(seed).random((7, 5)) < 0.5
    mask[0], mask[1], mask[2] = True, False, [True, False, False, False, False]
    return mask


@pytest.mark.parametrize("shape", [(7, 5, 3), (4, 4, 4), (1, 1, 1), (2, 20, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_definition(twin, dtype, shape, masked):
    x, W, b = arrays(shape, dtype)
    mask = np.random.default_rng(1).random(shape[:2]) < 0.6 if masked else None
    context, alpha = Layer(twin, W, b)(x, mask)
    desired = reference.attention(*(a.astype(np.float64) for a in (x, W, b)), mask)
    assert context.dtype == alpha.dtype == dtype
    np.testing.assert_allclose(alpha, desired["alpha"], rtol=0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(context, desired["context"], rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_equal_the_definitions(twin, masked):
    """In x, W and b, each entry; one row of the mask has no step at all."""
    sources, mask = arrays(), some_mask() if masked else None
    direction = np.random.default_rng(1).normal(size=(7, 3))
    gradients = Layer(twin, *sources[1:]).gradients(sources[0], mask, direction)
    for position, (source, gradient) in enumerate(zip(sources, gradients, strict=True)):
        assert gradient.shape == source.shape
        for index in np.ndindex(source.shape):
            moved = source.astype(complex)
            moved[index] += 1e-30j
            arguments = [*sources[:position], moved, *sources[position + 1 :]]
            context = reference.attention(*arguments, mask)["context"]
            desired = (context * direction).sum().imag / 1e-30
            np.testing.assert_allclose(gradient[index], desired, rtol=1e-12, atol=1e-15)


def test_masked_values_touch_neither_result_nor_gradient(twin, dtype):
    x, W, b = arrays(dtype=dtype)
    mask, direction = some_mask(), np.ones((7, 3), dtype)
    clean = np.where(mask[..., np.newaxis], x, 0).astype(dtype)
    layer = Layer(twin, W, b)
    desired = (*layer(clean, mask), *layer.gradients(clean, mask, direction))
    for poison in (np.nan, np.inf, -np.inf):
        bad = np.where(mask[..., np.newaxis], x, poison).astype(dtype)
        actual = (*layer(bad, mask), *layer.gradients(bad, mask, direction))
        for one, other in zip(actual, desired, strict=True):
            assert np.isfinite(one).all()
            np.testing.assert_array_equal(one, other)
    _, alpha, gradient, *_ = desired
    assert not alpha[~mask].any()
    assert not gradient[~mask].any()
    assert gradient[mask].all()


def test_row_without_a_step_has_zero_weights_and_context(twin, dtype):
    x, W, b = arrays(dtype=dtype)
    context, alpha = Layer(twin, W, b)(x, some_mask())
    assert not alpha[1].any()
    assert not context[1].any()
    np.testing.assert_allclose(alpha.sum(axis=1), some_mask().any(axis=1), rtol=1e-6)


def test_single_step_left_takes_all(twin):
    x, W, b = arrays()
    context, alpha = Layer(twin, W, b)(x, some_mask())
    np.testing.assert_array_equal(alpha[2], [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(context[2], x[2, 0])


def test_full_mask_changes_nothing(twin):
    x, W, b = arrays()
    layer = Layer(twin, W, b)
    for one, other in zip(layer(x, np.ones((7, 5), bool)), layer(x), strict=True):
        np.testing.assert_array_equal(one, other)


def test_uniform_when_nothing_is_learned(twin):
    x, W, b = arrays()
    context, alpha = Layer(twin, 0 * W, 0 * b)(x)
    np.testing.assert_allclose(alpha, np.full((7, 5), 0.2), rtol=1e-15)
    np.testing.assert_allclose(context, x.mean(axis=1), rtol=1e-13, atol=1e-15)


def test_one_time_step_is_the_identity(twin):
    x, W, b = arrays((7, 1, 3))
    context, alpha = Layer(twin, W, b)(x)
    np.testing.assert_array_equal(alpha, np.ones((7, 1)))
    np.testing.assert_array_equal(context, x[:, 0])


@pytest.mark.parametrize("T", [2, 20])
def test_no_weight_passes_the_bounds_that_tanh_sets(twin, T):
    b = np.full((T, 1), -50.0)
    b[0] = 50
    x, W, _ = arrays((1, T, 1))
    alpha = Layer(twin, 0 * W, b)(x)[1][0]
    np.testing.assert_allclose(alpha[0], math.e**2 / (math.e**2 + T - 1), rtol=1e-14)
    alpha = Layer(twin, 0 * W, -b)(x)[1][0]
    np.testing.assert_allclose(alpha[0], 1 / (1 + (T - 1) * math.e**2), rtol=1e-14)


@given(seed=st.integers(0, 999))
def test_order_of_time_is_nothing_without_b(seed):
    """Permutation equivariance: alpha moves with its step, the context stays."""
    x, W, b = arrays(seed=seed)
    order = np.random.default_rng(seed).permutation(5)
    for package in twins():
        layer = Layer(package, W, 0 * b)
        context, alpha = layer(x)
        moved_context, moved_alpha = layer(x[:, order])
        np.testing.assert_allclose(moved_alpha, alpha[:, order], rtol=1e-14)
        np.testing.assert_allclose(moved_context, context, rtol=1e-12, atol=1e-14)


def test_order_of_time_matters_with_b(twin):
    x, W, b = arrays()
    layer = Layer(twin, W, b)
    assert abs(layer(x[:, ::-1].copy())[0] - layer(x)[0]).max() > 0.1


@given(seed=st.integers(0, 999), shift=st.floats(-20, 20))
def test_softmax_ignores_a_shift_of_all_scores(seed, shift):
    """With x = 0 and b = atanh(e) the scores are e; adding a constant to e changes nothing."""
    e = np.random.default_rng(seed).uniform(-0.4, 0.4, (5, 1))
    x, W, _ = arrays()
    for package in twins():
        first = Layer(package, W, np.arctanh(e))(0 * x)[1]
        second = Layer(package, W, np.arctanh(e + shift / 40))(0 * x)[1]
        np.testing.assert_allclose(second, first, rtol=1e-12)


@pytest.mark.parametrize("T", [1, 4, 6])
def test_another_number_of_time_steps_is_an_error_with_both_numbers(twin, T):
    _, W, b = arrays()
    with pytest.raises(ValueError, match=rf"5 time steps, got {T}"):
        Layer(twin, W, b)(np.ones((7, T, 3)))


@pytest.mark.parametrize("shape", [(7, 1), (5,), (1, 5), (7, 4), (6, 5)])
def test_mask_of_another_shape_is_an_error_with_both_shapes(twin, shape):
    x, W, b = arrays()
    with pytest.raises(ValueError, match=r"mask must have shape \(7, 5\), got \("):
        Layer(twin, W, b)(x, np.ones(shape, bool))


def twins():
    import keras_impl
    import torch_impl

    return keras_impl, torch_impl
