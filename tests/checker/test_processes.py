"""Workers: what they say arrives, and every way to end is reported."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from multiprocessing.context import SpawnProcess

import psutil
import pytest

from attention_twins.errors import InputError
from attention_twins.processes import ONE_KERNEL, Workers, framework_environment
from shared.config import TrainConfig

CONFIG = TrainConfig(keras_backend="jax")


def speak(send, receive, number):
    send("number", number)
    send("told", receive())
    send("backend", os.environ["KERAS_BACKEND"])


def miss(send, receive):
    import no_such_package  # noqa: F401  # pyright: ignore[reportMissingImports]


def miss_late(send, receive):
    send("ready")
    miss(send, receive)


def refuse(send, receive):
    raise InputError("this must be that, got nothing")


def fail(send, receive):
    raise ValueError("a defect, not bad input")


def die(send, receive):
    os.write(2, b"last words")
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(send, receive):
    send("pid", os.getpid())
    time.sleep(600)


def compile_for_long(send, receive):
    """As Inductor does: a process that starts another one."""
    shell = subprocess.Popen(["sh", "-c", "sleep 600 & wait"])
    while not psutil.Process(shell.pid).children():
        time.sleep(0.05)
    send("pids", [child.pid for child in psutil.Process(shell.pid).children()] + [shell.pid])
    time.sleep(600)


def hear(*functions):
    with Workers() as workers:
        for function in functions:
            workers.start(function.__name__, CONFIG, function)
        return {message.worker: message for message in workers.listen()}


@pytest.mark.parametrize("late", [True, False])
def test_what_a_worker_has_started_ends_with_it(late):
    with Workers() as workers:
        workers.start("w", CONFIG, compile_for_long)
        said = next(workers.listen())
        assert said.kind == "pids" and len(said.content) == 2
        if late:
            assert [message.kind for message in workers.listen(0.1)] == ["late"]
    for pid in said.content:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(timeout=5)


def test_both_ways():
    with Workers() as workers:
        workers.start("a", CONFIG, speak, 7)
        workers.tell("go")
        said = [(message.kind, message.content) for message in workers.listen()]
    assert said == [("number", 7), ("told", "go"), ("backend", "jax"), ("finished", None)]


def test_every_end_is_told():
    ends = hear(miss, miss_late, refuse, fail, die)
    assert ends["miss"].kind == "missing"
    assert ends["miss"].content == ("no_such_package", "No module named 'no_such_package'")
    assert ends["miss_late"].kind == "crashed"
    assert "No module named 'no_such_package'" in ends["miss_late"].content
    assert ends["refuse"].kind == "refused"
    assert ends["refuse"].content == "this must be that, got nothing"
    assert ends["fail"].kind == "crashed"
    assert "ValueError: a defect" in ends["fail"].content
    assert ends["die"].kind == "crashed"
    assert "-9" in ends["die"].content and "last words" in ends["die"].content


def test_no_worker_outlives_the_block():
    with pytest.raises(KeyboardInterrupt), Workers() as workers:
        workers.start("sleeper", CONFIG, sleep)
        pid = next(workers.listen()).content
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_interrupt_while_a_worker_is_started_comes_after_it(monkeypatch):
    original = SpawnProcess.start

    def start(self):
        os.kill(os.getpid(), signal.SIGINT)
        original(self)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SpawnProcess, "start", start, raising=False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), Workers() as workers:
            workers.start("sleeper", CONFIG, sleep)
            raise AssertionError("Ctrl-C was lost")
    finally:
        signal.signal(signal.SIGINT, before)
    assert not workers._processes["sleeper"].is_alive()


def test_worker_killed_before_it_does_anything_is_told():
    with Workers() as workers:
        workers.start("sleeper", CONFIG, sleep)
        workers._processes["sleeper"].kill()
        (message,) = workers.listen()
    assert (message.kind, "code -9" in message.content) == ("crashed", True)


def test_environment_follows_the_configuration():
    cpu, gpu = (
        framework_environment(TrainConfig(device=device, threads=threads))
        for device, threads in (("cpu", 1), ("cuda", 4))
    )
    assert cpu["CUDA_VISIBLE_DEVICES"] == ""
    assert "CUDA_VISIBLE_DEVICES" not in gpu
    assert (cpu["OMP_NUM_THREADS"], gpu["OMP_NUM_THREADS"]) == ("1", "4")
    assert ONE_KERNEL in cpu["XLA_FLAGS"] and ONE_KERNEL not in gpu["XLA_FLAGS"]
    for variables in (cpu, gpu):
        assert variables["NVIDIA_TF32_OVERRIDE"] == "0"
        assert variables["TF_DETERMINISTIC_OPS"] == "1"
        assert variables["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert "--xla_gpu_deterministic_ops=true" in variables["XLA_FLAGS"]
        assert variables["JAX_ENABLE_X64"] == "1"


def test_backend_is_set_before_a_script_imports_anything(tmp_path):
    """A worker runs the script's own imports first: they must not find the parent's backend."""
    (tmp_path / "script.py").write_text(
        "import os, sys; sys.path[:0] = ['tests/checker', 'tests', '.']\n"
        "SEEN = os.environ.get('KERAS_BACKEND')\n"
        "from test_processes import *\n"
        "def tell(send, receive): send('seen', SEEN)\n"
        "if __name__ == '__main__':\n"
        "    with Workers() as workers:\n"
        "        workers.start('a', TrainConfig(keras_backend='jax'), tell)\n"
        "        print(next(workers.listen()).content, os.environ['KERAS_BACKEND'])\n"
    )
    run = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env=os.environ | {"KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["jax", "torch"]


def threads(send, receive):
    import torch

    send("threads", torch.get_num_threads())


@pytest.mark.parametrize("count", [1, 2])
def test_framework_has_the_threads_that_are_asked_for(count):
    with Workers() as workers:
        workers.start("torch", TrainConfig(threads=count), threads)
        assert next(workers.listen()).content == count


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    code = (
        "import sys; sys.path[:0] = ['tests/checker', 'tests', '.']\n"
        "from test_processes import *\n"
        "if __name__ == '__main__':\n"
        "    workers = Workers()\n"
        "    workers.start('sleeper', TrainConfig(), sleep)\n"
        "    print(next(workers.listen()).content, flush=True)\n"
        "    time.sleep(600)\n"
    )
    (tmp_path / "parent.py").write_text(code)
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    with pytest.raises(psutil.NoSuchProcess):
        for _ in range(100):
            psutil.Process(pid).cpu_times()
            time.sleep(0.1)
