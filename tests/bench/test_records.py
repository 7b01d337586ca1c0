"""Records of `twins bench`: lines that are on disk at once, and what is done to them afterwards."""

import json

import pytest
from synthetic import FAST, FLOOR, MACHINE, OTHER, PLAIN, line_of, record_of

from attention_twins.errors import InputError
from benchmarks.bench import views
from benchmarks.bench.audit import agreement, compare, verify
from benchmarks.bench.cells import Cell
from benchmarks.bench.records import Record, faults
from benchmarks.bench.validity import claims

COSTS = {
    PLAIN: [100.0, 102.0, 98.0, 101.0, 99.0],
    FAST: [10.0, 10.2, 9.8, 10.1, 9.9],
    FLOOR: [1.0] * 5,
}


def lines(folder):
    return (folder / "samples.jsonl").read_text().splitlines()


def write(folder, texts):
    (folder / "samples.jsonl").write_text("".join(text + "\n" for text in texts))


def saved(folder, costs=COSTS, **options):
    record = record_of(folder, costs, **options)
    views.save(record)
    return record


def test_what_is_read_is_what_was_written(tmp_path):
    made = record_of(tmp_path / "r", COSTS)
    found = Record.read(tmp_path / "r")
    assert found.plan == made.plan and found.lines == made.lines and not found.corrupt
    assert len(found.samples) == 15 and found.end["said"] == "done"
    assert not faults(found)
    assert all(isinstance(line["cell"], Cell) for line in found.samples)


def test_every_line_is_on_disk_at_once(tmp_path):
    record = record_of(tmp_path / "r", {PLAIN: [1.0]}, ended=False)
    assert len(lines(record.folder)) == 1
    record.append(line_of(PLAIN, 1, 2.0, loss=[float("nan")]))
    assert len(lines(record.folder)) == 2
    assert (
        Record.read(record.folder).lines[-1]["loss"] == [None]
        and not Record.read(record.folder).corrupt
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[:-9], "Unterminated"),
        (lambda text: text.replace('"load": 0.1', '"load": 0.0'), "not that of its content"),
    ],
)
def test_corrupt_lines_are_named_and_left_out(tmp_path, capsys, spoil, message):
    folder = saved(tmp_path / "r").folder
    texts = lines(folder)
    texts[2] = spoil(texts[2])
    write(folder, texts)
    found = Record.read(folder)
    assert len(found.samples) == 14
    assert found.corrupt[0].startswith("line 3, left out: ") and message in found.corrupt[0]
    assert verify(folder) == 1
    assert "line 3" in capsys.readouterr().out
    views.show(found)
    assert "line 3, left out: " in capsys.readouterr().out


def test_a_line_taken_out_put_in_or_moved_is_seen(tmp_path):
    folder = saved(tmp_path / "r").folder
    texts = lines(folder)
    for wrong in (texts[:4] + texts[5:], texts[:4] + [texts[6]] + texts[4:], texts[::-1]):
        write(folder, wrong)
        assert any("does not follow" in fault for fault in faults(Record.read(folder)))
    other = lines(record_of(tmp_path / "other", COSTS, seed=1).folder)
    write(folder, texts[:4] + [other[4]] + texts[5:])
    assert any("does not follow" in fault for fault in faults(Record.read(folder)))


def test_verify_recomputes_every_table(tmp_path, capsys):
    folder = saved(tmp_path / "r").folder
    assert verify(folder) == 0
    assert "every table as the samples say" in capsys.readouterr().out
    for name in ("tables.md", "cells.csv"):
        before = (folder / name).read_text()
        (folder / name).write_text(before.replace("10", "11"))
        assert verify(folder) == 1
        assert f"{name} is not what the samples say" in capsys.readouterr().out
        (folder / name).write_text(before)
    (folder / "cells.csv").unlink()
    assert verify(folder) == 1 and "cells.csv is not there" in capsys.readouterr().out


def test_verify_refuses_what_was_tampered_with_in_the_plan(tmp_path, capsys):
    folder = saved(tmp_path / "r").folder
    plan = json.loads((folder / "plan.json").read_text())
    plan["machine"]["processor"] = "another"
    (folder / "plan.json").write_text(json.dumps(plan))
    assert verify(folder) == 1 and "does not follow" in capsys.readouterr().out


