"""What a reader of a title's report looks for, in a terminal and on the page."""

from __future__ import annotations

import io
import re
import sys
from html.parser import HTMLParser

import pytest
import title_hashes as hashes

from consumers.titles import Title, read_engagement, read_facts
from hookpoint.title_report.build import build_report, chosen_season
from hookpoint.title_report.page import html_page
from hookpoint.title_report.season import Group
from hookpoint.title_report.terminal import bounds_bar, print_report, sparks
from streams.rules import Rules

HOSTILE = "<script>alert(1)</script>\"'&$x_{1}$\x1b[31m\u202eevil"
VOID = {"meta", "br", "link", "img"}


def a_title(about=None, title_id="dark", **changes) -> Title:
    facts = read_facts(title_id, hashes.as_fields(hashes.facts() if about is None else about))
    fields = hashes.as_fields(hashes.engagement(**changes))
    return Title(title_id, facts, read_engagement(title_id, fields))


def nothing_but(**fields) -> Title:
    return Title("dark", None, read_engagement("dark", hashes.as_fields(fields)))


@pytest.fixture
def shown(capsys):
    def show(title: Title, season: int | None = None, **of: str) -> str:
        group = Group(*of.popitem()) if of else None
        print_report(build_report(title, season, group))
        return capsys.readouterr().out

    return show


# -- in a terminal ---------------------------------------------------------------------------------
def test_the_headline_has_the_numbers_and_their_moment(shown):
    text = shown(a_title())
    assert text.startswith("Dark  as of 2026-11-22 20:15:30 UTC\n")
    for line in (
        r"starters \(2 minutes\) +1,500",
        r"hours +5,230 h",
        r"views \(hours by runtime\) +784",
        r"unique viewers +about 1,623, 212 today",
        r"completed within 7 days +31 %",
        r"started by autoplay +25 %",
        r"completers within a week +75 %",
    ):
        assert re.search(line, text), line


def test_the_curve_is_drawn_with_its_bounds_and_the_hook_point_marked(shown):
    text = shown(a_title())
    first = re.search(
        r"^1 +█{14}▓░ +62 % \(59-65 %\) +44 % \(37-52 %\) +1,200 *$", text, re.MULTILINE
    )
    assert first, text
    marked = [line for line in text.splitlines() if line.rstrip().endswith(" hook point")]
    assert len(marked) == 1
    assert re.match(r"3 +█+░ +96 % \(94-98 %\) +89 % \(80-95 %\) +550", marked[0])
    assert (
        "episode 3 of 8: 88 % (80-95 %) of those who watched it go on to the end, 550 viewers"
        in text
    )
    assert re.search(r"lift over an even loss +\+26 points", text)


def test_what_is_provisional_says_until_when(shown):
    # 7 of 28 days are seen on 22 November.
    assert "7 of 28 days are seen, so until 2026-12-13" in shown(a_title())
    settled = {"curve:1": hashes.curve(provisional=False)}
    assert "provisional" not in shown(a_title(**settled))


def test_completion_that_nobody_had_the_time_for_is_said_to_be_unknown_yet(shown):
    assert "Completion within 28 days is known once" in shown(a_title())
    assert "Completion within 7 and 28 days is known once" in shown(a_title(completion_7d=None))
    assert "is known once" not in shown(a_title(completion_28d=0.5))


def test_the_place_where_most_leave_is_named_in_minutes(shown):
    text = shown(a_title())
    assert re.search(r"^1 +▁{9}█▁{10} .* 45-50 %, 22:30-25:00: 20.0 %", text, re.MULTILINE)
    assert re.search(r"^2 +▁{20} +800 [^%]*$", text, re.MULTILINE)


def test_the_audience_is_shown_in_shares_of_what_is_published(shown):
    text = shown(a_title())
    assert re.search(r"^DE +█+\S* +53 % +800", text, re.MULTILINE)
    assert re.search(r"^20:00-23:59 +█+\S* +60 % +900", text, re.MULTILINE)
    assert "viewers counted here  at least 1,500" in text


