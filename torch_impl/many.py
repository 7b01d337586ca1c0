"""Many seeds of a network trained at once, in PyTorch. Mirror: keras_impl/many.py."""

from attention_twins.in_torch.runtime import floatx
from attention_twins.in_torch.weights import get_own, to_canonical, to_own
from shared.training import FitMany
from torch_impl.loop import Loop
from torch_impl.models import create_model

CHUNK = 1000
"""Seeds trained at once, at most: so many make what a step costs beside them small."""

fit_many = FitMany(create_model, Loop, floatx, get_own, to_own, to_canonical, CHUNK)
"""Trains a network from many seeds at once; what it takes and gives: FitMany."""
