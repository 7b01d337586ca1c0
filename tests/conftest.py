"""What every test shares: the two twins, a package taken away, caches, and the two tiers.

`make test` runs the quick tier, `make test-all` everything. What is slow follows this rule:

1. Of a grid, the quick tier holds the tutorial's networks and one of each further kind
   (QUICK_MODELS), in float64, and one variant of attention (QUICK_VARIANT). Where a test has no
   such case, its first case for each twin is quick. `pytest_collection_modifyitems` does this.
   Of the grids in FIRST_CASES it holds the first case for each twin.
2. What takes a result that is slow to make (SLOW_FIXTURES) is slow.
3. By `@pytest.mark.slow` or `pytest.param(..., marks=pytest.mark.slow)`, a test or case is slow
   - that compiles with PyTorch, but for one network for each of fit_compiled and fit_many, one that
     is exported and the smallest steps of test_inductor.py; that compiles in Keras what another
     quick test compiles, or an encoder and decoder, or a GRU;
   - that starts a command of ours once more to see another option, page, network or fault, but for
     one small run of each command and of each kind of fault: a missing package, a crash, an
     interrupt, a wrong port for each stage, bad input;
   - that runs test files again on another backend, or makes the documents anew.

What compiles is shared: one folder for each session, cold when it begins and gone when it ends,
holds the caches of JAX, Inductor and Numba for the tests and for every process that they start.
"""

# ruff: noqa: E402, PTH123  the order decides here: settings, torch, then TensorFlow
import os
import shutil
import tempfile
from pathlib import Path

OWNER = "TWINS_TEST_SESSION" not in os.environ  # neither a worker of it nor a session inside it
if OWNER:
    os.environ["TWINS_TEST_SESSION"] = tempfile.mkdtemp(prefix="twins-tests-")
SESSION = Path(os.environ["TWINS_TEST_SESSION"])
os.environ.update(
    JAX_COMPILATION_CACHE_DIR=str(SESSION / "jax"),
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
    TORCHINDUCTOR_CACHE_DIR=str(SESSION / "inductor"),
    TORCHINDUCTOR_FX_GRAPH_CACHE="1",
    NUMBA_CACHE_DIR=str(SESSION / "numba"),
)

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
from filelock import FileLock
from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook("shared", "typecheck.arrays")  # from here on; processes of their own go without

import keras_impl
import torch_impl
from shared.config import MODELS, TUTORIAL_MODELS, VARIANTS

torch.set_num_threads(1)
settings.register_profile("here", deadline=None, derandomize=True)
settings.load_profile("here")

TWINS = {"keras": keras_impl, "torch": torch_impl}

FURTHER = ("lstm", "gru_with_attention", "conv_with_attention", "encoder_decoder_with_attention")
QUICK_MODELS = (*TUTORIAL_MODELS, *FURTHER)
QUICK_VARIANT = "additive"
SLOW_CASES = {*MODELS, *VARIANTS, "float32"} - {*QUICK_MODELS, QUICK_VARIANT}
SLOW_FIXTURES = {"certificate", "finished", "matrix"}


FIRST_CASES = {
    "test_every_loss",
    "test_every_optimizer_in_keras",
    "test_faster_ways_do_what_fit_does",
    "test_faster_ways_train_them_as_fit_does",
    "test_interval_covers_the_median",
    "test_killed_interpreter_is_started_anew",
}
"""Tests that take long for each case, and show the same of another."""


def pytest_collection_modifyitems(items):
    """Mark by the rule above what is slow; the longest tests begin first."""
    further, quick = {}, set()
    for item in items:
        if SLOW_FIXTURES & {*item.fixturenames}:
            item.add_marker("slow")
        if item.get_closest_marker("slow"):
            continue
        given = item.callspec.params if hasattr(item, "callspec") else {}
        test = item.path, item.originalname, given.get("twin")
        named = any(isinstance(value, str) and value in SLOW_CASES for value in given.values())
        if named or item.originalname in FIRST_CASES:
            further.setdefault(test, []).append(item)
        else:
            quick.add(test)
    for test, cases in further.items():
        for item in cases if test in quick else cases[1:]:
            item.add_marker("slow")
    items.sort(key=lambda item: item.path.stem != "test_backends")


def pytest_unconfigure():
    if OWNER:
        shutil.rmtree(SESSION, ignore_errors=True)


@pytest.fixture(scope="session")
def once():
    """Have a folder filled by the first worker that needs it: once(name, fill) → folder."""

    def made(name, fill):
        folder = SESSION / "made" / name
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (folder / "done").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                (folder / "done").touch()
        return folder

    return made


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
