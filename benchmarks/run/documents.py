"""What the README says of training, from records of `twins run`."""

import json
from pathlib import Path

from benchmarks.common.figures import save_figures
from benchmarks.common.tables import as_markdown
from benchmarks.run.figures import RUN_FIGURES
from benchmarks.run.tables import (
    RunRecord,
    caveat,
    conditions,
    difference_lines,
    results_table,
)

FOLDERS = ("results/tutorial-float32", "results/tutorial-float64")
FORECAST = "results/forecast"


def load_run(folder: Path) -> RunRecord:
    """The record in a folder."""
    return json.loads((folder / "record.json").read_text())


def redraw_runs(root: Path) -> None:
    """Draw the figures of every run anew."""
    for folder in (*FOLDERS, FORECAST):
        save_figures(RUN_FIGURES, load_run(root / folder), root / folder)


def run_blocks(root: Path) -> dict[str, dict[str, str]]:
    """Document → name of a block → what stands in it."""
    single, double, forecast = (load_run(root / folder) for folder in (*FOLDERS, FORECAST))
    return {
        "README.md": {
            "results": results_block(single, double),
            "forecast": forecast_block(forecast),
        }
    }


def results_block(single: RunRecord, double: RunRecord) -> str:
    """Figure and table of the run in float32, differences in both types, the conditions."""
    differences = [*difference_lines(double), *difference_lines(single)]
    return "\n\n".join(
        [
            f"![Predicted against true test numbers]({FOLDERS[0]}/predictions.png)",
            as_markdown(results_table(single)),
            "\n".join(f"- {line}" for line in differences),
            caveat(single),
            f"Conditions: {conditions(single)}. Records, weights and figures: "
            + " and ".join(f"[{folder}]({folder})" for folder in FOLDERS)
            + ".",
        ]
    )


def forecast_block(record: RunRecord) -> str:
    """Figure and errors of several numbers at once, the conditions."""
    return "\n\n".join(
        [
            f"![Forecasts of several numbers]({FORECAST}/forecast.png)",
            as_markdown(results_table(record)),
            "\n".join(f"- {line}" for line in difference_lines(record)),
            caveat(record),
            f"Conditions: {conditions(record)}. Record: [{FORECAST}]({FORECAST}).",
        ]
    )
