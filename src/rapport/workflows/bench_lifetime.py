"""Measures lifetimes: published fits, forecasts of weeks not seen, regular buyers, a million customers.

Why it exists: every figure that is claimed comes out of here, in the one shape of measured figures. Forecasts are
judged on time after the fit, beside the naive own rate; times are taken in fresh processes, beside the package
Lifetimes on the same histories. Nothing about a customer's later purchases may reach a fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rapport.core.keys import uniform
from rapport.differentiate.lifetime import (
    LifetimeModel,
    expected_purchases,
    fit_lifetime,
    fit_regular_lifetime,
)
from rapport.differentiate.lifetime_choice import choose_lifetime
from rapport.differentiate.lifetime_model import Method
from rapport.differentiate.likelihood import Floats
from rapport.differentiate.purchase_days import KnownHistory, known_until, purchase_days
from rapport.simulate.purchases import PurchaseWorld, simulate_purchases
from rapport.workflows.lifetime_data import (
    CDNOW_LAST,
    CDNOW_LAST_KNOWN,
    PUBLISHED,
    cdnow_purchases,
    journey_purchases,
)
from rapport.workflows.lifetime_speed import in_a_process

WEEKS = 39
NORMAL_95 = 1.96


@dataclass(frozen=True)
class _Sizes:
    customers: int
    regular: int
    draws: int
    everyone: bool
    """Whether all of CDNOW is fitted beside the sample."""
    barred: bool
    """Bars are about the full sizes; a small run shows figures only."""


_FULL = _Sizes(1_000_000, 20_000, 1_000, True, True)
_SMALL = _Sizes(5_000, 1_000, 50, False, False)


def bench_lifetime(folder: Path, small: bool, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure lifetimes and return the figures in the one shape.

    Parameters
    ----------
    folder : Path
        Where made-up histories are written; it must exist. They are removed when they have been measured.
    small : bool
        The same code on few customers, in seconds; without bars, which are about the full sizes.
    progress : callable
        Told what is measured next.

    Raises
    ------
    RapportError
        A process that measures failed, or the files of a public data set are not installed.
    """
    bench = _Bench(folder, _SMALL if small else _FULL, progress)
    return [
        *bench.published(),
        *bench.holdout(),
        *bench.regular(3, "regular"),
        *bench.regular(2, "regular_k2"),
        *bench.journey(),
        *bench.million(),
    ]


Statistic = Callable[[Floats], float]
"""A figure of customers, each counted so many times; shape (n,)."""


def _mean(values: Floats) -> Statistic:
    return lambda times: float(np.sum(times * values) / np.sum(times))


def _fit_weeks(history: KnownHistory, method: Method) -> LifetimeModel:
    return fit_lifetime(history.frequency, history.recency / 7, history.age / 7, time_unit="week", method=method)


def _own_rate(history: KnownHistory, days: float) -> Floats:
    """Return the forecast that goes on at the repeat rate so far: the naive comparator."""
    rate = np.divide(history.frequency, history.age, out=np.zeros_like(history.age), where=history.age > 0)
    return np.asarray(rate * days, dtype=np.float64)


