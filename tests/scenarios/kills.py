"""Kills a running command at a chosen moment, as a power cut or an impatient administrator would."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from shop_runs import started

PATIENCE_SECONDS = 240


def killed_when(shop: Path, reached: Callable[[], bool], *words: str) -> bool:
    """Start a command, kill it with SIGKILL as soon as `reached`; return whether it was still at work."""
    process = started(words[0], shop, *words[1:])
    stop = time.monotonic() + PATIENCE_SECONDS
    try:
        while process.poll() is None and not reached():
            assert time.monotonic() < stop, f"{words[0]} never came to the moment of the kill"
            time.sleep(0.0005)
    finally:
        process.kill()
    return process.wait() == -9


def killed_after(shop: Path, seconds: float, *words: str) -> bool:
    """Start a command, kill it with SIGKILL after some time; return whether it was still at work."""
    stop = time.monotonic() + seconds
    return killed_when(shop, lambda: time.monotonic() >= stop, *words)
