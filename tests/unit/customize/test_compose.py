from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from compose_cases import OWN, SENDER, catalogue, decision, decisions, templates

from programs import program_with
from rapport.core.errors import OfferInvalid, ProgramInvalid
from rapport.customize.compose import ComposedMessage, TemplateSet, compose_messages, touch_id
from rapport.workflows.compose import compose_turn, sender_of
from worlds import channel

OFFERS = catalogue("COFFEE", "YOGURT", "FROZEN PIZZA")


def one(
    row: dict[str, object] | None = None,
    traits: pa.Table | None = None,
    with_templates: TemplateSet = OWN,
    offers: pa.Table = OFFERS,
) -> ComposedMessage:
    (message,) = compose_messages(decisions(row or decision()), offers, traits, with_templates, SENDER)
    return message


def test_the_offer_with_the_highest_expected_contribution_comes_first() -> None:
    message = one()
    assert message.subject == "Yogurt: 20% off, and 2 more offers for you"
    assert message.text.index("Yogurt") < message.text.index("Coffee") < message.text.index("Frozen pizza")


def test_repeat_and_explore_offers_stand_under_their_own_words() -> None:
    text = one().text
    assert text.index("Yours again") < text.index("Coffee") < text.index("Something new for you")
    assert text.index("Something new for you") < text.index("Frozen pizza")


def test_an_offer_of_another_kind_is_claimed_neither_known_nor_new() -> None:
    text = one(decision(offer_kinds=["segment", "segment", "segment"])).text
    assert "Also for you" in text
    assert "Yours again" not in text
    assert "new for you" not in text


def test_the_last_valid_day_counts_the_first_one() -> None:
    # 1 December and 28 days, the first counted: the last is 28 December.
    assert "Valid until 28 December 2017" in one().text


def test_silence_has_no_message_and_the_held_out_are_composed_but_not_to_be_delivered() -> None:
    rows = decisions(decision(1, channel="silence"), decision(2, deliver=False), decision(3))
    found = compose_messages(rows, OFFERS, None, OWN, SENDER)
    assert [(m.customer_id, m.deliver) for m in found] == [("c2", False), ("c3", True)]


def test_a_name_is_greeted_and_a_missing_one_is_not() -> None:
    traits = pa.table({"customer_key": [1, 2], "first_name": ["Ada", None]})
    rows = decisions(decision(1), decision(2), decision(3))
    texts = [m.text.splitlines()[0] for m in compose_messages(rows, OFFERS, traits, OWN, SENDER)]
    assert texts == ["Dear Ada,", "Dear customer,", "Dear customer,"]


def test_a_template_that_greets_by_a_missing_name_says_customer() -> None:
    mine = templates(text="Dear {{ traits.first_name }},\nDear {{ traits.nickname }},\n{{ traits.city }}\n")
    assert one(with_templates=mine).text == "Dear customer,\nDear customer,\n"


def test_a_template_can_ask_whether_a_name_is_known() -> None:
    mine = templates(text="{% if traits.first_name %}Hello {{ traits.first_name }}{% else %}Hello{% endif %}")
    assert one(with_templates=mine).text == "Hello\n"


def test_a_line_break_in_a_name_cannot_add_a_header() -> None:
    traits = pa.table({"customer_key": [1], "first_name": ["Ada\r\nBcc: x"]})
    mine = templates(subject="For {{ traits.first_name }}\n")
    assert one(traits=traits, with_templates=mine).subject == "For Ada Bcc: x"


def test_html_escapes_what_the_data_hold_and_text_does_not() -> None:
    message = one(offers=catalogue("Mac & <b>cheese</b>", "A", "B"))
    assert "Mac &amp; &lt;b&gt;cheese&lt;/b&gt;" in message.html
    assert "<b>cheese" not in message.html
    assert "Mac & <b>cheese</b>" in message.text


def test_the_html_mail_has_no_script_and_fetches_nothing() -> None:
    html = one().html
    assert not re.search(r"<script|<img|<link|https?:|src=|href=|url\(", html)
    assert "max-width:600px" in html


def test_the_footer_says_why_and_how_to_stop_and_claims_only_the_level_of_the_decision() -> None:
    individual, mass = one(), one(decision(level="mass"))
    assert "chosen for your household from what it has bought" in individual.text
    assert "The same offers go to many of our customers." in mass.text
    assert "household" not in mass.text
    for part in (individual.text, individual.html):
        assert "To stop these messages" in part


