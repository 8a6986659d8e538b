"""Names of columns that say where, when or of what a row is, and not what was measured."""

from __future__ import annotations

import re
from functools import lru_cache

from sentinel.tables.cells import without_unit

_NUMBER = r"[ _]*(id|no|nr|num|number|code)"
_SITE = "site|station|location|lake|buoy|plot"
_THING, _OWNER = "device|sensor|logger", "node|host|entity|patient|subject|participant|animal"
_ID = r"[ _]*(id|code)"
"""A number of patients, of animals or of hosts may be a count."""
STATIONS = rf"(monitoring[ _]?)?({_SITE})({_NUMBER}|[ _]?(name|identifier|abbr))?|code_(site|station)|platform|stn"
SITES = (
    rf"{STATIONS}|(({_THING}){_NUMBER}|({_OWNER}){_ID}|({_THING}|{_OWNER})([ _]?(name|identifier))?)|hostname|topic|"
    r"dev_?eui|mac_?address|"
    r"species([ _]name)?|taxon([ _]name)?|scientific[ _]?name|common[ _]name|genus[ _]species"
)
"""A second one in the rows of a table is another series."""
PLACES = rf".*(depth|level|layer|height|rep(licate)?|{_SITE}|sensor|channel|sta|id)({_NUMBER}|[ _]?m)?"
"""They may tell series apart, and may be measurements, as `water_level` is."""
REGIONS = r"(county|state|country|province|region|basin)[ _]?(name|code|id)?"
NO_SERIES = (
    r"lat(itude)?|lon(g(itude)?)?|year4?|month|day|daynum|doy|hour|minute|date|time|wmo|"
    rf"(.*[ _])?({_SITE}|{_THING}|platform|climate|serial|well|instrument|mooring|wmo)s?{_NUMBER}|({_OWNER}){_ID}|"
    r"(.*[ _])?code|id|platform|station|stn"
)
"""Of columns of numbers: places, parts of a time, numbers that name something."""
QUANTITIES = (
    r"(variable|parameter|param|characteristic)[ _]?(name|code|cd|id)?|analyte|element|grandeur(_\w+)?|"
    r"observed_?property(determinand(label|code))?|datastream|metric|_field"
)
POSITIONS = r"lat(itude)?|lon(g(itude)?)?|pres|pressure|[xyz]|altitude|elevation|(horizontal|vertical)[ _]?position"
"""They tell series apart where each time comes several times, as in a grid or a profile."""
UNITS = r"(.*[ _/])?(measure[ _]?)?units?([ _]?(code|name|symbol|of[ _]?measure.*))?"


@lru_cache(maxsize=10_000)  # a file that is followed asks the same at each fetch
def is_one_of(name: str, *kinds: str) -> bool:
    """True for the name of a column, whatever its case and its brackets, that is of one of these kinds."""
    return re.fullmatch("|".join(kinds), without_unit(name).strip("# ").lower()) is not None