def test_age_bands_are_shown_from_young_to_old(shown):
    ages = {"45-54": 50, "18-24": 200, "65+": 50, "25-34": 450}
    text = shown(a_title(audience={"n": 1500, "age": ages}))
    bands = text.partition("Viewers by declared age band")[2].partition("Counts are")[0]
    assert re.findall(r"^(\S+) +\S+ +(\d+) %", bands, re.MULTILINE) == [
        ("18-24", "13"), ("25-34", "30"), ("45-54", "3"), ("65+", "3"),
    ]  # fmt: skip


def test_what_is_withheld_is_said_with_the_threshold(shown, capsys):
    text = shown(a_title())
    assert "what has fewer than 50 viewers is withheld" in text
    assert "Withheld altogether: device, age; no value is known of 50 viewers." in text
    assert "Countries with fewer than 50 starters are withheld" in text
    few = shown(a_title(audience=None, reach=None))
    assert "Withheld: fewer than 50 viewers so far." in few
    assert "Withheld: no country has 50 starters yet." in few
    assert "Where viewers leave is withheld for episodes with fewer than 50" not in text
    one = {"dropoff:1": {"1": [0.05] * 20}}
    assert "Where viewers leave is withheld for episodes with fewer than 50" in shown(
        a_title(**one)
    )
    curve = {"curve:1": hashes.curve(n=[1200, 700, 550, 500, 50, 0, 0])}
    assert re.search(r"^7 .* under 50 *$", shown(a_title(**curve)), re.MULTILINE)
    print_report(build_report(a_title(), rules=Rules(least_viewers=100)))
    assert "what has fewer than 100 viewers is withheld" in capsys.readouterr().out


def test_reach_says_where_it_travels_beside_home(shown):
    text = shown(a_title())
    assert re.search(r"watched abroad +45 %", text)
    reach = {"home_country": "KR", "abroad_share": None, "countries": {"other": 2100}}
    assert re.search(r"watched abroad +not known", shown(a_title(reach=reach)))
    assert re.search(r"1\.41 bits, evenness 0\.70", text)
    assert re.search(
        r"^FR \(country, S1\).*61 % \(at least 55 %\) +44 % \(at most 48 %\) +300",
        text,
        re.MULTILINE,
    )


def test_labels_are_told_by_what_they_are_given_and_what_they_make_of_it(shown):
    text = shown(a_title())
    assert re.search(
        r"breaks through as new +season 1: 44 % \(at least 37 %\) go on to the end, "
        r"30 % in 12 comparable seasons",
        text,
    )
    assert re.search(r"this title +1 % of all starts, 2 % of completions", text)
    assert re.search(r"^new +▌ +2 % +3 % +x 1\.50 +40 % +12", text, re.MULTILINE)
    assert "Withheld: local-hub; titles with that label have fewer than 50 starters." in text
    assert "New voices" not in shown(a_title(voices=None))


def test_a_step_of_too_few_viewers_is_unknown_and_so_is_who_finishes(shown):
    n = [1200, 700, 550, 500, 50, 50, 0]
    title = a_title(**{"curve:1": hashes.curve(n=n)})
    text = shown(title)
    assert re.search(r"^ *7 +- +- +- +under 50", text, re.MULTILINE)
    assert re.search(r"^ *6 +\S+ +\d+ %.* +- +50", text, re.MULTILINE)
    assert "go on to the end from episode 1" not in text
    assert "7: - to the next, - to the end" in html_page(build_report(title))


def test_what_is_withheld_is_said_by_the_threshold_that_was_in_force(shown):
    text = shown(a_title(least_viewers=80))
    assert "multiples of 80" in text
    assert not re.search(r"\b50 (viewers|starters)", text)


def test_how_certain_a_group_is_told_as_the_least_that_it_can_be(shown):
    hook = hashes.hook(certainty=0.9)
    assert "at least 90 %" in shown(a_title(**{"hook:1:DE": hook}), country="DE")