def test_a_print_row_holds_the_decided_attributes_and_empty_slots() -> None:
    row = decision(channel="paper", offer_ids=["o0", "o2"], offer_kinds=["repeat", "explore"])
    row["offer_contributions_micros"] = [5, 9]
    message = one(row)
    assert "Frozen pizza" in message.html
    assert "Frozen pizza" in message.text
    assert message.row == {
        "touch_id": "2017-W48-paper-0000000000000001",
        "customer_id": "c1",
        "tier": "A",
        "greeting": "Dear customer",
        "valid_until": "2017-12-28",
        "offer_1_id": "o2",
        "offer_1_name": "Frozen pizza",
        "offer_1_percent": "20",
        "offer_2_id": "o0",
        "offer_2_name": "Coffee",
        "offer_2_percent": "20",
        "offer_3_id": "",
        "offer_3_name": "",
        "offer_3_percent": "",
    }


def test_a_print_row_holds_the_trait_by_which_its_channel_reaches_the_customer() -> None:
    sender = replace(SENDER, needs={"paper": "postal_address"})
    traits = pa.table({"customer_key": [1, 2], "postal_address": ["1 High Street", None]})
    rows = decisions(decision(1, channel="paper"), decision(2, channel="paper"), decision(3))
    by_post, unknown, by_mail = compose_messages(rows, OFFERS, traits, OWN, sender)
    assert list(by_post.row)[:4] == ["touch_id", "customer_id", "postal_address", "tier"]
    assert (by_post.row["postal_address"], unknown.row["postal_address"]) == ("1 High Street", "")
    assert "postal_address" not in by_mail.row


def test_the_programme_says_which_trait_each_channel_needs() -> None:
    source = {"kind": "customers", "path": "p.csv", "columns": {"customer_id": "who"}, "traits": ["Postal Address"]}
    program = program_with(
        sources=[program_with().sources[0].model_dump(), source],
        channels=[channel("paper", format="print", needs="Postal Address"), channel("till")],
    )
    assert sender_of(program).needs == {"paper": "postal_address"}


@pytest.mark.parametrize("trait", ["first_name", "vorname", "prenom", "nombre", "nome"])
def test_a_name_is_greeted_by_whatever_usual_word_the_column_has(trait: str) -> None:
    assert one(traits=pa.table({"customer_key": [1], trait: ["Ada"]})).text.startswith("Dear Ada,")


def test_a_negative_key_is_written_as_unsigned() -> None:
    # -1 in two's complement is sixteen f.
    assert touch_id("t1", "mail", -1) == "t1-mail-ffffffffffffffff"
    assert touch_id("t1", "mail", 255) == "t1-mail-00000000000000ff"


@pytest.mark.parametrize(("turn", "channel"), [("../x", "mail"), ("t", "a/b"), ("", "mail"), ("t", "a b")])
def test_a_turn_or_channel_that_cannot_name_a_file_is_refused(turn: str, channel: str) -> None:
    with pytest.raises(ProgramInvalid, match="Rename it"):
        touch_id(turn, channel, 1)


def test_messages_are_the_same_alone_and_in_company() -> None:
    rows = [decision(k) for k in range(1, 6)]
    together = compose_messages(decisions(*rows), OFFERS, None, OWN, SENDER)
    assert together == [one(r) for r in rows]


def test_an_offer_outside_the_catalogue_is_an_error_that_names_it() -> None:
    with pytest.raises(OfferInvalid, match="offer o9 is not in the catalogue"):
        one(decision(offer_ids=["o9"], offer_kinds=["repeat"], offer_contributions_micros=[1]))


@pytest.mark.parametrize("ids", [[], ["o0", "o1", "o2", "o0"]])
def test_a_touch_without_offers_or_with_too_many_is_an_error(ids: list[str]) -> None:
    row = decision(offer_ids=ids, offer_kinds=["repeat"] * len(ids), offer_contributions_micros=[1] * len(ids))
    with pytest.raises(OfferInvalid, match="must have 1 to 3"):
        one(row)


def test_a_channel_that_the_programme_lacks_is_an_error() -> None:
    with pytest.raises(ProgramInvalid, match="'fax' of a decision"):
        one(decision(channel="fax"))


