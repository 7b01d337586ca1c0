"""The page: sections from records, put into the template."""

import base64
import inspect
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, select_autoescape
from matplotlib.figure import Figure
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from attention_twins.errors import InputError
from attention_twins.provenance import write_text
from benchmarks.bench import plots as bench_plots
from benchmarks.bench.costs import settings
from benchmarks.bench.records import Record
from benchmarks.bench.scaling import law_tables
from benchmarks.bench.tables import notes as bench_notes
from benchmarks.bench.tables import tables as bench_tables
from benchmarks.bench.tables import tables_of_all
from benchmarks.common.tables import Table
from benchmarks.prove import tables
from benchmarks.report.collect import Found
from benchmarks.run import figures
from benchmarks.run.tables import RESULT_COLUMNS, conditions, difference_lines, result_rows, verdict
from benchmarks.study import plots as study_plots
from benchmarks.study.arms import label
from benchmarks.study.card import card
from benchmarks.study.records import Study
from benchmarks.study.tables import answer
from benchmarks.study.tables import notes as study_notes
from benchmarks.study.tables import tables as study_tables
from shared import reference
from shared.config import MODELS
from shared.tasks import load_data

ROOT = Path(__file__).parents[2]
HERE = files("benchmarks.report")


def write_page(path: Path, found: Found) -> None:
    """Write the page, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    text = page(found)
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"out must be a file that can be written, got {str(path)!r}") from error


def page(found: Found) -> str:
    """The page as text."""
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    template = environment.from_string((HERE / "template.html").read_text(encoding="utf-8"))
    return template.render(
        style=(HERE / "style.css").read_text(encoding="utf-8") + code_style(),
        script=(HERE / "script.js").read_text(encoding="utf-8"),
        sections=[section for section in sections(found) if section],
        attention=json.dumps(attention(found.study) if found.study else [], allow_nan=False),
    )


def sections(found: Found) -> list[dict[str, Any]]:
    """What the page shows, in the order of reading."""
    made: list[dict[str, Any]] = [side_by_side()]
    made += [run_section(horizon, record) for horizon, record in found.runs.items()]
    if found.checks:
        made.append(check_section(found.checks))
    made += [bench_section(i, record) for i, record in enumerate(found.benches.values())]
    if found.study:
        made += [
            study_section(found.study),
            attention_section(found.study),
            card_section(found.study),
        ]
    return made


def side_by_side() -> dict[str, Any]:
    """The layer in both frameworks, from the sources."""
    columns = []
    for package, name in (("keras_impl", "Keras 3"), ("torch_impl", "PyTorch")):
        source = (ROOT / package / "attention.py").read_text(encoding="utf-8")
        columns.append({"title": f"{name}: {package}/attention.py", "code": coloured(source)})
    return {
        "id": "layer",
        "title": "The layer, side by side",
        "text": "One layer written twice, with the same names in the same order.",
        "columns": columns,
    }


def run_section(horizon: int, record: dict[str, Any]) -> dict[str, Any]:
    """What `twins run` has trained, to predict one number or several."""
    drawn = [(make(record), text) for make, text in figures.FIGURES.values()]
    columns = tuple(column.replace("\n", " ") for column in RESULT_COLUMNS)
    results = Table("Results", columns, list(result_rows(record)))
    return {
        "id": f"run-{horizon}" if horizon > 1 else "run",
        "title": "Trained in both"
        + (f", to forecast {horizon} numbers" if horizon > 1 else ", to predict the next number"),
        "text": verdict(record),
        "figures": [
            {"source": as_source(figure), "alt": text}
            for figure, text in drawn
            if figure is not None
        ],
        "tables": [as_table(results)],
        "notes": [*difference_lines(record), conditions(record)],
    }


def check_section(certificates: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The ladder's certificates: the first rung by rung, the others a line each."""
    (_, certificate), *others = certificates.items()
    made = []
    for dtype in dict.fromkeys(row["dtype"] for row in certificate["rows"]):
        rows = [row for row in certificate["rows"] if row["dtype"] == dtype]
        columns, lines = tables.scores(rows)
        title = f"{dtype}: largest difference of any number, rung by rung"
        made.append(as_table(Table(title, tuple(c.replace("\n", " ") for c in columns), lines, 1)))
    if others:
        made.append(as_table(tables.overview(dict(others))))
    curves = certificate["curves"]
    return {
        "id": "proof",
        "title": "The proof that they are equal",
        "text": tables.sentence(certificate),
        "figures": [
            {
                "source": as_source(tables.growth_figure(curves)),
                "alt": "How the largest difference of a weight grows with the training steps.",
            }
        ]
        if curves
        else [],
        "tables": made,
        "notes": [
            f"Commit {commit}."
            for commit in dict.fromkeys(c["environment"]["commit"] for c in certificates.values())
        ],
    }


