"""`python -m benchmarks.readme` writes into the documents what can be measured or quoted.

A block between `<!-- NAME -->` and `<!-- /NAME -->` is replaced. In README.md: `results` from the
two records of `twins run`, `proof` from the certificates of `twins check`, `speed` from the record
of `twins bench`, `layer` from the source of the two layers. In docs/differences.md: `effects`; in
docs/porting.md: `kills`; in docs/speed.md: `speed`, `lines`. No
number is typed by hand. The tables and figures of the record of `twins bench` are drawn anew.
"""

import ast
import json
import re
from pathlib import Path
from typing import Any

from benchmarks import kills
from benchmarks.scores import scores, sentence
from benchmarks.sheets import Table, as_markdown
from benchmarks.stopwatch.records import Record, read
from benchmarks.stopwatch.tables import notes, tables
from benchmarks.stopwatch.views import save
from benchmarks.tables import RESULT_COLUMNS, conditions, difference_lines, result_rows, verdict

ROOT = Path(__file__).parents[1]
FOLDERS = ("results/tutorial-float32", "results/tutorial-float64")
CHECK = "results/check"
BENCH = "results/bench/cpu"


def results_block(single: dict[str, Any], double: dict[str, Any]) -> str:
    """Figure and table of the run in float32, differences in both types, the conditions."""
    table = markdown(RESULT_COLUMNS, list(result_rows(single)), left=2)
    differences = [*difference_lines(double), *difference_lines(single)]
    return "\n\n".join(
        [
            f"![Predicted against true test numbers]({FOLDERS[0]}/predictions.png)",
            table,
            "\n".join(f"- {line}" for line in differences),
            verdict(single),
            f"Conditions: {conditions(single)}. Records, weights and figures: "
            + " and ".join(f"[{folder}]({folder})" for folder in FOLDERS)
            + ".",
        ]
    )


def markdown(columns: list[str], lines: list[list[str]], left: int = 1) -> str:
    """A table, its first columns to the left and the others to the right."""
    rule = ["---"] * left + ["--:"] * (len(columns) - left)
    titles = [column.replace("/\n", "/").replace("\n", " ") for column in columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, rule, *lines))


def proof_block(full: dict[str, Any], mutants: dict[str, Any]) -> str:
    """Figure, tables and conditions of the whole ladder."""
    parts = [f"![Growth of the difference]({CHECK}/growth.png)"]
    for dtype in dict.fromkeys(row["dtype"] for row in full["rows"]):
        rows = [row for row in full["rows"] if row["dtype"] == dtype]
        models = ", ".join(dict.fromkeys(row["model"] for row in rows))
        parts += [
            f"{dtype}, largest difference of any number from PyTorch, the worst of {models}:",
            markdown(*scores(rows)),
        ]
    return "\n\n".join(
        [
            *parts,
            f"{sentence(full)} {kills.sentence(mutants['kills'])}",
            f"Conditions: {check_conditions(full)}. Certificates: "
            f"[{CHECK}/full.json]({CHECK}/full.json), "
            f"[{CHECK}/mutants.json]({CHECK}/mutants.json).",
        ]
    )


def check_conditions(record: dict[str, Any]) -> str:
    """What a reader needs to judge a certificate."""
    environment = record["environment"]
    names = ("keras", "tensorflow", "jax", "torch", "numpy")
    versions = ", ".join(f"{name} {environment['versions'][name]}" for name in names)
    case = record["cases"][0]
    return (
        f"seed {case['seed']}, n = 1 start, {case['steps']:,} steps; {versions}; "
        f"{environment['processor']}, cpu, one thread for each framework"
    )


def effects_block(full: dict[str, Any], mutants: dict[str, Any]) -> str:
    """What each difference does if nothing is done about it."""
    lines = []
    for found in mutants["kills"]:
        if found["mutant"]:
            effect = found["effect"]
            size = "NaN on one side" if effect is None else f"{effect:.1e}"
            lines.append([found["mutant"], found["killed_by"], size])
    for optimizer in dict.fromkeys(r["optimizer"] for r in full["rows"] if r["gate"] is None):
        rows = [r for r in full["rows"] if r["gate"] is None and r["optimizer"] == optimizer]
        effect = max(row["max_abs"] for row in rows)
        lines.append([f"{optimizer}: no bridge", rows[0]["rung"], f"{effect:.1e}"])
    table = markdown(["difference left as it is", "seen first on the rung", "largest"], lines, 2)
    return f"{table}\n\nConditions: {check_conditions(mutants)}."


def kills_block(mutants: dict[str, Any]) -> str:
    """The kill matrix."""
    return "\n\n".join(
        [
            markdown(*kills.matrix(mutants["kills"])),
            f"{kills.sentence(mutants['kills'])} {check_conditions(mutants)}.",
        ]
    )


