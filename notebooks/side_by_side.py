# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One attention layer, three times
#
# The layer by hand, in NumPy, with numbers that one can check; then in Keras, then in PyTorch; the same outputs; one training
# step in both. Open it with Jupytext, or run it: `python notebooks/side_by_side.py`.
#
# $$e_t = \tanh(x_t \cdot W + b_t) \qquad \alpha = \mathrm{softmax}(e) \qquad \mathrm{context} = \sum_t \alpha_t x_t$$

# %%
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import torch  # isort: skip  (before TensorFlow: in one process the other order can crash)
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_impl
import torch_impl
from shared.config import DataConfig, ModelConfig, TrainConfig
from shared.tasks import load_data
from shared.weights import random_weights

# %% [markdown]
# ## By hand
#
# One row, two time steps, one feature: x₁ = 0 and x₂ = 2. W = atanh(½) ≈ 0.549 and b = 0.
# Then e₁ = tanh(0) = 0, and e₂ = tanh(2 · atanh(½)) = 0.8, by the formula of the doubled argument: 2·½ / (1 + ½²).
# The weights are 1 : e^0.8, so α₂ = 2.2255 / 3.2255 = 0.690, and the context is 2 · 0.690 = 1.380.

# %%
x = np.array([[[0.0], [2.0]]])  # (B, T, F) = (1, 2, 1)
W, b = np.array([[np.arctanh(0.5)]]), np.zeros((2, 1))

e = np.tanh(x @ W + b)[..., 0]  # (B, T)
alpha = np.exp(e) / np.exp(e).sum(axis=1, keepdims=True)  # (B, T)
context = (alpha[..., np.newaxis] * x).sum(axis=1)  # (B, F)
print("e      ", e)
print("alpha  ", alpha)
print("context", context)

np.testing.assert_allclose(e, [[0, 0.8]], rtol=1e-12)
np.testing.assert_allclose(alpha, [[0.31002552, 0.68997448]], rtol=1e-7)
np.testing.assert_allclose(context, [[1.37994896]], rtol=1e-7)

# %% [markdown]
# ## In Keras

# %%
keras_layer = keras_impl.Attention(return_attention_scores=True, dtype="float64")
keras_layer.build(x.shape)
keras_layer.W.assign(W)
keras_layer.b.assign(b)
keras_context, keras_alpha = map(
    keras.ops.convert_to_numpy, keras_layer(keras.ops.convert_to_tensor(x))
)
print("context", keras_context, "alpha", keras_alpha)

# %% [markdown]
# ## In PyTorch

# %%
torch_layer = torch_impl.Attention(2, 1, return_attention_scores=True, dtype=torch.float64)
with torch.no_grad():
    torch_layer.W.copy_(torch.tensor(W))
    torch_layer.b.copy_(torch.tensor(b))
    torch_context, torch_alpha = (tensor.numpy() for tensor in torch_layer(torch.tensor(x)))
print("context", torch_context, "alpha", torch_alpha)

for found in (keras_context, torch_context):
    np.testing.assert_allclose(found, context, rtol=1e-15)
for found in (keras_alpha, torch_alpha):
    np.testing.assert_allclose(found, alpha, rtol=1e-15)

# %% [markdown]
# ## A whole network, and where it looks
#
# The tutorial's network from the same random weights in both frameworks. tanh keeps every score within (−1, 1), so with 20
# time steps no weight can pass e² / (e² + 19) = 0.280, whatever is learned.

# %%
config = ModelConfig(dtype="float64")
data = load_data(DataConfig(dtype="float64"))
weights = random_weights(config)

keras_model, torch_model = keras_impl.create_model(config), torch_impl.create_model(config)
keras_impl.set_weights(keras_model, weights)
torch_impl.set_weights(torch_model, weights)

looks = {
    "Keras": keras_impl.attention_scores(keras_model, data.test_x),
    "PyTorch": torch_impl.attention_scores(torch_model, data.test_x),
}
np.testing.assert_allclose(*looks.values(), rtol=0, atol=1e-15)

figure, axes = plt.subplots(figsize=(6.5, 3))
for (name, scores), style in zip(looks.items(), ("-", "--"), strict=True):
    axes.plot(range(1, 21), scores.mean(axis=0), style, label=name)
axes.axhline(np.e**2 / (np.e**2 + 19), color="0.5", lw=1, ls=":", label="highest possible")
axes.set(xlabel="time step", ylabel="mean attention weight", xticks=range(1, 21, 3))
axes.legend(frameon=False)
figure.tight_layout()

# %% [markdown]
# ## One training step in both
#
# Forward, loss, backward, and Keras's Adam on both sides (PyTorch's own is another formula; it is given the settings that make
# it take the same step). Equal to the last digits, weight by weight.

# %%
step = TrainConfig(epochs=1, batch_size=1, keras_backend=keras.backend.backend())
one_row = data.train_x.sum(axis=(1, 2)).argmax().reshape(1, 1)  # of the others most are all 0
after = {
    "Keras": keras_impl.fit(keras_model, data, step, order=one_row),
    "PyTorch": torch_impl.fit(torch_model, data, step, order=one_row),
}
for name, initial in weights.items():
    ours, theirs = (result.weights[name] for result in after.values())
    moved, apart = np.abs(ours - initial).max(), np.abs(ours - theirs).max()
    print(f"{name:22} moved by {moved:.1e}, apart by {apart:.1e}")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-15)
