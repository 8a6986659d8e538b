"""Public services on loopback, in the form that their documentation gives: written by hand, with made-up values.

ERDDAP: https://coastwatch.pfeg.noaa.gov/erddap/tabledap/documentation.html; USGS:
https://api.waterdata.usgs.gov/docs/ogcapi; SensorThings: OGC 18-088; NDBC:
https://www.ndbc.noaa.gov/faq/rt_data_access.shtml. None of the services themselves was asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlencode, urlsplit

from tests.sources.answering import send

STEP = 900
"""Seconds between two observations."""
NOT_FOUND = b"""Error {
    code=404;
    message="Not Found: Your query produced no matching results. (nRows = 0)";
}
"""


def value_at(seconds: int, station: int = 0) -> float:
    return round(10 + station + math.sin(seconds / 9_000), 3)


def seconds_of(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def iso(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def between(start: int, end: int, until: int) -> range:
    """Times of the observations of a stretch, of a service whose newest one is at `until`."""
    return range(-(-start // STEP) * STEP, min(end, until) + 1, STEP)


def address_of(handler: BaseHTTPRequestHandler) -> str:
    return f"http://{handler.headers['Host']}{urlsplit(handler.path).path}"


def erddap(until: int):
    """A data set of tabledap as .csv: names, units, rows."""

    def answer(handler: BaseHTTPRequestHandler, _: Mapping[str, str]) -> None:
        names, *constraints = unquote(urlsplit(handler.path).query).split("&")
        assert names == "time,station,sea_water_temperature"
        limits = {one[:6]: seconds_of(one[6:]) for one in constraints if one.startswith("time")}
        times = between(limits["time>="], limits["time<="], until)
        if not times:
            send(handler, 404, NOT_FOUND, Content_Type="text/plain")
            return
        lines = ["time,station,sea_water_temperature", "UTC,,degree_C"]
        lines += [f"{iso(at)},s{n},{'NaN' if at % 7_200 == 0 else value_at(at, n)}" for at in times for n in range(2)]
        send(handler, 200, "\n".join([*lines, ""]).encode(), Content_Type="text/csv;charset=ISO-8859-1")

    return answer


def usgs(until: int, limit: int = 40):
    """Items of the collection `continuous`: GeoJSON without geometry, values as text, pages by a cursor."""

    def answer(handler: BaseHTTPRequestHandler, form: Mapping[str, str]) -> None:
        start, end = map(seconds_of, form["time"].split("/"))
        assert end - start <= 1_096 * 86_400
        site, codes = form["monitoring_location_id"], ("00010", "00300")
        rows = [(at, code) for at in between(start, end, until) for code in codes]
        rows.sort(key=lambda row: math.sin(row[0] * (row[1] == codes[0]) + 1))  # by an identifier, not by time
        first = int(form.get("cursor", "0"))
        features = [
            {
                "type": "Feature", "id": f"{site}-{code}-{at}", "geometry": None,
                "properties": {
                    "time_series_id": f"t{code}", "monitoring_location_id": site, "parameter_code": code,
                    "statistic_id": "00011", "time": f"{iso(at)[:-1]}+00:00", "value": str(value_at(at, int(code))),
                    "unit_of_measure": "mg/l", "approval_status": "Provisional", "qualifier": None,
                },
            }
            for at, code in rows[first : first + limit]
        ]  # fmt: skip
        links = [{"rel": "self", "href": address_of(handler)}]
        if first + limit < len(rows):
            following = urlencode({**form, "cursor": first + limit})
            links.insert(
                0, {"rel": "next", "type": "application/geo+json", "href": f"{address_of(handler)}?{following}"}
            )
        body = {"type": "FeatureCollection", "features": features, "numberReturned": len(features), "links": links}
        send(handler, 200, json.dumps(body).encode(), Content_Type="application/geo+json")

    return answer


def sensorthings(until: int, top: int = 30):
    """Observations of a data stream, whose times are intervals; pages by `@iot.nextLink`."""

    def answer(handler: BaseHTTPRequestHandler, form: Mapping[str, str]) -> None:
        _, _, start, _, _, _, end = form["$filter"].split(" ")
        assert form["$orderby"] == "phenomenonTime asc"
        times, first = list(between(seconds_of(start), seconds_of(end), until)), int(form.get("$skip", "0"))
        found = [
            {
                "@iot.id": at, "phenomenonTime": f"{iso(at - STEP)}/{iso(at)}", "resultTime": None,
                "result": value_at(at), "resultQuality": None,
            }
            for at in times[first : first + top]
        ]  # fmt: skip
        body = {"value": found}
        if first + top < len(times):
            body["@iot.nextLink"] = f"{address_of(handler)}?{urlencode({**form, '$skip': first + top})}"
        send(handler, 200, json.dumps(body).encode(), Content_Type="application/json")

    return answer


def ndbc(until: int, days: int = 2):
    """A file of realtime2: the newest row first, MM where there is no value; known by when it was last modified."""

    def answer(handler: BaseHTTPRequestHandler, _: Mapping[str, str]) -> None:
        modified = f"{datetime.fromtimestamp(until, UTC):%a, %d %b %Y %H:%M:%S GMT}"
        if handler.headers["If-Modified-Since"] == modified:
            send(handler, 304, b"")
            return
        lines = ["#YY  MM DD hh mm WDIR WSPD WTMP", "#yr  mo dy hr mn degT m/s  degC"]
        times = reversed(between(until - days * 86_400, until, until))
        lines += [f"{datetime.fromtimestamp(at, UTC):%Y %m %d %H %M} 180  MM  {value_at(at)}" for at in times]
        send(handler, 200, "\n".join([*lines, ""]).encode(), Content_Type="text/plain", Last_Modified=modified)

    return answer
