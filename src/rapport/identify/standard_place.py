"""Countries, regions and postal codes in one form.

Why it exists: `Deutschland`, `DEU` and `D` are one country, `Calif.` is CA, and `sw1a1aa` is SW1A 1AA; how a
phone, a day and an address are read hangs on the country.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rapport.core.reasons import ValueReason
from rapport.identify.blocked import is_no_value
from rapport.identify.fold import fold
from rapport.identify.standard_values import words

_ALPHA_3 = (
    "AFG:AF ALB:AL DZA:DZ ASM:AS AND:AD AGO:AO AIA:AI ATG:AG ARG:AR ARM:AM ABW:AW AUS:AU AUT:AT AZE:AZ BHS:BS BHR:BH "
    "BGD:BD BRB:BB BLR:BY BEL:BE BLZ:BZ BEN:BJ BMU:BM BTN:BT BOL:BO BIH:BA BWA:BW BRA:BR BRN:BN BGR:BG BFA:BF BDI:BI "
    "CPV:CV KHM:KH CMR:CM CAN:CA CYM:KY CAF:CF TCD:TD CHL:CL CHN:CN COL:CO COM:KM COG:CG COD:CD COK:CK CRI:CR CIV:CI "
    "HRV:HR CUB:CU CUW:CW CYP:CY CZE:CZ DNK:DK DJI:DJ DMA:DM DOM:DO ECU:EC EGY:EG SLV:SV GNQ:GQ ERI:ER EST:EE SWZ:SZ "
    "ETH:ET FLK:FK FRO:FO FJI:FJ FIN:FI FRA:FR GUF:GF PYF:PF GAB:GA GMB:GM GEO:GE DEU:DE GHA:GH GIB:GI GRC:GR GRL:GL "
    "GRD:GD GLP:GP GUM:GU GTM:GT GGY:GG GIN:GN GNB:GW GUY:GY HTI:HT VAT:VA HND:HN HKG:HK HUN:HU ISL:IS IND:IN IDN:ID "
    "IRN:IR IRQ:IQ IRL:IE IMN:IM ISR:IL ITA:IT JAM:JM JPN:JP JEY:JE JOR:JO KAZ:KZ KEN:KE KIR:KI PRK:KP KOR:KR KWT:KW "
    "KGZ:KG LAO:LA LVA:LV LBN:LB LSO:LS LBR:LR LBY:LY LIE:LI LTU:LT LUX:LU MAC:MO MDG:MG MWI:MW MYS:MY MDV:MV MLI:ML "
    "MLT:MT MHL:MH MTQ:MQ MRT:MR MUS:MU MYT:YT MEX:MX FSM:FM MDA:MD MCO:MC MNG:MN MNE:ME MSR:MS MAR:MA MOZ:MZ MMR:MM "
    "NAM:NA NRU:NR NPL:NP NLD:NL NCL:NC NZL:NZ NIC:NI NER:NE NGA:NG NIU:NU MKD:MK MNP:MP NOR:NO OMN:OM PAK:PK PLW:PW "
    "PSE:PS PAN:PA PNG:PG PRY:PY PER:PE PHL:PH POL:PL PRT:PT PRI:PR QAT:QA REU:RE ROU:RO RUS:RU RWA:RW KNA:KN LCA:LC "
    "VCT:VC WSM:WS SMR:SM STP:ST SAU:SA SEN:SN SRB:RS SYC:SC SLE:SL SGP:SG SXM:SX SVK:SK SVN:SI SLB:SB SOM:SO ZAF:ZA "
    "SSD:SS ESP:ES LKA:LK SDN:SD SUR:SR SWE:SE CHE:CH SYR:SY TWN:TW TJK:TJ TZA:TZ THA:TH TLS:TL TGO:TG TON:TO TTO:TT "
    "TUN:TN TUR:TR TKM:TM TCA:TC TUV:TV UGA:UG UKR:UA ARE:AE GBR:GB USA:US URY:UY UZB:UZ VUT:VU VEN:VE VNM:VN VGB:VG "
    "VIR:VI YEM:YE ZMB:ZM ZWE:ZW"
)
"""ISO 3166-1, alpha-3 and alpha-2."""

_OTHER_NAMES = {
    "uk": "GB", "united kingdom": "GB", "great britain": "GB", "britain": "GB", "england": "GB", "scotland": "GB",
    "wales": "GB", "northern ireland": "GB", "u k": "GB", "usa": "US", "u s a": "US", "u s": "US", "us": "US",
    "united states": "US", "united states of america": "US", "america": "US", "vereinigte staaten von amerika": "US",
    "holland": "NL", "the netherlands": "NL", "niederlande": "NL", "d": "DE", "a": "AT", "f": "FR", "i": "IT",
    "e": "ES",
    "brd": "DE", "eire": "IE", "republic of ireland": "IE", "czech republic": "CZ", "ivory coast": "CI",
    "south korea": "KR", "republic of korea": "KR", "korea": "KR", "north korea": "KP", "russian federation": "RU",
    "viet nam": "VN", "macedonia": "MK", "burma": "MM", "swaziland": "SZ", "cape verde": "CV", "uae": "AE",
    "u a e": "AE", "suisse": "CH", "schweiz": "CH", "svizzera": "CH", "espana": "ES", "osterreich": "AT",
}  # fmt: skip

_US = (
    "AL:alabama AK:alaska AZ:arizona AR:arkansas CA:california CO:colorado CT:connecticut DE:delaware "
    "DC:district_of_columbia FL:florida GA:georgia HI:hawaii ID:idaho IL:illinois IN:indiana IA:iowa KS:kansas "
    "KY:kentucky LA:louisiana ME:maine MD:maryland MA:massachusetts MI:michigan MN:minnesota MS:mississippi "
    "MO:missouri "
    "MT:montana NE:nebraska NV:nevada NH:new_hampshire NJ:new_jersey NM:new_mexico NY:new_york NC:north_carolina "
    "ND:north_dakota OH:ohio OK:oklahoma OR:oregon PA:pennsylvania RI:rhode_island SC:south_carolina SD:south_dakota "
    "TN:tennessee TX:texas UT:utah VT:vermont VA:virginia WA:washington WV:west_virginia WI:wisconsin WY:wyoming "
    "PR:puerto_rico CA:calif FL:fla PA:penna MA:mass CT:conn WA:wash OR:ore TX:tex OK:okla MN:minn MI:mich CO:colo "
    "IL:ill IN:ind KS:kans NE:nebr NV:nev WI:wis TN:tenn AL:ala AZ:ariz AR:ark DE:del GA:ga MT:mont VA:va DC:d_c "
    "DC:washington_d_c DC:washington_dc"
)
_AU = (
    "NSW:new_south_wales VIC:victoria QLD:queensland SA:south_australia WA:western_australia TAS:tasmania "
    "NT:northern_territory ACT:australian_capital_territory NSW:n_s_w QLD:q_l_d"
)
_CA = (
    "AB:alberta BC:british_columbia MB:manitoba NB:new_brunswick NL:newfoundland_and_labrador NL:newfoundland "
    "NS:nova_scotia NT:northwest_territories NU:nunavut ON:ontario PE:prince_edward_island QC:quebec SK:saskatchewan "
    "YT:yukon QC:pq ON:ont AB:alta"
)
_REGIONS = {
    country: {name.replace("_", " "): code.lower() for code, name in (p.split(":") for p in said.split())}
    for country, said in (("US", _US), ("AU", _AU), ("CA", _CA))
}

_FIVE = words("US DE FR IT ES FI EE MX UA TR HR RS ME MA DZ EG SA KR TH MY ID PR LT")
_FOUR = words("AU AT CH BE DK NO LU HU BG SI NZ ZA LI CY GE")
_SIX = words("IN CN RU SG RO BY KZ VN CO")
_DIGITS = {**dict.fromkeys(_FIVE, 5), **dict.fromkeys(_FOUR, 4), **dict.fromkeys(_SIX, 6)}
_ZEROS = words("US PR DE FR IT ES FI MX AU")
"""Countries whose codes may begin with zeros, which spreadsheets lose."""

_SPLIT = {
    "GB": (re.compile(r"([A-Z]{1,2}[0-9][0-9A-Z]?)([0-9][A-Z]{2})"), r"\1 \2"),
    "CA": (re.compile(r"([A-Z][0-9][A-Z])([0-9][A-Z][0-9])"), r"\1 \2"),
    "NL": (re.compile(r"([0-9]{4})([A-Z]{2})"), r"\1 \2"),
    "IE": (re.compile(r"([A-Z][0-9]{2}|D6W)([0-9A-Z]{4})"), r"\1 \2"),
    "PT": (re.compile(r"([0-9]{4})([0-9]{3})"), r"\1-\2"),
    "PL": (re.compile(r"([0-9]{2})([0-9]{3})"), r"\1-\2"),
    "BR": (re.compile(r"([0-9]{5})([0-9]{3})"), r"\1-\2"),
    "JP": (re.compile(r"([0-9]{3})([0-9]{4})"), r"\1-\2"),
    "SE": (re.compile(r"([0-9]{3})([0-9]{2})"), r"\1 \2"),
    "CZ": (re.compile(r"([0-9]{3})([0-9]{2})"), r"\1 \2"),
    "SK": (re.compile(r"([0-9]{3})([0-9]{2})"), r"\1 \2"),
    "GR": (re.compile(r"([0-9]{3})([0-9]{2})"), r"\1 \2"),
}
"""How codes of a country are written, and where they are parted."""
_SAME_AS = {"GG": "GB", "JE": "GB", "IM": "GB"}


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """Return ISO alpha-2 by folded name, in every language that phonenumbers knows countries in."""
    from phonenumbers.geodata.locale import LOCALE_DATA

    names: dict[str, set[str]] = {}
    for code, by_language in LOCALE_DATA.items():
        for name in set(by_language.values()):
            if not name.startswith("*") and fold(name):
                names.setdefault(fold(name), set()).add(code)
    found = {name: next(iter(codes)) for name, codes in names.items() if len(codes) == 1 and len(name) > 3}
    found.update({pair[:3].lower(): pair[4:] for pair in _ALPHA_3.split()})
    found.update({pair[4:].lower(): pair[4:] for pair in _ALPHA_3.split()})
    found.update(_OTHER_NAMES)
    return found


def read_country(text: str) -> tuple[str | None, ValueReason | None]:
    """Return the ISO 3166 alpha-2 code of a country named in any of some fifty languages, or why there is none."""
    if fold(text) != "na" and is_no_value(text):
        return None, ValueReason.BLOCKED_VALUE
    code = _countries().get(fold(text)) or _countries().get(fold(text).removeprefix("the "))
    return (code, None) if code else (None, ValueReason.UNREADABLE)


def read_region(text: str, country: str) -> tuple[str | None, ValueReason | None]:
    """Return the code of a state of the US, Australia or Canada in lower case, elsewhere the folded name."""
    if is_no_value(text) and fold(text) not in _REGIONS.get(country, {}):
        return None, ValueReason.BLOCKED_VALUE
    folded = fold(text)
    return _REGIONS.get(country, {}).get(folded, folded), None


def read_postal_code(text: str, country: str) -> tuple[str | None, ValueReason | None]:
    """Return a postal code as its country writes it; one of another form keeps its letters and digits."""
    if text.isdecimal() and text.isascii() and len(text) == _DIGITS.get(country) and text.strip("0"):
        return text, None
    if is_no_value(text) or not re.search("[1-9A-Za-z]", text):
        return None, ValueReason.BLOCKED_VALUE
    country = _SAME_AS.get(country, country)
    text = re.sub(r"^\s*([A-Za-z]{1,3})\s?-\s?(?=\d)", "", text) if country != "GB" else text
    text = re.sub(r"^(\d+)\.0$", r"\1", text.strip())
    if country in {"US", "PR"} and re.fullmatch(r"\d{5}(?:-?\s?\d{4})?", text):
        return text[:5], None
    bare = re.sub(r"[\W_]+", "", fold(text)).upper()
    width = _DIGITS.get(country)
    if width and bare.isdigit() and len(bare) < width and country in _ZEROS and len(bare) >= width - 2:
        return bare.zfill(width), None
    if country in _SPLIT:
        pattern, form = _SPLIT[country]
        if pattern.fullmatch(bare):
            return pattern.sub(form, bare), None
    return bare, None
