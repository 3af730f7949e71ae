"""Times of fits and forecasts, each in a fresh process, so that peak memory is that of the work alone.

Why it exists: a process that has simulated a million customers cannot say how much memory fitting them takes. What is
measured is read from a file that ``bench_lifetime`` has written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rapport.core.errors import RapportError
from rapport.differentiate.lifetime import alive_probability, expected_purchases, fit_lifetime
from rapport.differentiate.lifetime_model import Method
from rapport.differentiate.likelihood import Floats, distinct_rows

_CHILD = "import sys; from rapport.workflows.lifetime_speed import child; child(sys.argv[1])"


def in_a_process(task: str, path: Path, method: Method) -> dict[str, Any]:
    """Return what a fresh process measured, on one thread.

    Parameters
    ----------
    task : {'ours', 'lifetimes'}
    path : Path
        Histories: ``frequency``, ``recency`` and ``age`` in a NumPy archive.
    method : {'bg_nbd', 'pareto_nbd'}

    Raises
    ------
    RapportError
        The process failed.
    """
    told = json.dumps({"task": task, "path": str(path), "method": method})
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, told],
        capture_output=True,
        text=True,
        env={**os.environ, **one},
        check=False,
    )
    if ran.returncode:
        raise RapportError(f"bench: {task} of {method} failed - {ran.stderr.strip()[-500:]}; see above.")
    said: dict[str, Any] = json.loads(ran.stdout)
    return said


def child(told: str) -> None:
    """Measure in this process and print the result; `told` is JSON with the path of histories and the task."""
    task = json.loads(told)
    measure = {"ours": _ours, "lifetimes": _lifetimes}[task["task"]]
    sys.stdout.write(json.dumps({**measure(Path(task["path"]), task["method"]), "peak_gib": _peak_gib()}))


def _peak_gib() -> float:
    """Return the most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        # The other figure counts what the parent held when it started this process.
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _histories(path: Path) -> tuple[Floats, Floats, Floats]:
    with np.load(path) as held:
        return held["frequency"], held["recency"], held["age"]


def _ours(path: Path, method: Method) -> dict[str, Any]:
    rows = _histories(path)
    # The first call loads what the search needs; that is not the work.
    few = rows[0][:200], rows[1][:200], rows[2][:200]
    fit_lifetime(*few, method=method)
    began = time.perf_counter()
    model = fit_lifetime(*rows, method=method)
    fitted = time.perf_counter()
    forecast, alive = expected_purchases(model, *rows, 182.0), alive_probability(model, *rows)
    done = time.perf_counter()
    if not (np.all(np.isfinite(forecast)) and np.all(np.isfinite(alive))):
        raise RapportError(f"bench: a forecast of {method} is not finite; none may be. Report the histories.")
    told = {"status": str(model.status), "distinct": model.distinct_rows, "log_likelihood": model.log_likelihood}
    return {"fit_s": fitted - began, "predict_s": done - fitted, **told}


def _lifetimes(path: Path, method: Method) -> dict[str, Any]:
    """Fit and forecast with the package Lifetimes, which is handed the distinct rows and their weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Found by its name: the package has no types, and only this comparison needs it.
        lifetimes = import_module("lifetimes")
        rows = _histories(path)
        distinct, weights = distinct_rows(rows, None)
        fitter: Any = {"bg_nbd": lifetimes.BetaGeoFitter, "pareto_nbd": lifetimes.ParetoNBDFitter}[method]()
        began = time.perf_counter()
        fitter.fit(*distinct, weights=weights)
        fitted = time.perf_counter()
        fitter.conditional_expected_number_of_purchases_up_to_time(182.0, *rows)
        fitter.conditional_probability_alive(*rows)
    return {"fit_s": fitted - began, "predict_s": time.perf_counter() - fitted}
