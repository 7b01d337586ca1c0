"""What people see of a record: tables in the terminal, in Markdown and CSV; figures."""

import csv
import io

from attention_twins.provenance import write_text
from benchmarks.bench.records import Record
from benchmarks.bench.scaling import law_tables
from benchmarks.bench.tables import as_rows, bench_notes, bench_tables
from benchmarks.common.tables import as_document, print_record


def show(record: Record) -> None:
    """Print every table."""
    tables = [*bench_tables(record), *law_tables(record)]
    print_record(tables, bench_notes(record), record.corrupt)


def save(record: Record) -> None:
    """Write tables.md, cells.csv and the figures into the record's folder."""
    from benchmarks.bench.plots import BENCH_FIGURES
    from benchmarks.common.figures import save_figures

    for name, text in texts(record).items():
        write_text(record.folder / name, text)
    save_figures(BENCH_FIGURES, record, record.folder)


def texts(record: Record) -> dict[str, str]:
    """Name of a file → what is in it."""
    rows, file = as_rows(record), io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text = as_document([*bench_tables(record), *law_tables(record)], bench_notes(record))
    return {"tables.md": text, "cells.csv": file.getvalue()}
