"""The tables of `twins bench`, from records whose numbers are known."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from synthetic import FAST, FLOOR, OTHER, PLAIN, line_of, record_of

from benchmarks.bench import plots, scaling, views
from benchmarks.bench.cells import Cell
from benchmarks.bench.comparisons import networks_table
from benchmarks.bench.costs import failures, ratios
from benchmarks.bench.tables import bench_tables, kept
from benchmarks.common.figures import drawn, save_figures
from benchmarks.common.statistics import interval

BUSY = {"load": 3.0, "others": 0.9, "steal": 0.0, "mhz": 2000, "busy": "others used 0.90 cores"}


def found(record, title):
    """Lines of the only table with this title, as columns → text."""
    (table,) = (
        t for t in [*bench_tables(record), *scaling.law_tables(record)] if t.title.startswith(title)
    )
    return [dict(zip(table.columns, line, strict=True)) for line in table.lines]


def test_costs_and_what_follows_from_them(tmp_path):
    record = record_of(
        tmp_path / "r", {PLAIN: [100.0] * 5, FAST: [10.0] * 5, FLOOR: [2.0] * 5, OTHER: [50.0] * 5}
    )
    lines = {(x["twin"], x["way to train"]): x for x in found(record, "Cost of a training step")}
    plain, fast = lines["PyTorch", "fit"], lines["PyTorch", "fit_compiled"]
    assert plain["µs per step and start"] == "100 [100, 100]" and plain["samples per s"] == "10,000"
    assert fast["times faster than own fit"] == "10 [10, 10]"
    assert (
        fast["times the scalar limit"] == "5 [5, 5]"
        and plain["tier"] == "A"
        and fast["tier"] == "C"
    )
    assert fast["first call s"] == "2" == fast["cold cache"] and plain["cold cache"] == ""
    # 30 epochs of 826 steps at 100 µs, 2 s before, ½ s after; 19 epochs until the loss is reached.
    assert plain["30 epochs s"] == "4.98"
    assert plain["s to the loss"] == f"{2.5 + 19 * 826 * 100e-6:.3g}"
    # tiers in order, and within a tier the fastest first
    shown = [(x["tier"], x["twin"]) for x in found(record, "Cost of a training step")]
    assert shown == [("A", "Keras/jax"), ("A", "PyTorch"), ("C", "PyTorch"), ("E", "scalar limit")]


def test_networks_stand_line_by_line(tmp_path):
    """What they share is in the title; what is theirs alone in the line."""
    decoder = replace(PLAIN, model="encoder_decoder", horizon=3)
    quick = replace(decoder, way="fit_many", starts=100)
    costs = {decoder: [300.0] * 5, PLAIN: [100.0] * 5, FAST: [10.0] * 5, quick: [3.0] * 5}
    [table] = kept([networks_table(record_of(tmp_path / "several", costs))])
    common = "2 units, batch size 1, 20 time steps, float32, cpu, 1 thread"
    assert table.title == f"Network by network: {common}"
    one, other = table.lines
    assert one == ["encoder_decoder, 3 numbers ahead", "PyTorch", "300 [300, 300]"] + [
        *["", ""],
        *["3 [3, 3]", "100 [100, 100]"],
    ]
    assert other == ["rnn_with_attention", "PyTorch", "100 [100, 100]"] + [
        *["10 [10, 10]", "10 [10, 10]"],
        *["", ""],
    ]
    alone = record_of(tmp_path / "one", {PLAIN: [100.0] * 5, OTHER: [50.0] * 5})
    assert not kept([networks_table(alone)])


def test_every_network_has_its_panel(tmp_path):
    models = ["lstm", "gru", "conv"]
    cells = [replace(cell, model=model) for model in models for cell in (PLAIN, FAST, OTHER)]
    record = record_of(tmp_path / "r", {cell: [100.0 + i] * 5 for i, cell in enumerate(cells)})
    figures = drawn(plots.BENCH_FIGURES, record)
    assert [*figures] == ["steps", "break_even"] and all(alt for _, alt in figures.values())
    shown = [axes for axes in figures["steps"][0].axes if axes.axison]
    assert [axes.get_title().split(",")[0] for axes in shown] == models
    assert all(len(axes.get_yticks()) == 3 for axes in shown)
    titles = [axes.get_title() for axes in figures["break_even"][0].axes if axes.axison]
    assert titles == [f"{model}\n{twin}" for model in models for twin in ("PyTorch", "Keras/jax")]


def test_what_is_kept_is_told_from_what_is_not(tmp_path):
    """PyTorch keeps what it compiles: its first process is not one of those that count there."""
    lines = [line_of(FAST, block, 10.0) for block in range(5)]
    lines[0]["seconds"][0] += 20
    plain = [line_of(PLAIN, block, 100.0) for block in range(5)]
    for line in plain:
        line["seconds"][0] -= 2.001  # less than an epoch: it cannot be told from its ups and downs
        line["seconds"][9] += 0.01
    record = record_of(tmp_path / "r", {PLAIN: plain, FAST: lines})
    slow, fast = found(record, "Cost of a training step")
    assert fast["first call s"] == "2" and fast["cold cache"] == "22"
    assert fast["30 epochs s"] == "2.75" and fast["cold cache, 30 epochs s"] == "22.7"
    assert slow["first call s"] == "< 0.01"


def test_many_starts_pay_for_what_is_between_their_chunks(tmp_path):
    """Three chunks of 100 starts: an epoch 0.0826 s, but 0.4 s between one chunk and the next."""
    cell = replace(FAST, way="fit_many", starts=300)
    lines = [line_of(cell, block, 1.0, together=100) for block in range(5)]
    for line in lines:
        line["seconds"] = [2.0826, *[0.0826] * 5, *[0.4826, *[0.0826] * 5] * 2]
    record = record_of(tmp_path / "r", {cell: lines})
    (line,) = found(record, "Cost of a training step")
    assert line["µs per step and start"] == "1 [1, 1]" and line["ms between starts"] == "4"
    assert line["30 epochs s"] == f"{2 + 2 * 0.4 + 90 * 0.0826 + 0.5:.3g}"
    assert line["s to the loss"] == "" if "s to the loss" in line else True


def test_cells_that_were_busy_each_time_are_named(tmp_path):
    spoiled = [line_of(OTHER, block, 9.0, machine=BUSY) for block in range(5)]
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, OTHER: spoiled})
    (line,) = found(record, "Not measured")
    assert line["twin"] == "Keras/jax"
    assert line["failed"] == "the machine was busy each time: others used 0.90 cores"


def test_twins_are_ranked_within_a_tier_only(tmp_path):
    noisy = [90.0, 110.0, 95.0, 105.0, 100.0]
    record = record_of(
        tmp_path / "r",
        {
            PLAIN: [100.0] * 5,
            OTHER: noisy,
            replace(OTHER, twin="Keras/torch"): [400.0] * 5,
            FAST: [1.0] * 5,
        },
    )
    lines = found(record, "Twins against each other")
    assert {line["tier"] for line in lines} == {"A"} and len(lines) == 3
    (close,) = (x for x in lines if {x["one"], x["the other"]} == {"PyTorch", "Keras/jax"})
    assert close["faster"] == "no difference shown"
    (far,) = (x for x in lines if {x["one"], x["the other"]} == {"PyTorch", "Keras/torch"})
    assert far["one"] == "Keras/torch" and far["faster"] == "PyTorch"
    assert far["one takes times as long"] == "4 [4, 4]"


def test_cell_against_itself(tmp_path):
    copy = replace(PLAIN, copy=1)
    record = record_of(
        tmp_path / "r", {PLAIN: [100.0] * 5, copy: [99.0, 101.0, 100.0, 98.0, 103.0]}
    )
    (line,) = found(record, "A cell against itself")
    assert line["verdict"] == "no difference shown"
    record = record_of(tmp_path / "s", {PLAIN: [100.0] * 5, copy: [50.0] * 5})
    (line,) = found(record, "A cell against itself")
    assert line["verdict"] == "a difference where there is none"
    assert len(found(record, "Cost of a training step")) == 1  # the copy is not a row


def test_break_even(tmp_path):
    """0.0826 s an epoch against 0.00826 s and 10 s of compilation: 135 epochs."""
    slow = [line_of(FAST, block, 10.0) for block in range(5)]
    for line in slow:
        line["seconds"][0] += 8
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, FAST: slow})
    (line,) = found(record, "Break-even")
    assert line["instead of"] == "fit" and line["train by"] == "fit_compiled"
    assert line["pays after epochs"] == line["from a cold cache"] == "108"
    record = record_of(tmp_path / "s", {PLAIN: [100.0] * 5, FAST: [200.0] * 5})
    (line,) = found(record, "Break-even")
    assert line["pays after epochs"] == "never"
    noisy = {PLAIN: [90.0, 110.0, 95.0, 105.0, 100.0], FAST: [100.0] * 5}
    (line,) = found(record_of(tmp_path / "t", noisy), "Break-even")
    assert line["pays after epochs"] == "no difference shown"


def test_break_even_of_many_starts(tmp_path):
    """Ten trainings of 0.0826 s an epoch against 0.2065 s for all and 40 s more: 65 epochs."""
    many = replace(PLAIN, way="fit_many", starts=10)
    slow = [line_of(many, block, 25.0) for block in range(5)]
    for line in slow:
        line["seconds"][0] += 40
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, many: slow})
    (line,) = found(record, "Break-even")
    assert line["instead of"] == "fit" and line["train by"] == "fit_many, 10 starts"
    assert line["pays after epochs"] == "65"
    record = record_of(tmp_path / "s", {PLAIN: [100.0] * 5, many: [200.0] * 5})
    (line,) = found(record, "Break-even")
    assert line["pays after epochs"] == "never"


def test_busy_and_failed_processes_do_not_count_and_are_counted(tmp_path):
    values = [100.0] * 5
    spoiled = [
        *values,
        line_of(PLAIN, 5, 9000.0, machine=BUSY),
        line_of(PLAIN, 6, 1.0, failed="the loss is not finite"),
    ]
    broken = [line_of(OTHER, block, 1.0, failed="trained otherwise") for block in range(2)]
    record = record_of(tmp_path / "r", {PLAIN: spoiled, FAST: [10.0] * 7, OTHER: broken})
    lines = found(record, "Cost of a training step")
    assert {line["twin"] for line in lines} == {"PyTorch"}
    assert lines[0]["µs per step and start"] == "100 [100, 100]" and lines[0]["n"] == "5 of 7"
    assert lines[1]["times faster than own fit"] == "10 [10, 10]"
    counts = [[*line.values()] for line in found(record, "Processes")]
    assert sorted(counts) == [
        ["busy machine", "", "1 of 16", "6"],
        ["the loss is not finite", "PyTorch fit", "1 of 16", "7"],
        ["trained otherwise", "Keras/jax fit", "2 of 16", "1 2"],
    ]
    (line,) = found(record, "Not measured")
    assert line["twin"] == "Keras/jax" and line["failed"] == "trained otherwise"
    assert failures(record) == {OTHER: "trained otherwise"}
    rows = list(csv.DictReader(io.StringIO(views.texts(record)["cells.csv"])))
    assert [row["microseconds"] for row in rows] == ["100.0", "10.0", ""]
    assert [row["samples_per_second"] for row in rows] == ["10000.0", "100000.0", ""]
    assert [row["peak_mib"] for row in rows] == ["300.0", "300.0", ""]
    assert rows[2]["failed"] == "trained otherwise"


def test_ledger(tmp_path):
    switched = replace(PLAIN, switch="item")
    two = replace(PLAIN, threads=2)
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, switched: [103.0] * 5, two: [50.0] * 5})
    lines = {x["flipped"]: x for x in found(record, "What a default costs")}
    assert lines["loss.item() in every step"]["costs times as much"] == "1.03 [1.03, 1.03]"
    assert lines["loss.item() in every step"]["verdict"] == "it costs"
    assert lines["2 threads instead of 1"]["verdict"] == "it gains"


def test_growth_with_starts_and_epochs(tmp_path):
    """A further start costs 30 epochs of 826 steps; an epoch of the last third 1.5 times as much."""
    many = {replace(FAST, way="fit_many", starts=starts): [1.0] * 5 for starts in (100, 1000, 2000)}
    slowing = [line_of(FAST, block, 10.0) for block in range(5)]
    for line in slowing:
        count = len(line["seconds"])
        line["seconds"] = [s * (1.5 if i > count / 2 else 1) for i, s in enumerate(line["seconds"])]
    record = record_of(tmp_path / "r", {FAST: slowing} | many)
    (line,) = found(record, "More starts")
    assert line["starts"] == "100 1,000 2,000" and line["ms per further start"] == "24.8 24.8"
    assert line["seconds in all"] == "4.98 27.3 52.1"
    (line,) = found(record, "Longer trainings")
    assert (
        line["last third of the epochs over the first"] == "1.5 [1.5, 1.5]"
        and "verdict" not in line
    )


def test_every_ratio_of_the_tables_is_among_the_ratios(tmp_path):
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, FAST: [10.0] * 5, FLOOR: [2.0] * 5})
    assert {(one, other) for one, other in ratios(record)} == {
        (FAST.key, PLAIN.key),
        (FAST.key, FLOOR.key),
        (PLAIN.key, FLOOR.key),
    }


def sweep(cost, twins=("PyTorch", "Keras/jax")):
    """Cells along each axis, at what `cost` says."""
    sizes = [{"units": u} for u in (2, 8, 32, 128)]
    sizes += [{"batch_size": b} for b in (8, 64, 512)] + [{"time_steps": t} for t in (5, 50, 200)]
    cells = [Cell(twin=twin, steps=50, **size) for twin in twins for size in sizes]
    noise = [1.0, 1.001, 0.999, 1.002, 0.998]
    return {cell: [cost(cell) * factor for factor in noise] for cell in cells}


def test_law_finds_overhead_and_work(tmp_path):
    def cost(cell):
        return 30 + 2 * cell.time_steps + 0.5 * scaling.work(cell) / 1000

    record = record_of(tmp_path / "r", sweep(cost))
    for line in found(record, "Law"):
        assert line["µs per step"].startswith("30 [") and line["sizes"] == "10 of 10"
        assert line["µs per time step"].startswith("2 [")
        assert line["ns per multiplication"].startswith("0.5 [")
        assert line["largest error"] == "0%" and line["n"] == "5"


def test_law_says_which_sizes_it_lacks_and_on_how_few_it_rests(tmp_path):
    costs = sweep(lambda cell: 30.0 + cell.time_steps)
    cells = [cell for cell in costs if cell.twin == "PyTorch"]
    costs[cells[3]] = [line_of(cells[3], b, 1.0, failed="over its time limit") for b in range(2)]
    costs[cells[5]][2] = line_of(cells[5], 2, 9.0, machine=BUSY)
    lines = {line["twin"]: line for line in found(record_of(tmp_path / "r", costs), "Law")}
    assert lines["PyTorch"]["sizes"] == "9 of 10" and lines["PyTorch"]["n"] == "4"
    assert lines["PyTorch"]["µs per time step"] == "1"  # of four there is no interval
    assert lines["Keras/jax"]["sizes"] == "10 of 10" and lines["Keras/jax"]["n"] == "5"


def test_intervals_of_the_law_cover_it(tmp_path):
    """95 % of the intervals should contain the truth, 30 µs and 2 µs; 90 % of 100 are asked for."""
    cells, rng = list(sweep(lambda cell: 1.0, ("PyTorch",))), np.random.default_rng(0)
    truth = np.array([30 + 2 * cell.time_steps + 0.5 * scaling.work(cell) / 1000 for cell in cells])
    covered = 0
    for _ in range(100):
        costs = truth[:, None] * rng.lognormal(0, 0.05, (len(cells), 6))
        overhead, each, _ = scaling.law_of(cells, costs.tolist())
        covered += overhead.low <= 30 <= overhead.high and each.low <= 2 <= each.high
    assert covered >= 90


def test_no_crossover_of_curves_that_are_the_same(tmp_path):
    """With noise of 3 % they cross somewhere in most blocks."""
    rng = np.random.default_rng(1)
    costs = sweep(lambda cell: 100.0)
    for cell in costs:
        costs[cell] = (100 * rng.lognormal(0, 0.03, 7)).tolist()
    record = record_of(tmp_path / "r", costs)
    assert not list(scaling.crossings(record))
    counts = []
    for axis in scaling.AXES:
        curves = [
            scaling.on_axis(own, cells, axis) for own, cells in scaling.families(record).items()
        ]
        sizes = sorted(curves[0])
        gaps = [
            [math.log(costs[curves[0][n]][block] / costs[curves[1][n]][block]) for n in sizes]
            for block in range(7)
        ]
        counts.append(sum(scaling.crossing(sizes, gap) is not None for gap in gaps))
    assert max(counts) >= 4


def test_crossovers_are_where_the_curves_cross(tmp_path):
    """1,000 µs and nothing more, or 25 µs a row: equal at 40 rows."""

    def cost(cell):
        return 1000.0 if cell.twin == "PyTorch" else 25.0 * cell.batch_size + 0.1 * cell.units

    record = record_of(tmp_path / "r", sweep(cost))
    lines = {line["axis"]: line for line in found(record, "Crossovers")}
    assert lines.keys() == {"batch_size"}
    line = lines["batch_size"]
    assert line["faster below"] == "Keras/jax fit" and line["faster above"] == "PyTorch fit"
    assert 38 < float(line["from"].split()[0]) < 42 and line["blocks that cross once"] == "5 of 5"
    save_figures(plots.BENCH_FIGURES, record, record.folder)
    for name in ("steps", "scaling"):
        for kind in ("svg", "png"):
            assert (record.folder / f"{name}.{kind}").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("gap", "at"), [([-1, 1], 4), ([-1, 0.5, 1], None), ([1, -1, 1], None), ([1, 2], None)]
)
def test_crossing(gap, at):
    sizes = [2, 8, 32][: len(gap)]
    place = scaling.crossing(sizes, gap)
    if gap == [-1, 0.5, 1]:
        assert 4 < place < 8
    else:
        assert place == (None if at is None else pytest.approx(at))


def test_markdown_has_a_line_for_each_row(tmp_path):
    record = record_of(tmp_path / "r", {PLAIN: [100.0] * 5, FAST: [10.0] * 5})
    text = views.texts(record)["tables.md"]
    assert "| A | PyTorch | fit | 100 [100, 100] |" in text and "Tiers: A as everyone" in text
    views.save(record)
    assert (record.folder / "break_even.png").stat().st_size > 5_000


def test_numbers_are_shown_with_three_digits():
    assert str(interval([1234.5] * 5)) == "1,234 [1,234, 1,234]"
    assert str(interval([0.012345] * 3)) == "0.0123"
