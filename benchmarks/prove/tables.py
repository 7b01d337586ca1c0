"""What documents say of many records at once."""

from attention_twins.report import CheckRecord, number
from attention_twins.tables import Table


def overview(certificates: dict[str, CheckRecord]) -> Table:
    """A line for each certificate: what held, and by how much the weights differ at the end."""
    lines = []
    for name, record in certificates.items():
        limited = [row for row in record["rows"] if row["gate"] is not None]
        steps = max(case["steps"] for case in record["cases"])
        held = sum(row["ok"] for row in limited)
        line = [name, f"{steps:,}", f"{held:,} of {len(limited):,}"]
        for dtype in ("float64", "float32"):
            end = "trajectory", steps, dtype
            last = [row for row in limited if (row["rung"], row["step"], row["dtype"]) == end]
            largest = [max(row[key] for row in last) for key in ("max_abs", "gate") if last]
            line += map(number, largest) if last else ["", ""]
        lines.append(line)
    sides = (part for dtype in ("float64", "float32") for part in (dtype, "tolerance"))
    columns = ("network", "steps", "within tolerance", *sides)
    return Table("Other networks", columns, lines, left=1)
