"""Word lists for composing the names of the world; all names are fictional.

If two lists are combined (`Ash` + `bourne`), every combination is used at most once, so each name
belongs to exactly one entity of the world.
"""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


# Six towns per region. Non-ASCII letters are for mojibake: all of their UTF-8 bytes exist in
# cp1252, and none is a no-break space or soft hyphen there. There is no å, as ftfy often considers
# its mojibake intended.
REGIONS = {
    "Ostermark": "Zürnbach Königsau Altenrode Weißenfeld Mühlhaven Torgau-Nord",
    "Valdoria": "Peñalta Montalvo Córdel Sarriza Lucerna-Alta Vendrés",
    "Norland": "Ösholm Kørvik Grönfors Tellavik Brandsund Hølsund",
    "Brenn": "Marlock Tannoch Inverdoon Calderby Straithe Dunmarrow",
    "Gallaise": "Saint-Éloi Montferré Brûlon Villecerf Châtelmont Rocquefleur",
    "Kessland": "Kessel Drumhoek Vaartveen Oudestad Zandmeer Brielhoven",
    "Talia": "Orvento Castelmara Pietrasole Fiorenza-Bassa Lagoscuro Monteverna",
    "Summerlea": "Lydcaster Elmsworthy Pennyquay Tidemouth Foxholt Harrowmere",
}

HELD_OUT_REGIONS = ("Gallaise", "Summerlea")
"""Regions that are held out of the labelled training examples."""

WOMEN = words("""
Alice Amélie Anaïs Beatrix Carla Chloé Daphne Edith Elena Fiona Frøya Greta Hanna Inês Ingrid Judith
Katrin Léa Linnéa Maren Märta Nadia Nora Olive Paula Renée Rosa Sigrid Belén Tessa Ursula Wilma Zoë
""")

MEN = words("""
Adam André Anton Björn Carl Daniel Émile Enzo Felix François Günther Hugo Ivo Jørgen José Jürgen
Kaspar Lars Leon Marco Matthias Noël Oscar Otto Paul Raúl René Samuel Søren Stefan Tobias Victor
""")

FAMILY_STEMS = words("""
Ash Barn Brack Cald Dun Elling Farn Garn Hal Ing Kel Lang Mel Nor Ock Pem Rad Sel Thorn Ux Wen
""")

FAMILY_ENDINGS = words("""
bourne combe croft dale ford gate ham hurst land ley more stead ton wick worth bridge
""")

COMPANY_STEMS = words("Alto Brio Corva Delta Ever Ferro Grana Hexa Indi Juno Kero Luma")
COMPANY_ENDINGS = words("line dyne mark vane path mere stone field")
COMPANY_FORMS = ("{}", "{} Group", "{} & Sons", "{} Works")

PRODUCT_STEMS = words("Zip Nim Tal Ora Vel Pix Cas Dom Fen Gil Hap Jot")
PRODUCT_ENDINGS = words("pad let rino zo brix lume tek vio")

PRODUCTS_BY_TRADE = {
    "electronics": "camera speaker phone laptop",
    "household goods": "kettle blender lamp toaster",
    "tools": "drill printer torch scale",
    "sports goods": "bicycle watch tent kayak",
}
"""Kinds of products by trade; each takes the article `a`."""

TITLE_ADJECTIVES = words("""
Silver Quiet Last Hidden Paper Broken Winter Crooked Distant Burning Borrowed Hollow
""")
TITLE_NOUNS = words("Harbour Orchard Witness Garden Letter Lantern River Staircase")

TEAM_FORMS = ("{} Rovers", "{} United", "{} Harriers", "{} Athletic", "{} Falcons", "{} City")
INSTITUTE_FORMS = ("{} Institute", "{} University", "{} Observatory", "{} Academy")
FESTIVAL_FORMS = ("{} Fair", "{} Festival", "{} Marathon", "{} Forum")

HOTEL_STEMS = words("Aurora Bellamy Corona Imperial Meridian Regent Savoy Windsor")
HOTEL_FORMS = ("{} Lodge", "{} Palace", "Hotel {}", "{} Inn", "{} House", "Grand {}")

RESTAURANT_STEMS = words("Copper Salted Golden Velvet Rusty Laughing Wandering Speckled")
RESTAURANT_ENDINGS = ("Heron", "Fig", "Anchor", "Pear & Thyme", "Goose", "Ladle")

SIGHT_STEMS = words("Amber Raven Saint Otter Mirror Thunder Heather Beacon")
SIGHT_FORMS = ("Lake {}", "{} Falls", "Mount {}", "{} Abbey", "{} Gorge", "{} Castle")

MONTHS = words("""
January February March April May June July August September October November December
""")
WEEKDAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