def test_a_country_shows_its_own_curve(shown):
    text = shown(a_title(), country="DE")
    assert re.search(r"^1 +█+▓*░* +90 % \(85-95 %\) +48 % +1,200", text, re.MULTILINE)
    assert "episode 2 of 8" in text
    assert re.search(r"In DE\n +viewers +at least 800\n +hours +2,800 h", text)


def test_a_language_shows_its_own_curve(shown):
    text = shown(a_title(), language="fr")
    assert re.search(r"^1 +█+▓*░* +80 % \(75-85 %\) +21 % +1,200", text, re.MULTILINE)
    assert "Who goes on in fr audio, by the last episode watched" in text
    assert "episode 4 of 8" in text
    assert re.search(r"In fr audio\n +viewers +at least 400\n +hours +1,630 h", text)
    there = shown(a_title(), language="it")
    assert "The curve of it audio is not there yet" in there
    assert "There is one for: fr." in there


def test_a_country_without_a_curve_is_told_which_have_one(shown):
    text = shown(a_title(), country="PT")
    assert "The curve of PT is not there yet" in text
    assert "There is one for: DE." in text
    assert "Viewers and hours are withheld: too few." in text


def test_the_last_season_watched_is_shown_and_the_others_summed_up(shown):
    second = {"season:2": {"starters": 90, "completers": 7}, "hook:2": {"k": None, "of": 6}}
    text = shown(a_title(**second))
    assert "\nSeason 2\n" in text
    assert "none yet: after no episode of 6 do 70 % surely go on to the end" in text
    assert re.search(r"season 1 +1,500 starters, 455 completed, hook point episode 3 of 8", text)
    assert "\nSeason 1\n" in shown(a_title(**second), season=1)
    assert chosen_season(a_title(**second), 3) is None


def test_a_film_has_no_curve_but_a_drop_off(shown):
    film = {"name": "Film", "kind": "film", "duration_s": 6000}
    left = [0.0] * 10 + [0.5] + [0.0] * 9
    title = Title(
        "film",
        read_facts("film", hashes.as_fields(film)),
        read_engagement("film", hashes.as_fields({"starters": 60, "dropoff:0": {"0": left}})),
    )
    text = shown(title)
    assert "The film\n" in text
    assert "50-55 %, 50:00-55:00: 50.0 %" in text
    assert "curve" not in text


def test_a_title_that_few_watch_or_nobody_yet_is_reported_without_what_is_missing(shown):
    assert "Not in the catalogue." in shown(nothing_but(starters=3))
    text = shown(Title("dark", read_facts("dark", {"name": "Dark", "kind": "film"}), None))
    assert text.startswith("Dark  nobody has watched it yet\n")
    assert "Season" not in text


