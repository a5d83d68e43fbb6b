"""Signals about titles among those about viewers: read, shown, kept out of a viewer's export."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from consumers.records import BadRecordError, RawRecord, parse_signal
from consumers.traces import Search
from hookpoint.commands._views import SIGNALS
from hookpoint.demo.view import View

FOUND = {
    "state": "found", "k": 3, "of": 8, "p": 0.885, "low": 0.8, "high": 0.95, "n": 560, "h1": 0.4446,
    "lift": 0.26, "horizon_s": 604_800, "provisional": True, "curve_version": "c41", "before": None,
}  # fmt: skip
BURST = {"state": "begun", "observed": 212, "expected": 40.5, "p": 0.00002}
TRAVELS = {
    "to": "country", "value": "FR", "state": "begun", "h1": 0.61, "low": 0.55, "n": 300,
    "home": 0.44, "home_high": 0.48,
}  # fmt: skip
VOICE = {
    "labels": ["new"], "state": "begun", "label": "new", "h1": 0.5, "low": 0.45, "n": 50,
    "typical": 0.3, "peers": 12,
}  # fmt: skip


def a_signal(kind: str, title_id: str = "dark", **data: Any) -> RawRecord:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "hookpoint",
        "type": kind,
        "subject": title_id,
        "time": "2026-11-22T20:15:30.250Z",
        "data": {"title_id": title_id, **data},
    }
    return RawRecord("signals", 0, 0, title_id.encode(), orjson.dumps(event), {}, 1)


def row(record: RawRecord) -> list[str]:
    return [cell.plain for cell in SIGNALS.row(parse_signal(record))]


def test_a_hook_point_has_its_share_its_bounds_and_its_episode_typed():
    found = parse_signal(a_signal("title.hook_point", season=1, country="DE", **FOUND))
    assert found.is_about_title
    assert (found.who, found.viewer, found.subject) == (None, None, "dark")
    assert (found.title_id, found.season, found.country) == ("dark", 1, "DE")
    assert (found.p, found.interval, found.k, found.of) == (0.885, (0.8, 0.95), 3, 8)
    assert (found.state, found.curve_version, found.data["lift"]) == ("found", "c41", 0.26)


def test_a_viewers_signal_is_about_the_viewer_even_where_data_does_not_name_them():
    found = parse_signal(a_signal("viewer.hooked", "v7"))
    assert (found.is_about_title, found.who, found.country) == (False, "v7", None)


def test_a_withdrawn_hook_point_has_no_episode():
    gone = FOUND | {"state": "withdrawn", "k": None, "low": None, "before": 3}
    found = parse_signal(a_signal("title.hook_point", season=1, country=None, **gone))
    assert (found.k, found.interval, found.data["before"]) == (None, None, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"country": 5}, "country"),
        ({"language": 5}, "language"),
        ({"low": "x"}, "low"),
        ({"k": 1.5}, "k"),
    ],
)
def test_a_broken_signal_of_a_title_is_named_by_its_field(data, reason):
    with pytest.raises(BadRecordError) as caught:
        parse_signal(a_signal("title.hook_point", **data))
    assert caught.value.reason == reason


def test_a_hook_point_is_shown_with_its_share_and_why():
    data = FOUND | {"before": 4, "lift": None}
    assert row(a_signal("title.hook_point", season=1, country="DE", **data)) == [
        "2026-11-22 20:15:30",
        "hook_point",
        "audience in DE",
        "dark S1",
        "88 % (80-95)",
        "3 of 8",
        "found: n 560, h1 0.445, horizon 7 days, provisional, curve version c41, before 4",
    ]


@pytest.mark.parametrize(
    ("kind", "data", "who", "title", "why"),
    [
        ("title.trending", {"country": "DE", **BURST}, "audience in DE", "dark",
         "begun: observed 212, expected 40.5, p 2e-05"),
        ("title.trending", {"country": None, **BURST}, "audience", "dark",
         "begun: observed 212, expected 40.5, p 2e-05"),
        ("title.hook_point", {"season": 1, "country": None, "language": "fr", "state": "found"},
         "audience in fr audio", "dark S1", "found"),
        ("title.travels", {"season": 1, **TRAVELS}, "audience", "dark S1",
         "begun: to country, value FR, h1 0.61, low 0.55, n 300, home 0.44, home high 0.48"),
        ("title.breakthrough", {"season": 1, **VOICE}, "audience", "dark S1",
         "begun: labels new, label new, h1 0.5, low 0.45, n 50, typical 0.3, peers 12"),
    ],
)  # fmt: skip
def test_other_signals_of_titles_are_shown_with_the_numbers_behind(kind, data, who, title, why):
    shown = row(a_signal(kind, **data))
    assert shown[1:] == [kind.removeprefix("title."), who, title, "-", "-", why]


def test_a_type_that_is_not_known_yet_is_shown_too():
    assert row(a_signal("title.revived", mood="good"))[1:] == [
        "revived", "audience", "dark", "-", "-", "mood good"
    ]  # fmt: skip


def test_a_title_that_is_called_as_a_viewer_is_not_the_viewer():
    search = Search("dark", by_key=True, has_titles=True)
    assert not search.finds(a_signal("title.trending", **BURST))
    assert search.finds(a_signal("viewer.hooked", viewer="dark"))
    broken = RawRecord("signals", 0, 0, b"dark", b'{"type": "title.', {}, 1)
    assert search.finds(broken)
    # On another topic a type that begins so is what a player sent.
    assert Search("dark", by_key=True).finds(a_signal("title.trending", **BURST))


def test_the_demo_says_which_title_it_is_about_and_where():
    view = View({"dark": "Dark"}, {})
    trending = parse_signal(a_signal("title.trending", country="DE", **BURST))
    assert view.why(trending) == "Dark trending begun in DE"
    assert view.why(parse_signal(a_signal("title.travels", season=1, **TRAVELS))) == (
        "Dark travels begun"
    )
