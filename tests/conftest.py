"""What every test shares: the two twins, random weights, gradients in any framework."""

# ruff: noqa: E402, PTH123  the order decides here: settings, torch, then TensorFlow
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.update(CUDA_VISIBLE_DEVICES="", JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu")
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_NUM_INTRAOP_THREADS="1")

import torch  # before TensorFlow: in one process the other order can crash

stderr = os.dup(2)
with open(os.devnull, "wb") as nowhere:
    os.dup2(nowhere.fileno(), 2)  # TensorFlow chatters past every setting while it is imported
import keras

os.dup2(stderr, 2)
import numpy as np
import pytest
from hypothesis import settings

import keras_impl
import torch_impl
from keras_impl.runtime import floatx

torch.set_num_threads(1)
settings.register_profile("here", deadline=None, derandomize=True)
settings.load_profile("here")

TWINS = {"keras": keras_impl, "torch": torch_impl}


@pytest.fixture(params=TWINS)
def twin(request):
    """Either package; a test that takes it holds for both."""
    return TWINS[request.param]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


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
