"""What the measured parts of the documents say: behind `python -m benchmarks.readme`.

A file for each source: outcomes.py for `twins run`, certificates.py for `twins check`, speed.py for
`twins bench`, findings.py for `twins study`, sources.py for the code itself.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Where README.md, docs and results are."""
