"""`twins study` from end to end, on tiny studies, and every way it can end."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import FAST, study

from attention_twins.cli import main
from attention_twins.errors import InputError
from benchmarks.common import processes
from benchmarks.study import pool, records, worker
from benchmarks.study.arms import CHUNK, Arm, Chunk, chunks, label
from benchmarks.study.card import card, effective, equal
from benchmarks.study.tables import as_tutorial
from shared.baselines import mse
from shared.config import DataConfig
from shared.tasks import load_data
from shared.weights import initial_weights


def test_trains_shows_and_keeps(tmp_path, capsys):
    code, found = study(tmp_path, *FAST)
    shown = capsys.readouterr().out
    assert code == 0 and not found.left and not found.corrupt
    assert [arm.model for arm in found.arms] == ["rnn", "rnn_with_attention"]
    for title in ("Errors", "Training errors", "Attention against none", "Attention weights"):
        assert title in shown
    assert "The tutorial's own" not in shown  # these are not its numbers, nor its epochs
    for name in ("plan.json", "starts.jsonl", "tables.md", "starts.csv", "errors.svg", "loss.png"):
        assert (found.folder / name).stat().st_size > 100, name
    assert len((found.folder / "starts.csv").read_text().splitlines()) == 1 + 2 * 6
    assert not (found.folder / ".lock").exists()


@pytest.mark.slow
def test_every_start_is_what_fit_makes_of_it(tmp_path):
    import keras_impl
    from shared.config import TrainConfig

    _, found = study(tmp_path, *FAST, "--model", "rnn_with_attention")
    (arm,) = found.arms
    data = load_data(arm.data_config)
    starts = found.trainings(arm, 1e-3)
    assert [start["seed"] for start in starts] == [*range(6)]
    for start in (starts[0], starts[5]):
        model = keras_impl.create_model(arm.model_config, seed=start["seed"])
        config = TrainConfig(epochs=2, seed=start["seed"], keras_backend="tensorflow")
        one = keras_impl.fit(model, data, config)
        np.testing.assert_allclose(start["loss"], one.loss, rtol=0, atol=2e-6)
        for name, array in one.weights.items():
            np.testing.assert_allclose(start["weights"][name], array, rtol=0, atol=1e-5)
        largest = keras_impl.attention_scores(model, data.test_x).max()
        np.testing.assert_allclose(start["largest_weight"], largest, rtol=0, atol=1e-5)
        for side in ("train", "test"):
            x, y = getattr(data, f"{side}_x"), getattr(data, f"{side}_y")
            desired = mse(keras_impl.predict(model, x), y)
            np.testing.assert_allclose(start[f"{side}_mse"], desired, rtol=1e-3)


@pytest.mark.slow
def test_results_are_equal_to_the_bit_whatever_the_workers(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.study.arms.CHUNK", 3)
    lines = []
    for workers in ("1", "3"):
        _, found = study(tmp_path, *FAST, "--workers", workers, name=workers)
        starts = {(x["chunk"], json.dumps(x["starts"])) for x in found.lines}
        assert len(starts) == 4
        lines.append(starts)
    assert lines[0] == lines[1]


def test_setups_and_variants_and_splits_become_arms(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.study.session.carry_out", lambda study, *_: 0)
    options = ["--variant", "tutorial", "additive", "--twin", "PyTorch", "Keras/jax"]
    _, found = study(tmp_path, *options, "--splits", "2")
    arms = found.arms
    count = {twin: sum(arm.twin == twin for arm in arms) for twin in ("PyTorch", "Keras/jax")}
    # rnn, and two variants of rnn_with_attention; two splits; in Keras two set-ups less.
    assert count == {"PyTorch": 3 * 6 * 2, "Keras/jax": 3 * 4 * 2}
    assert {arm.split for arm in arms} == {13, 0}
    assert len({label(arm, arms) for arm in arms}) == len(arms)


def test_chunks_have_every_start_at_every_rate_once(monkeypatch):
    arms = [Arm(), Arm(model="rnn")]
    found = [*chunks(arms, 600, [0.1, 0.2])]
    assert max(len(chunk.seeds) for chunk in found) == CHUNK
    pairs = [(c.arm, s, r) for c in found for s, r in zip(c.seeds, c.rates, strict=True)]
    assert len(pairs) == len(set(pairs)) == 2 * 600 * 2
    assert [Chunk.from_dict(json.loads(json.dumps(c.as_dict()))) for c in found] == found


@pytest.mark.slow
def test_learning_rates_are_trained_in_one_go(tmp_path, capsys):
    rates = ["--learning-rate", "0.0001", "0.02"]
    code, found = study(tmp_path, *FAST, *rates, "--model", "rnn")
    assert code == 0 and len(found.lines) == 1
    shown = capsys.readouterr().out
    assert "Learning rates" in shown and "best" in shown
    assert "Attention against none" not in shown
    slow, fast = (found.errors(found.arms[0], rate, "train") for rate in (1e-4, 0.02))
    assert slow.keys() == fast.keys() and slow != fast


@pytest.mark.parametrize("setup", ["initializers", "bias_start"])
def test_starts_by_pytorchs_rules(setup):
    config = Arm(units=50, setup=setup).model_config
    own, keras = (initial_weights(config, 0, s) for s in (setup, "twin"))
    limit = 50**-0.5
    for name in own:
        if setup == "bias_start" and name.endswith("/bias"):
            assert own[name].any() and not keras[name].any()
            assert abs(own[name]).max() <= limit * (2 if name == "rnn/bias" else 1)
        elif setup == "initializers" and name.split("/")[1] in ("kernel", "recurrent_kernel"):
            assert 0.5 * limit < abs(own[name]).max() <= limit
            assert (own[name] != keras[name]).any()
        else:
            np.testing.assert_array_equal(own[name], keras[name])


@pytest.mark.slow
def test_killed_in_the_middle_goes_on_where_it_stopped(tmp_path, capsys, monkeypatch):
    whole = study(tmp_path, *FAST, name="whole")[1]
    code, found = study(tmp_path, *FAST)
    lines = (found.folder / "starts.jsonl").read_bytes().splitlines(keepends=True)
    (found.folder / "starts.jsonl").write_bytes(lines[0] + lines[1][:50])
    (found.folder / "tables.md").unlink()
    assert len(records.Study.read(found.folder).left) == 1
    assert main(["study", "--resume", str(found.folder)]) == 0
    assert "line 2, which a crash has torn" in capsys.readouterr().err
    again = records.Study.read(found.folder)
    assert not again.left and (found.folder / "tables.md").exists()
    for arm in again.arms:
        assert again.trainings(arm, 1e-3) == whole.trainings(arm, 1e-3)
    assert main(["study", "--resume", str(found.folder)]) == 0  # shows it once more


def test_interrupt_keeps_what_is_done_and_says_how_to_go_on(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks", "study", *FAST, "--workers", "1"]
    process = subprocess.Popen(
        [*command, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    path = out / "starts.jsonl"
    for _ in range(600):
        if path.exists() and path.read_bytes().count(b"\n"):
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert f"twins study --resume {out}" in errors
    assert len(records.Study.read(out).left) == 1 and not records.Study.read(out).corrupt


def test_killed_worker_costs_time_only(tmp_path, monkeypatch):
    """The first worker to take up a chunk is killed, as the system does when memory runs out."""
    flag = tmp_path / "killed"
    chunk = next(chunks([Arm(twin="Keras/jax", model="rnn", numbers=60, epochs=2)], 4, [1e-3]))
    done = [*pool.compute([chunk], 2, None, _dies_once(flag))]
    assert flag.exists() and [c for c, _ in done] == [chunk]
    assert len(done[0][1]["starts"]) == 4


class _dies_once:
    """Trains, but not before the process that it runs in has been killed once."""

    def __init__(self, flag):
        self.flag = flag

    def __call__(self, chunk):
        if not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return worker.train(chunk)


@pytest.mark.parametrize("kills", [1, processes.TRIES])
def test_killed_interpreter_is_started_anew(monkeypatch, kills):
    """What holds the memory is the interpreter that trains, not the worker that waits for it."""
    chunk = next(chunks([Arm(twin="Keras/jax", model="rnn", numbers=60, epochs=2)], 4, [1e-3]))
    run, codes = subprocess.run, []

    def killed(command, **options):
        if len(codes) < kills:
            command = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
        found = run(command, **options)
        codes.append(found.returncode)
        return found

    monkeypatch.setattr(subprocess, "run", killed)
    if kills == 1:
        assert len(worker.train(chunk)["starts"]) == 4 and codes == [-9, 0]
    else:
        with pytest.raises(worker.ChunkError, match="it ended with code -9"):
            worker.train(chunk)
        assert codes == [-9] * processes.TRIES


def test_chunk_that_cannot_be_trained_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(processes, "framework_environment", lambda _: {"KERAS_BACKEND": "nonsense"})
    code, found = study(tmp_path, *FAST, "--workers", "1", "--model", "rnn")
    printed = capsys.readouterr().err
    assert code == 1 and not found.lines
    assert "Stopped: Keras/jax, rnn: " in printed and "Traceback" not in printed


@pytest.mark.slow
def test_other_configurations_are_never_mixed(tmp_path, capsys):
    _, found = study(tmp_path, *FAST, "--model", "rnn")
    for options in (["--seeds", "7"], ["--units", "3"], ["--out", "x"], ["--data", "lucas"]):
        assert main(["study", "--resume", str(found.folder), *options]) == 2
        assert "cannot be chosen with resume" in capsys.readouterr().err
    assert main(["study", *FAST, "--out", str(found.folder)]) == 2
    assert "out must be a folder that can be made" in capsys.readouterr().err
    plan = json.loads((found.folder / "plan.json").read_text())
    plan["arms"][0]["units"] = 3
    (found.folder / "plan.json").write_text(json.dumps(plan))
    assert main(["study", "--resume", str(found.folder)]) == 2
    assert "without faults, got line 1: does not follow" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--seeds 1", "seeds must be an integer from 2"),
        ("--margin 0", "margin must be positive and at most 10, got 0"),
        ("--margin -1", "margin must be positive"),
        ("--learning-rate 0", "learning_rate must be positive"),
        ("--data primes", "--data must be one of fibonacci, log_fibonacci"),
        ("--variant softer", "--variant must be one of all, tutorial, linear"),
        ("--model rnn --variant softer", "--variant must be one of all, tutorial, linear"),
        ("--twin Theano", "--twin must be one of PyTorch, Keras/tensorflow"),
        ("--model gpt", "--model must be one of tutorial, all, rnn, rnn_with_attention"),
        (
            "--model encoder_decoder --variant linear",
            "model must have one of rnn_with_attention",
        ),
        ("--setup odd", "--setup must be one of twin, native"),
        ("--twin Keras/jax --setup optimizer", "setup must have one that the twins have"),
        ("--workers 0", "workers must be an integer from 1"),
        ("--splits 0", "splits must be an integer from 1"),
        ("--resume none", "record must be a folder that twins study made, got 'none'"),
        ("--numbers 9999", "numbers must be an integer from 3 to 1475"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, capsys, options, message):
    out = [] if "--resume" in options else ["--out", str(tmp_path / "out")]
    assert main(["study", *options.split(), *out]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_scheduler_that_does_not_answer_is_one_line_within_seconds(tmp_path, capsys):
    pytest.importorskip("distributed")
    begin = time.monotonic()
    scheduler = ["--scheduler", "tcp://127.0.0.1:9"]
    assert main(["study", *FAST, *scheduler, "--out", str(tmp_path / "out")]) == 2
    assert time.monotonic() - begin < 30
    assert "scheduler must answer within 5 s, got 'tcp://127.0.0.1:9'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_dask_cluster_of_two_workers_one_killed(tmp_path, monkeypatch):
    """The same chunks on a real cluster; bit-equal, though a worker is killed in the middle."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("benchmarks.study.arms.CHUNK", 2)
    _, alone = study(tmp_path, *FAST, name="alone")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        workers = {worker.pid for worker in cluster.workers.values() if worker.pid}
        assert len(workers) == 2
        victim, begun = min(workers), time.monotonic()
        add = records.Study.add

        def kill(self, chunk, result):
            add(self, chunk, result)
            if len(self.lines) == 1:
                os.kill(victim, signal.SIGKILL)

        monkeypatch.setattr(records.Study, "add", kill)
        code, found = study(tmp_path, *FAST, "--scheduler", cluster.scheduler_address, name="dask")
    assert code == 0 and not found.left and time.monotonic() - begun < 300
    for arm in alone.arms:
        assert found.trainings(arm, 1e-3) == alone.trainings(arm, 1e-3)


