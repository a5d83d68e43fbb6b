"""One viewer's way through a season: every transition, and each guard on its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from strategies import CURVE, DAY, HOUR, MINUTE, RULES, RUNTIME_MS, T0, Watching, context, event

from streams.catalogue import Curve
from streams.signals import stamp
from streams.viewing.journey import Journey, View
from streams.viewing.knots import Kind
from streams.viewing.shapes import Step

LONG = Curve.parse(
    {
        "version": "9",
        "episodes": 8,
        "c": [0.95] * 7,
        "low": [0.93] * 7,
        "n": [100] * 7,
        "gap_s": [0, 86_400, 10 * 86_400],
        "gap_cdf": [0, 0.5, 1],
    }
)
NO_CURVE = View(8, 8 * RUNTIME_MS, None, RULES)
AUDIENCE = NO_CURVE._replace(curve=LONG)


def done(at_ms: int = T0, *, deliberate: bool = True, share: float = 1.0) -> Step:
    covered = round(share * RUNTIME_MS)
    completed_ms = at_ms if share >= 0.9 else 0
    return Step(covered, RUNTIME_MS, at_ms, at_ms, completed_ms, deliberate)


def journey(*steps: Step, **state: Any) -> Journey:
    return Journey("v", "dark", 1, steps=dict(enumerate(steps, 1)), last_ms=T0, **state)


def advanced(found: Journey, view: View) -> str:
    signal = found.advance(T0, view)
    return signal.word if signal else ""


# -- hooked by pace -----------------------------------------------------------------------------
def test_three_episodes_within_a_day_hook_by_pace() -> None:
    one = Watching()
    at = T0
    for episode in (1, 2, 3):
        assert one.words() == []
        at = one.watch(episode, at)
    [signal] = one.sent("g")
    data = signal["data"]
    assert (signal["type"], signal["subject"]) == ("viewer.hooked", "v")
    assert signal["time"] == stamp(at)
    assert (data["basis"], data["p"], data["interval"], data["k"], data["of"]) == (
        "pace", None, None, 3, 4,
    )  # fmt: skip
    assert data["because"]["completed"] == 3
    assert (data["because"]["left"], data["catalogue_version"]) == (1, 7)


def test_a_day_and_a_second_is_too_slow_a_pace() -> None:
    quick = [done(T0 - DAY), done(T0 - HOUR), done(T0)]
    slow = [done(T0 - DAY - 1), done(T0 - HOUR), done(T0)]
    assert advanced(journey(*quick), NO_CURVE) == "hooked"
    assert advanced(journey(*slow), NO_CURVE) == ""


def test_pace_needs_one_deliberate_act() -> None:
    automatic = [done(deliberate=False)] * 3
    assert advanced(journey(*automatic), NO_CURVE) == ""
    assert advanced(journey(done(), *automatic[1:]), NO_CURVE) == "hooked"


def test_pace_says_nothing_after_the_last_episode() -> None:
    view = NO_CURVE._replace(of=8)
    steps = journey(done(), done(), done())
    steps.steps[8] = steps.steps.pop(1)
    assert advanced(steps, view) == ""


def test_a_night_of_autoplay_alone_hooks_nobody() -> None:
    one, at = Watching(), T0
    for episode in (1, 2, 3):
        at = one.watch(episode, at, autoplay=True)
    assert one.words() == []


def test_a_season_that_was_not_watched_for_a_week_is_not_known_yet() -> None:
    early = replace(LONG, horizon_s=7 * 86_400 - 1)
    found = journey(done(), done())
    assert advanced(found, AUDIENCE._replace(curve=early)) == ""
    assert (
        advanced(found, AUDIENCE._replace(curve=replace(early, horizon_s=7 * 86_400))) == "hooked"
    )
    signal = journey(done(), done(), done()).advance(T0, AUDIENCE._replace(curve=early))
    assert signal
    assert (signal.word, signal.basis) == ("hooked", "pace")


def test_pace_is_silent_where_the_audience_is_known_to_leave() -> None:
    poor = replace(LONG, c=(0.8,) * 7, low=(0.75,) * 7)
    few = replace(poor, n=(49,) * 7)
    steps = [done(), done(), done()]
    assert advanced(journey(*steps), AUDIENCE._replace(curve=few)) == "hooked"
    assert advanced(journey(*steps), AUDIENCE._replace(curve=poor)) == ""


# -- hooked by audience ---------------------------------------------------------------------------
def test_a_likely_finisher_is_hooked_by_the_audience() -> None:
    found = journey(done(), done())
    signal = found.advance(T0, AUDIENCE)
    assert signal
    assert (signal.word, signal.basis, signal.k, signal.of) == ("hooked", "audience", 2, 8)
    assert signal.p == round(0.95**6, 4)
    assert signal.interval
    assert signal.interval[0] < signal.p < signal.interval[1]
    assert (signal.curve_version, signal.because["viewers"]) == ("9", 100)


def test_a_long_season_is_finished_before_its_last_episode() -> None:
    runtimes = dict.fromkeys(range(1, 13), RUNTIME_MS)
    twelve = Curve("9", (0.97,) * 11, (0.96,) * 11, (100,) * 11, LONG.gap_s, LONG.gap_cdf)
    view = View(12, 12 * RUNTIME_MS, twelve, RULES, runtimes_ms=runtimes)
    assert journey(done(), done()).finishes_with(view) == 11
    signal = journey(done(), done()).advance(T0, view)
    assert signal
    assert signal.p == round(0.97**9, 4)
    # Who left a fifth of each of five unwatched needs the last one as well.
    assert journey(*[done(share=0.8)] * 5).finishes_with(view) == 12
    later = Journey("v", "dark", 1, steps={6: done()})
    assert later.finishes_with(view) == 12


LEAST = 0.95**6
GUARDS = {
    "p": ([done(), done()], replace(RULES, hooked_at=LEAST + 0.001), LONG),
    "completed": ([done(), done(share=0.8)], RULES, LONG),
    "left": ([done(), done()], replace(RULES, min_left=7), LONG),
    "share left": ([done(), done()], replace(RULES, min_left_share=0.76), LONG),
    "deliberate": ([done(deliberate=False)] * 2, RULES, LONG),
    "bound": ([done(), done()], RULES, replace(LONG, low=(0.7,) * 7)),
    "n": ([done(), done()], RULES, replace(LONG, n=(100,) * 6 + (49,))),
    "length": ([done(), done()], RULES, replace(CURVE, version="of another length")),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_alone_holds_the_signal_back(guard: str) -> None:
    steps, rules, curve = GUARDS[guard]
    assert advanced(journey(done(), done()), AUDIENCE) == "hooked"
    assert advanced(journey(*steps), View(8, 8 * RUNTIME_MS, curve, rules)) == ""


def test_the_guards_hold_at_their_limits() -> None:
    at_limit = replace(
        RULES, hooked_at=LEAST - 1e-9, min_left=6, min_left_share=0.75, deliberate_within=2
    )
    curve = replace(LONG, n=(50,) * 7)
    found = journey(done(T0 - 1), done(T0, deliberate=False))
    assert advanced(found, View(8, 8 * RUNTIME_MS, curve, at_limit)) == "hooked"


def test_only_the_last_three_episodes_tell_of_a_deliberate_act() -> None:
    steps = [done(T0), *[done(T0 + i, deliberate=False) for i in (1, 2, 3)]]
    assert advanced(journey(*steps[:3]), AUDIENCE) == "hooked"
    assert advanced(journey(*steps), AUDIENCE) == ""


# -- cooling, lapsing, coming back -------------------------------------------------------------
def hooked_viewer(title: str = "office") -> tuple[Watching, int]:
    one, at = Watching(), T0
    for episode in (1, 2, 3):
        at = one.watch(episode, at, title=title)
        if one.words():
            break
    assert one.words() == ["hooked"]
    return one, at


def test_by_pace_it_cools_after_a_week_to_the_millisecond() -> None:
    one, at = hooked_viewer()
    one.wait(at + 7 * DAY - 1)
    assert one.words() == ["hooked"]
    one.wait(at + 7 * DAY)
    assert one.words() == ["hooked", "cooled"]
    cooled = one.sent("g")[-1]
    assert cooled["time"] == stamp(at + 7 * DAY)
    assert cooled["data"]["because"]["idle_s"] == 7 * 86_400


def test_by_audience_it_cools_when_the_chance_is_one_half() -> None:
    one, at = hooked_viewer("dark")
    due = one.viewer.journeys["dark", 1].due_ms(View(4, 4 * RUNTIME_MS, CURVE, RULES))
    assert at < due < at + 28 * DAY
    one.wait(due - 1)
    assert one.words() == ["hooked"]
    one.wait(due + DAY)
    cooled = one.sent("g")[1]
    assert (cooled["data"]["state"], cooled["time"]) == ("cooled", stamp(due))
    assert cooled["data"]["p"] == pytest.approx(0.5, abs=1e-3)


def test_after_28_idle_days_it_lapses() -> None:
    one, at = hooked_viewer()
    one.wait(at + 28 * DAY - 1)
    assert one.words() == ["hooked", "cooled"]
    one.wait(at + 28 * DAY)
    assert one.words() == ["hooked", "cooled", "lapsed"]
    assert one.sent("g")[-1]["time"] == stamp(at + 28 * DAY)
    one.wait(at + 400 * DAY)
    assert len(one.words()) == 3


def test_a_lapse_after_the_longest_gap_still_has_its_chance() -> None:
    one, at = hooked_viewer("dark")
    one.wait(at + 28 * DAY)
    assert one.words() == ["hooked", "cooled", "lapsed"]
    assert one.sent("g")[-1]["data"]["p"] == 0


@pytest.mark.parametrize(("days", "before"), [(8, ["cooled"]), (29, ["cooled", "lapsed"])])
def test_another_episode_rekindles(days: int, before: list[str]) -> None:
    one, at = hooked_viewer()
    one.wait(at + days * DAY)
    one.say(event(Kind.START, at + days * DAY, 0, key=("x", "office", 1, 4)))
    assert one.words() == ["hooked", *before]
    one.say(event(Kind.STOP, at + days * DAY + RUNTIME_MS, RUNTIME_MS, key=("x", "office", 1, 4)))
    assert one.words()[-1] in ("rekindled", "completed")


def test_by_audience_coming_back_rekindles() -> None:
    found = journey(done(), done(), state="cooled", since_ms=T0 - 1)
    assert advanced(found, AUDIENCE) == "rekindled"
    assert found.state == "hooked"


def test_by_audience_a_chance_below_one_half_cools_at_once() -> None:
    poor = replace(LONG, c=(0.9,) * 7, low=(0.9,) * 7)
    few = replace(poor, n=(49,) * 7)
    assert advanced(journey(done(), state="hooked"), AUDIENCE._replace(curve=few)) == ""
    assert advanced(journey(done(), state="hooked"), AUDIENCE._replace(curve=poor)) == "cooled"


def test_nobody_is_idle_who_waits_for_the_next_episode() -> None:
    out_ms = T0 + 40 * DAY
    found = journey(done(), done(), state="hooked")
    waiting = AUDIENCE._replace(released_ms={3: out_ms})
    idle = found.due_ms(AUDIENCE) - T0
    assert 0 < idle < 28 * DAY
    assert found.due_ms(waiting) == out_ms + idle
    assert found.idle(out_ms + idle - 1, waiting) is None
    cooled = found.idle(out_ms + idle, waiting)
    assert cooled
    assert (cooled.word, cooled.p) == ("cooled", pytest.approx(0.5, abs=1e-3))
    assert found.due_ms(waiting) == out_ms + 28 * DAY


# -- completed ------------------------------------------------------------------------------------
def test_nine_tenths_of_the_season_complete_it() -> None:
    steps = [done()] * 7
    short = journey(*steps, done(share=0.19))
    enough = journey(*steps, done(share=0.2))
    assert advanced(short, NO_CURVE) != "completed"
    assert advanced(enough, NO_CURVE) == "completed"
    assert advanced(enough, NO_CURVE) == ""


def test_without_runtimes_every_episode_must_be_completed() -> None:
    view = View(3, 0, None, RULES)
    assert advanced(journey(done(), done(), done(share=0.5)), view) == ""
    assert advanced(journey(done(), done(), done()), view) == "completed"


def test_a_season_that_is_not_out_yet_is_never_complete() -> None:
    assert not journey(done(), done()).finished(View(0, 0, None, RULES))


def test_a_completed_season_neither_cools_nor_lapses() -> None:
    one, at = Watching(), T0
    for episode in (1, 2, 3, 4):
        at = one.watch(episode, at)
    assert one.words() == ["hooked", "completed"]
    one.wait(at + 60 * DAY)
    assert one.words() == ["hooked", "completed"]


# -- taking back -------------------------------------------------------------------------------
def test_a_late_event_that_undoes_hooked_takes_it_back() -> None:
    one, at = hooked_viewer()
    [hooked] = one.sent("g")
    key = ("office-3-", "office", 1, 3)
    one.say(event(Kind.PAUSE, at - RUNTIME_MS + MINUTE, MINUTE, key=key))
    assert one.words() == ["hooked", "retracted"]
    taken = one.sent("g")[-1]
    assert taken["data"]["retracts"] == hooked["id"] != taken["id"]
    assert one.viewer.journeys["office", 1].state == ""


def test_late_viewing_undoes_cooled() -> None:
    one, at = hooked_viewer()
    one.wait(at + 7 * DAY + HOUR)
    late = at + 7 * DAY - HOUR
    one.say(event(Kind.START, late, 0, key=("late", "office", 1, 4)))
    assert one.words() == ["hooked", "cooled", "retracted"]
    assert one.viewer.journeys["office", 1].state == "hooked"
    one.wait(late + 7 * DAY - 1)
    assert len(one.words()) == 3
    one.wait(late + 7 * DAY)
    assert one.words() == ["hooked", "cooled", "retracted", "cooled"]


def test_late_viewing_undoes_cooled_and_what_rested_on_it() -> None:
    one, at = hooked_viewer(title="dark")
    one.wait(at + 7 * DAY + HOUR)
    back = at + 7 * DAY + 2 * HOUR
    one.watch(4, back, title="dark", share=0.95, run="back")
    assert one.words()[:3] == ["hooked", "cooled", "rekindled"]
    _, cooled, rekindled = one.sent("g")[:3]
    one.say(event(Kind.START, at + HOUR, 0, key=("late", "dark", 1, 3)))
    taken = [s["data"]["retracts"] for s in one.sent("g") if s["data"]["state"] == "retracted"]
    assert taken == [rekindled["id"], cooled["id"]]
    assert one.viewer.journeys["dark", 1].state == "hooked"


def test_a_start_that_turns_out_automatic_undoes_hooked_by_pace() -> None:
    one = Watching()
    at = T0
    for episode in (1, 2, 3):
        at = one.watch(episode, at, autoplay=episode > 1)
    assert one.words() == ["hooked"]
    first = ("office-1-", "office", 1, 1)
    one.say(event(Kind.HEARTBEAT, T0 - 1, 0, key=first, autoplay=True))
    assert one.words() == ["hooked", "retracted"]


def test_a_retraction_brings_back_the_chance_that_was_published_before() -> None:
    found = journey(*[done()] * 4)
    assert advanced(found, AUDIENCE) == "hooked"
    before = found.p
    assert found.idle(found.due_ms(AUDIENCE), AUDIENCE) is not None
    assert found.p != before
    found.recheck(T0 + 1, T0 + 1, AUDIENCE)
    assert (found.state, found.p) == ("hooked", before)


def test_a_late_event_that_undoes_completed_takes_it_back() -> None:
    one, at = Watching(), T0
    for episode in (1, 2, 3, 4):
        at = one.watch(episode, at)
    key = ("office-4-", "office", 1, 4)
    one.say(event(Kind.PAUSE, at - RUNTIME_MS + MINUTE, MINUTE, key=key))
    assert one.words() == ["hooked", "completed", "retracted"]
    assert one.viewer.journeys["office", 1].state == "hooked"


def test_a_late_event_that_undoes_nothing_takes_nothing_back() -> None:
    one, at = hooked_viewer()
    one.say(
        event(Kind.HEARTBEAT, at - MINUTE, RUNTIME_MS - MINUTE, key=("office-3-", "office", 1, 3))
    )
    assert one.words() == ["hooked"]


# -- ids -----------------------------------------------------------------------------------------
def test_ids_are_stable_and_distinct() -> None:
    def ids() -> list[str]:
        one, at = hooked_viewer()
        one.wait(at + 28 * DAY)
        at = one.watch(4, at + 30 * DAY, share=0.95)
        return [signal["id"] for signal in one.sent("g")]

    assert ids() == ids()
    assert len(set(ids())) == len(ids()) >= 4


def test_a_journey_that_was_forgotten_and_taken_anew_repeats_no_id() -> None:
    first, again = journey(done(), done(), done()), journey(done(), done(), done())
    one, other = first.advance(T0, NO_CURVE), again.advance(T0 + 400 * DAY, NO_CURVE)
    assert one
    assert other
    assert one.signal_id != other.signal_id


def test_nothing_is_known_of_a_title_that_nobody_announced() -> None:
    one, at = Watching(context()), T0
    for episode in (1, 2, 3):
        at = one.watch(episode, at, title="unheard-of", duration=RUNTIME_MS)
    [signal] = one.sent("g")
    assert (signal["data"]["of"], signal["data"]["because"]["left"]) == (None, None)