class _Bench:
    """Fits, forecasts, and words the figures."""

    def __init__(self, folder: Path, sizes: _Sizes, progress: Callable[[str], None]) -> None:
        self._folder, self._sizes, self._progress = folder, sizes, progress

    def row(
        self, name: str, label: str, value: float, unit: str, *, bar: float | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return one figure; `meets` is at most the bar unless it is given."""
        bar = bar if self._sizes.barred else None
        meets = more.pop("meets", None)
        interval, beside = more.pop("interval", None), more.pop("comparator_value", None)
        return {
            "name": name,
            "label": label,
            "value": float(f"{value:.7g}"),
            "unit": unit,
            "interval": None if interval is None else [float(f"{end:.4g}") for end in interval],
            "comparator": None,
            **more,
            "comparator_value": None if beside is None else float(f"{beside:.6g}"),
            "bar": bar,
            "meets": None if bar is None else bool(value <= bar if meets is None else meets),
        }

    def interval(self, customers: int, salt: str, statistic: Statistic) -> list[float]:
        """Return the 95 % interval of a figure over customers drawn again and again; fits stay as they are."""
        places = np.arange(customers, dtype=np.int64)
        drawn = []
        for d in range(self._sizes.draws):
            at = (uniform(places, f"{salt}/{d}") * customers).astype(np.int64)
            drawn.append(statistic(np.bincount(at, minlength=customers).astype(np.float64)))
        return [float(q) for q in np.quantile(drawn, [0.025, 0.975])]

    def published(self) -> list[dict[str, Any]]:
        """Fit CDNOW and compare with what is printed."""
        rows = []
        for name, (method, everyone, source, printed) in PUBLISHED.items():
            if everyone and not self._sizes.everyone:
                continue
            self._progress(f"CDNOW, {'all customers' if everyone else 'sample'}: {method}")
            model = _fit_weeks(known_until(cdnow_purchases(everyone), CDNOW_LAST_KNOWN), method)
            found = {**model.parameters, "ll": model.log_likelihood}
            spread = dict.fromkeys(found) | _parameter_intervals(model)
            for parameter, text in printed.items():
                value, digits = found[parameter], len(text.partition(".")[2])
                rows.append(
                    self.row(
                        f"{name}_{parameter}",
                        f"{model.customers:,} customers, 39 weeks: {parameter}, every printed digit",
                        value,
                        "log-likelihood" if parameter == "ll" else "parameter, weeks",
                        bar=float(text),
                        meets=f"{value:.{digits}f}" == text,
                        interval=spread[parameter],
                        comparator=source,
                        comparator_value=float(text),
                    )
                )
        return rows

    def holdout(self) -> list[dict[str, Any]]:
        """Forecast weeks 40 to 78 of the sample by the model that is chosen on the 39 weeks before."""
        self._progress("CDNOW, sample: choice on 39 weeks, forecast of the next 39")
        purchases = cdnow_purchases(False)
        model = choose_lifetime(purchases, CDNOW_LAST_KNOWN, "week")
        history = known_until(purchases, CDNOW_LAST_KNOWN, CDNOW_LAST)
        weeks = history.frequency, history.recency / 7, history.age / 7
        forecast, naive = expected_purchases(model, *weeks, float(WEEKS)), _own_rate(history, 7.0 * WEEKS)
        came = history.ahead
        error, naive_error = np.abs(forecast - came), np.abs(naive - came)
        n = came.size
        own = {"comparator": "naive own rate"}
        label = f"sample, weeks 40 to 78, {model.method} chosen on weeks 1 to 39"
        rms, naive_rms = (float(np.sqrt(np.mean(e**2))) for e in (error, naive_error))
        regular = fit_regular_lifetime(*weeks, history.log_gaps - history.frequency * np.log(7.0), "week")
        rows = [
            self.row(
                "cdnow_mae",
                f"{label}: mean absolute error (compared at the four digits of the bar)",
                float(np.mean(error)),
                "purchase days",
                bar=0.7545,
                meets=round(float(np.mean(error)), 4) <= 0.7545,
                interval=self.interval(n, "bench/mae", _mean(error)),
                comparator_value=float(np.mean(naive_error)),
                **own,
            ),
            self.row(
                "cdnow_rmse",
                f"{label}: root mean squared error",
                rms,
                "purchase days",
                bar=1.603,
                interval=self.interval(n, "bench/rmse", lambda times: float(np.sqrt(_mean(error**2)(times)))),
                comparator_value=naive_rms,
                **own,
            ),
            self.row(
                "cdnow_total",
                f"{label}: purchase days forecast",
                float(np.sum(forecast)),
                "purchase days",
                comparator="purchase days that came",
                comparator_value=float(np.sum(came)),
            ),
            self.row(
                "cdnow_k",
                "sample, 39 weeks: regularity of highest likelihood, 1 to 6",
                regular.k,
                "stages",
                bar=1.0,
                comparator="log-likelihood of MBG/NBD",
                comparator_value=regular.log_likelihood,
            ),
        ]
        return [*rows[:2], self._tracking(model), *rows[2:], *self._compared(model)]

    def _tracking(self, model: LifetimeModel) -> dict[str, Any]:
        """Return how far the cumulative repeat purchases expected week by week lie from those that came."""
        purchases = cdnow_purchases(False)
        history = known_until(purchases, CDNOW_LAST_KNOWN)
        first = CDNOW_LAST_KNOWN - history.age
        repeat = np.concatenate([[False], purchases.customer[1:] == purchases.customer[:-1]])
        ends = [7 * week for week in range(WEEKS + 1, 2 * WEEKS + 1)]
        n = history.age.size
        came = np.stack(
            [np.bincount(purchases.customer[repeat & (purchases.day < end)], minlength=n) for end in ends]
        ).astype(np.float64)

        def error_of(fitted: LifetimeModel) -> Statistic:
            expected = _expected_after(fitted, np.stack([end - 1 - first for end in ends]))
            return lambda times: float(100 * np.mean(np.abs((expected @ times) / (came @ times) - 1.0)))

        every = np.ones(n)
        ours = error_of(model)
        return self.row(
            "cdnow_mape",
            f"sample, cumulative repeat purchases at the end of weeks 40 to 78, {model.method} chosen: mean error",
            ours(every),
            "%",
            bar=1.4,
            interval=self.interval(n, "bench/mape", ours),
            comparator="BG/NBD",
            comparator_value=float(error_of(_fit_weeks(history, "bg_nbd"))(every)),
        )

    def _compared(self, model: LifetimeModel) -> list[dict[str, Any]]:
        best = min(model.compared, key=lambda c: c.error)
        return [
            self.row(
                f"cdnow_choice_{c.method}",
                f"choice on weeks 1 to 39: {c.method} (k = {c.k}), {'' if c.chosen else 'not '}chosen: error",
                7 * c.error,
                "purchase days a week",
                interval=[7 * (best.error + b) for b in (c.behind_low, c.behind_high)] if c.behind else None,
                comparator="ranked probability score a week",
                comparator_value=float(7 * c.rps),
            )
            for c in model.compared
        ]

    def regular(self, k: int, name: str) -> list[dict[str, Any]]:
        """Forecast made-up customers who buy about every two weeks with regularity k and leave after purchases."""
        size = self._sizes.regular
        self._progress(f"{size:,} regular buyers, k = {k}")
        world = PurchaseWorld(2.0, 28.0 / k, "after_any", 0.6, 8.0, k, 90.0, 360.0, 360.0)
        made = simulate_purchases(world, size, seed=k)
        history = known_until(purchase_days(made.customer, made.day), -1, int(world.ahead_days) - 1)
        rows = history.frequency, history.recency, history.age
        model = fit_regular_lifetime(*rows, history.log_gaps)
        models = {
            "ours": model,
            "BG/NBD": fit_lifetime(*rows),
            "Pareto/NBD": fit_lifetime(*rows, method="pareto_nbd"),
        }
        forecast = {m: expected_purchases(f, *rows, world.ahead_days) for m, f in models.items()}
        error = {m: np.abs(f - history.ahead) for m, f in forecast.items()}
        total = float(np.sum(history.ahead))
        bias = {m: float(np.sum(f)) / total - 1.0 for m, f in forecast.items()}
        mean = {m: float(np.mean(e)) for m, e in error.items()}
        what = f"{size:,} simulated buyers, Erlang-{k}, a year ahead"
        ours, theirs = error["ours"], error["BG/NBD"]
        barred = name == "regular"
        return [
            self.row(
                f"{name}_mae_ratio",
                f"{what}: error of MBG/CNBD-k over that of BG/NBD",
                mean["ours"] / mean["BG/NBD"],
                "ratio",
                bar=0.95 if barred else None,
                interval=self.interval(size, f"bench/{name}", lambda t: _mean(ours)(t) / _mean(theirs)(t)),
                comparator="Pareto/NBD over BG/NBD",
                comparator_value=float(mean["Pareto/NBD"] / mean["BG/NBD"]),
            ),
            self.row(
                f"{name}_bias",
                f"{what}: total forecast by MBG/CNBD-k over total that came, less 1 (bar on its size)",
                bias["ours"],
                "share",
                bar=0.05 if barred else None,
                meets=abs(bias["ours"]) <= 0.05,
                comparator="BG/NBD",
                comparator_value=float(bias["BG/NBD"]),
            ),
            self.row(
                f"{name}_mae",
                f"{what}: mean absolute error of MBG/CNBD-k",
                mean["ours"],
                "purchase days",
                comparator="zero for all",
                comparator_value=float(np.mean(history.ahead)),
            ),
            self.row(
                f"{name}_total",
                f"{what}: purchase days forecast by MBG/CNBD-k",
                float(np.sum(forecast["ours"])),
                "purchase days",
                comparator="purchase days that came",
                comparator_value=total,
            ),
            self.row(f"{name}_k", f"{what}: regularity found, true {k}", model.k, "stages"),
        ]

    def journey(self) -> list[dict[str, Any]]:
        """Forecast the second half year of grocery households from the first."""
        self._progress("Complete Journey: second half year from the first")
        purchases = journey_purchases()
        now, end = 180, 361
        model = choose_lifetime(purchases, now)
        history = known_until(purchases, now, end)
        days = float(end - now)
        forecast = expected_purchases(model, history.frequency, history.recency, history.age, days)
        error, naive = np.abs(forecast - history.ahead), np.abs(_own_rate(history, days) - history.ahead)
        what = f"{error.size:,} households, {model.method} chosen on the first half year"
        total = float(np.sum(history.ahead))
        return [
            self.row(
                "complete_journey_mae",
                f"{what}: mean absolute error in the second",
                float(np.mean(error)),
                "purchase days",
                interval=self.interval(error.size, "bench/journey", _mean(error)),
                comparator="naive own rate",
                comparator_value=float(np.mean(naive)),
            ),
            self.row(
                "complete_journey_bias",
                f"{what}: total forecast over total that came, less 1",
                float(np.sum(forecast)) / total - 1.0,
                "share",
                comparator="naive own rate",
                comparator_value=float(np.sum(_own_rate(history, days)) / total - 1.0),
            ),
        ]

    def _write(self, customers: int) -> Path:
        world = PurchaseWorld(0.243, 7 * 4.414, "after_repeat", 0.793, 2.426, 1, 0.0, 364.0, 1.0)
        made = simulate_purchases(world, customers, seed=1)
        path = self._folder / f"histories-{customers}.npz"
        np.savez(path, frequency=made.frequency, recency=made.recency_days, age=made.age_days)
        return path

    def million(self) -> list[dict[str, Any]]:
        """Take the times on many customers, each model in a process of its own."""
        n = self._sizes.customers
        methods: tuple[Method, ...] = ("bg_nbd", "pareto_nbd")
        said: dict[tuple[str, str], dict[str, Any]] = {}
        for size in (n, 2 * n):
            self._progress(f"{size:,} customers: {', '.join(methods)}{' beside Lifetimes' if size == n else ''}")
            path = self._write(size)
            for method in methods:
                said[method, "ours" if size == n else "twice"] = in_a_process("ours", path, method)
                if size == n:
                    said[method, "theirs"] = in_a_process("lifetimes", path, method)
            path.unlink()
        return self._million_rows(said)

    def _million_rows(self, said: dict[tuple[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
        rows = []
        for method, short, fit_bar in (("bg_nbd", "", 5.0), ("pareto_nbd", "pareto_", 15.0)):
            ours, theirs = said[method, "ours"], said[method, "theirs"]
            what = f"{self._sizes.customers:,} customers, {ours['distinct']:,} distinct rows, days, {method}"
            beside = {"comparator": "Lifetimes on the distinct rows"}
            rows.append(
                self.row(
                    f"lifetime_1m_{short}fit_s",
                    f"{what}: from arrays to the fitted model ({ours['status']})",
                    ours["fit_s"],
                    "s",
                    bar=fit_bar,
                    comparator_value=float(theirs["fit_s"]),
                    **beside,
                )
            )
            rows.append(
                self.row(
                    f"lifetime_1m_{short}predict_s",
                    f"{what}: expected purchases and chance to be still here of each",
                    ours["predict_s"],
                    "s",
                    bar=2.0,
                    comparator="Lifetimes",
                    comparator_value=float(theirs["predict_s"]),
                )
            )
        peaks = [said[m, "ours"]["peak_gib"] for m in ("bg_nbd", "pareto_nbd")]
        theirs_peak = max(said[m, "theirs"]["peak_gib"] for m in ("bg_nbd", "pareto_nbd"))
        rows.append(
            self.row(
                "lifetime_1m_peak_gib",
                f"{self._sizes.customers:,} customers: peak memory of either model, reading included",
                max(peaks),
                "GiB",
                bar=1.0,
                comparator="Lifetimes",
                comparator_value=float(theirs_peak),
            )
        )
        for method, short in (("bg_nbd", ""), ("pareto_nbd", "pareto_")):
            once, twice = (sum(said[method, w][s] for s in ("fit_s", "predict_s")) for w in ("ours", "twice"))
            rows.append(
                self.row(
                    f"lifetime_{short}growth_2m",
                    f"{method}: time for {2 * self._sizes.customers:,} customers as a multiple",
                    twice / once,
                    "ratio",
                )
            )
        return rows


def _parameter_intervals(model: LifetimeModel) -> dict[str, list[float]]:
    """Return the 95 % intervals from the observed information, symmetric on the logarithm."""
    if model.covariance is None:
        return {}
    errors = [float(np.sqrt(model.covariance[i][i])) for i in range(4)]
    return {
        name: [float(value * np.exp(sign * NORMAL_95 * error)) for sign in (-1, 1)]
        for (name, value), error in zip(model.parameters.items(), errors, strict=True)
    }


def _expected_after(model: LifetimeModel, days: Floats) -> Floats:
    """Return the expected repeat purchases of customers so many days after their first, by a model in weeks."""
    times, which = np.unique(days, return_inverse=True)
    zero = np.zeros(1)
    expected = np.array([expected_purchases(model, zero, zero, zero, float(t) / 7)[0] for t in times])
    return expected[which].reshape(days.shape)
