"""The page, its JSON and the probes, over a real server, and in a real browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import quote, unquote

import pytest

from sentinel import __version__
from sentinel.domain.states import Reason, SiteView, SourceStatus, State
from tests.views.reading import words_of


def test_healthy_and_ready_answer_get_and_head(client) -> None:
    for path, text in (("/-/healthy", "sentinel is healthy.\n"), ("/-/ready", "sentinel is ready.\n")):
        assert (client.get(path).status_code, client.get(path).text) == (200, text)
        assert (client.head(path).status_code, client.head(path).text) == (200, "")
        assert client.post(path).status_code == 405


def test_not_ready_is_503_with_the_reasons_and_still_healthy(client, daemon) -> None:
    daemon.not_ready = ["stopping", "source lake has neither answered nor failed yet"]
    answer = client.get("/-/ready")
    assert answer.status_code == 503
    assert "- stopping\n- source lake has neither answered nor failed yet\n" in answer.text
    assert client.get("/-/healthy").status_code == 200
    assert "source lake has neither answered" in client.get("/").text


def test_metrics_come_in_the_format_asked_for_and_compressed(client) -> None:
    plain = client.get("/metrics", headers={"accept-encoding": "identity"})
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    packed = client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})
    assert packed.headers["content-type"].startswith("application/openmetrics-text")
    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["vary"]
    assert packed.text.endswith("# EOF\n")


def test_until_the_state_is_restored_a_scrape_fails_instead_of_showing_no_alarms(client, daemon) -> None:
    daemon.restored = False
    answer = client.get("/metrics")
    assert (answer.status_code, answer.text) == (503, "sentinel has not restored its state yet.\n")
    daemon.restored = True
    assert "sentinel_series_alarm{" in client.get("/metrics").text


def test_the_header_counts_an_open_alarm_of_a_series_that_learns_again(client, daemon) -> None:
    view = daemon.snapshot.view("reactor")
    learning = {view.name: replace(view, state=State.LEARNING, reason=Reason.WARM_UP)}
    daemon.snapshot = replace(daemon.snapshot, series={**daemon.snapshot.series, **learning})
    assert re.search(r"(critical|warning), learning", client.get("/").text)


def test_the_header_counts_an_open_alarm_of_a_blind_series(client, daemon) -> None:
    assert "warning, blind" not in client.get("/").text
    blind = {
        name: replace(daemon.snapshot.view(name), state=State.BLIND, reason=Reason.STALE)
        for name in ("reactor", "grid/frequency")
    }
    daemon.snapshot = replace(daemon.snapshot, series={**daemon.snapshot.series, **blind})
    header = words_of(client.get("/").text.partition('class="counts"')[2].partition("</ul>")[0])
    assert "1 critical, blind 1 warning, blind" in header
    assert "1 warning 3 blind" in header


@pytest.mark.parametrize("path", ["/", "/-/ready", "/metrics", "/api/v1/series", "/nope", "/static/page.js"])
def test_every_answer_carries_the_security_headers(client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'self'; ")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/", "/series/lake/loaded", "/series/lake/fresh", "/nope"])
def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(client, path: str) -> None:
    page = client.get(path).text
    assert not re.search(r"<style|<script(?! type=\"module\" src=)|\sstyle=|\son[a-z]+=|javascript:", page)
    assert not re.findall(r'(?:src|href)="(?!/[^/]|/"|#)[^"]*"', page)


def lines_of(page: str, begin: str = "<main") -> str:
    """The words of a page from a mark on, a row of a table or a paragraph a line."""
    body = page[page.index(begin) :].replace(f"sentinel {__version__}", "sentinel VERSION")
    lines = (words_of(part).strip() for part in re.split(r"</(?:tr|p|h\d|li|dd)>", body))
    return "\n".join(filter(None, lines))


PAGES = [
    "/", "/?order=fleet", "/?q=LAKE&state=learning&order=name", "/status", "/sources", "/config", "/series/lake/loaded",
    "/series/lake/new", "/series/reactor", "/series/buoy 7", "/nope",
]  # fmt: skip


def test_what_the_pages_say_without_a_script_is_in_the_golden_words(client, golden) -> None:
    golden("pages.txt", "".join(f"# {path}\n{lines_of(client.get(path).text)}\n\n" for path in PAGES))


def test_the_status_page_says_of_each_series_its_state_and_what_is_known(client) -> None:
    table = client.get("/").text.partition("<tbody>")[2].partition("</tbody>")[0]
    said = {line.split()[0]: line for line in map(words_of, table.split("</tr>")) if line.strip()}
    for series, words in {
        "grid/frequency": ("critical", "0.98 (above 0.95)", "at least 19.5 h", "past the alarm line"),
        "reactor": ("0.93, period 14 h", "variance 2.3 ×"),
        "lake/loaded": ("warning",),
        "buoy": ("blind", "stuck"),
        "lake/control": ("watching", "0.35 (0.21 to 0.48)", "57.2 min", "1/1,259 of an alarm", "12 of 4,000 missing"),
        "lake/new": ("learning", "34 more ticks", "not ready"),
        "lake/fresh": ("learning", "cadence"),
    }.items():
        assert [each for each in words if each not in said[series]] == [], series


def test_a_series_page_says_each_rule_with_its_budget_its_reference_and_what_else_an_alarm_may_be(client) -> None:
    new = words_of(client.get("/series/lake/new").text)
    assert "400 more pairs needed" in new
    loaded = words_of(client.get("/series/lake/loaded").text)
    for words in ("alpha 0.0001 per tick", "1 false alarm in 10,000 ticks", "25,100 of 10,000 open", "one-sided"):
        assert words in loaded
    reactor = words_of(client.get("/series/reactor").text)
    for words in ("0.93, oscillating", "14 h", "variance 2.3 ×", "Criticality 2.49", "begun at 2026-06-01 13:20 UTC"):
        assert words in reactor


def test_the_fleet_ranking_names_its_windows_and_what_stands_out(client, snapshot) -> None:
    page = client.get("/?order=fleet").text
    words = words_of(page)
    assert "3 series stand out at a false discovery rate of 0.1 (e-BH)" in words
    assert "the one before, begun at 2026-06-01" in words
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    names = [unquote(name) for name in re.findall(r'href="/series/([^"]+)"', table)]
    ranked = ["grid/frequency", "reactor", "lake/loaded", "elnino", "buoy 7", "lake/control"]
    assert names[:6] == ranked, "series without an e-value come last"
    assert len(names) == len(snapshot)
    first = [("1", "1,260"), ("2", "50"), ("3", "25")]
    assert re.findall(r"(\d) e-value ([\d.,]+) stands out", words_of(table)) == first


def test_in_its_first_window_a_series_has_no_window_before(client, daemon) -> None:
    every = daemon.snapshot.series
    first = {name: replace(view, windows=1) for name, view in every.items()}
    said = []
    for series in (first, {**first, "reactor": every["reactor"]}):
        daemon.snapshot = replace(daemon.snapshot, series=series)
        said.append(words_of(client.get("/?order=fleet").text))
    assert "The claim is about the first window of 1,000 ticks, not over yet, begun at 2026-06-01 13:20 UTC." in said[0]
    assert "the present one so far and the one before where there is one, begun at 2026-06-01 13:20 UTC." in said[1]


def test_each_site_says_who_alarms_and_a_site_that_cannot_alarm_says_why(client, daemon, golden) -> None:
    site = SiteView(
        name="peter", match="lake/*", k=2, kind="any", since_us=daemon.snapshot.taken_us - 86_400_000_000,
        alarmed=("lake/loaded", "lake/loaded - lake/control", "reactor"), alarmed_count=2, series_count=3,
        able_count=2, blind_count=1,
    )  # fmt: skip
    quiet = replace(site, name="quiet", since_us=-1, alarmed=("reactor",), alarmed_count=1)
    blind = replace(quiet, name="dark", alarmed=(), alarmed_count=0, able_count=1, kind="lag1")
    learning = replace(blind, name="fresh", able_count=0, blind_count=0)
    small = replace(learning, name="small", series_count=1)
    assert "Sites" not in words_of(client.get("/").text)
    daemon.snapshot = replace(daemon.snapshot, every_site=(small, learning, quiet, blind, site))
    said = lines_of(client.get("/").text, '<h2 id="sites-heading"').partition("\nStability")[0]
    golden("page-sites.txt", said + "\n")
    rows = {line.split()[0]: line for line in said.splitlines()}
    assert list(rows)[2:5] == ["peter", "dark", "quiet"], "what alarms comes first, then what cannot see"
    for name, words in {
        "peter": "2 of 3 series have an open alarm",
        "dark": "cannot alarm now: 1 of 3 series can alarm (1 blind, 1 not ready)",
        "quiet": "1 of 3 series has an open alarm",
        "small": "cannot alarm:",
        "fresh": "cannot alarm now: 0 of 3",
    }.items():
        assert words in rows[name]
    daemon.snapshot = replace(daemon.snapshot, every_site=(quiet,) * 53)
    assert "and 3 more sites" in words_of(client.get("/").text)


def test_the_table_of_sources_shows_the_facts_and_why_one_fails(client, daemon) -> None:
    daemon.sources = [
        SourceStatus("silent"),
        SourceStatus("hanging", in_flight_us=-259_200_000_000),
        SourceStatus("old", last_success_us=5, up=True, fetches=4, accepted=1_200, late=3, newest_us=-259_200_000_000),
        SourceStatus("gone", last_failure_us=5, fetches=2, failed=2, refused=1, rejected=7, failure="no such <file>"),
        SourceStatus("lost", last_success_us=5, last_failure_us=6, fetches=2, failed=1, failure="closed"),
        SourceStatus("sent", last_success_us=5, up=True),
    ]
    table = client.get("/sources").text.partition("<h1")[2].partition("</main>")[0]
    rows = [" ".join(words_of(row).split()) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]]
    assert rows == [
        "gone failed no such &lt;file&gt; 2 3 0 7 0 none yet",
        f"hanging {words_of('none has ended yet; in flight since 1969-12-29')} 0 0 0 0 0 none yet",
        "lost failed closed; it succeeded last 1970-01-01 2 1 0 0 0 none yet",
        "old succeeded 4 0 1,200 0 3 1969-12-29",
        "sent nothing has come yet 0 0 0 0 0 none yet",
    ]


def test_columns_without_a_number_are_named_on_the_page_and_in_json(client, daemon) -> None:
    assert "No numbers yet" not in client.get("/sources").text
    assert client.get("/api/v1/series").json()["without_numbers"] == {}
    columns = ("<b>", *(f"c{n:02d}" for n in range(24)))
    daemon.sources = [SourceStatus("old", last_success_us=5, up=True, without_numbers=columns)]
    words = words_of(client.get("/sources").text)
    assert "No numbers yet in old: &lt;b&gt;, c00, c01" in words or "No numbers yet in old: <b>, c00, c01" in words
    assert "c18 and 5 more" in words
    assert client.get("/api/v1/series").json()["without_numbers"] == {"old": list(columns)}


def test_columns_that_count_are_named_on_the_page_and_in_json(client, daemon) -> None:
    daemon.sources = [SourceStatus("old", last_success_us=5, up=True, counting=("rain", "record"))]
    words = words_of(client.get("/sources").text)
    assert "Not judged in old, as they only rise like counters: rain, record" in words
    assert client.get("/api/v1/series").json()["counting"] == {"old": ["rain", "record"]}


def test_names_and_settings_are_escaped(client, snapshot) -> None:
    page = client.get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in client.get("/config").text


@pytest.mark.parametrize("name", ["lake/loaded", "buoy 7"])
def test_each_series_has_a_page_and_a_json_view(client, name: str) -> None:
    page = client.get(f"/series/{quote(name)}")
    assert page.status_code == 200
    assert f"<h1>{name}</h1>" in page.text
    assert client.get(f"/api/v1/series/{quote(name)}").json()["name"] == name


def test_a_name_full_of_traps_is_reached_through_its_link(server, client, daemon) -> None:
    name = 'a?b#c%20d&e="ü"<i>'
    view = replace(daemon.snapshot.view("lake/new"), name=name)
    daemon.snapshot = replace(daemon.snapshot, series={name: view})
    link = re.search(r'<th scope="row"><a href="([^"]+)"', client.get("/").text)
    assert client.get(link[1]).status_code == 200


def test_json_has_null_where_there_is_no_number(client) -> None:
    new = client.get("/api/v1/series/lake/new").json()
    assert (new["state"], new["reason"], new["lag1"], new["recovery_text"]) == (
        "learning",
        "warm_up",
        None,
        "not ready",
    )
    open_band = client.get("/api/v1/series/grid/frequency").json()
    assert open_band["recovery_high_seconds"] is None
    assert open_band["recovery_text"].startswith("at least")
    assert [rule["alarm"] for rule in open_band["rules"]] == ["a1b2", "a1b2"]
    assert client.get("/api/v1/series/lake/fresh").json()["time"] is None


def test_the_list_is_paged_in_the_order_of_names(client, snapshot) -> None:
    pages = [client.get(f"/api/v1/series?offset={offset}&limit=3").json() for offset in (0, 3, 6, 9)]
    names = [one["name"] for page in pages for one in page["series"]]
    assert [name for name in names if "script" not in name] == [n for n in snapshot.names() if "script" not in n]
    assert {page["total"] for page in pages} == {10}


@pytest.mark.parametrize("query", ["limit=1001", "limit=x", "offset=-1", "limit=1e3", "offset=99999999999999999999"])
def test_a_bad_page_is_refused_in_words(client, query: str) -> None:
    answer = client.get(f"/api/v1/series?{query}")
    assert answer.status_code == 400
    assert re.search(r"(limit|offset): '.*'; a whole number from 0 to \d+ is allowed", answer.json()["error"])


def test_a_spectrogram_is_json_and_is_not_sent_twice(client, snapshot) -> None:
    answer = client.get("/api/v1/spectrogram/lake/loaded")
    picture, data = snapshot.spectrogram("lake/loaded"), answer.json()
    assert data["readings"] == picture.readings.tolist()
    assert data["time_us"] == picture.time_us.tolist()
    assert data["lag1"][0] is None
    assert data["rules"] == [0.8]
    assert data["evidence_floor"] == -4
    again = client.get("/api/v1/spectrogram/lake/loaded", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/api/v1/spectrogram/lake/new", "/api/v1/spectrogram/x", "/api/v1/series/x", "/api/v1/no", "/api/"]
)
def test_what_is_not_there_is_a_404_in_json_below_api(client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert json.loads(answer.text)["error"]


@pytest.mark.parametrize("path", ["/nope", "/series/nope", "/series/", "/static/../app.py", "/static/nope"])
def test_what_is_not_there_is_a_plain_404_page(client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>404</h1>" in answer.text


def test_a_favicon_is_served(client) -> None:
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_no_series_yet_is_a_page_too(client, daemon) -> None:
    daemon.snapshot = replace(daemon.snapshot, series={})
    assert "No series yet" in client.get("/").text


@pytest.mark.parametrize("path", PAGES)
def test_each_landmark_of_a_page_has_a_label_of_its_own_and_each_id_stands_once(client, path: str) -> None:
    """Bug: table and section both were the region "Series", so a screen reader listed it twice (landmark-unique)."""
    text = client.get(path).text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    headings = dict(re.findall(r'<h[12] id="([^"]+)">([^<]*)', text))
    regions = [
        *(headings[name] for name in re.findall(r'<section[^>]* aria-labelledby="([^"]+)"', text)),
        *(headings[name] for name in re.findall(r'role="region"[^>]* aria-labelledby="([^"]+)"', text)),
        *re.findall(r'role="region"[^>]* aria-label="([^"]+)"', text),
    ]
    assert len(regions) == len(set(regions))
    assert regions or path in ("/status", "/sources", "/nope")
