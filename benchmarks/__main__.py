"""`python -m benchmarks` is `twins`."""

import sys


def main() -> int:
    """Import the command line, which takes a moment, and run it."""
    try:
        from benchmarks import cli

        return cli.main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
