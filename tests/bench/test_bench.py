"""`twins bench` from end to end, on tiny cells, and every way it can end."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from filelock import FileLock
from helpers import be_killed, die, want_too_much
from synthetic import FLOOR, line_of, record_of

from attention_twins.cli import main
from attention_twins.errors import InputError
from benchmarks.bench.machine import Watch, busy, described, host
from benchmarks.bench.records import Record, faults
from benchmarks.bench.session import Session
from benchmarks.bench.worker import why

GRID = """
blocks = 1

[[cells]]
twin = "scalar loop"
way = "floor"
steps = 100
copies = 2
"""

TWO = GRID + '\n[[cells]]\ntwin = "PyTorch"\nsteps = 100\n'


def grid(tmp_path, text=GRID):
    path = tmp_path / "grid.toml"
    path.write_text(text)
    return str(path)


def bench(tmp_path, text=GRID, *options):
    """A measurement into tmp_path/out: the exit code, and the record."""
    out = tmp_path / "out"
    code = main(["bench", "--grid", grid(tmp_path, text), "--out", str(out), *options])
    return code, Record.read(out)


def calm(record):
    """Lines that did not fail; that the machine was busy is no fault of theirs."""
    return [line for line in record.samples if not line["failed"]]


@pytest.fixture
def idle(monkeypatch):
    """The machine is never busy: the tests run beside others."""
    for name in ("OTHERS", "STEAL"):
        monkeypatch.setattr(f"benchmarks.bench.machine.{name}", 99.0)


IDLE = """
import sys
from attention_twins.cli import main
from benchmarks.bench import machine