HOSTILE = {
    "a walk through traits": "\n{% for t in traits %}{% endfor %}",
    "a search in traits": "\n{% if 'x' in traits %}{% endif %}",
    "a dunder": "\n{{ sender.__class__.__mro__ }}",
    "a dunder by key": "\n{{ sender['__class__'] }}",
    "a huge range": "\n{% for i in range(10**9) %}x{% endfor %}",
    "a long range": "\n{% for i in range(1000000000) %}x{% endfor %}",
    "repeated text": "\n{{ 'x' * 1000000000 }}",
    "a method": "\n{{ sender.format(1) }}",
    "a wide format": "\n{{ '%1000000000d' % 1 }}",
    "doubling": "\n{% set a = sender ~ sender %}",
    "a file": "\n{% include 'x' %}",
    "a macro": "\n{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "deep loops": "\n" + "{% for a in offers %}" * 3 + "x" + "{% endfor %}" * 3,
    "an unknown filter": "\n{{ sender|center(1000000000) }}",
    "a growing filter": "\n{{ sender|replace('a', 'aaaa') }}",
    "an unknown value": "\n{{ offrs }}",
    "an unknown attribute": "\n{{ best.price }}",
    "no template": "\n{% if %}",
    "a filter on the wrong value": "\n{{ sender|round }}",
    "a filter out of its range": "\n{{ 'abc'|truncate(2) }}",
    "a step of nothing": "\n{% for i in range(1, 5, 0) %}x{% endfor %}",
    "a method that is not called": "\n{{ greeting.title }}",
    "a method by key": "\n{{ greeting['title'] }}",
    "a method in a filter": "\n{{ greeting.title|upper }}",
    "a method in a condition": "\n{% if offers.count %}x{% endif %}",
    "a method of a loop": "\n{% for o in offers %}{{ loop.cycle }}{% endfor %}",
    "all traits at once": "\n{{ traits }}",
    "all traits in a filter": "\n{{ traits|upper }}",
    "an offer as a whole": "\n{{ best }}",
    "the function range": "\n{{ range|upper }}",
    "a rounding to millions of places": "\n{{ 1|round(3000000, 'ceil') }}",
    "a rounding by something else": "\n{{ 1|round(1, 'numpy') }}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("which", ["html", "text", "subject"])
def test_a_hostile_template_is_an_error_that_names_template_and_line(which: str, text: str) -> None:
    place = {"html": "message.html.j2", "text": "message.txt.j2", "subject": "subject.txt.j2"}[which]
    with pytest.raises(ProgramInvalid, match=rf"^templates/{place}:2: "):
        one(with_templates=templates(**{which: text}))


def test_output_that_grows_without_end_is_stopped() -> None:
    long = "y" * 50_000
    mine = templates(text=f"{{% for a in range(100) %}}{{% for b in range(100) %}}{long}{{% endfor %}}{{% endfor %}}")
    with pytest.raises(ProgramInvalid, match="grew beyond 200,000 characters"):
        one(with_templates=mine)


def test_a_template_that_is_too_long_is_refused() -> None:
    with pytest.raises(ProgramInvalid, match="at most 64,000"):
        one(with_templates=templates(text="y" * 64_001))


def test_a_method_is_told_by_its_name() -> None:
    with pytest.raises(ProgramInvalid, match="'title' is a method; must be a value"):
        one(with_templates=templates(text="{{ greeting.title }}"))


def test_a_rounding_says_which_precision_it_takes() -> None:
    with pytest.raises(ProgramInvalid, match="precision 7; must be a whole number from 0 to 6"):
        one(with_templates=templates(text="{{ 1|round(7) }}"))


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{ 2.345|round(2, 'ceil') }}", "2.35"),
        ("{{ 2.345|round(2, 'floor') }}", "2.34"),
        ("{{ 2.6|round }}", "3.0"),
        ("{{ best.last_day }}", "2017-12-28"),
        ("{{ best.last_day.year }}", "2017"),
        ("{% for o in offers %}{{ loop.index }}{% endfor %}", "123"),
        ("{{ sender|upper }}", "CORNER SHOP"),
    ],
)
def test_values_and_filters_give_their_text(text: str, filled: str) -> None:
    assert one(with_templates=templates(text=text)).text == filled + "\n"


def test_a_number_with_too_many_digits_is_refused() -> None:
    with pytest.raises(ProgramInvalid, match="a number that is too long"):
        one(with_templates=templates(text="{{ " + "9" * 5000 + " }}"))