def test_verify_refuses_what_is_unfinished_or_of_two_machines(tmp_path, capsys):
    unfinished = saved(tmp_path / "a", ended=False)
    assert verify(unfinished.folder) == 1
    assert "has not ended" in capsys.readouterr().out
    costs = COSTS | {OTHER: [line_of(OTHER, 0, 3.0, host="elsewhere")]}
    assert verify(saved(tmp_path / "b", costs).folder) == 1
    assert "measured on another machine" in capsys.readouterr().out
    twice = record_of(tmp_path / "c", COSTS, ended=False)
    twice.append(line_of(PLAIN, 0, 3.0))
    twice.append({"ended": "now", "said": "", "wide": []})
    views.save(twice)
    assert verify(twice.folder) == 1 and "has this cell twice" in capsys.readouterr().out
    after = saved(tmp_path / "d")
    after.append(line_of(PLAIN, 9, 3.0))
    views.save(after)
    assert verify(after.folder) == 1 and "goes on after its end" in capsys.readouterr().out


UNFOUNDED = {
    "steady_after": (9, "is wrong about from when on it was steady"),
    "loss": ([0.5, 1.0], "counts, though the loss does not fall"),
    "gate": ({"distance": 9.9, "limit": 1e-6}, "counts, though trained otherwise"),
    "machine": ({"others": 0.9, "steal": 0, "mhz": 0, "busy": ""}, "whether the machine was busy"),
    "proof": (claims(PLAIN) | {"cuDNN": True}, "counts, though cuDNN is True"),
}


@pytest.mark.parametrize("name", UNFOUNDED)
def test_verify_finds_what_a_line_says_wrongly_of_itself(tmp_path, capsys, name):
    """As a fault in what writes them would make them: every hash is right."""
    value, message = UNFOUNDED[name]
    wrong = [*COSTS[PLAIN][:4], line_of(PLAIN, 4, 99.0, **{name: value})]
    assert verify(saved(tmp_path / "r", COSTS | {PLAIN: wrong}).folder) == 1
    printed = capsys.readouterr().out
    assert "block 4 is wrong" in printed and message in printed


def test_verify_finds_cells_that_lack_or_are_not_of_the_plan(tmp_path, capsys):
    few = saved(tmp_path / "few", COSTS | {FAST: COSTS[FAST][:3]})
    assert verify(few.folder) == 1 and "block 3 lacks a cell" in capsys.readouterr().out
    broken = [line_of(FAST, block, 1.0, failed="no memory") for block in range(2)]
    assert verify(saved(tmp_path / "given up", COSTS | {FAST: broken}).folder) == 0
    foreign = record_of(tmp_path / "foreign", COSTS, ended=False)
    foreign.append(line_of(OTHER, 0, 3.0))
    assert "its cell is not one of the plan's" in Record.read(foreign.folder).corrupt[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"machine": None},
        {"machine": {"host": "here"}},
        {"target": {}},
        {"precision": float("nan")},
        {"grid": {"name": "g", "blocks": 1, "most_blocks": 1, "cells": []}},
    ],
)
def test_a_plan_that_lacks_something_is_one_line(tmp_path, wrong):
    folder = record_of(tmp_path / "r", COSTS).folder
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(plan | wrong))
    with pytest.raises(InputError, match="record must be a folder that twins bench made"):
        Record.read(folder)


def test_verify_compares_bytes(tmp_path, capsys):
    folder = saved(tmp_path / "r").folder
    for spoil in (lambda b: b.replace(b"\n", b"\r\n"), lambda b: b"\xff" + b):
        before = (folder / "tables.md").read_bytes()
        (folder / "tables.md").write_bytes(spoil(before))
        assert verify(folder) == 1 and "tables.md is not what" in capsys.readouterr().out
        (folder / "tables.md").write_bytes(before)


@pytest.mark.parametrize("content", [None, "", "{}", '{"grid": 3}', "[]", "[" * 100_000])
def test_what_is_no_record_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "plan.json").write_text(content)
    with pytest.raises(InputError, match="record must be a folder that twins bench made") as error:
        Record.read(tmp_path)
    assert "\n" not in str(error.value)