def speed_block(record: Record) -> str:
    """All tables of what each way to train costs, the figures, the conditions."""
    figures = {
        "Cost of a training step": f"![Cost of a training step](../{BENCH}/steps.png)",
        "Break-even": f"![Seconds in all against epochs](../{BENCH}/break_even.png)",
    }
    parts = []
    for table in tables(record):
        parts += [figure for title, figure in figures.items() if table.title.startswith(title)]
        parts += titled([table])
    return "\n\n".join([*parts, *notes(record), f"Record: [{BENCH}](../{BENCH})."])


def chosen(record: Record, *titles: str) -> list[Table]:
    """The tables whose titles begin so."""
    return [table for table in tables(record) if table.title.startswith(titles)]


def titled(found: list[Table]) -> list[str]:
    """Tables under their titles."""
    return [f"**{table.title}**\n\n{as_markdown(table).strip()}" for table in found]


SHORT = ("tier", "twin", "way to train", "µs per step and start", "times faster than its fit")
"""Columns of the table in the README."""


def short_speed_block(record: Record) -> str:
    """The figure, how much faster each twin gets, a cell against itself."""
    costs, null = chosen(record, "Cost of a training step", "A cell against itself")
    kept = [costs.columns.index(column) for column in (*SHORT, "30 epochs s")]
    lines = [[line[i] for i in kept] for line in costs.lines]
    return "\n\n".join(
        [
            f"![Cost of a training step]({BENCH}/steps.png)",
            f"Cost of a training step of {costs.title.removeprefix('Cost of a training step: ')}:",
            markdown([*SHORT, "30 epochs s"], lines, left=3),
            "A cell measured twice, as if it were two:",
            as_markdown(null).strip(),
            " ".join(notes(record)),
            f"Record: [{BENCH}]({BENCH}).",
        ]
    )


WAYS = {
    "fit": ["training"],
    "fit_compiled": ["compiled", "loop"],
    "fit_many": ["many", "loop"],
}
"""Way to train → the files that it takes, beside those of the network."""


def lines_block() -> str:
    """How much code each way takes."""
    lines = []
    for twin, package in (
        ("Keras/tensorflow", "keras_impl"),
        ("Keras/jax", "keras_impl"),
        ("Keras/torch", "keras_impl"),
        ("PyTorch", "torch_impl"),
    ):
        cells = []
        for files in WAYS.values():
            paths = [ROOT / package / f"{file}.py" for file in files]
            if "loop" in files and package == "keras_impl":
                paths.append(ROOT / package / "backends" / f"{twin.split('/')[1]}.py")
            cells.append(str(sum(map(code_lines, paths))))
        lines.append([twin, *cells])
    return markdown(["twin", *WAYS], lines)


def code_lines(path: Path) -> int:
    """Lines of a file that hold code, and not only a docstring, a comment or nothing."""
    tree, text = ast.parse(path.read_text()), path.read_text().splitlines()
    said: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said |= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    code = [line for i, line in enumerate(text, 1) if i not in said and line.strip()]
    return sum(not line.strip().startswith("#") for line in code)


def layer_block() -> str:
    """The method that computes attention, from both sources, side by side."""
    cells = []
    for package, framework in (("keras_impl", "Keras 3"), ("torch_impl", "PyTorch")):
        source = (ROOT / package / "attention.py").read_text()
        (method,) = (
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef) and node.name == "attend"
        )
        code = "\n".join(
            line.removeprefix("    ")
            for line in source.splitlines()[method.lineno - 1 : method.end_lineno]
        )
        cells.append(
            f"<td>\n\n`{package}/attention.py`, {framework}\n\n```python\n{code}\n```\n\n</td>"
        )
    return "<table><tr>\n" + "\n".join(cells) + "\n</tr></table>"


def fill(text: str, blocks: dict[str, str], document: str) -> str:
    """The text with every block replaced; each must be there once."""
    for name, block in blocks.items():
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda match, block=block: f"{match[1]}\n{block}\n\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"{document} must have one block {name}, got {count}")
    return text


def filled_documents() -> dict[Path, str]:
    """Every document as it should read, given the records and the sources."""

    def load(path: str) -> dict[str, Any]:
        return json.loads((ROOT / path).read_text())

    single, double = (load(f"{folder}/record.json") for folder in FOLDERS)
    full, mutants = (load(f"{CHECK}/{name}.json") for name in ("full", "mutants"))
    bench = read(ROOT / BENCH)
    blocks = {
        "README.md": {
            "results": results_block(single, double),
            "proof": proof_block(full, mutants),
            "speed": short_speed_block(bench),
            "layer": layer_block(),
        },
        "docs/differences.md": {"effects": effects_block(full, mutants)},
        "docs/porting.md": {"kills": kills_block(mutants)},
        "docs/speed.md": {"speed": speed_block(bench), "lines": lines_block()},
    }
    return {
        ROOT / name: fill((ROOT / name).read_text(), found, name) for name, found in blocks.items()
    }


if __name__ == "__main__":
    save(read(ROOT / BENCH))
    for path, text in filled_documents().items():
        path.write_text(text)
