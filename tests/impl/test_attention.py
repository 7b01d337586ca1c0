"""The layer, in both twins, against the NumPy definition and against what is known of it."""

import math

import keras
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import keras_impl
import torch_impl
from attention_twins.in_keras.runtime import floatx
from shared import reference

TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


class Layer:
    """An Attention layer of either twin with given weights; arrays in, arrays out."""

    def __init__(self, twin, W, b, **options):
        self.twin, self.dtype = twin, W.dtype.name
        if twin is keras_impl:
            self.layer = keras_impl.Attention(dtype=self.dtype, **options)
            self.layer.build((None, len(b), len(W)))
            self.layer.W.assign(W)
            self.layer.b.assign(b)
        else:
            self.layer = torch_impl.Attention(
                len(b), len(W), dtype=getattr(torch, self.dtype), **options
            )
            with torch.no_grad():
                self.layer.W.copy_(torch.tensor(W))
                self.layer.b.copy_(torch.tensor(b))

    def __call__(self, x, mask=None):
        """context and alpha, as arrays."""
        if self.twin is keras_impl:
            with floatx(self.dtype):
                outputs = self.layer.attend(*map(_keras, (x, mask)))
            return tuple(np.asarray(keras.ops.convert_to_numpy(output)) for output in outputs)
        with torch.no_grad():
            return tuple(output.numpy() for output in self.layer.attend(*map(_torch, (x, mask))))

    def gradients(self, x, mask, direction):
        """The gradients of Σ context · direction in x, W and b."""
        if self.twin is torch_impl or keras.backend.backend() == "torch":
            with floatx(self.dtype):
                x = torch.tensor(x, requires_grad=True)
                context, _ = self.layer.attend(x, _torch(mask))
                sources = [x, *self.layer.parameters()]
                total = (context * torch.tensor(direction)).sum()
                return [gradient.numpy() for gradient in torch.autograd.grad(total, sources)]
        with floatx(self.dtype):
            return self._keras_gradients(x, _keras(mask), direction)

    def _keras_gradients(self, x, mask, direction):
        layer = self.layer
        if keras.backend.backend() == "jax":
            import jax

            def total(x, W, b):
                with keras.StatelessScope(state_mapping=[(layer.W, W), (layer.b, b)]):
                    return (layer.attend(x, mask)[0] * direction).sum()

            gradients = jax.grad(total, argnums=(0, 1, 2))(x, layer.W.value, layer.b.value)
        else:
            import tensorflow as tf

            x = tf.constant(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(layer.attend(x, mask)[0] * direction)
            gradients = tape.gradient(total, [x, layer.W.value, layer.b.value])
        return [np.asarray(gradient) for gradient in gradients]


def _keras(array):
    return None if array is None else keras.ops.convert_to_tensor(array)


def _torch(array):
    return None if array is None else torch.tensor(array)


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