def bench_section(place: int, record: Record) -> dict[str, Any]:
    """What training costs; of many settings only what holds for them all."""
    whole = len(settings(record)) == 1
    shown = bench_tables(record) if whole else [*tables_of_all(record), *law_tables(record)]
    name = record.plan["grid"]["name"]
    more = "" if whole else f" The tables of each setting: {record.folder / 'tables.md'}."
    return {
        "id": f"speed-{place}" if place else "speed",
        "title": "What training costs" + (f": {name}" if place else ""),
        "text": f"Every line is measured in processes of its own, block by block.{more}",
        "figures": [
            {"source": as_source(figure), "alt": bench_plots.ALTS[name]}
            for name, figure in bench_plots.figures(record).items()
        ],
        "tables": [as_table(table) for table in shown],
        "notes": bench_notes(record),
    }


def study_section(study: Study) -> dict[str, Any]:
    """Does attention help?"""
    margin = 0.05
    return {
        "id": "study",
        "title": "Does attention help?",
        "text": f"{answer(study)} Every network from many starts; a cross is the tutorial's own "
        "figure, of one run.".strip(),
        "figures": [
            {
                "source": as_source(study_plots.errors_figure(study)),
                "alt": "Test errors of every start, an arm a row, with quantiles.",
            },
            {
                "source": as_source(study_plots.loss_figure(study)),
                "alt": "Training loss against epochs, median and middle half of the starts.",
            },
        ],
        "tables": [as_table(table) for table in study_tables(study, margin)],
        "notes": study_notes(study, margin),
    }


def attention_section(study: Study) -> dict[str, Any] | None:
    """Attention weights of a start that one can choose."""
    if not attention(study):
        return None
    return {
        "id": "attention",
        "title": "Where a start looks",
        "text": "The weight of each time step, averaged over the test rows, of a start to choose.",
        "chooser": True,
    }


def card_section(study: Study) -> dict[str, Any]:
    """What the data are."""
    config = study.arms[0].data_config
    return {
        "id": "data",
        "title": "The data",
        "text": "What is in the rows, what they are worth without a network, what the split does.",
        "tables": [as_table(table) for table in card(config)],
    }


def attention(study: Study) -> list[dict[str, Any]]:
    """Arms with attention, and alpha (T,) of each start whose weights were kept."""
    found = []
    for arm in study.arms:
        if "attention" not in MODELS[arm.model]:
            continue
        data, starts = load_data(arm.data_config), []
        for rate in study.rates_of(arm):
            for start in study.starts(arm, rate):
                if "weights" in start and start["test_mse"] is not None:
                    weights = {n: np.array(w, arm.dtype) for n, w in start["weights"].items()}
                    alpha = reference.forward(arm.model_config, weights, data.test_x)
                    mean = alpha["attention/alpha"].mean(axis=0)
                    name = f"seed {start['seed']}" + f", rate {rate:g}" * (len(study.rates) > 1)
                    error = start["test_mse"]
                    starts.append(
                        {"name": name, "error": error, "alpha": [round(float(a), 5) for a in mean]}
                    )
        if starts:
            found.append({"name": label(arm, study.arms), "starts": starts})
    return found


def as_table(table: Table) -> dict[str, Any]:
    """A table for the template."""
    return {
        "title": table.title,
        "columns": table.columns,
        "lines": table.lines,
        "left": table.left,
    }


def as_source(figure: Figure) -> str:
    """A figure as the source of an image, with no address outside of the page."""
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "attention-twins", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()


def coloured(source: str) -> str:
    """Python as HTML."""
    return highlight(inspect.cleandoc(source), PythonLexer(), HtmlFormatter(cssclass="code"))


def code_style() -> str:
    """Colours of code, on light and on dark."""
    light = HtmlFormatter(style="default").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