def test_resume_cuts_off_a_torn_line_and_names_it(tmp_path):
    record = record_of(tmp_path / "r", COSTS, ended=False)
    whole = (record.folder / "samples.jsonl").read_bytes()
    (record.folder / "samples.jsonl").write_bytes(whole[:-40])
    found = Record.resume(record.folder, MACHINE)
    with found.locked() as torn:
        assert len(found.samples) == 14 and torn.startswith("left out: line 15, ")
        found.append(line_of(FLOOR, 4, 1.0))
    assert not Record.read(record.folder).corrupt
    # The only one; and one that lacks nothing but its end is whole.
    only = record_of(tmp_path / "only", {FLOOR: [1.0, 1.0]}, ended=False).folder / "samples.jsonl"
    lines = only.read_bytes()
    only.write_bytes(lines[:-1])
    found = Record.resume(only.parent, MACHINE)
    with found.locked() as torn:
        assert not torn and len(found.samples) == 2 and only.read_bytes() == lines
    only.write_bytes(lines[:40])
    found = Record.resume(only.parent, MACHINE)
    with found.locked() as torn:
        assert torn.startswith("left out: line 1, ") and not found.samples
        found.append(line_of(FLOOR, 0, 1.0))
    assert len(Record.read(only.parent).samples) == 1 and not Record.read(only.parent).corrupt


def test_resume_refuses_what_it_must_not_go_on_with(tmp_path):
    half = record_of(tmp_path / "b", COSTS, ended=False).folder
    torn = (half / "samples.jsonl").read_bytes()[:-40]
    (half / "samples.jsonl").write_bytes(torn)
    other = {"host": "there", "versions": {"torch": "2"}, "commit": "d", "driver": "new"}
    for name, value in other.items():
        with pytest.raises(InputError, match=f"where the record was made: {name} was"):
            Record.resume(half, MACHINE | {name: value})
        assert (half / "samples.jsonl").read_bytes() == torn  # nor is it touched
    texts = lines(half)
    write(half, [texts[0], texts[1][:-4], *texts[2:]])
    with pytest.raises(InputError, match="without faults, got line 2"):
        Record.resume(half, MACHINE)
    # One that has ended is there to have its tables made, by any machine.
    ended = record_of(tmp_path / "a", COSTS).folder
    assert Record.resume(ended, {}).end


def test_a_folder_that_is_there_is_not_written_to(tmp_path):
    record = record_of(tmp_path / "r", COSTS)
    with pytest.raises(InputError, match="out must be a folder that can be made"):
        Record.create(record.folder, record.grid, MACHINE)


def test_compare_finds_what_became_slower(tmp_path, capsys):
    old = record_of(tmp_path / "old", COSTS).folder
    same = record_of(tmp_path / "same", COSTS, seed=1).folder
    assert compare(old, same, 0.1) == 0
    shown = capsys.readouterr().out
    assert "no difference shown" in shown and "3 of 3 agree" in shown
    slow = {cell: [2 * v if cell == FAST else v for v in values] for cell, values in COSTS.items()}
    new = record_of(tmp_path / "new", slow).folder
    assert compare(old, new, 0.1) == 1
    shown = capsys.readouterr().out
    assert "slower: PyTorch, fit_compiled" in shown and "1 of 3 agree" in shown
    assert compare(old, new, 1.5) == 0  # slower, but not beyond this threshold
    assert "slower, by less than asked" in capsys.readouterr().out
    assert compare(new, old, 0.1) == 0 and "faster" in capsys.readouterr().out


def test_compare_says_what_it_cannot_tell(tmp_path, capsys):
    old = record_of(tmp_path / "old", COSTS).folder
    few = record_of(tmp_path / "few", {PLAIN: [200.0] * 3, OTHER: [1.0] * 3}).folder
    assert compare(old, few, 0.1) == 1  # what is gone is no success
    shown = capsys.readouterr().out
    assert "n = 3: too few to say" in shown and "not measured any more: PyTorch" in shown
    assert "new" in shown and compare(few, old, 0.1) == 1
    broken = {c: [line_of(c, b, 1.0, failed="no memory") for b in range(2)] for c in COSTS}
    assert compare(old, record_of(tmp_path / "broken", broken, ended=False).folder, 0.1) == 1
    shown = capsys.readouterr().out
    assert "no memory: PyTorch, fit," in shown and "it has not ended" in shown
    with pytest.raises(InputError, match="both have measured 5 times or more"):
        compare(few, few, 0.1)
    plan = json.loads((few / "plan.json").read_text())
    plan["machine"]["host"] = "there"
    (few / "plan.json").write_text(json.dumps(plan))
    compare(old, few, 0.1)
    assert "from two machines" in capsys.readouterr().out


def test_agreement_counts_intervals_that_overlap(tmp_path):
    before = record_of(tmp_path / "a", COSTS)
    assert agreement(before, before) == (3, 3)
    moved = {c: [v * (1.5 if c == FAST else 1) for v in vs] for c, vs in COSTS.items()}
    assert agreement(before, record_of(tmp_path / "b", moved)) == (1, 3)