def test_no_control_character_of_a_name_or_a_value_reaches_the_terminal(shown):
    about = hashes.facts(name=HOSTILE, genres=[HOSTILE], country=HOSTILE)
    changes = {
        "audience": {"n": 100, "country": {HOSTILE: 50}, "hour": {HOSTILE: 50}},
        "reach": {"home_country": HOSTILE, "countries": {HOSTILE: 1.5}},
        "voices": {"labels": [HOSTILE, HOSTILE + "2"], "by_label": {HOSTILE: {"titles": 1}}},
    }
    text = shown(a_title(about, HOSTILE, **changes))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_a_terminal_that_knows_ascii_only_gets_a_report_in_it(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    print_report(build_report(a_title()))
    sys.stdout.flush()
    text = written.getvalue().decode("ascii")
    assert re.search(r"^1 +#{14}=- +62 %", text, re.MULTILINE), text
    assert re.search(r"^1 +_{9}#_{10} ", text, re.MULTILINE)


@pytest.mark.usefixtures("capsys")  # writes UTF-8, as most terminals do
def test_a_bar_ends_at_the_upper_bound_even_where_bounds_are_crossed_or_out_of_range():
    assert bounds_bar(0.25, 0.5, 0.75) == "█" * 6 + "▓" * 6 + "░" * 6
    assert bounds_bar(0.5, 0.25, 2.0).count("█") == 12
    assert len(bounds_bar(0.0, 1.0, 1.0)) == 24
    assert sparks((0.0, 0.5, 1.0), 1.0) == "▁▅█"
    assert sparks((0.0, 0.0), 0.0) == "▁▁"


# -- on the page -----------------------------------------------------------------------------------
class Page(HTMLParser):
    """A page as a browser would take it: balanced tags, texts, attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(html_page(build_report(a_title())))


def test_the_page_is_one_whole_document_that_loads_and_runs_nothing(page):
    assert page.open == []
    assert not page.named("script")
    assert not page.named("link")
    assert not page.named("img")
    [policy] = [it["content"] for it in page.named("meta") if it.get("http-equiv")]
    assert "default-src 'none'" in policy
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (name, value)
            if name in ("href", "xlink:href", "src"):
                assert value.startswith("#"), (name, value)
            assert "url(" not in (value or "").replace("url(#", "")


def test_the_page_has_every_word_and_number_of_the_report(page):
    for section in build_report(a_title()).sections:
        for words in (section.heading, *section.notes, *(v for _, v in section.pairs)):
            assert " ".join(words.split()) in page.text, words
        for chart in section.charts:
            for row in chart.rows:
                for words in (row.label, *row.cells):
                    assert words in page.text, words


def test_every_plot_has_an_alternative_text_and_its_numbers(page):
    plots = page.named("svg")
    assert len(plots) == len(page.named("table")) == 10
    assert all(it["role"] == "img" and it["aria-label"] for it in plots)
    [curve] = [it["aria-label"] for it in plots if "go on after each episode" in it["aria-label"]]
    assert "The hook point is episode 3." in curve
    assert "1: 62 % (59-65 %) to the next, 44 % (37-52 %) to the end" in curve


def test_no_two_elements_share_an_id_and_every_reference_has_its_element(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = {
        found
        for _, attributes in page.tags
        for value in attributes.values()
        for found in re.findall(r"url\(#([^)]+)\)|^#(.+)$", value or "")
    }
    assert {one or other for one, other in used} <= set(ids)


def test_plots_take_the_colour_of_the_text_so_that_they_are_seen_in_light_and_in_dark(page):
    inks = [it["style"] for it in page.named("text")]
    assert inks
    assert all("currentColor" in style for style in inks)
    assert "color-scheme: light dark" in page.text
    assert "prefers-color-scheme: dark" in page.text


def test_a_hostile_name_is_shown_as_text_wherever_it_stands():
    about = hashes.facts(name=HOSTILE, genres=[HOSTILE], creators=[HOSTILE])
    changes = {
        "audience": {"n": 100, "country": {HOSTILE: 50}},
        "reach": {"home_country": HOSTILE, "countries": {HOSTILE: 1.5}, "languages": {"$": 1.0}},
        "voices": {"labels": [HOSTILE, HOSTILE + "2"], "by_label": {HOSTILE: {"titles": 1}}},
        "dropoff:1": {HOSTILE: [0.1] * 20},
        "episodes:1": None,
    }
    page = Page(html_page(build_report(a_title(about, HOSTILE, **changes))))
    assert page.open == []
    assert not page.named("script")
    assert not re.search("[\x1b\u202e]", page.text)
    [heading] = [text for text in page.texts if text.endswith("\\u202eevil")][1:2]
    assert heading == "<script>alert(1)</script>\"'&$x_{1}$\\x1b[31m\\u202eevil"


def test_a_title_of_which_little_is_known_has_a_page_too():
    page = Page(html_page(build_report(nothing_but(starters=3))))
    assert page.open == []
    assert not page.named("svg")
    bare = {"h_low": None, "h_high": None, "high": None, "h": None}
    Page(html_page(build_report(a_title(**{"curve:1": hashes.curve(**bare)}))))