machine.OTHERS = machine.STEAL = 99.0
sys.exit(main())
"""
"""`twins` in a process of its own, in which the machine is never busy."""


def test_measures_shows_and_keeps(tmp_path, capsys, idle, monkeypatch):
    """The preset --quick, of tiny cells."""
    (tmp_path / "quick.toml").write_text(TWO.replace("blocks = 1", "blocks = 2"))
    monkeypatch.setattr("benchmarks.bench.grid.GRIDS", tmp_path)
    out = tmp_path / "out"
    code = main(["bench", "--quick", "--precision", "9", "--out", str(out)])
    record = Record.read(out)
    shown = capsys.readouterr().out
    assert code == 0 and not faults(record)
    assert len(record.samples) == 6 and all(not line["failed"] for line in record.samples)
    for line in record.samples:
        assert len(line["seconds"]) >= line["steady_after"] + 3
        assert line["gate"]["distance"] <= line["gate"]["limit"] and line["gate"]["steps"] == 100
        assert line["peak_mib"] >= line["before_mib"] > 10
        assert line["cold"] == (line["block"] == 0)
        assert line["proof"]["variables"]["OMP_NUM_THREADS"] == "1"
    assert "Cost of a training step" in shown and "A cell against itself" in shown
    for name in ("plan.json", "samples.jsonl", "tables.md", "cells.csv", "steps.svg", "steps.png"):
        assert (record.folder / name).stat().st_size > 100, name
    assert main(["bench", "--verify", str(record.folder)]) == 0
    assert main(["bench", "--compare", str(record.folder), str(record.folder)]) == 2
    assert "measured 5 times or more" in capsys.readouterr().err
    # Not in the same order in every block, and every cell once in each.
    orders = [[x["cell"] for x in record.samples if x["block"] == block] for block in (0, 1)]
    assert all(len(set(order)) == 3 for order in orders)


@pytest.mark.slow
def test_every_network_is_measured_by_its_name(tmp_path, capsys, idle):
    """Another twin is the reference of those that the scalar limit does not know."""
    text = "blocks = 1\n" + "".join(
        f'\n[[cells]]\nmodel = "{model}"\ntwin = "{twin}"\nsteps = 100\n'
        for model in ("gru_with_attention", "encoder_decoder")
        for twin in ("PyTorch", "Keras/jax")
    )
    code, record = bench(tmp_path, text)
    assert code == 0, capsys.readouterr().out
    assert len(calm(record)) >= 4
    far = [x["gate"]["distance"] for x in calm(record) if x["cell"].twin == "Keras/jax"]
    assert all(0 < distance <= 1e-5 for distance in far)


@pytest.mark.parametrize(
    ("precision", "blocks", "said"),
    [("0.01", 7, "0 of 2 intervals are narrow enough"), ("0.2", 5, "2 of 2 intervals are narrow")],
)
def test_stops_once_intervals_are_narrow_enough(tmp_path, monkeypatch, precision, blocks, said):
    """Costs that swing by 10 % from block to block; seven blocks at most."""

    def measure(self, block, cell, caches):
        self.record.append(line_of(cell, block, 100 + 10 * (-1) ** block, host=host()))

    monkeypatch.setattr(Session, "_measure", measure)
    options = ["--blocks", "5", "--most-blocks", "7", "--precision", precision]
    code, record = bench(tmp_path, GRID, *options)
    assert code == 0 and {line["block"] for line in record.samples} == set(range(blocks))
    assert record.end["said"].startswith(said) and not faults(record)
    assert len(record.end["wide"]) == (2 if blocks == 7 else 0)


def test_what_a_busy_machine_spoils_is_measured_again_at_once(tmp_path, monkeypatch):
    """One cell is spoiled each time, the other one only at first."""
    spoiled = {"load": 1.0, "others": 0.9, "steal": 0.0, "mhz": 0, "busy": "others used 0.90 cores"}

    def measure(self, block, cell, caches):
        tries = sum(line["block"] == block for line in self.record.of(cell))
        first = {"machine": spoiled} if block else {"failed": "not steady after 6 epochs"}
        changes = {"machine": spoiled} if cell.copy else {} if tries else first
        self.record.append(line_of(cell, block, 100, host=host(), **changes))

    monkeypatch.setattr(Session, "_measure", measure)
    code, record = bench(tmp_path, GRID, "--blocks", "2")
    assert code == 1 and not faults(record)
    places = [(line["block"], line["cell"].copy) for line in record.samples]
    for block in (0, 1):
        assert places.count((block, 0)) == 2 and places.count((block, 1)) == 3


def wait_for_lines(out, count):
    """The file of lines, once it has so many."""
    path = out / "samples.jsonl"
    for _ in range(600):
        if path.exists() and path.read_bytes().count(b"\n") >= count:
            return path
        time.sleep(0.1)
    raise AssertionError("nothing was measured")


@pytest.mark.slow
def test_killed_in_the_middle_goes_on_where_it_stopped(tmp_path, capsys, idle):
    out = tmp_path / "out"
    command = [sys.executable, "-c", IDLE, "bench", "--grid", grid(tmp_path)]
    process = subprocess.Popen(
        [*command, "--blocks", "3", "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    samples = wait_for_lines(out, 2)
    process.kill()
    process.wait()
    done = Record.read(out).lines
    assert 2 <= len(done) < 6 and Record.read(out).end is None
    with samples.open("a") as file:  # and the last line only half written
        file.write('{"block": 1, "ce')
    assert main(["bench", "--verify", str(out)]) == 1
    assert main(["bench", "--resume", str(out)]) == 0
    record = Record.read(out)
    assert record.lines[: len(done)] == done and len(record.samples) == 6 and not faults(record)
    printed = capsys.readouterr()
    assert f"left out: line {len(done) + 1}, which a crash has torn" in printed.err
    assert main(["bench", "--verify", str(out)]) == 0
    (out / "tables.md").unlink()  # as if killed once more, at the very end
    assert main(["bench", "--resume", str(out)]) == 0 and Record.read(out).lines == record.lines
    assert main(["bench", "--verify", str(out)]) == 0


def test_interrupt_shows_what_there_is_and_how_to_go_on(tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks", "bench", "--grid", grid(tmp_path)]
    process = subprocess.Popen(
        [*command, "--blocks", "40", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for_lines(out, 1)
    os.killpg(process.pid, signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert f"twins bench --resume {out}" in errors
    assert (
        Record.read(out).samples and Record.read(out).end is None and not Record.read(out).corrupt
    )


def test_only_one_process_measures_a_record(tmp_path, capsys):
    record = record_of(tmp_path / "r", {FLOOR: [1.0]}, ended=False)
    with FileLock(record.folder / ".lock"):
        with pytest.raises(InputError, match="must not be measured twice at once"):
            Session(record)()
    assert (record.folder / ".lock").exists() and not (record.folder / "tables.md").exists()


def test_a_full_disk_is_one_line_and_nothing_is_lost(tmp_path, monkeypatch, capsys):
    record = record_of(tmp_path / "r", {FLOOR: [1.0]}, ended=False)

    def full(self, block, cell, caches):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Session, "_measure", full)
    record.grid = replace(record.grid, blocks=2, most_blocks=2)
    assert Session(record)() == 1
    printed = capsys.readouterr()
    assert "Stopped: [Errno 28] No space left on device" in printed.err
    assert "Go on with: twins bench --resume" in printed.err and "1 [" not in printed.err
    assert len(Record.read(record.folder).samples) == 1 and (record.folder / "tables.md").exists()


def test_interrupted_at_the_very_end_is_not_told_to_go_on(tmp_path, monkeypatch, capsys):
    """Ctrl-C between the last line's way to the disk and to us."""
    record = record_of(tmp_path / "r", {FLOOR: [1.0]}, ended=False)
    append = record.append

    def interrupted(line):
        append(line)
        record.lines.pop()
        raise KeyboardInterrupt

    monkeypatch.setattr(record, "append", interrupted)
    assert Session(record)() == 130
    assert "Go on with" not in capsys.readouterr().err
    assert main(["bench", "--verify", str(record.folder)]) == 0


