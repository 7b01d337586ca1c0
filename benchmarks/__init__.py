"""What this repository runs: `twins run`, `prove`, `bench`, `study` and `report`."""
