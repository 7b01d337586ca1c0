"""What people see of a record: tables in the terminal, in Markdown and CSV; figures."""

import csv
import io

from attention_twins.provenance import write_text
from benchmarks.bench.records import Record
from benchmarks.bench.scaling import law_tables
from benchmarks.bench.tables import as_rows, notes, tables
from benchmarks.common.tables import as_markdown, print_table, wide_console


def show(record: Record) -> None:
    """Print every table."""
    console = wide_console()
    for table in [*tables(record), *law_tables(record)]:
        print_table(console, table)
    for note in notes(record):
        console.print(note, markup=False, highlight=False)
    for said in record.corrupt:
        console.print(said, style="yellow", markup=False)


def save(record: Record) -> None:
    """Write tables.md, cells.csv and the figures into the record's folder."""
    from benchmarks.bench.plots import save_figures

    for name, text in texts(record).items():
        write_text(record.folder / name, text)
    save_figures(record)


def texts(record: Record) -> dict[str, str]:
    """Name of a file → what is in it."""
    markdown = "\n".join(
        f"### {table.title}\n\n{as_markdown(table)}\n"
        for table in [*tables(record), *law_tables(record)]
    )
    rows, file = as_rows(record), io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text = markdown + "".join(f"\n{note}\n" for note in notes(record))
    return {"tables.md": text, "cells.csv": file.getvalue()}
