"""Many seeds of a network trained at once, in Keras 3. Mirror: torch_impl/many.py."""

from attention_twins.in_keras.runtime import floatx
from attention_twins.in_keras.weights import get_own, to_canonical, to_own
from keras_impl.backends import Loop
from keras_impl.models import create_model
from shared.training import FitMany

CHUNK = 100
"""Seeds trained at once, at most: for more, XLA no longer makes one kernel of the loop."""

fit_many = FitMany(create_model, Loop, floatx, get_own, to_own, to_canonical, CHUNK)
"""Trains a network from many seeds at once; what it takes and gives: FitMany."""
