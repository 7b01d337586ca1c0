"""What the documents say is what the project is."""

import json
import re
from pathlib import Path

import pytest
from synthetic import FAST, OTHER, PLAIN, record_of

from benchmarks.bench.audit import verify
from benchmarks.bench.costs import base, by_block, failures, lines_of, measured
from benchmarks.bench.documents import BEFORE, BENCH, FULL, LEDGER, NETWORKS, again_block
from benchmarks.bench.grid import GRIDS, load_grid
from benchmarks.bench.records import grid_of, read
from benchmarks.common.sources import code_lines
from benchmarks.documents import filled_documents
from benchmarks.prove.command import TUTORIAL_STEPS
from benchmarks.prove.documents import CHECK, FAMILY, smallest, widest
from benchmarks.prove.wrong_ports import WRONG_PORTS
from benchmarks.study.documents import FOLDER, STUDIES
from benchmarks.study.records import read as read_study
from shared.config import MODELS, TUTORIAL_MODELS, VARIANTS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_measured_parts_are_what_the_command_makes():
    documents = filled_documents()
    assert len(documents) == 5
    for path, text in documents.items():
        assert path.read_text() == text, path


def test_tree_names_every_source_file_and_no_other():
    tree = re.search(r"```\n(shared/ .*?)```", README, re.DOTALL)
    assert tree
    named = set(re.findall(r"(\w+\.py)", tree[1]))
    files = {
        path.name
        for package in ("shared", "keras_impl", "torch_impl", "benchmarks")
        for path in (ROOT / package).rglob("*.py")
        if not path.stem.startswith("__")
    }
    assert named == files


def test_python_examples_run():
    examples = re.findall(r"```python\n((?:import|from) .*?)```", README, re.DOTALL)
    assert len(examples) == 2
    shorter = {
        "epochs=3": "epochs=1",
        "DataConfig()": "DataConfig(numbers=60)",
        "TrainConfig()": "TrainConfig(epochs=2)",
        "range(100)": "range(3)",
    }
    for code in examples:
        for text, short in shorter.items():
            code = code.replace(text, short)
        exec(compile(code, "README.md", "exec"), {})


def test_links_lead_somewhere():
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_difference_names_a_test_that_exists():
    text = (ROOT / "docs" / "differences.md").read_text().split("<!-- effects -->")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    for row in rows:
        match = re.search(r"`(test_\w+\.py)::(test_\w+)` \|$", row)
        assert match, row
        assert f"def {match[2]}(" in (ROOT / "tests" / match[1]).read_text(), row


@pytest.mark.parametrize(
    ("folder", "grid"),
    [
        (BENCH, "default"),
        (BEFORE, "default"),
        (NETWORKS, "family"),
        (LEDGER, "ledger"),
        (FULL, "full"),
    ],
)
def test_costs_are_whole_and_of_a_commit(folder, grid, capsys):
    record = read(ROOT / folder)
    assert verify(ROOT / folder) == 0, capsys.readouterr().out
    assert set(grid_of(record.plan).cells) == set(load_grid(GRIDS / f"{grid}.toml").cells)
    commit = record.plan["machine"]["commit"]
    assert commit and "dirty" not in commit


@pytest.mark.parametrize("name", STUDIES)
def test_studies_are_whole_and_of_a_commit(name):
    study = read_study(ROOT / FOLDER / name)
    assert not study.left and not study.chain.faults()
    commit = study.plan["environment"]["commit"]
    assert commit and "dirty" not in commit


@pytest.mark.parametrize("folder", [BENCH, NETWORKS])
def test_every_cell_of_the_table_is_measured(folder):
    record = read(ROOT / folder)
    assert not failures(record)
    for cell in grid_of(record.plan).cells:
        assert len(lines_of(record, cell)) >= 3, cell


@pytest.mark.parametrize("model", [model for model in MODELS if model not in TUTORIAL_MODELS])
@pytest.mark.parametrize(("twin", "times"), [("Keras/tensorflow", 50), ("PyTorch", 20)])
def test_every_network_gets_so_many_times_faster(model, twin, times):
    """Both ways, and in every block that has both; against the same twin's plain `fit`."""
    record = read(ROOT / NETWORKS)
    cells = [cell for cell in measured(record) if (cell.model, cell.twin) == (model, twin)]
    faster = [cell for cell in cells if cell.way != "fit"]
    assert {cell.way for cell in faster} == {"fit_compiled", "fit_many"}
    for cell in faster:
        plain, own = by_block(record, base(cell)), by_block(record, cell)
        ratios = [plain[block] / own[block] for block in plain.keys() & own.keys()]
        assert ratios and min(ratios) >= times, cell.name


def test_what_came_out_again_is_counted(tmp_path):
    times = {PLAIN: [100.0] * 5, FAST: [10.0] * 5, OTHER: [50.0] * 5}
    one = record_of(tmp_path / "one", times)
    other = record_of(tmp_path / "other", times | {FAST: [11.0] * 5})
    said = again_block(one, other)
    assert "of 2 ratios whose intervals are known both times, 1 have" in said
    assert "of 2 ratios, 1 came out within 5% of each other" in said
    assert "2 have intervals that overlap; of 2 ratios, 2 came" in again_block(one, one)


def test_code_is_counted_without_docstrings_comments_and_blank_lines(tmp_path):
    file = tmp_path / "some.py"
    file.write_text('"""Doc\n\nstring."""\n\n# Why.\nx = 1  # here\n\n\ndef f():\n    """One."""\n')
    assert code_lines(file) == 2


def test_certificates_are_whole_and_of_a_commit():
    full, mutants, variants = (
        json.loads((ROOT / CHECK / f"{name}.json").read_text())
        for name in ("full", "mutants", "variants")
    )
    for record in (full, mutants, variants):
        assert record["ok"] and record["status"] == "complete" and not record["failures"]
        assert record["environment"]["commit"] and "dirty" not in record["environment"]["commit"]
    cases = {(case["model"], case["dtype"], case["steps"]) for case in full["cases"]}
    assert cases == {
        (m, d, TUTORIAL_STEPS) for m in TUTORIAL_MODELS for d in ("float64", "float32")
    }
    assert {row["twin"] for row in full["rows"]} == {
        "Keras/tensorflow",
        "Keras/jax",
        "Keras/torch",
        "PyTorch",
        "scalar loop",
    }
    assert {case["variant"] for case in variants["cases"]} == {*VARIANTS}
    assert widest(variants) < smallest(mutants) / 100
    assert {kill["mutant"] for kill in mutants["kills"]} == {"", *WRONG_PORTS}


FAMILY_RECORDS = sorted((ROOT / FAMILY).glob("*.json"))


def test_certificates_of_the_family_are_there():
    assert FAMILY_RECORDS


@pytest.mark.parametrize("path", FAMILY_RECORDS, ids=lambda path: path.stem)
def test_certificates_of_the_family_are_whole_and_of_a_commit(path):
    record, mutants = (json.loads(p.read_text()) for p in (path, ROOT / CHECK / "mutants.json"))
    assert record["ok"] and record["status"] == "complete" and not record["failures"]
    assert record["environment"]["commit"] and "dirty" not in record["environment"]["commit"]
    cases = {(case["model"], case["dtype"], case["steps"]) for case in record["cases"]}
    assert cases == {(path.stem, dtype, TUTORIAL_STEPS) for dtype in ("float64", "float32")}
    twins = {"Keras/tensorflow", "Keras/jax", "Keras/torch", "PyTorch"}
    assert {row["twin"] for row in record["rows"]} == twins
    assert all(row["ok"] for row in record["rows"])
    assert widest(record) < smallest(mutants) / 100
