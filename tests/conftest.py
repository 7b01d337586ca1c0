"""What every test shares: the two twins, a package taken away."""

# ruff: noqa: E402, PTH123  the order decides here: settings, torch, then TensorFlow
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.update(CUDA_VISIBLE_DEVICES="", JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu")
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_NUM_INTRAOP_THREADS="1")

import torch  # before TensorFlow: in one process the other order can crash

stderr = os.dup(2)
with open(os.devnull, "wb") as nowhere:
    os.dup2(nowhere.fileno(), 2)  # TensorFlow chatters past every setting while it is imported
import keras  # noqa: F401

os.dup2(stderr, 2)
import pytest
from hypothesis import settings

import keras_impl
import torch_impl

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


@pytest.fixture
def without(tmp_path, monkeypatch):
    """Make a package look as if it were not installed, in every new process."""

    def hide(*packages):
        text = (
            "from importlib.machinery import PathFinder\n"
            "find = PathFinder.find_spec\n"
            "PathFinder.find_spec = lambda name, *rest: "
            f"None if name in {packages} else find(name, *rest)\n"
        )
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    return hide
