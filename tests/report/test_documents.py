"""What the documents say is what the project is."""

import re
from pathlib import Path

import pytest
from synthetic import FAST, OTHER, PLAIN, record_of

from benchmarks.bench.documents import again_block
from benchmarks.common.sources import code_lines
from benchmarks.documents import filled_documents

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_measured_parts_are_what_the_command_makes():
    documents = filled_documents()
    assert len(documents) == 5
    for path, text in documents.items():
        assert path.read_text() == text, path


def test_tree_names_every_source_file_and_no_other():
    tree = re.search(r"```\n(attention_twins/ .*?)```", README, re.DOTALL)
    assert tree
    named = set(re.findall(r"(\w+\.py)", tree[1]))
    files = {
        path.name
        for package in ("attention_twins", "shared", "keras_impl", "torch_impl", "benchmarks")
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
        match = re.search(r"`(\w+/test_\w+\.py)::(test_\w+)` \|$", row)
        assert match, row
        assert f"def {match[2]}(" in (ROOT / "tests" / match[1]).read_text(), row


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
