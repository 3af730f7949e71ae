"""Names that made-up people carry: common ones first, as in life, and parts of which rarer ones are made.

Why it exists: a name that a hundred share tells less than one that nobody else bears. Facts, and nothing else.
"""

from __future__ import annotations

from typing import Final

GIVEN: Final[tuple[str, ...]] = (
    "james", "mary", "robert", "patricia", "john", "jennifer", "michael", "linda", "david", "elizabeth", "william",
    "barbara", "richard", "susan", "joseph", "jessica", "thomas", "sarah", "charles", "karen", "christopher",
    "lisa", "daniel", "nancy", "matthew", "betty", "anthony", "sandra", "mark", "margaret", "donald", "ashley",
    "steven", "kimberly", "andrew", "emily", "paul", "donna", "joshua", "michelle", "kenneth", "carol", "kevin",
    "amanda", "brian", "melissa", "timothy", "deborah", "ronald", "stephanie", "george", "rebecca", "jason",
    "sharon", "edward", "laura", "jeffrey", "cynthia", "ryan", "dorothy", "jacob", "amy", "gary", "kathleen",
    "nicholas", "angela", "eric", "shirley", "jonathan", "emma", "stephen", "brenda", "larry", "pamela", "justin",
    "nicole", "scott", "anna", "brandon", "samantha", "benjamin", "katherine", "samuel", "christine", "gregory",
    "debra", "alexander", "rachel", "patrick", "carolyn", "frank", "janet", "raymond", "maria", "jack", "olivia",
    "dennis", "heather", "jerry", "helen", "tyler", "catherine", "aaron", "diane", "jose", "julie", "adam",
    "victoria", "nathan", "joyce", "henry", "lauren", "zachary", "kelly", "douglas", "christina", "peter", "ruth",
    "kyle", "joan", "noah", "virginia", "ethan", "judith", "jeremy", "evelyn", "christian", "hannah", "walter",
    "andrea", "keith", "megan", "austin", "cheryl", "roger", "jacqueline", "terry", "madison", "sean", "teresa",
    "gerald", "abigail", "carl", "sophia", "dylan", "martha", "harold", "sara", "jordan", "gloria", "jesse",
    "janice", "bryan", "kathryn", "lawrence", "ann", "arthur", "isabella", "gabriel", "judy", "bruce", "charlotte",
    "logan", "julia", "billy", "grace", "joe", "amber", "alan", "alice", "juan", "jean", "elijah", "denise",
    "willie", "frances", "albert", "danielle", "wayne", "marilyn", "randy", "natalie", "mason", "beverly",
    "vincent", "diana", "liam", "brittany", "roy", "theresa", "bobby", "kayla", "caleb", "alexis", "bradley",
    "doris", "russell", "lori", "lucas", "tiffany", "oliver", "amelia", "leo", "ava", "theo", "mia", "freya",
    "oscar", "isla", "hugo", "elsie", "felix", "ivy", "max", "ella", "louis", "clara", "emil", "ida", "anton",
    "marta", "pedro", "lucia", "carlos", "carmen", "luis", "sofia", "miguel", "elena", "ahmed", "fatima", "omar",
    "layla", "ali", "yasmin", "ravi", "priya", "arjun", "anita", "sanjay", "meena", "wei", "li", "ming", "mei",
    "hiroshi", "yuki", "kenji", "akira", "ivan", "olga", "dmitri", "natasha", "pavel", "irina", "jan", "eva",
    "piotr", "agnieszka", "marek", "zofia", "lars", "ingrid", "sven", "astrid", "nils", "karin", "matteo", "giulia",
    "luca", "chiara", "marco", "francesca", "pierre", "camille", "antoine", "chloe", "jules", "manon",
)  # fmt: skip
"""First names, the more frequent first."""

