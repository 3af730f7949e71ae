"""Gathers what the report says of the value model: parameters, what is hardly identified, what it was chosen among.

Why it exists: a parameter that the data hardly tell looks as firm as one that they tell well, unless the page says in
words which is which and what hangs on it. No chart and no HTML here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rapport.differentiate.lifetime_model import LifetimeModel
from rapport.program.model import Program
from rapport.reports.facts import ComparedFacts, Figure, ParameterFacts, ValueModelFacts

METHOD_NAMES = {
    "bg_nbd": "BG/NBD",
    "pareto_nbd": "Pareto/NBD",
    "mbg_cnbd": "MBG/CNBD-k",
    "own_rate": "a customer's own rate",
    "gamma_gamma": "Gamma-Gamma",
    "shrunk_mean": "own mean, pulled by one purchase day",
    "one_mean": "one mean for all",
}
NORMAL_95 = 1.96
HARDLY = 10.0
"""A parameter is hardly identified where the ends of its 95 % interval are further apart than by this factor."""
YEAR_DAYS = 365.0
FOUR_WEEKS = 28.0


def value_model_facts(
    program: Program, lifetime: dict[str, Any], spend: dict[str, Any], counts: dict[str, Any]
) -> ValueModelFacts:
    """Return what the report says of the value model, from the records that the turn keeps.

    Parameters
    ----------
    counts : dict
        What the turn's record says of its scores, such as ``value_spread``, ``cohorts`` and ``seasons``.
    """
    model = LifetimeModel.from_record(lifetime)
    cost = program.cost_to_serve
    notes = [
        "cost to serve is not known" if cost is None else f"cost to serve is {cost.basis}",
        *_cohorts(program, counts.get("cohorts")),
        *_seasons(counts.get("seasons")),
    ]
    return ValueModelFacts(
        name=f"{METHOD_NAMES[model.method]} with {METHOD_NAMES[spend['method']]}",
        status=lifetime["status"] if lifetime["status"] != "OK" else spend["status"],
        horizon_days=program.horizon_days,
        parameters=(*_lifetime_parameters(model), *_derived(model), *_spend_parameters(program, spend)),
        note="; ".join(notes),
        warnings=tuple(_warnings(model, counts.get("value_spread"))),
        compared=(*_compared_lifetimes(model), *_compared_spends(spend)),
    )


def _cohorts(program: Program, found: dict[str, Any] | None) -> list[str]:
    """Return whether cohorts have lifetimes of their own, and what says so."""
    if found is None:
        return []
    of = f"cohorts by {program.value.cohorts}"
    if found["error"] is None:
        return [f"{of}: fewer than two are large enough for a model of their own"]
    gain = found["better"] / found["error_pooled"] if found["error_pooled"] else 0.0
    low, high = (
        found[n] / found["error_pooled"] if found["error_pooled"] else 0.0 for n in ("better_low", "better_high")
    )
    told = f"on days held out their models missed by {gain:.1%} less ({low:.1%} to {high:.1%}, 95 %)"
    return [f"{of}: {'in use' if found['chosen'] else 'not in use'}, {told}"]


def _seasons(found: dict[str, Any] | None) -> list[str]:
    """Return by how much the strongest and the weakest weeks differ from the mean, where seasons are in use."""
    if found is None:
        return []
    return [
        f"seasonal factors of four weeks from {min(found['factors']):.2f} to {max(found['factors']):.2f} are in the "
        f"forecast; on weeks held out they missed by {found['better']:.0%} less "
        f"({found['better_low']:.0%} to {found['better_high']:.0%}, 95 %)"
    ]


def _lifetime_parameters(model: LifetimeModel) -> list[ParameterFacts]:
    errors = _standard_errors(model)
    found = [_positive(n, v, errors[i] if errors else None) for i, (n, v) in enumerate(model.parameters.items())]
    if model.method == "mbg_cnbd":
        note = "of highest likelihood; 1 is random times, more is more regular"
        found.append(ParameterFacts("k, regularity of purchases", Figure(model.k, unit="count", note=note)))
    return found


def _spend_parameters(program: Program, spend: dict[str, Any]) -> list[ParameterFacts]:
    basis = program.margins.basis
    mean = Figure(spend["mean_micros"], unit="money", basis=basis, note="fitted over customers")
    found = [ParameterFacts("mean contribution of a purchase day", mean)]
    if spend["method"] == "gamma_gamma":
        unknown = "fitted; its uncertainty is not estimated"
        found = [*(ParameterFacts(n, Figure(spend[n], note=unknown)) for n in ("p", "q")), *found]
    return found


def _derived(model: LifetimeModel) -> list[ParameterFacts]:
    """Return what the parameters mean, which is often told better than the parameters themselves."""
    if model.method == "own_rate":
        return []
    year = YEAR_DAYS / model.unit_days
    rate = model.r / model.alpha * year / model.k
    found = [_ratio("purchases a year while here, mean", rate, model, 0)]
    if model.method == "pareto_nbd":
        found.append(_ratio("rate of leaving a year, mean", model.a / model.b * year, model, 2))
    else:
        found.append(_chance_to_leave(model))
    return found


def _ratio(name: str, value: float, model: LifetimeModel, first: int) -> ParameterFacts:
    """Return a ratio of two neighbouring parameters; its logarithm is a difference of theirs (delta method)."""
    if model.covariance is None:
        return _positive(name, value, None)
    c = model.covariance
    variance = c[first][first] + c[first + 1][first + 1] - 2.0 * c[first][first + 1]
    return _positive(name, value, float(np.sqrt(max(variance, 0.0))))


def _chance_to_leave(model: LifetimeModel) -> ParameterFacts:
    """Return a / (a + b), whose log odds are the difference of the logarithms of a and b (delta method)."""
    name, value = "chance to leave after a purchase, mean", model.a / (model.a + model.b)
    if model.covariance is None or model.a <= 0.0:
        return ParameterFacts(name, Figure(value, unit="share", note="its uncertainty is not identified"))
    c = model.covariance
    half = NORMAL_95 * float(np.sqrt(max(c[2][2] + c[3][3] - 2.0 * c[2][3], 0.0)))
    odds = np.log(model.a / model.b)
    low, high = (float(1.0 / (1.0 + np.exp(-(odds + d)))) for d in (-half, half))
    return ParameterFacts(name, Figure(value, low, high, unit="share"))


def _standard_errors(model: LifetimeModel) -> list[float] | None:
    if model.covariance is None:
        return None
    return [float(np.sqrt(model.covariance[i][i])) for i in range(4)]


def _positive(name: str, value: float, error: float | None) -> ParameterFacts:
    """Return a positive parameter with its interval, which is symmetric on the logarithm."""
    if error is None or not np.isfinite(error) or value <= 0:
        return ParameterFacts(name, Figure(value, note="its uncertainty is not identified"))
    factor = float(np.exp(min(NORMAL_95 * error, 100.0)))
    return ParameterFacts(name, Figure(value, value / factor, value * factor))


def _warnings(model: LifetimeModel, spread: dict[str, float] | None) -> list[str]:
    """Return in words what the data hardly tell, and what hangs on it."""
    found = []
    errors = _standard_errors(model)
    if model.status == "AT_BOUND":
        found.append(
            "A parameter stopped at its bound: the purchases do not tell how customers leave, mostly because hardly "
            "anybody is seen to. Forecasts stay finite, near what would come if nobody left."
        )
    if errors is not None:
        wide = [
            name
            for name, error in zip(model.parameters, errors, strict=True)
            if 2.0 * NORMAL_95 * error > np.log(HARDLY)
        ]
        if wide:
            found.append(
                f"{' and '.join(wide)} {'is' if len(wide) == 1 else 'are'} hardly identified: values more than "
                f"tenfold apart fit about as well. {_what_hangs_on_it(spread)}"
            )
    return found


def _what_hangs_on_it(spread: dict[str, float] | None) -> str:
    if spread is None or not spread.get("worth"):
        return "Read single parameters with care."
    share = NORMAL_95 * spread["all"] / abs(spread["worth"])
    return (
        f"All parameters together leave the worth of all customers uncertain by {share:.1%} either way (95 %): what "
        "forecasts stand on is their combination."
    )


def _compared_lifetimes(model: LifetimeModel) -> list[ComparedFacts]:
    """Return how each lifetime model forecast the end of the known time, per customer and four weeks."""
    return [
        ComparedFacts(
            what="purchases",
            name=METHOD_NAMES[c.method] if c.method != "mbg_cnbd" else f"MBG/CNBD-{c.k}",
            error=counted_error(FOUR_WEEKS * c.error, "purchase days"),
            behind=Figure(
                FOUR_WEEKS * c.behind, FOUR_WEEKS * c.behind_low, FOUR_WEEKS * c.behind_high, unit="purchase days"
            ),
            bias=Figure(c.bias, unit="share", note="of the total of the windows judged"),
            verdict=_verdict(c.chosen, c.admitted),
        )
        for c in model.compared
    ]


def _compared_spends(spend: dict[str, Any]) -> list[ComparedFacts]:
    return [
        ComparedFacts(
            what="spend",
            name=METHOD_NAMES[c["method"]],
            error=Figure(c["error_micros"], unit="money", note="mean over customers of the window judged"),
            behind=Figure(c["behind_micros"], c["behind_low_micros"], c["behind_high_micros"], unit="money"),
            bias=Figure(c["bias"], unit="share", note="of the total of the window judged"),
            verdict=_verdict(c["chosen"], True),
        )
        for c in spend.get("compared", ())
    ]


def counted_error(value: float, unit: str) -> Figure:
    """Return a mean error; its uncertainty stands in the paired differences beside it."""
    return Figure(value, unit=unit, note="mean over customers and windows judged")


def _verdict(chosen: bool, admitted: bool) -> str:
    if chosen:
        return "chosen"
    return "" if admitted else "left out: its spread is worse than that of the own rate"
