"""`rapport audit` of a company of several systems: text, JSON and page say the same, and tasks are given once."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from rapport.core.errors import LookupFailed, ProgramInvalid, TargetExists
from rapport.wiring import open_customers
from shop_runs import copied, done, rapport

WANTED = 5


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited") / "co"
    done("simulate", "company", folder, "--customers", "200")
    return folder


@pytest.fixture(scope="module")
def audited(company: Path) -> Any:
    """Return the audit of a company that nobody had identified, with its page beside it."""
    return done("audit", company, "--page", company / "audit.html", "--tasks", str(WANTED), "--json").data


def test_a_company_is_identified_before_it_is_audited(company: Path, audited: Any) -> None:
    assert (company / "state" / "identity" / "latest.json").is_file()
    lines = (company / "sources" / "shop" / "customers.csv").read_text(encoding="cp1252").count("\n") - 1
    email = next(r for r in audited["people"] if (r["system"], r["field"]) == ("shop", "email"))
    assert email["rows"] == lines
    assert email["valid"] <= email["filled"] <= email["rows"]
    # What was audited before is there as before.
    assert {f["source"] for f in audited["fields"]} >= {"till", "orders", "products"}
    assert [s["source"] for s in audited["summary"]["sources"]] == ["till", "orders", "products", "contacts"]


def test_what_is_told_of_agreement_adds_up(audited: Any) -> None:
    surname = next(r for r in audited["agreement"] if r["field"] == "surname")
    assert {(p["left"], p["right"]) for p in surname["pairs"]} >= {("shop", "web")}
    assert surname["agree"] <= surname["customers"] <= sum(p["customers"] for p in surname["pairs"])
    for field in audited["collect"]["fields"]:
        assert field["lacking"] == field["missing"] + field["outdated"]


def test_the_page_stands_alone_and_holds_the_figures_of_the_json(company: Path, audited: Any) -> None:
    page = (company / "audit.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!#)|<script|@import', page)
    assert page.count("<svg ") > len(audited["agreement"])
    rows = [
        [
            unescape(re.sub(r"<[^>]+>", "", c)).strip()
            for c in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    ]
    for f in audited["collect"]["fields"]:
        told = [f"{f[k]:,}" for k in ("lacking", "missing", "outdated", "unreachable", "becomes_reachable")]
        assert [f["field"].replace("_", " "), *told, "not known", "not known"] in rows
    for a in audited["agreement"]:
        for p in a["pairs"]:
            told = [f"{p['left']} and {p['right']}", str(p["customers"]), str(p["agree"])]
            assert [a["field"].replace("_", " "), *told] in [r[:4] for r in rows]
    assert {r["customer_id"] for r in audited["collect"]["first"]} <= {r[0] for r in rows if r}


def test_tasks_are_given_once(company: Path, audited: Any) -> None:
    assert audited["collect"]["tasks"] == {"wanted": WANTED, "new": WANTED, "given_before": 0}
    again = done("audit", company, "--tasks", str(WANTED), "--json").data["collect"]
    assert again["tasks"] == {"wanted": WANTED, "new": 0, "given_before": WANTED}
    with open_customers(company, None) as memory:
        first = again["first"][0]
        tasks = memory.work.tasks(customer_id=first["customer_id"], status="open")
        everyone = [t for t in memory.work.tasks() if t.kind == "collect"]
        assert (len(tasks), len(everyone)) == (1, WANTED)
        assert all(name.replace("_", " ") in tasks[0].text for name in first["missing"] + first["outdated"])


def test_the_text_is_people_first_and_no_wider_than_a_terminal(company: Path, audited: Any) -> None:
    text = done("audit", company).out
    assert text.startswith("system ")
    assert text.index("What to collect next") < text.index("customer_id")
    assert max(map(len, text.splitlines())) <= 200
    assert f"of {audited['collect']['customers']:,} people" in text


def test_a_page_is_not_written_over_unless_it_is_said(company: Path, audited: Any) -> None:
    page = company / "audit.html"
    before = page.read_bytes()
    ran = rapport("audit", company, "--page", page)
    assert (ran.code, ran.out) == (TargetExists.exit_code, "")
    assert f"--page {page}: is there already" in ran.talk
    assert page.read_bytes() == before
    done("audit", company, "--page", page, "--force", "--tasks", str(WANTED))
    # The same records give the same page on any day.
    assert page.read_bytes() == before
    ran = rapport("audit", company, "--page", company / "none" / "audit.html")
    assert ran.code == LookupFailed.exit_code
    assert "no such folder" in ran.talk


def test_a_shop_without_records_of_people_is_audited_as_before(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "plain")
    found = done("audit", folder, "--json", "--page", tmp_path / "audit.html").data
    assert (found["people"], found["agreement"], found["collect"]) == ([], [], None)
    assert "rapport map FILE" in (tmp_path / "audit.html").read_text(encoding="utf-8")
    ran = rapport("audit", folder, "--tasks", "3")
    assert ran.code == ProgramInvalid.exit_code
    assert "people is empty, so --tasks 3 has nobody to collect from" in ran.talk
