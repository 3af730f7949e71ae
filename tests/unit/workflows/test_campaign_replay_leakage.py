"""Replay of past campaigns: nothing on or after a campaign's first day changes how its coupons are ranked."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pytest

from rapport.core.reasons import Status
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.workflows.backtest_campaigns import RAPPORT, CampaignResult, replay_campaigns

POOL = 24
SECOND = date(2017, 5, 1)


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    """Forty households, two campaigns with one pool; each household buys six of the coupons' products on 1 to 6 days.

    Every fourth household redeems a coupon whose products it never bought.
    """
    with DuckDBEngine(threads=1) as made:
        made.execute(
            """CREATE TABLE campaigns AS SELECT * FROM (VALUES
               ('first', 'A', DATE '2017-03-01', DATE '2017-06-30'),
               ('second', 'A', DATE '2017-05-01', DATE '2017-06-30')) t(campaign_id, kind, starts, ends)"""
        )
        made.execute(
            """CREATE TABLE coupons AS
               SELECT campaign_id, format('c{:02}', i) AS coupon_id, format('p{:02}', i) AS product_id
               FROM campaigns, range($pool) r(i)""",
            {"pool": POOL},
        )
        made.execute("CREATE TABLE customers AS SELECT k AS customer_key FROM range(40) r(k)")
        made.execute(
            """CREATE TABLE transactions AS
               SELECT k AS customer_key, format('p{:02}', (k * 5 + i * 7) % $pool) AS product_id,
                      DATE '2017-01-01' + CAST(10 * j + k % 7 AS INTEGER) AS day, format('b{}-{}', k, j) AS basket_id,
                      CAST(1000000 * (1 + (k + i) % 3) AS BIGINT) AS sales_micros,
                      CAST(0 AS BIGINT) AS discount_micros
               FROM range(40) a(k), range(6) b(i), range(6) c(j) WHERE j <= i""",
            {"pool": POOL},
        )
        made.execute(
            """CREATE TABLE redemptions AS SELECT k AS customer_key, campaign_id,
                      format('c{:02}', (k * 5 + if(k % 4 = 0, 1, (k % 6) * 7)) % $pool) AS coupon_id,
                      starts + 10 AS day
               FROM range(40) a(k), campaigns""",
            {"pool": POOL},
        )
        yield made


def _second(engine: DuckDBEngine) -> CampaignResult:
    return next(r for r in replay_campaigns(engine, "A") if r.campaign.campaign_id == "second")


def test_purchases_from_the_first_day_on_change_no_rank_and_no_weight(engine: DuckDBEngine) -> None:
    before = _second(engine)
    engine.execute(
        """INSERT INTO transactions SELECT k, format('p{:02}', i), $day + CAST(j AS INTEGER),
                  format('later{}-{}', k, j), 90000000, 0 FROM range(40) a(k), range(12) b(i), range(20) c(j)""",
        {"day": SECOND},
    )
    after = _second(engine)
    assert before.status is Status.OK
    np.testing.assert_array_equal(after.model.weights, before.model.weights)
    for policy, found in before.found.items():
        np.testing.assert_array_equal(after.found[policy], found)
    assert 0 < before.found[RAPPORT].mean() < 1


def test_redemptions_of_an_earlier_campaign_teach_only_where_they_were_known(engine: DuckDBEngine) -> None:
    before = _second(engine)
    row = "INSERT INTO redemptions SELECT k, 'first', 'c03', $day FROM range(40) a(k)"
    engine.execute(row, {"day": SECOND})
    after = _second(engine)
    assert before.model.redemptions == after.model.redemptions == 40
    np.testing.assert_array_equal(after.model.weights, before.model.weights)
    engine.execute(row, {"day": date(2017, 4, 30)})
    known = _second(engine)
    assert known.model.redemptions == 80
    assert not np.array_equal(known.model.weights, before.model.weights)


def test_redemptions_of_the_judged_campaign_teach_nothing_about_it(engine: DuckDBEngine) -> None:
    before = _second(engine)
    engine.execute("UPDATE redemptions SET coupon_id = 'c01' WHERE campaign_id = 'second'")
    after = _second(engine)
    np.testing.assert_array_equal(after.model.weights, before.model.weights)
