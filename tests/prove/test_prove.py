"""`twins prove`: the stages on all four twins, and every way it can end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from attention_twins.cli import main
from attention_twins.tolerances import tolerance
from attention_twins.traces import FASTER_STAGES, STAGES, snapshot_steps
from attention_twins.training import OPTIMIZERS
from shared.config import MODEL_GROUPS, MODELS, TUTORIAL_MODELS

NAMES = ", ".join([*MODEL_GROUPS, *MODELS])

QUICK = ["prove", "--model", "rnn", "--dtype", "float64", "--steps", "6", "--no-faster"]
KERAS = ["Keras/tensorflow", "Keras/jax", "Keras/torch"]


@pytest.fixture(scope="session")
def certificate(once):
    """Every stage in float64 to 1,000 steps on all four twins."""

    def fill(folder):
        options = ["--dtype", "float64", "--steps", "1000", "--json", str(folder / "c.json")]
        assert main(["prove", *options, "--figure", str(folder / "growth.png")]) == 0
        assert (folder / "growth.png").stat().st_size > 10_000

    return json.loads((once("certificate", fill) / "c.json").read_text())


def test_every_stage_of_every_network_in_every_twin_is_there(certificate):
    assert certificate["ok"] and certificate["status"] == "complete"
    found = {(r["model"], r["twin"], r["against"], r["rung"]) for r in certificate["rows"]}
    for model in TUTORIAL_MODELS:
        for twin in KERAS:
            for stage in STAGES:
                assert (model, twin, "PyTorch", stage) in found
        for twin in [*KERAS, "PyTorch"]:
            for stage in ("weights", "forward", "loss", "gradients", "mask"):
                assert (model, twin, "definition", stage) in found


def test_every_comparison_holds_its_tolerance(certificate):
    for row in certificate["rows"]:
        assert row["ok"], row
        if row["gate"] is None:
            assert row["optimizer"] == "rmsprop" and row["step"] > 1
            assert "√(v + ε)" in row["problem"]
            continue
        value = row["max_rel"] if row["relative"] else row["max_abs"]
        assert value <= row["gate"] <= 1e-13
        if row["tensor"].startswith("gradient/"):
            assert row["gate"] == tolerance("gradients", "float64").limit and row["relative"]
        else:
            assert row["gate"] == tolerance(row["rung"], "float64", row["step"]).limit


def test_trajectory_has_every_weight_at_every_landmark(certificate):
    for model, count in (("rnn", 5), ("rnn_with_attention", 7)):
        for twin in KERAS:
            rows = [
                (row["step"], row["tensor"])
                for row in certificate["rows"]
                if (row["model"], row["twin"], row["rung"]) == (model, twin, "trajectory")
            ]
            assert len(rows) == len(set(rows)) == 4 * count
            assert {step for step, _ in rows} == {1, 10, 100, 1000}
    for curve in certificate["curves"]:
        assert curve["steps"] == snapshot_steps(1000) and len(curve["max_abs"]) > 140
    # Not equal by being the same: after 1,000 steps rounding has shown.
    assert max(max(curve["max_abs"]) for curve in certificate["curves"]) > 1e-17
    assert len(certificate["curves"]) == 8  # six of Keras, two of the scalar limit


def test_faster_ways_are_compared_with_fit(certificate):
    for model, count in (("rnn", 5), ("rnn_with_attention", 7)):
        for twin in [*KERAS, "PyTorch"]:
            for stage in FASTER_STAGES:
                rows = [
                    row["tensor"]
                    for row in certificate["rows"]
                    if (row["model"], row["twin"], row["rung"]) == (model, twin, stage)
                    and (row["against"], row["step"]) == ("its fit", 1000)
                ]
                assert len(rows) == len(set(rows)) == count + 1
                assert "loss of every epoch" in rows
        scalar = [
            row["step"]
            for row in certificate["rows"]
            if (row["model"], row["twin"]) == (model, "scalar loop")
        ]
        assert set(scalar) == {1, 10, 100, 1000} and len(scalar) == 4 * count


def test_every_optimizer_with_weights_and_state_at_every_step(certificate):
    for optimizer, state in OPTIMIZERS.items():
        rows = {
            (row["step"], row["tensor"])
            for row in certificate["rows"]
            if row.get("optimizer") == optimizer and row["twin"] == "Keras/jax"
        }
        for step in (1, 2, 3):
            assert (step, "rnn/kernel") in rows
            for moment in state:
                name = moment if moment == "t" else f"{moment}/attention/b"
                assert (step, name) in rows


def test_hand_overs_go_both_ways(certificate):
    for stage in ("weights", "hand-off"):
        sides = {
            row["from"] for row in certificate["rows"] if row["rung"] == stage and "from" in row
        }
        assert sides == {"torch", "keras-tensorflow", "keras-jax", "keras-torch"}


def test_certificate_says_what_was_checked_where(certificate):
    environment = certificate["environment"]
    assert environment["versions"]["torch"] and environment["processor"] and environment["commit"]
    assert {case["steps"] for case in certificate["cases"]} == {1000}
    for key in ("started", "ended", "failures", "divergences"):
        assert key in certificate


@pytest.mark.slow
def test_own_float32_error_stands_beside_the_tolerance(tmp_path, capsys):
    path = tmp_path / "c.json"
    options = ["--model", "rnn", "--steps", "6", "--keras-backend", "torch", "--json", str(path)]
    options.append("--no-faster")
    assert main(["prove", *options]) == 0
    for row in json.loads(path.read_text())["rows"]:
        if row["rung"] in ("forward", "gradients", "step", "trajectory"):
            assert row["own_error"] is not None
            if row["rung"] != "trajectory":
                assert 0 <= row["own_error"] < 1e-4
    shown = capsys.readouterr().out
    assert "float64: largest difference" in shown and "float32: largest difference" in shown
    for line in (*(s for s in STAGES if s not in ("step", "trajectory")), "step, adamw", "step 6"):
        assert line in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--steps 1", "steps must be an integer from 2 to 24780, got 1"),
        ("--steps 24781", "steps must be an integer from 2 to 24780, got 24781"),
        ("--seed -1", "seed must be an integer from 0 to 4294967295, got -1"),
        ("--model gpt", f"model must be one of {NAMES}, got 'gpt'"),
        ("--json no/such/folder/c.json", "json must be a file in a folder that is there"),
        ("--json /", "json must be a file in a folder that is there"),
        ("--figure growth.doc", "figure must end in .png, .svg or .pdf, got 'growth.doc'"),
        ("--keras a:b", "unrecognized option --keras"),
        ("--loss mae", "unrecognized option --loss"),
        ("--from torch", "unrecognized option --from"),
        ("--save x.safetensors", "unrecognized option --save"),
        ("--full --steps 7", "steps cannot be chosen with full, got 7"),
        ("--wrong-ports --model rnn", "model cannot be chosen with wrong_ports, got ('rnn',)"),
        ("--dtype float16", "--dtype"),
        ("--keras-backend mxnet", "--keras-backend"),
    ],
)
def test_bad_options_are_refused_in_one_line(capsys, options, message):
    assert main(["prove", *options.split()]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and printed.out == ""


def test_missing_framework_is_named_and_the_rest_is_checked(without, tmp_path, capsys):
    without("jax")
    path = tmp_path / "c.json"
    assert main([*QUICK, "--json", str(path)]) == 1
    record = json.loads(path.read_text())
    assert not record["ok"] and list(record["failures"]) == ["Keras/jax"]
    assert {row["twin"] for row in record["rows"]} == {"Keras/tensorflow", "Keras/torch", "PyTorch"}
    assert all(row["ok"] for row in record["rows"])
    assert any(row["rung"] == "hand-off" for row in record["rows"])
    shown = capsys.readouterr()
    assert "needs the package 'jax'" in shown.err and "checked: Keras/jax" in shown.out


def wait_for(process, count):
    """The children of a process that work, once there are so many."""
    for _ in range(600):
        children = [
            child
            for child in psutil.Process(process.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        if len(children) >= count:
            return children
        time.sleep(0.1)
    raise AssertionError("workers did not start")


def test_interrupted_check_keeps_what_is_finished(tmp_path):
    path = tmp_path / "c.json"
    command = ["--keras-backend", "torch", "--dtype", "float64", "--steps", "20000", "--no-faster"]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "prove", *command, "--json", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        workers = wait_for(process, 2)
        for _ in range(1000):  # until both have their first network's forward pass on disk
            if len({*tmp_path.glob("*/*/rnn-float64/trace.safetensors")}) == 2:
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, err
    record = json.loads(path.read_text())
    assert record["status"] == "interrupted" and not record["ok"]
    assert {"weights", "forward"} <= {row["rung"] for row in record["rows"]}
    assert all(row["ok"] for row in record["rows"])
    assert "Interrupted" in out and "Traceback" not in err
    assert not any(worker.is_running() and worker.status() != "zombie" for worker in workers)


@pytest.mark.slow
def test_worker_that_is_killed_is_a_failure(tmp_path):
    path = tmp_path / "c.json"
    command = ["--keras-backend", "torch", "--dtype", "float64", "--steps", "3000", "--no-faster"]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "prove", *command, "--json", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(process, 2)[0].kill()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    record = json.loads(path.read_text())
    assert not record["ok"] and list(record["failures"]) == ["Keras/torch"]
    assert "Not or only partly checked: Keras/torch" in out
    assert "ended with code -9" in err