SURNAMES: Final[tuple[str, ...]] = (
    "smith", "johnson", "williams", "brown", "jones", "garcia", "miller", "davis", "rodriguez", "martinez",
    "hernandez", "lopez", "gonzalez", "wilson", "anderson", "thomas", "taylor", "moore", "jackson", "martin", "lee",
    "perez", "thompson", "white", "harris", "sanchez", "clark", "ramirez", "lewis", "robinson", "walker", "young",
    "allen", "king", "wright", "scott", "torres", "nguyen", "hill", "flores", "green", "adams", "nelson", "baker",
    "hall", "rivera", "campbell", "mitchell", "carter", "roberts", "gomez", "phillips", "evans", "turner", "diaz",
    "parker", "cruz", "edwards", "collins", "reyes", "stewart", "morris", "morales", "murphy", "cook", "rogers",
    "gutierrez", "ortiz", "morgan", "cooper", "peterson", "bailey", "reed", "kelly", "howard", "ramos", "kim",
    "cox", "ward", "richardson", "watson", "brooks", "chavez", "wood", "james", "bennett", "gray", "mendoza",
    "ruiz", "hughes", "price", "alvarez", "castillo", "sanders", "patel", "myers", "long", "ross", "foster",
    "jimenez", "powell", "jenkins", "perry", "russell", "sullivan", "bell", "coleman", "butler", "henderson",
    "barnes", "gonzales", "fisher", "vasquez", "simmons", "romero", "jordan", "patterson", "alexander", "hamilton",
    "graham", "reynolds", "griffin", "wallace", "moreno", "west", "cole", "hayes", "bryant", "herrera", "gibson",
    "ellis", "tran", "medina", "aguilar", "stevens", "murray", "ford", "castro", "marshall", "owens", "harrison",
    "fernandez", "mcdonald", "woods", "washington", "kennedy", "wells", "vargas", "henry", "chen", "freeman",
    "webb", "tucker", "guzman", "burns", "crawford", "olson", "simpson", "porter", "hunter", "gordon", "mendez",
    "silva", "shaw", "snyder", "mason", "dixon", "munoz", "hunt", "hicks", "holmes", "palmer", "wagner", "black",
    "robertson", "boyd", "rose", "stone", "salazar", "fox", "warren", "mills", "meyer", "rice", "schmidt", "garza",
    "daniels", "ferguson", "nichols", "stephens", "soto", "weaver", "ryan", "gardner", "payne", "grant", "dunn",
    "kelley", "spencer", "hawkins", "arnold", "pierce", "vazquez", "hansen", "peters", "santos", "hart", "bradley",
    "knight", "elliott", "cunningham", "duncan", "armstrong", "hudson", "carroll", "lane", "riley", "andrews",
    "alvarado", "ray", "delgado", "berry", "perkins", "hoffman", "johnston", "matthews", "pena", "richards",
    "contreras", "willis", "carpenter", "lawrence", "sandoval", "guerrero", "george", "chapman", "rios", "estrada",
    "ortega", "watkins", "greene", "nunez", "wheeler", "valdez", "harper", "burke", "larson", "santiago",
    "maldonado", "morrison", "franklin", "carlson", "austin", "dominguez", "carr", "lawson", "jacobs", "obrien",
    "lynch", "singh", "vega", "bishop", "montgomery", "oliver", "jensen", "harvey", "williamson", "gilbert", "dean",
    "sims", "espinoza", "howell", "li", "wong", "reid", "hanson", "le", "mccoy", "garrett", "burton", "fuller",
    "wang", "weber", "welch", "rojas", "lucas", "marquez", "fields", "park", "yang", "little", "banks", "padilla",
    "day", "walsh", "bowman", "schultz", "luna", "fowler", "mejia", "kowalski", "nowak", "rossi", "bianchi",
    "dubois", "moreau", "lindqvist", "berg", "dahl", "jansen", "bakker", "visser", "novak", "horvat", "ivanov",
    "petrov", "kaya", "demir", "haddad", "rahman", "khan", "sharma", "gupta", "tanaka", "sato", "suzuki",
)  # fmt: skip
"""Family names, the more frequent first."""

STREETS: Final[tuple[str, ...]] = (
    "oak", "maple", "cedar", "pine", "elm", "washington", "lake", "hill", "walnut", "spring", "north", "ridge",
    "church", "willow", "mill", "sunset", "railroad", "jackson", "cherry", "west", "south", "center", "highland",
    "forest", "river", "meadow", "east", "chestnut", "park", "college", "franklin", "jefferson", "lincoln",
    "madison", "adams", "monroe", "green", "dogwood", "hickory", "birch", "poplar", "magnolia", "laurel", "spruce",
    "holly", "cypress", "juniper", "sycamore", "locust", "hawthorn", "prospect", "pleasant", "valley", "fairview",
    "grove", "orchard", "garden", "summit", "liberty", "union", "market", "broad", "bridge", "canal", "dock",
    "harbor", "bay", "ocean", "cliff", "canyon", "mesa", "desert", "prairie", "ranch", "farm", "barn", "stable",
    "quarry", "mine", "foundry", "depot", "station", "airport", "tower", "castle", "manor", "abbey", "chapel",
    "cathedral", "school", "academy", "library", "museum", "theater", "arena", "stadium", "victory", "freedom",
    "heritage", "pioneer", "frontier", "colonial", "mission", "santa", "fe", "alamo", "cactus", "bluebonnet",
    "rosewood", "ironwood", "redwood", "sandalwood", "teakwood", "briar", "bramble", "clover", "heather", "ivy",
    "lavender", "lilac", "lily", "marigold", "primrose", "thistle", "violet", "falcon", "eagle", "hawk", "heron",
    "swan", "robin", "sparrow", "wren", "fox", "deer", "elk", "bear", "wolf", "otter", "beaver",
)  # fmt: skip
"""What streets are called."""

WAYS: Final[tuple[str, ...]] = (
    "street", "avenue", "road", "lane", "drive", "court", "way", "place", "boulevard", "close",
)  # fmt: skip
"""Kinds of streets."""