def test_missing_package_is_a_row_that_says_so(without, tmp_path, capsys, idle):
    without("torch")
    code, record = bench(tmp_path, TWO)
    assert code == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "the package 'torch' cannot be imported" in shown and "Not measured" in shown
    assert len(calm(record)) == 2


@pytest.mark.slow
def test_cell_over_its_time_limit_is_a_row_that_says_so(tmp_path, capsys, idle):
    text = TWO.replace('twin = "PyTorch"\nsteps = 100', 'twin = "PyTorch"\nsteps = 100000')
    begin = time.monotonic()
    code, record = bench(tmp_path, text, "--limit", "6", "--blocks", "3")
    assert code == 1 and time.monotonic() - begin < 100
    failed = [line["failed"] for line in record.samples if line["failed"]]
    assert failed == ["over its time limit of 6 s"] * 2  # not a third time
    assert "over its time limit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (die, "process ended with code 3"),
        (be_killed, "killed, as the system does when memory runs out"),
        (want_too_much, "MemoryError: no room for it"),
    ],
)
def test_crash_is_a_row_that_says_so(tmp_path, monkeypatch, idle, capsys, end, reason):
    monkeypatch.setattr("benchmarks.bench.session.measure", end)
    code, record = bench(tmp_path)
    assert code == 1 and [line["failed"] for line in record.samples] == [reason] * 2
    assert main(["bench", "--verify", str(record.folder)]) == 0
    assert reason in capsys.readouterr().out


