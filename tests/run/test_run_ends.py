"""How `twins run` ends when something is missing, breaks or is interrupted."""

import contextlib
import os
import signal
import subprocess
import time

import numpy as np
import psutil
import pytest
from helpers import COMMAND, QUICK, read

from attention_twins.cli import main
from shared.config import ModelConfig
from shared.weights import initial_weights, load_weights


def test_cuda_where_there_is_none_is_refused_in_one_line(tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*QUICK, "--device", "cuda", "--out", str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("twins: error: device must be one that ")
    assert error.endswith("sees, got 'cuda'")
    assert not out.exists()


@pytest.fixture
def start():
    """Starts `twins run` in a group of its own, as a terminal does; nothing of it outlives a test."""
    started = []

    def run(options):
        started.append(
            subprocess.Popen(
                [*COMMAND, "run", *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                process_group=0,
                # A test run in the background ignores Ctrl-C, and its children would inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )
        return started[-1]

    yield run
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize(
    ("missing", "left"),
    [
        ("torch", "keras"),
        pytest.param("keras", "torch", marks=pytest.mark.slow),
        pytest.param("tensorflow", "torch", marks=pytest.mark.slow),
    ],
)
def test_missing_framework_does_not_stop_the_other(tmp_path, without, missing, left):
    without(missing)
    out = tmp_path / "out"
    run = subprocess.run([*COMMAND, *QUICK, "--out", str(out)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert f"needs the package '{missing}', which cannot be imported (No module" in run.stderr
    assert f"-m pip install {missing}" in run.stderr.replace("\n", " ")
    assert {fit["twin"] for fit in read(out)["fits"]} == {left}
    assert len(read(out)["fits"]) == 2


def test_nothing_installed_is_an_error_in_one_line(tmp_path, without):
    without("torch")
    out = tmp_path / "out"
    run = subprocess.run(
        [*COMMAND, *QUICK, "--twin", "torch", "--out", str(out)], capture_output=True, text=True
    )
    assert run.returncode == 2
    assert run.stderr.startswith("twins: error: PyTorch needs the package 'torch'")
    assert run.stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.slow
def test_interrupt_keeps_what_is_finished(tmp_path, start):
    """PyTorch's first network is done in no time; Keras on torch takes minutes for its own."""
    out = tmp_path / "out"
    options = ["--numbers", "300", "--epochs", "40", "--keras-backend", "torch", "--out", str(out)]
    process = start(options)
    for _ in range(1200):
        if (out / "record.json").exists() and read(out)["fits"]:
            break
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    record = read(out)
    assert record["status"] == "interrupted"
    assert 1 <= len(record["fits"]) < 4
    for fit in record["fits"]:
        load_weights(out / "weights" / f"{fit['twin']}-{fit['model']}.safetensors")
        assert len(fit["loss"]) == 40
    assert (out / "loss.png").exists()
    assert "Read with care" in stdout
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
def test_crash_of_one_twin_is_told_and_the_other_goes_on(tmp_path, start):
    out = tmp_path / "out"
    options = ["--numbers", "300", "--epochs", "30", "--keras-backend", "torch", "--out", str(out)]
    process = start(options)
    while not (out / "record.json").exists():
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(worker_of(process.pid, "keras"), signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Keras: process ended with code -9" in stderr
    record = read(out)
    assert record["status"] == "failed"
    assert [fit["twin"] for fit in record["fits"]] == ["torch", "torch"]


def worker_of(parent, package):
    """The child process that has a framework's library open."""
    for child in psutil.Process(parent).children():
        if any(f"site-packages/{package}" in f.path for f in child.memory_maps()) or any(
            f"/{package}" in f.path for f in child.open_files()
        ):
            return child.pid
    raise AssertionError("no such worker")


def workers_of(parent):
    """How many workers a process has started."""
    count = 0
    for child in psutil.Process(parent).children():
        with contextlib.suppress(psutil.Error):
            count += "spawn_main" in " ".join(child.cmdline())
    return count


@pytest.mark.parametrize("wait", [0, 0.2, 2])
def test_early_interrupt_is_quiet_and_writes_nothing(tmp_path, start, wait):
    out = tmp_path / "out"
    process = start(["--out", str(out)])
    while workers_of(process.pid) < 1:
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(wait)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does: to parent and workers
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert not out.exists()


def test_diverged_network_is_told(tmp_path, capsys, monkeypatch):
    """No learning rate that is allowed makes these networks diverge; NaN in the data does."""
    out = tmp_path / "out"
    fitted = {
        "weights": {
            name: array * np.float32("nan")
            for name, array in initial_weights(ModelConfig(model="rnn"), 0).items()
        },
        **{"twin": "torch", "model": "rnn", "parameters": 11, "compile_seconds": 0.0},
        **{"train_mse": float("nan"), "test_mse": float("nan"), "large_share": float("nan")},
        **{"loss": [float("nan")], "seconds": [1.0], "alpha": None},
        "test_numbers": [float("nan")] * 12,
    }
    monkeypatch.setattr("benchmarks.run.worker.train", Say(fitted))
    assert main([*QUICK, "--twin", "torch", "--model", "rnn", "--out", str(out)]) == 1
    printed = capsys.readouterr()
    assert "PyTorch rnn: diverged: its weights are not finite, and are not kept" in printed.err
    assert "No network ended with a finite error." in printed.out
    assert "not finite  not finite" in printed.out
    assert read(out)["status"] == "failed"
    assert read(out)["fits"][0]["test_mse"] is None


class Say:
    """A worker's function that says it is ready and then what it is told to say."""

    def __init__(self, fitted):
        self.fitted = fitted

    def __call__(self, send, receive, *arguments):
        send("ready", "cpu")
        receive()
        send("fitted", self.fitted)