ASKED = replace(
    SENDER,
    includes=(
        ("age", "How old are you, {{ traits.first_name }}? <b>Tell</b> & win."),
        ("milk", None),
        ("hours", "We open at 7."),
    ),
)


def told(
    included: dict[int, list[int]], *rows: dict[str, object], with_templates: TemplateSet = OWN
) -> list[ComposedMessage]:
    traits = pa.table({"customer_key": [1], "first_name": ["Ada"]})
    return compose_messages(decisions(*rows), OFFERS, traits, with_templates, ASKED, included)


def test_an_included_text_stands_after_the_main_offer_for_those_it_holds_for_and_takes_no_slot() -> None:
    asked, both, other = told({1: [0], 2: [1, 2]}, decision(1), decision(2), decision(3))
    text = asked.text
    assert text.index("Yogurt") < text.index("How old are you, Ada? <b>Tell</b> & win.") < text.index("Coffee")
    assert all(name in text for name in ("Yogurt", "Coffee", "Frozen pizza"))
    assert "We open at 7." in both.text
    assert "How old" not in both.text
    assert "How old" not in other.text
    assert "We open" not in other.text
    assert (other.text, other.html) == (one(decision(3)).text, one(decision(3)).html)


def test_an_included_text_is_escaped_in_html_and_greets_the_unknown_as_customer() -> None:
    asked, unknown = told({1: [0], 2: [0]}, decision(1), decision(2))
    assert "How old are you, Ada? &lt;b&gt;Tell&lt;/b&gt; &amp; win." in asked.html
    assert "<b>Tell" not in asked.html
    assert "How old are you, customer?" in unknown.text


def test_a_print_row_has_a_column_for_each_text_of_the_programme_whoever_it_is_for() -> None:
    asked, other = told({1: [0, 2]}, decision(1, channel="paper"), decision(3, channel="paper"))
    assert list(asked.row)[:7] == [
        "touch_id", "customer_id", "tier", "greeting", "include_age", "include_hours", "valid_until",
    ]  # fmt: skip
    assert asked.row["include_age"] == "How old are you, Ada? <b>Tell</b> & win."
    assert asked.row["include_hours"] == "We open at 7."
    assert (other.row["include_age"], other.row["include_hours"]) == ("", "")
    assert asked.row.keys() == other.row.keys()


def test_a_text_alone_makes_a_message_without_offers() -> None:
    bare = decision(1, offer_ids=[], offer_kinds=[], offer_contributions_micros=[])
    (message,) = told({1: [0]}, bare)
    assert message.subject == "A message from Corner Shop"
    assert "How old are you, Ada?" in message.text
    assert "% off" not in message.text + message.html
    assert "Valid until" not in message.text + message.html
    assert message.row["valid_until"] == ""
    with pytest.raises(OfferInvalid, match="has 0 offers"):
        told({1: [1]}, bare)


def test_a_template_that_would_lose_an_included_text_is_refused() -> None:
    mine = templates(text="{{ greeting }} {# includes #}")
    with pytest.raises(ProgramInvalid, match=r"^templates/message.txt.j2: shows no `includes`.*\(age\)"):
        told({}, decision(1), with_templates=mine)


def test_an_included_text_that_reaches_for_what_is_closed_is_refused_with_its_name() -> None:
    sender = replace(SENDER, includes=(("age", "{{ sender.__class__ }}"),))
    with pytest.raises(ProgramInvalid, match=r"^program.toml, includes.age.text:1: reaches for '__class__'"):
        compose_messages(decisions(decision()), OFFERS, None, OWN, sender, {1: [0]})


def test_the_includes_of_a_turn_are_those_of_its_scores() -> None:
    program = program_with(includes=[{"name": "age", "text": "How old are you?"}, {"name": "hours", "text": "At 7."}])
    assert sender_of(program).includes == (("age", "How old are you?"), ("hours", "At 7."))
    scores = pa.table({"customer_key": [1, 2], "includes": pa.array([[1], []], pa.list_(pa.int32()))})
    rows = decisions(decision(1, channel="email"), decision(2, channel="email"))
    first, second = compose_turn(rows, OFFERS, pa.table({"customer_key": [1, 2]}), program, OWN, scores)["text"]
    assert "At 7." in first.as_py()
    assert "How old" not in first.as_py()
    assert "At 7." not in second.as_py()
