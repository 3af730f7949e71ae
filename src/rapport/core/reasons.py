"""The closed list of reasons: why a row, a customer or an offer was set aside or chosen.

Why it exists: nobody is dropped. Whatever is not used stands in a table with one of these, so that it can be
counted, explained and mended. Free text may not enter.
"""

from __future__ import annotations

from enum import StrEnum


class RowReason(StrEnum):
    """Why a source row is in quarantine."""

    MISSING_KEY = "MISSING_KEY"
    NEGATIVE_ID = "NEGATIVE_ID"
    BAD_DATE = "BAD_DATE"
    BAD_NUMBER = "BAD_NUMBER"
    REPEATED_KEY = "REPEATED_KEY"
    UNKNOWN_ITEM = "UNKNOWN_ITEM"
    FORGOTTEN = "FORGOTTEN"


class ValueReason(StrEnum):
    """Why a value of a person's record is not used to know them; written as `column:REASON`."""

    BLOCKED_VALUE = "BLOCKED_VALUE"
    OVER_FREQUENT = "OVER_FREQUENT"
    NOT_AN_EMAIL = "NOT_AN_EMAIL"
    NOT_A_PHONE = "NOT_A_PHONE"
    IMPOSSIBLE_PHONE = "IMPOSSIBLE_PHONE"
    LACKS_AREA_CODE = "LACKS_AREA_CODE"
    NOT_A_DAY = "NOT_A_DAY"
    AMBIGUOUS_DAY = "AMBIGUOUS_DAY"
    FUTURE_DAY = "FUTURE_DAY"
    TOO_OLD = "TOO_OLD"
    UNREADABLE = "UNREADABLE"


class CustomerReason(StrEnum):
    """Why a customer has the decision they have."""

    BEST_VALUE = "BEST_VALUE"
    EXPLORED = "EXPLORED"
    REPAIRED = "REPAIRED"
    HOLDOUT = "HOLDOUT"
    NOTHING_PAYS = "NOTHING_PAYS"
    PRICED_OUT = "PRICED_OUT"
    CONTACT_CAP = "CONTACT_CAP"
    NO_CHANNEL = "NO_CHANNEL"
    NO_OFFER_LEFT = "NO_OFFER_LEFT"
    NOT_YET_KNOWN = "NOT_YET_KNOWN"
    RESTRAINED = "RESTRAINED"


class OfferReason(StrEnum):
    """Why an offer was not for this customer: may we, does it make sense now, is it good for them."""

    NOT_ELIGIBLE = "NOT_ELIGIBLE"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    NOT_SUITABLE = "NOT_SUITABLE"
    COOL_DOWN = "COOL_DOWN"
    VETOED = "VETOED"
    DOES_NOT_PAY = "DOES_NOT_PAY"
    KIND_FULL = "KIND_FULL"
    LESS_VALUE = "LESS_VALUE"


class BelowZeroReason(StrEnum):
    """Why serving a customer is expected to cost money: the largest of what they cost a year."""

    DISCOUNTS = "DISCOUNTS"
    RETURNS = "RETURNS"
    SERVICE = "SERVICE"
    DELIVERIES = "DELIVERIES"
    BIDS_LOST = "BIDS_LOST"
    THIN_MARGIN = "THIN_MARGIN"


class Status(StrEnum):
    """How far a figure may be trusted."""

    OK = "OK"
    TOO_FEW_CUSTOMERS = "TOO_FEW_CUSTOMERS"
    TOO_FEW_REPEATS = "TOO_FEW_REPEATS"
    AT_BOUND = "AT_BOUND"
    NOT_CONVERGED = "NOT_CONVERGED"
    NOT_MEASURABLE = "NOT_MEASURABLE"
    WINDOW_OPEN = "WINDOW_OPEN"


class Basis(StrEnum):
    """Whether a number was measured or rests on an assumption of the programme."""

    MEASURED = "measured"
    ASSUMED = "assumed"


