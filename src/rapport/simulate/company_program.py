"""The programme of a made-up company: its systems of people, its sources, what it wants.

Why it exists: the data are tried as a company would use them, so they come with a programme that runs. No file is
written here.
"""

from __future__ import annotations

from rapport.simulate.company_records import STORE_PHONE

_HEAD = """# A made-up company of three systems, from `rapport simulate company`. Check it with: rapport check .
# Who is who is known: see truth/.
name = "Rheinmarkt"
currency = "EUR"
timezone = "Europe/Berlin"
horizon_days = 364

# ---- Systems that hold records of people ----

[[people]]
name = "shop"                       # tills, with a loyalty card
path = "sources/shop/customers.csv"
encoding = "cp1252"
delimiter = ";"
timezone = "Europe/Berlin"
trust = 0.5
verified = ["card_number"]          # the till reads the card
traits = ["children", "language", "newsletter"]
[people.columns]
record_id = "KundenNr"
card_number = "Karte"
gender = "Anrede"
given_name = "Vorname"
surname = "Nachname"
birth_date = "Geburtsdatum"
street = "Strasse"
postal_code = "PLZ"
city = "Ort"
phone = "Telefon"
email = "EMail"
updated_at = "Geaendert"

[[people]]
name = "web"                        # accounts; nobody orders before the link in the mail was clicked
path = "sources/web/accounts.parquet"
trust = 0.8
verified = ["email"]
traits = ["children", "language", "newsletter"]
[people.columns]
record_id = "account"
given_name = "first_name"
surname = "last_name"
email = "email"
phone = "phone"
birth_date = "birth_date"
street = "street"
postal_code = "zip"
city = "city"
country = "country"
device_id = "device"
updated_at = "updated_at"

[[people]]
name = "calls"                      # call centre: names as heard; the number was called back
database = "sqlite:///sources/calls/calls.db"
table = "callers"
trust = 0.6
verified = ["phone"]
traits = ["children", "language", "newsletter"]
[people.columns]
record_id = "caller"
full_name = "heard_name"
phone = "callback_phone"
email = "email"
birth_date = "birth_date"
street = "street"
house_number = "house_number"
postal_code = "zip"
city = "city"
updated_at = "last_spoken"
@crm
[identify]
country = "DE"
wrong_merge_cost = 10.0         # taking two customers for one costs ten times as much as not knowing one again
missed_merge_cost = 1.0
review_cost = 0.1
blocked = ["@store_phone"]       # the store's own number, typed where one had to be filled in
traits = ["children", "language", "newsletter"]
half_life_days = { children = 1_500, language = 3_650, newsletter = 365 }
outdated_below = 0.25
outdated = "ask"
"""

_CRM = """
[[people]]
name = "accounts"                   # organisations of the CRM
kind = "organisation"
path = "sources/crm/accounts.csv"
trust = 0.7
verified = ["tax_number"]
traits = ["status", "employees"]
[people.columns]
record_id = "account"
organisation = "company"
tax_number = "vat"
website = "website"
phone = "phone"
street = "street"
postal_code = "zip"
city = "city"
country = "country"
updated_at = "changed"

[[people]]
name = "contacts"                   # who works there
path = "sources/crm/contacts.csv"
trust = 0.7
[people.columns]
record_id = "contact"
account_id = "account"
full_name = "name"
job_title = "title"
email = ["work_email", "private_email"]
phone = "mobile"
updated_at = "changed"
"""

_TAIL = """
# ---- What customers did, under the ids of each system ----

[[sources]]
kind = "transactions"
name = "till"
system = "shop"
path = "sources/shop/sales.csv"
delimiter = ";"
decimal = ","
timezone = "Europe/Berlin"
[sources.columns]
customer_id = "KundenNr"
basket_id = "Bon"
product_id = "Artikel"
at = "Zeit"
quantity = "Menge"
sales = "Umsatz"
discount = "Rabatt"
store_id = "Filiale"

[[sources]]
kind = "transactions"
name = "orders"
system = "web"
path = "sources/web/orders.parquet"
[sources.columns]
customer_id = "account"
basket_id = "order"
product_id = "product"
at = "ordered_at"
quantity = "pieces"
sales = "paid"
discount = "discount"

[[sources]]
kind = "interactions"
name = "contacts"
system = "calls"
path = "sources/calls/contacts.csv"
timezone = "Europe/Berlin"
columns = { customer_id = "caller", at = "at", kind = "kind", cost = "cost" }

[[sources]]
kind = "products"
path = "sources/products.csv"
key = ["product_id"]
columns = { product_id = "product", item = "item", category = "category", department = "department", brand = "brand" }

# ---- What the company wants ----

[[challenges]]
name = "strangers"
text = "The same customer is somebody else at the till, on the web and on the telephone, and is treated as nobody."

[[goals]]
name = "grow-margin"
challenge = "strangers"
measure = "margin_per_customer"
window_days = 91
tiers = ["A", "B"]
target_change = 0.05
by = 2026-12-31

[[goals]]
name = "more-departments"
challenge = "strangers"
measure = "departments_per_customer"
window_days = 182
tiers = ["A", "B", "C"]
target_change = 0.10
by = 2026-12-31

[tiers]
top_share = 0.25
bottom_share = 0.20
[tiers.purpose]
A = "Keep and thank."
B = "Grow: show them what they do not know yet."
C = "Serve cheaply."

[margins]
basis = "assumed"
default = 0.30
discount_borne = 1.0

[offers]
depth = 0.15
validity_days = 28
query = \"\"\"
SELECT item FROM purchases WHERE item IS NOT NULL
GROUP BY item HAVING count(DISTINCT customer_key) >= @buyers
\"\"\"

[lift]
odds_ratio = 4.0
low = 2.0
high = 8.0
why = "An assumption to start from."

[[channels]]
name = "email"
goals = ["grow-margin", "more-departments"]
format = "message"
cost_per_contact = 0.005
capacity = @capacity
reach = 0.35

[[channels]]
name = "letter"
goals = ["grow-margin"]
format = "print"
cost_per_contact = 0.60
capacity = @letters
reach = 0.70

# ---- What customers may be asked, each with what asking costs in goodwill ----

[[questions]]
field = "children"
text = "How many children live with you?"
answers = ["0", "1", "2", "3"]
annoyance = 0.05
reply_probability = 0.6
decisions = 12

[[questions]]
field = "newsletter"
text = "May we write to you when we have something for you?"
answers = ["yes", "no"]
annoyance = 0.02
reply_probability = 0.5
decisions = 12
channels = ["email"]

[[questions]]
field = "birth_date"
text = "When is your birthday?"
annoyance = 0.10
reply_probability = 0.4
decisions = 12

[policy]
portfolio_size = 5
contacts = 4
period_days = 28
holdout_share = 0.10
exploration_share = 0.05
salt = "rheinmarkt"

[litmus]
individual_cost = 0.002
segment_cost = 0.001
"""


def company_program(customers: int, crm: bool) -> str:
    """Return the text of program.toml for so many customers, with or without organisations."""
    fill = {
        "@crm": _CRM if crm else "",
        "@store_phone": STORE_PHONE,
        "@buyers": str(max(3, min(30, customers // 50))),
        "@capacity": str(max(1, customers // 2)),
        "@letters": str(max(1, customers // 10)),
    }
    text = _HEAD + _TAIL
    for mark, value in fill.items():
        text = text.replace(mark, value)
    return text
