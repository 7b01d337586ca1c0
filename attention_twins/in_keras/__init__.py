"""What the checker does in a process with Keras 3. Mirror: in_torch."""

from attention_twins.in_keras.kinds import layers
from attention_twins.in_keras.runtime import device_name
from attention_twins.in_keras.steps import fit
from attention_twins.in_keras.trace import trace
from attention_twins.in_keras.user_model import build, export
from attention_twins.in_keras.weights import get_weights, set_weights

__all__ = [
    "build",
    "device_name",
    "export",
    "fit",
    "get_weights",
    "layers",
    "set_weights",
    "trace",
]
