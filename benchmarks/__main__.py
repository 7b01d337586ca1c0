"""`python -m benchmarks` is `twins`."""

import sys

from attention_twins.cli import main

if __name__ == "__main__":
    sys.exit(main())