CITIES: Final[tuple[tuple[str, str], ...]] = (
    ("riverton", "ny"), ("lakewood", "ca"), ("hillsboro", "tx"), ("fairfield", "il"), ("greenville", "pa"),
    ("ashland", "az"), ("milton", "tx"), ("clayton", "ca"), ("georgetown", "tx"), ("burlington", "ca"),
    ("oxford", "tx"), ("kingston", "fl"), ("salem", "ca"), ("dover", "oh"), ("hudson", "nc"), ("clinton", "in"),
    ("auburn", "wa"), ("madison", "co"), ("arlington", "dc"), ("newport", "ma"), ("lexington", "tn"),
    ("bristol", "mi"), ("winchester", "or"), ("franklin", "ok"), ("manchester", "nv"), ("marion", "ky"),
    ("troy", "md"), ("jackson", "wi"), ("dayton", "nm"), ("monroe", "az"), ("florence", "ca"), ("bedford", "mo"),
    ("centerville", "ga"), ("milford", "co"), ("chester", "va"), ("cleveland", "ne"), ("concord", "fl"),
    ("springfield", "ca"), ("lebanon", "mn"), ("jefferson", "ok"), ("hamilton", "ks"), ("waverly", "tx"),
    ("mount vernon", "la"), ("oakland", "oh"), ("norwood", "hi"), ("lancaster", "ky"), ("rochester", "nj"),
    ("glendale", "tx"), ("medford", "ca"), ("bloomfield", "mo"), ("highland", "tn"), ("camden", "oh"),
    ("portland", "nc"), ("quincy", "wi"), ("canton", "mi"), ("union city", "nj"), ("columbia", "ia"),
    ("warren", "in"), ("plymouth", "nv"), ("sheridan", "az"), ("ferndale", "va"), ("brookfield", "id"),
    ("edgewood", "al"), ("stanton", "la"), ("hanover", "ny"), ("crestview", "ga"), ("weston", "nc"),
    ("princeton", "ut"), ("pinehurst", "sd"), ("harrison", "wy"), ("carlisle", "me"), ("alton", "vt"),
    ("newbury", "nh"), ("stratford", "ct"), ("belmont", "ri"), ("cheshire", "de"), ("easton", "mt"),
    ("granville", "nd"), ("hampton", "ak"), ("kenton", "wv"), ("lowell", "ms"),
)  # fmt: skip
"""Towns with their regions, the larger first."""

NICKNAMES: Final[dict[str, str]] = {
    "robert": "bob", "william": "bill", "richard": "dick", "james": "jim", "john": "jack", "michael": "mike",
    "david": "dave", "thomas": "tom", "charles": "charlie", "christopher": "chris", "daniel": "dan",
    "matthew": "matt", "anthony": "tony", "steven": "steve", "andrew": "andy", "joshua": "josh", "kenneth": "ken",
    "timothy": "tim", "ronald": "ron", "edward": "ed", "jeffrey": "jeff", "nicholas": "nick", "jonathan": "jon",
    "stephen": "steve", "benjamin": "ben", "samuel": "sam", "gregory": "greg", "alexander": "alex",
    "patrick": "pat", "raymond": "ray", "dennis": "denny", "gerald": "jerry", "lawrence": "larry",
    "vincent": "vince", "bradley": "brad", "jennifer": "jen", "elizabeth": "liz", "barbara": "barb",
    "susan": "sue", "jessica": "jess", "margaret": "peggy", "patricia": "pat", "deborah": "debbie",
    "katherine": "kate", "catherine": "cathy", "kathleen": "kathy", "christine": "chris", "rebecca": "becky",
    "pamela": "pam", "samantha": "sam", "stephanie": "steph", "cynthia": "cindy", "victoria": "vicky",
    "jacqueline": "jackie", "theresa": "terry", "abigail": "abby", "amanda": "mandy", "nancy": "nan",
    "dorothy": "dot", "carolyn": "carol",
}  # fmt: skip
"""What some are called for short."""

PARTS: Final[tuple[str, ...]] = (
    "ab", "al", "an", "ar", "as", "ba", "be", "bel", "ber", "bo", "bra", "bu", "ca", "cor", "da", "del", "der",
    "do", "du", "el", "en", "er", "fa", "fer", "fi", "fo", "ga", "gel", "ger", "go", "gra", "ha", "hal", "hei",
    "ho", "hu", "in", "ja", "jo", "ka", "kel", "ko", "kra", "la", "lan", "le", "lin", "lo", "lu", "ma", "mar", "me",
    "mi", "mo", "mor", "na", "ner", "ni", "no", "nor", "o", "ol", "or", "pa", "pel", "pi", "po", "ra", "rei", "ri",
    "ro", "ru", "sa", "sel", "sen", "si", "so", "ta", "tel", "ti", "to", "tor", "tu", "ul", "um", "va", "ver", "vi",
    "vo", "wa", "wei", "win", "wo", "ya", "ze", "zi", "zo",
)  # fmt: skip
"""Parts of which rarer names are put together."""

PROVIDERS: Final[tuple[str, ...]] = (
    "gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "aol.com", "comcast.net", "mail.com",
    "gmx.com", "proton.me", "live.com", "btinternet.com",
)  # fmt: skip
"""Where mailboxes are, the more frequent first."""
