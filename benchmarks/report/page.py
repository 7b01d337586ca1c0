"""The page: sections from records, put into the template."""

import base64
import inspect
import io
import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, select_autoescape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from attention_twins.errors import InputError
from attention_twins.figures import growth_figure
from attention_twins.provenance import write_text
from attention_twins.report import CheckRecord, scores, sentence
from attention_twins.tables import Table
from benchmarks.bench.costs import workloads
from benchmarks.bench.plots import BENCH_FIGURES
from benchmarks.bench.records import Record
from benchmarks.bench.scaling import law_tables
from benchmarks.bench.tables import bench_notes, bench_tables, tables_of_all
from benchmarks.common.figures import Figures, R, drawn
from benchmarks.common.sources import FRAMEWORKS, ROOT
from benchmarks.prove.tables import overview
from benchmarks.report.collect import Found
from benchmarks.run.figures import RUN_FIGURES
from benchmarks.run.tables import (
    RunRecord,
    caveat,
    conditions,
    difference_lines,
    results_table,
)
from benchmarks.study.arms import label
from benchmarks.study.card import card
from benchmarks.study.plots import STUDY_FIGURES
from benchmarks.study.records import Study
from benchmarks.study.tables import answer, study_notes, study_tables
from shared import reference
from shared.config import MODELS
from shared.tasks import load_data

HERE = files("benchmarks.report")


@dataclass(frozen=True)
class Section:
    """One section of the page; what is empty is not shown."""

    id: str
    title: str
    text: str
    figures: list[dict[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    columns: list[dict[str, str]] = field(default_factory=list)
    """Title and code of sources side by side."""

    chooser: bool = False
    """It has the chooser of seeds."""


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
    looks = attention(found.study) if found.study else []
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    template = environment.from_string((HERE / "template.html").read_text(encoding="utf-8"))
    return template.render(
        style=(HERE / "style.css").read_text(encoding="utf-8") + code_style(),
        script=(HERE / "script.js").read_text(encoding="utf-8"),
        sections=sections(found, chooser=bool(looks)),
        attention=json.dumps(looks, allow_nan=False),
    )


def sections(found: Found, chooser: bool) -> list[Section]:
    """What the page shows, in the order of reading; the chooser if there is what to choose."""
    made = [side_by_side()]
    made += [run_section(horizon, record) for horizon, record in found.runs.items()]
    if found.checks:
        made.append(check_section(found.checks))
    made += [bench_section(i, record) for i, record in enumerate(found.benches.values())]
    if found.study:
        made.append(study_section(found.study))
        if chooser:
            made.append(attention_section())
        made.append(card_section(found.study))
    return made


def side_by_side() -> Section:
    """The layer in both frameworks, from the sources."""
    columns = []
    for package, name in FRAMEWORKS.items():
        source = (ROOT / package / "attention.py").read_text(encoding="utf-8")
        columns.append({"title": f"{name}: {package}/attention.py", "code": coloured(source)})
    text = "One layer written twice, with the same names in the same order."
    return Section("layer", "The layer, side by side", text, columns=columns)


def run_section(horizon: int, record: RunRecord) -> Section:
    """What `twins run` has trained, to predict one number or several."""
    several = horizon > 1
    aim = f"to forecast {horizon} numbers" if several else "to predict the next number"
    return Section(
        f"run-{horizon}" if several else "run",
        f"Trained in both, {aim}",
        caveat(record),
        pictures(RUN_FIGURES, record),
        [results_table(record)],
        [*difference_lines(record), conditions(record)],
    )


def check_section(certificates: dict[str, CheckRecord]) -> Section:
    """The certificates: the first stage by stage, the others a line each."""
    (_, certificate), *others = certificates.items()
    dtypes = dict.fromkeys(row["dtype"] for row in certificate["rows"])
    tables = [
        scores([row for row in certificate["rows"] if row["dtype"] == dtype]) for dtype in dtypes
    ]
    if others:
        tables.append(overview(dict(others)))
    commits = dict.fromkeys(c["environment"]["commit"] for c in certificates.values())
    return Section(
        "proof",
        "The proof that they are equal",
        sentence(certificate),
        pictures(CHECK_FIGURES, certificate),
        tables,
        [f"Commit {commit}." for commit in commits],
    )


def bench_section(place: int, record: Record) -> Section:
    """What training costs; of many settings only what holds for them all."""
    whole = len(workloads(record)) == 1
    name = record.plan["grid"]["name"]
    more = "" if whole else f" The tables of each setting: {record.folder / 'tables.md'}."
    return Section(
        f"speed-{place}" if place else "speed",
        "What training costs" + (f": {name}" if place else ""),
        f"Every line is measured in processes of its own, block by block.{more}",
        pictures(BENCH_FIGURES, record),
        bench_tables(record) if whole else [*tables_of_all(record), *law_tables(record)],
        bench_notes(record),
    )


def study_section(study: Study) -> Section:
    """Does attention help?"""
    margin = 0.05
    text = (
        f"{answer(study)} Every network with many seeds; a cross is the tutorial's own figure, of "
        "one run."
    )
    return Section(
        "study",
        "Does attention help?",
        text.strip(),
        pictures(STUDY_FIGURES, study),
        study_tables(study, margin),
        study_notes(study, margin),
    )


def attention_section() -> Section:
    """Attention weights of a seed that one can choose."""
    text = "The weight of each time step, averaged over the test rows, of a seed to choose."
    return Section("attention", "Where a network looks", text, chooser=True)


def card_section(study: Study) -> Section:
    """What the data are."""
    text = "What is in the rows, what they are worth without a network, what the split does."
    return Section("data", "The data", text, tables=card(study.arms[0].data_config))


def attention(study: Study) -> list[dict[str, Any]]:
    """Arms with attention, and alpha (T,) of each start whose weights were kept."""
    arms = []
    for arm in study.arms:
        if "attention" not in MODELS[arm.model]:
            continue
        data, starts = load_data(arm.data_config), []
        for rate in study.rates_of(arm):
            for start in study.trainings(arm, rate):
                if "weights" in start and start["test_mse"] is not None:
                    weights = {n: np.array(w, arm.dtype) for n, w in start["weights"].items()}
                    alpha = reference.forward(arm.model_config, weights, data.test_x)
                    mean = alpha["attention/alpha"].mean(axis=0)
                    name = f"seed {start['seed']}" + f", rate {rate:g}" * (len(study.rates) > 1)
                    rounded = [round(float(a), 5) for a in mean]
                    starts.append({"name": name, "error": start["test_mse"], "alpha": rounded})
        if starts:
            arms.append({"name": label(arm, study.arms), "starts": starts})
    return arms


CHECK_FIGURES: Figures[CheckRecord] = {
    "growth": (
        lambda certificate: growth_figure(certificate["curves"]) if certificate["curves"] else None,
        "How the largest difference of a weight grows with the training steps.",
    )
}


def pictures(figures: Figures[R], record: R) -> list[dict[str, str]]:
    """Source and words of each figure, as images with no address outside of the page."""
    made = []
    for figure, alt in drawn(figures, record).values():
        file = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "attention-twins", "svg.fonttype": "path"}):
            figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
        source = base64.b64encode(file.getvalue()).decode()
        made.append({"source": f"data:image/svg+xml;base64,{source}", "alt": alt})
    return made


def coloured(source: str) -> str:
    """Python as HTML."""
    return highlight(inspect.cleandoc(source), PythonLexer(), HtmlFormatter(cssclass="code"))


def code_style() -> str:
    """Colours of code, on light and on dark."""
    light = HtmlFormatter(style="default").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