def test_cell_is_given_up_after_two_blocks_not_after_two_tries(tmp_path, monkeypatch):
    """One cell is not steady in its first two tries, the other one crashes in every block."""

    def measure(self, block, cell, caches):
        tries = len(self.record.of(cell))
        unsteady = "not steady after 6 epochs" if tries < 2 else ""
        failed = "process ended with code 1" if cell.copy else unsteady
        self.record.append(line_of(cell, block, 100, host=host(), failed=failed))

    monkeypatch.setattr(Session, "_measure", measure)
    code, record = bench(tmp_path, GRID, "--blocks", "4")
    blocks = [[x["block"] for x in record.samples if x["cell"].copy == copy] for copy in (0, 1)]
    assert code == 1 and blocks == [[0, 0, 0, 1, 2, 3], [0, 1]] and not faults(record)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("process ended with code -9\nsome log", "killed, as the system does when memory runs out"),
        ("process ended with code 1\n", "process ended with code 1"),
        ("Traceback\n  File x\nMemoryError: no room\n", "MemoryError: no room"),
        ("Traceback\nValueError: bad\n\nhint: more", "ValueError: bad"),
        ("seed must be an integer", "seed must be an integer"),
    ],
)
def test_reason_is_the_line_that_says_most(text, reason):
    assert why(text) == reason


def test_measurements_on_a_busy_machine_are_marked():
    watch = Watch()
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    time.sleep(1)
    found = watch.end()
    process.kill()
    assert found["others"] > 0.3 and found["busy"].startswith("others used")
    process.wait()
    quiet = {"others": 0.0, "steal": 0.0, "mhz": 2000}
    assert busy(quiet, 2000) == ""
    assert busy(quiet | {"steal": 0.1}, 2000) == "the host took 0.10 cores"
    assert busy(quiet | {"mhz": 1700}, 2000) == "the clock fell to 1700 MHz"


def test_own_work_is_not_that_of_others(monkeypatch):
    watch = Watch()
    end = time.process_time() + 0.5
    while time.process_time() < end:
        pass
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    found, watch._own = watch.end(), 0.0
    monkeypatch.setattr("benchmarks.bench.machine._own_seconds", lambda: 0.0)
    assert watch.end()["others"] - found["others"] > 0.4  # what it would be, were ours not known


def test_machine_is_described_without_its_name_or_paths():
    text = json.dumps(described())
    assert "timer" in text and '"cores"' in text
    assert sys.prefix not in text and "hostname" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--quick --full", "quick and full cannot be given together"),
        ("--ledger --grid x.toml", "ledger and grid cannot be given together"),
        ("--grid none.toml", "grid must be a TOML file, got 'none.toml'"),
        ("--blocks 0", "blocks must be an integer from 1 to 1000, got 0"),
        ("--blocks 3 --most-blocks 2", "most_blocks must be at least blocks (3), got 2"),
        ("--precision 0", "precision must be positive, got 0"),
        ("--limit nan", "limit must be positive, got nan"),
        ("--target-loss -1", "target_loss must be positive, got -1"),
        ("--seed -1", "seed must be an integer from 0"),
        ("--resume none", "record must be a folder that twins bench made, got 'none'"),
        ("--verify none", "record must be a folder that twins bench made, got 'none'"),
        ("--compare none none", "record must be a folder that twins bench made, got 'none'"),
        ("--verify a --resume b", "resume and verify cannot be given together"),
        ("--verify a --quick", "quick cannot be chosen with verify"),
        ("--compare a b --out c", "out cannot be chosen with compare"),
        ("--resume a --blocks 9", "blocks cannot be chosen with resume"),
        ("--verify a --device cuda", "device cannot be chosen with verify"),
        ("--compare a b --seed 3", "seed cannot be chosen with compare"),
        ("--quick --threshold 0.5", "threshold cannot be chosen with a measurement"),
        ("--quick --out /dev/null/x", "out must be a folder that can be made"),
        ("--device tpu", "--device"),
    ],
)
def test_bad_options_are_refused_in_one_line(capsys, options, message):
    assert main(["bench", *options.split()]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and printed.out == ""


@pytest.mark.slow
def test_cuda_where_there_is_none_is_a_row_that_says_so(tmp_path, capsys, idle):
    code, record = bench(tmp_path, TWO, "--device", "cuda")
    assert code == 1 and len(calm(record)) == 2
    (line,) = (line for line in record.samples if line["failed"])
    assert "CUDA" in line["failed"] or "NVIDIA" in line["failed"]