def test_card(capsys):
    assert main(["study", "--card"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Data card: fibonacci, 1200 numbers" in shown and "826 × 20 × 1" in shown
    assert "What the split does: 100 splits" in shown
    tables = {table.title.split(":")[0]: table for table in card(DataConfig())}
    facts = dict(line for line in tables["Data card"].lines)
    # 675 of 826 training windows and 289 of 354 test windows are all zero in float32.
    for name, share in (
        ("rows equal to another one, training", 675 / 826),
        ("test rows that are a training row, too", 289 / 354),
    ):
        assert float(facts[name].strip("%")) == pytest.approx(100 * share, abs=0.051)
    assert float(facts["test rows that carry persistence's error"]) < 4


def test_parts_of_the_card_on_numbers_that_are_known():
    x = np.array([[[1.0]], [[2.0]], [[1.0]], [[3.0]]])
    assert equal(x) == 0.5
    data = load_data(DataConfig(data="recurrences", numbers=400, time_steps=5))
    assert 1 < effective(data) < len(data.test_y)
    y = data.test_x[:, -1, :1] + np.where(np.arange(len(data.test_y)) < 10, 0.25, 0)[:, None]
    ten = type(data)(data.train_x, data.train_y, data.test_x, y.astype(np.float32), None)
    assert effective(ten) == pytest.approx(10, rel=1e-3)


def test_tutorials_figures_stand_beside_its_own_training_only():
    assert as_tutorial(Arm()) and as_tutorial(Arm(model="rnn", twin="Keras/jax", setup="native"))
    for other in ({"split": 0}, {"epochs": 31}, {"numbers": 1300}, {"variant": "linear"}):
        assert not as_tutorial(Arm(**other))


def test_unknown_arms_are_refused():
    with pytest.raises(InputError, match="setup must not be second_bias in Keras"):
        Arm(twin="Keras/jax", setup="second_bias")
