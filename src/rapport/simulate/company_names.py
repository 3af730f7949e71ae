"""Names, streets and towns of a made-up company's customers, and what each medium makes of them.

Why it exists: people are told apart by what was typed at a till, in a browser and by someone who listened. How such
writing goes wrong is declared here, as mistakes of people, apart from any rule by which records are compared. No
matching may enter.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random

WOMEN: tuple[str, ...] = (
    "Anna", "Katharina", "Elisabeth", "Susanne", "Ursula", "Monika", "Petra", "Sabine", "Claudia", "Birgit", "Andrea",
    "Martina", "Stefanie", "Christine", "Angelika", "Gabriele", "Heike", "Silke", "Nicole", "Melanie", "Julia",
    "Franziska", "Johanna", "Charlotte", "Sophie", "Marie", "Lena", "Laura", "Hannah", "Emma", "Mia", "Clara",
    "Paula",
    "Helene", "Frieda", "Renate", "Ingrid", "Helga", "Brigitte", "Karin", "Ute", "Anja", "Tanja", "Sandra", "Daniela",
    "Alexandra", "Victoria", "Theresa", "Magdalena", "Margarete", "Ayşe", "Fatma", "Elif", "Zeynep", "Agnieszka",
    "Małgorzata", "Joanna", "Giulia", "Chiara", "Françoise", "Chloé", "Olga", "Natalia", "Anne-Marie", "Eva-Maria",
)  # fmt: skip
MEN: tuple[str, ...] = (
    "Michael", "Thomas", "Andreas", "Peter", "Stefan", "Christian", "Markus", "Martin", "Wolfgang", "Klaus", "Jürgen",
    "Bernd", "Frank", "Uwe", "Ralf", "Dirk", "Matthias", "Alexander", "Sebastian", "Daniel", "Tobias", "Florian",
    "Maximilian", "Johannes", "Friedrich", "Wilhelm", "Heinrich", "Karl", "Otto", "Hans", "Günter", "Manfred",
    "Dieter",
    "Gerhard", "Helmut", "Rainer", "Joachim", "Benjamin", "Jonas", "Lukas", "Felix", "Paul", "Leon", "Finn", "Noah",
    "Anton", "Emil", "Jakob", "Philipp", "Robert", "Mehmet", "Mustafa", "Ahmet", "Emre", "Piotr", "Krzysztof",
    "Paweł",
    "Marco", "Luca", "François", "René", "Igor", "Sergej", "Hans-Peter", "Karl-Heinz",
)  # fmt: skip
TWIN_NAMES: tuple[tuple[str, str], ...] = (
    ("Hannah", "Johanna"), ("Marie", "Maria"), ("Lena", "Lea"), ("Anna", "Anne"), ("Julia", "Juliane"),
    ("Clara", "Carla"), ("Jonas", "Johannes"), ("Lukas", "Luca"), ("Felix", "Finn"), ("Paul", "Paula"),
    ("Leon", "Leonie"), ("Martin", "Martina"), ("Michael", "Michaela"), ("Emil", "Emilia"),
)  # fmt: skip
"""First names that parents give to twins, alike as they often are."""
SURNAMES: tuple[str, ...] = (
    "Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann",
    "Schäfer",
    "Koch", "Bauer", "Richter", "Klein", "Wolf", "Schröder", "Neumann", "Schwarz", "Zimmermann", "Braun", "Krüger",
    "Hofmann", "Hartmann", "Lange", "Schmitt", "Werner", "Schmitz", "Krause", "Meier", "Lehmann", "Schmid", "Schulze",
    "Maier", "Köhler", "Herrmann", "König", "Walter", "Mayer", "Huber", "Kaiser", "Fuchs", "Peters", "Lang", "Scholz",
    "Möller", "Weiß", "Jung", "Hahn", "Schubert", "Vogel", "Friedrich", "Keller", "Günther", "Frank", "Berger",
    "Winkler", "Roth", "Beck", "Lorenz", "Baumann", "Franke", "Albrecht", "Schuster", "Simon", "Ludwig", "Böhm",
    "Winter", "Kraus", "Martin", "Schumacher", "Krämer", "Vogt", "Stein", "Jäger", "Otto", "Sommer", "Groß", "Seidel",
    "Heinrich", "Brandt", "Haas", "Schreiber", "Graf", "Dietrich", "Ziegler", "Kuhn", "Kühn", "Pohl", "Engel", "Horn",
    "Busch", "Bergmann", "Thomas", "Voigt", "Sauer", "Arnold", "Wolff", "Pfeiffer", "Yılmaz", "Kaya", "Demir",
    "Şahin", "Öztürk", "Nowak", "Kowalczyk", "Wójcik", "Rossi", "Russo", "Dubois", "Lefèvre", "Iwanow", "von Berg",
    "zu Stein", "van Dyck",
)  # fmt: skip
_STEMS = (
    "Linden", "Eichen", "Birken", "Rosen", "Stein", "Wald", "Berg", "Tal", "Bach", "Feld", "Hof", "Moos", "Hasel",
    "Erlen", "Weiden", "Sonnen", "Silber", "Gold", "Eisen", "Kupfer", "Morgen", "Oster", "Wester", "Nieder", "Ober",
    "Neu", "Alt", "Lang", "Kalten", "Warm", "Roten", "Grün", "Blumen", "Vogel", "Fuchs", "Hirsch", "Falken", "Adler",
)  # fmt: skip
_ENDS = (
    "bach", "berg", "feld", "hausen", "heim", "hofer", "mann", "meier", "müller", "ried", "stein", "thal", "wald",
    "brunner", "eder", "auer", "gruber", "huber", "kamp", "brink",
)  # fmt: skip
_COMPOUNDS = tuple(stem + end for stem in _STEMS for end in _ENDS if not end.startswith(stem.lower()[:4]))
_STREET_STEMS = (
    "Haupt", "Bahnhof", "Garten", "Linden", "Schul", "Kirch", "Berg", "Ring", "Wiesen", "Wald", "Goethe", "Schiller",
    "Mozart", "Beethoven", "Mühlen", "Rosen", "Birken", "Buchen", "Eichen", "Tannen", "Ahorn", "Kastanien", "Burg",
    "Schloss", "Markt", "Brunnen", "Feld", "Park", "See", "Ufer", "Fluss", "Brücken", "Nord", "Süd", "Ost", "West",
    "Kaiser", "König", "Bismarck", "Luther", "Kant", "Hegel", "Lessing", "Uhland", "Heine", "Zeppelin", "Siemens",
    "Daimler", "Röntgen", "Koch", "Virchow", "Humboldt", "Keppler", "Leibniz", "Albert", "Friedrich", "Wilhelm",
    "Amsel", "Drossel", "Finken", "Lerchen", "Meisen", "Schwalben", "Falken", "Adler", "Fuchs", "Hasen", "Reh",
)  # fmt: skip
_STREET_ENDS = ("straße", "straße", "straße", "weg", "weg", "allee", "gasse", "platz", "ring")
TOWNS: tuple[tuple[str, int, int, str], ...] = (
    ("Köln", 50667, 51149, "0221"), ("Bonn", 53111, 53229, "0228"), ("Düsseldorf", 40210, 40629, "0211"),
    ("Aachen", 52062, 52080, "0241"), ("Wuppertal", 42103, 42399, "0202"), ("Essen", 45127, 45359, "0201"),
    ("Dortmund", 44135, 44388, "0231"), ("Bochum", 44787, 44894, "0234"), ("Münster", 48143, 48167, "0251"),
    ("Bielefeld", 33602, 33739, "0521"), ("Mönchengladbach", 41061, 41239, "02161"),
    ("Krefeld", 47798, 47839, "02151"),
    ("Duisburg", 47051, 47279, "0203"), ("Leverkusen", 51371, 51381, "0214"), ("Neuss", 41460, 41472, "02131"),
    ("Bergisch Gladbach", 51427, 51469, "02202"), ("Siegen", 57072, 57080, "0271"), ("Koblenz", 56068, 56077, "0261"),
)  # fmt: skip
"""Town, first and last postal code, dialling code."""
PROVIDERS: tuple[str, ...] = ("gmail.com", "gmail.com", "gmail.com", "gmx.de", "web.de", "t-online.de", "outlook.com")

NICKNAMES: dict[str, tuple[str, ...]] = {
    "Katharina": ("Kathi", "Käthe"), "Elisabeth": ("Lisa", "Sissi", "Liesl"), "Susanne": ("Susi",),
    "Ursula": ("Uschi",),
    "Monika": ("Moni",), "Claudia": ("Claudi",), "Martina": ("Tina",), "Stefanie": ("Steffi",),
    "Christine": ("Christl",),
    "Angelika": ("Geli",), "Gabriele": ("Gabi",), "Nicole": ("Nicki",), "Melanie": ("Meli",), "Julia": ("Jule",),
    "Franziska": ("Franzi",), "Johanna": ("Hanna",), "Charlotte": ("Lotte",), "Helene": ("Leni",),
    "Brigitte": ("Gitte",),
    "Daniela": ("Dani",), "Alexandra": ("Alex", "Sandra"), "Victoria": ("Vicky",), "Theresa": ("Resi",),
    "Magdalena": ("Lena",), "Margarete": ("Grete", "Gretel"), "Agnieszka": ("Aga",), "Małgorzata": ("Gosia",),
    "Michael": ("Michi", "Micha"), "Thomas": ("Tom",), "Andreas": ("Andi",), "Stefan": ("Steff",),
    "Christian": ("Chris",),
    "Matthias": ("Matze", "Hias"), "Alexander": ("Alex",), "Sebastian": ("Basti",), "Daniel": ("Dani",),
    "Tobias": ("Tobi",), "Florian": ("Flo",), "Maximilian": ("Max",), "Johannes": ("Hannes", "Hans"),
    "Friedrich": ("Fritz",),
    "Wilhelm": ("Willi",), "Heinrich": ("Heinz", "Heiner"), "Gerhard": ("Gerd",), "Joachim": ("Achim", "Jochen"),
    "Benjamin": ("Ben",), "Anton": ("Toni",), "Philipp": ("Phil",), "Robert": ("Robbi",), "Krzysztof": ("Krzysiek",),
    "Hans-Peter": ("HaPe",), "Karl-Heinz": ("Kalle",), "Manfred": ("Manni",), "Günter": ("Günni",),
    "Jakob": ("Jacky",),
}  # fmt: skip

_HEARD: tuple[tuple[str, str], ...] = (
    ("ph", "f"), ("tth", "t"), ("th", "t"), ("dt", "tt"), ("tz", "z"), ("ck", "k"), ("ß", "ss"), ("y", "i"),
    ("ei", "ai"), ("ai", "ei"), ("ie", "i"), ("äu", "eu"), ("eu", "äu"), ("ä", "e"), ("mm", "m"), ("nn", "n"),
    ("ff", "f"), ("ll", "l"), ("ss", "s"), ("oh", "o"), ("uh", "u"), ("ah", "a"), ("üh", "ü"), ("öh", "ö"),
    ("c", "k"), ("k", "c"), ("v", "f"), ("w", "v"), ("z", "tz"), ("d", "t"), ("b", "p"), ("g", "k"), ("n", "nn"),
    ("l", "ll"), ("t", "th"), ("i", "y"), ("e", "eh"), ("o", "oh"), ("a", "ah"),
)  # fmt: skip
"""What is said and how it is written down by someone who heard it; the likelier ones first."""
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "kö", "m": "n", "n": "bm", "o": "ip", "p": "oü", "q": "wa", "r": "et", "s": "ad", "t": "rz",
    "u": "zi", "v": "cb", "w": "qe", "x": "yc", "y": "x", "z": "tu",
}  # fmt: skip
"""Keys beside each key of a German keyboard."""
_PLAIN = str.maketrans(
    {"ı": "i", "ş": "s", "Ş": "S", "ğ": "g", "ł": "l", "ń": "n", "ó": "o", "é": "e", "è": "e", "ç": "c"}
)
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


class Popular:
    """Draws a name, the first of the list most often: the weight of rank r is 1 / (r + offset)."""

    def __init__(self, names: Sequence[str], offset: float) -> None:
        self._names = names
        self._running = list(accumulate(1.0 / (rank + offset) for rank in range(1, len(names) + 1)))

    def draw(self, dice: Random) -> str:
        """Return one of the names."""
        return self._names[bisect(self._running, dice.random() * self._running[-1], hi=len(self._names) - 1)]


_WOMEN, _MEN, _COMMON = Popular(WOMEN, 20.0), Popular(MEN, 20.0), Popular(SURNAMES, 12.0)


def given_name(dice: Random, female: bool) -> str:
    """Return a first name."""
    return (_WOMEN if female else _MEN).draw(dice)


def surname(dice: Random) -> str:
    """Return a family name: half from the common ones, half from seven hundred rarer ones."""
    return _COMMON.draw(dice) if dice.random() < 0.5 else dice.choice(_COMPOUNDS)


def street(dice: Random) -> str:
    """Return the name of a street."""
    return dice.choice(_STREET_STEMS) + dice.choice(_STREET_ENDS)


def digits(dice: Random, count: int) -> str:
    """Return so many digits, the first not 0."""
    return str(dice.randrange(10 ** (count - 1), 10**count))


def plain(text: str) -> str:
    """Return a text in the letters that a German till of the West has."""
    return text.translate(_PLAIN)


def without_umlauts(text: str) -> str:
    """Return a text as somebody writes it who has no umlauts."""
    return plain(text).translate(_GERMAN)


def typo(dice: Random, text: str) -> str:
    """Return a text with one slip of the fingers after its first letter: swapped, left out, doubled, or beside."""
    places = [i for i in range(1, len(text)) if text[i].isalpha()]
    if len(places) < 2:
        return text
    at, kind = dice.choice(places), dice.random()
    if kind < 0.3 and at + 1 < len(text) and text[at] != text[at + 1]:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind < 0.55:
        return text[:at] + text[at + 1 :]
    if kind < 0.75:
        return text[:at] + text[at] + text[at:]
    beside = _NEIGHBOURS.get(text[at].lower(), "e")
    return text[:at] + dice.choice(beside) + text[at + 1 :]


def heard(dice: Random, name: str) -> str:
    """Return a name as written down by someone who only heard it; unchanged where it can be written one way only."""
    low = name.lower()
    fits = [(said, written) for said, written in _HEARD if said in low[1:]]
    if not fits:
        return name
    said, written = fits[min(int(dice.expovariate(0.7)), len(fits) - 1)]
    at = low.index(said, 1)
    return name[:at] + written + name[at + len(said) :]


def nickname(dice: Random, name: str) -> str:
    """Return what friends call somebody; the name itself where they have no other."""
    return dice.choice(NICKNAMES[name]) if name in NICKNAMES else name
