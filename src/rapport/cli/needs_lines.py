"""Lines about needs groups and profiles, for a person at a terminal.

Why it exists: a turn, an explanation and the command `needs` speak of the same groups and say them alike.
"""

from __future__ import annotations

from typing import Any

from rapport.cli.output import table

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def needs_lines(why: dict[str, Any]) -> list[str]:
    """Return what an explanation says of the customer's needs group; nothing where there is none."""
    needs = why.get("needs")
    if needs is None:
        return []
    lines = ["", f"Needs: {needs['group']}, weight {needs['share']:.0%}"]
    others = [f"{name} {w:.0%}" for name, w in needs["weights"].items() if name != needs["group"]]
    if others:
        lines.append(f"  other groups: {', '.join(others)}")
    if needs["for"]:
        lines.append("  what speaks for it (times seen; the group's share over everyone's):")
        lines += [f"    {f['what']}: {f['times']:,} times; {f['ratio']:.1f}" for f in needs["for"]]
    return lines


def needs_in_brief(counts: dict[str, Any]) -> list[str]:
    """Return the line that a turn says of its needs groups; nothing where none were looked for."""
    needs = counts.get("needs")
    if needs is None:
        return []
    if len(needs["groups"]) < 2:
        return [f"  no needs groups ({needs['status']}); see rapport needs"]
    told = "; ".join(f"{g['name']}: {g['customers']:,}" for g in needs["groups"][:5])
    return [f"  {len(needs['groups'])} needs groups: {told}{'; ...' if len(needs['groups']) > 5 else ''}"]


def groups_text(found: dict[str, Any]) -> str:
    """Return the needs groups of a turn and how their number was chosen."""
    needs = found["needs"]
    when = f"learned as of {needs['as_of']} from {needs['learned_from']:,} customers"
    again = ", used again" if needs["reused"] else ""
    lines = [f"Needs groups, turn {found['turn']} ({when}{again}; {needs['status']})", needs["why"], ""]
    rows = [[g["name"], f"{g['customers']:,}", f"{g['share']:.0%}"] for g in needs["groups"]]
    lines.append(table(["group", "customers", "share of all weights"], rows, right=(1, 2)))
    if needs["held_out"]:
        lines += ["", _compared(needs)]
    return "\n".join(lines)


def _compared(needs: dict[str, Any]) -> str:
    held = needs["held_out"]
    head = ["groups", "found again", "gain", "95 %", "gain, new things", "over personal", "95 %", ""]
    rows = [
        [
            c["k"],
            f"{c['stability']:.2f}",
            f"{c['gain']:.4f}",
            f"{c['gain_low']:.4f} to {c['gain_high']:.4f}",
            f"{c['gain_new']:.4f}",
            f"{c['over_personal']:.4f}",
            f"{c['over_personal_low']:.4f} to {c['over_personal_high']:.4f}",
            "chosen" if c["chosen"] else "" if c["stable"] else "not stable",
        ]
        for c in needs["compared"]
    ]
    told = (
        f"Held out: {held['purchases']:,} purchases of {held['customers']:,} customers in the last "
        f"{held['days']} days. Gain in nats a purchase over "
        f"popularity ({-held['popularity']:.3f} nats); personal frequency gains "
        f"{held['personal']:.4f} ({held['personal_low']:.4f} to {held['personal_high']:.4f}). Over personal: "
        "personal frequency drawn towards the groups instead of popularity."
    )
    return f"{told}\n{table(head, rows, right=range(7))}"


def profile_text(profile: dict[str, Any], currency: str) -> str:
    """Return one profile as text; what is inferred says so."""
    from rapport.core.money import show_money
    from rapport.differentiate.needs_names import plain_words

    lines = [f"{profile['name']}: {profile['customers']:,} customers"]
    worth = [f"{tier} {n:,} worth {show_money(m, currency, 0)}" for tier, n, m in profile["value_by_tier"] if n]
    lines.append(f"  value by tier    {'; '.join(worth) or 'nobody'}")
    lines.append(f"  buy most         {_features(profile['top'])}")
    lines.append(f"  more than others {_ratios(profile['over_indexed'])}")
    lines.append(f"  when and how     {_ratios(_unusual(profile['behaviour'])) or 'as everyone'}")
    season = [m for m in profile["months"] if m[1] >= 1.15 * m[2]]
    if season:
        lines.append(f"  season           {', '.join(_MONTHS[m - 1] for m, _, _ in season)} above the usual")
    lines.append(f"  price            {_price(profile['sensitivity'])}")
    lines.append("  why, perhaps     (assumed, from the figures named)")
    lines += [f"    {r['reason']} - {r['because']}" for r in profile["reasons"]] or ["    nothing stands out"]
    lines.append("  next, not bought yet (chance each; buyers expected)")
    lines += [
        f"    {plain_words(n['name'])}: {n['probability']:.3f}; {n['expected_buyers']:,.1f} of {n['candidates']:,}"
        for n in profile["next_purchase"]
    ] or ["    nothing is open to them"]
    lines.append("  lack, beside comparable customers (share who buy; theirs; reasons are assumed)")
    lines += [
        f"    {x['name']}: {x['share']:.0%}; {x['peers']:.0%} - {'; '.join(_because(r) for r in x['reasons'])}"
        for x in profile["lacking"]
    ] or ["    nothing beyond chance"]
    return "\n".join(lines)


def _because(reason: dict[str, Any]) -> str:
    return f"{reason['reason']} ({reason['because']})"


def _features(features: Any) -> str:
    return ", ".join(f"{f['name']} {f['share']:.1%}" for f in features) or "nothing"


def _ratios(features: Any) -> str:
    return ", ".join(f"{f['name']} x{f['ratio']:.1f}" for f in features)


def _unusual(features: Any) -> list[dict[str, Any]]:
    kept = [f for f in features if f["ratio"] >= 1.15 and f["share"] >= 0.02]
    return sorted(kept, key=lambda f: -f["ratio"])[:6]


def _price(found: dict[str, Any] | None) -> str:
    if found is None:
        return "no discounts to tell by"
    low, high = found["response_low"], found["response_high"]
    return (
        f"{found['discount_share']:.1%} of the regular price is discount; {found['bought_on_discount']:.0%} of lines "
        f"on discount, {found['response']:.2f} ({low:.2f} to {high:.2f}) times what the same things would give"
    )
