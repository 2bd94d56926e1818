"""Invented titles: pleasant to read, unique, the same for the same numbers."""

from itertools import product

CATEGORIES = (
    "Adventure", "Biography", "Comedy", "Cookery", "Fantasy", "History",
    "Music", "Mystery", "Nature", "Romance", "Science", "Travel",
)  # fmt: skip
SUBJECTS = (
    "lighthouses", "gardens", "railways", "islands", "markets", "mountains", "orchards", "rivers",
    "theatres", "workshops", "winters", "voyages", "letters", "bridges", "forests", "festivals",
)  # fmt: skip
_FIRST = (
    "Amber", "Bright", "Copper", "Crimson", "Distant", "Early", "Emerald", "Faithful", "Gentle",
    "Golden", "Hidden", "Hollow", "Indigo", "Ivory", "Jade", "Lantern", "Last", "Little", "Long",
    "Marble", "Midnight", "Morning", "Northern", "Patient", "Quiet", "Restless", "Rosewood",
    "Saffron", "Scarlet", "Secret", "Silver", "Sleeping", "Southern", "Stolen", "Sunlit",
    "Unlikely", "Velvet", "Wandering", "Winter", "Wooden",
)  # fmt: skip
_SECOND = (
    "Atlas", "Bakery", "Bell", "Bridge", "Carousel", "Castle", "Clockmaker", "Compass", "Cottage",
    "Ferry", "Garden", "Guest", "Harbour", "Heron", "Island", "Journey", "Kingdom", "Kite",
    "Ladder", "Letter", "Lighthouse", "Meadow", "Mirror", "Observatory", "Orchard", "Painter",
    "Parade", "Pavilion", "Piano", "River", "Sparrow", "Staircase", "Station", "Summer", "Teacup",
    "Tide", "Violin", "Voyage", "Window", "Workshop",
)  # fmt: skip
_STRIDE = 1009  # prime, so that neighbours in the list share no word


def titles(count: int) -> list[str]:
    """Distinct titles such as "The Copper Harbour"; beyond 1,600 they carry a volume number."""
    names = [f"The {first} {second}" for first, second in product(_FIRST, _SECOND)]
    mixed = [names[place * _STRIDE % len(names)] for place in range(len(names))]
    volumes = -(-count // len(mixed))
    numbered = [f"{name} ({volume})" for volume in range(2, volumes + 1) for name in mixed]
    return [*mixed, *numbered][:count]
