"""What people see of a study: tables in the terminal, in Markdown and CSV; figures."""

import csv
import io

from attention_twins.provenance import write_text
from benchmarks.common.tables import as_document, print_record
from benchmarks.study.arms import Arm
from benchmarks.study.records import Study
from benchmarks.study.tables import study_notes, study_tables


def show(study: Study, margin: float) -> None:
    """Print every table."""
    print_record(study_tables(study, margin), study_notes(study, margin), study.corrupt)


def save(study: Study, margin: float) -> None:
    """Write tables.md, starts.csv and the figures into the record's folder."""
    from benchmarks.common.figures import save_figures
    from benchmarks.study.plots import STUDY_FIGURES

    text = as_document(study_tables(study, margin), study_notes(study, margin))
    write_text(study.folder / "tables.md", text)
    write_text(study.folder / "starts.csv", as_csv(study))
    save_figures(STUDY_FIGURES, study, study.folder)


def as_csv(study: Study) -> str:
    """A row for each training."""
    file = io.StringIO()
    own = ("seed", "learning_rate", "train_mse", "test_mse")
    names = list(dict.fromkeys([*Arm.ORDER, *own]))
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    for arm in study.arms:
        for rate in study.rates_of(arm):
            for start in study.trainings(arm, rate):
                writer.writerow(arm.as_dict() | {name: start[name] for name in own})
    return file.getvalue()