REASON_MEANINGS: dict[StrEnum, str] = {
    RowReason.MISSING_KEY: "a column that identifies the row is empty",
    RowReason.NEGATIVE_ID: "an id is a negative number",
    RowReason.BAD_DATE: "a date or time cannot be read",
    RowReason.BAD_NUMBER: "an amount cannot be read as a number, or is not finite",
    RowReason.REPEATED_KEY: "a unique key (declared, or a product, customer or campaign id) stands in an earlier row",
    RowReason.UNKNOWN_ITEM: "the product is not in the product source; the line counts, without an item",
    RowReason.FORGOTTEN: "the customer was forgotten and stays so; the row is counted, its values are not kept",
    ValueReason.BLOCKED_VALUE: "stands for no value, or is on the list of values that identify nobody",
    ValueReason.OVER_FREQUENT: "stands on the records of so many people that it identifies none of them",
    ValueReason.NOT_AN_EMAIL: "is not an e-mail address that mail could be sent to",
    ValueReason.NOT_A_PHONE: "cannot be read as a phone number",
    ValueReason.IMPOSSIBLE_PHONE: "no phone number of its country has this length",
    ValueReason.LACKS_AREA_CODE: "a phone number that is whole only within its town",
    ValueReason.NOT_A_DAY: "cannot be read as a day, or the calendar has no such day",
    ValueReason.AMBIGUOUS_DAY: "day and month, or the century, can be read in two ways and nothing tells which",
    ValueReason.FUTURE_DAY: "a day of birth that has not come yet",
    ValueReason.TOO_OLD: "a day of birth more than 120 years ago",
    ValueReason.UNREADABLE: "cannot be read as what its column holds",
    CustomerReason.BEST_VALUE: "the chosen treatment has the highest expected contribution",
    CustomerReason.EXPLORED: "the treatment was drawn by chance, to learn",
    CustomerReason.REPAIRED: "moved aside, or put in, so that no limit is broken; nothing is learned from it",
    CustomerReason.HOLDOUT: "kept out of everything, so that the effect can be measured",
    CustomerReason.NOTHING_PAYS: "no treatment is expected to earn more than it costs",
    CustomerReason.PRICED_OUT: "a treatment would pay, but others make better use of what is limited",
    CustomerReason.CONTACT_CAP: "contacted as often as the policy allows in this period",
    CustomerReason.NO_CHANNEL: "cannot be reached in any channel of the programme",
    CustomerReason.NOT_YET_KNOWN: "first seen on or after the day of the decision, so not decided",
    CustomerReason.RESTRAINED: "a play of the programme keeps every channel closed to them",
    CustomerReason.NO_OFFER_LEFT: "no offer is eligible, applicable and suitable",
    OfferReason.NOT_ELIGIBLE: "a rule of eligibility sets the offer aside (may we)",
    OfferReason.NOT_APPLICABLE: "a rule of applicability sets the offer aside (does it make sense now)",
    OfferReason.NOT_SUITABLE: "a rule of suitability sets the offer aside (is it good for them)",
    OfferReason.COOL_DOWN: "bought, or its coupon redeemed, within the programme's days of cooling down",
    OfferReason.VETOED: "a person vetoed the offer for this customer, or for their group, in the worksheet",
    OfferReason.DOES_NOT_PAY: "the expected contribution of the offer is not above zero",
    OfferReason.KIND_FULL: "would have a slot, but as many of its kind as may stand together are in the portfolio",
    OfferReason.LESS_VALUE: "others of the portfolio are worth more together",
    BelowZeroReason.DISCOUNTS: "discounts that the company bears cost more than any other reason",
    BelowZeroReason.RETURNS: "margin given back for returns, and handling them, costs more than any other reason",
    BelowZeroReason.SERVICE: "service contacts and complaints cost more than any other reason",
    BelowZeroReason.DELIVERIES: "deliveries cost more than any other reason",
    BelowZeroReason.BIDS_LOST: "bids that were lost cost more than any other reason",
    BelowZeroReason.THIN_MARGIN: "the margin before discounts does not pay for the purchase days themselves",
    Status.OK: "nothing stands against the figure",
    Status.TOO_FEW_CUSTOMERS: "too few customers for the method",
    Status.TOO_FEW_REPEATS: "too few customers with a repeat purchase for the method",
    Status.AT_BOUND: "a parameter stopped at its bound: the data do not identify it",
    Status.NOT_CONVERGED: "the search for parameters did not converge",
    Status.NOT_MEASURABLE: "the data to measure it are not there",
    Status.WINDOW_OPEN: "the window in which outcomes count has not ended",
    Basis.MEASURED: "comes from the company's own data",
    Basis.ASSUMED: "rests on an assumption stated in the programme",
}
