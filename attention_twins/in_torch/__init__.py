"""What the checker does in a process with PyTorch. Mirror: in_keras."""

from attention_twins.in_torch.kinds import layers
from attention_twins.in_torch.runtime import device_name
from attention_twins.in_torch.steps import fit
from attention_twins.in_torch.trace import trace
from attention_twins.in_torch.user_model import build, export
from attention_twins.in_torch.weights import get_weights, set_weights

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
