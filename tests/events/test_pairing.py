"""Outages and their ends in any order of arrival; events told twice."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from events.pairing import (
    OUTAGE,
    Mark,
    Report,
    Spell,
    clock_partner,
    kind_of,
    open_since,
    spells_changed,
    spells_of,
    twin_of,
)

START = datetime(2026, 4, 2, 19, 31, tzinfo=UTC)
NAMES = {"O": "PWR_OUTAGE", "R": "PWR_RESTORE", "D": "PWR_DOWN", "U": "PWR_UP"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def marks(story: str) -> list[Mark]:
    """`O0 R20`: last gasp at 0 s, restoration at 20 s; D and U are the log's."""
    return [
        Mark(n, NAMES[word[0]], OUTAGE, "S" if word[0] in "OD" else "C", at(int(word[1:])))
        for n, word in enumerate(story.split(), start=1)
    ]


def told(spells: list[Spell]) -> list[tuple[int, int | None]]:
    """(begin, end) of spells in seconds."""

    def seconds(time: datetime | None) -> int | None:
        return None if time is None else int((time - START).total_seconds())

    return sorted((seconds(s.began), seconds(s.ended)) for s in spells)


STORIES = [
    ("O0", [(0, None)]),
    ("O0 R20", [(0, 20)]),
    ("O0 R20 O40 R60", [(0, 20), (40, 60)]),
    ("O0 O5 R20", [(0, 20)]),
    ("O0 R20 R30", [(0, 20)]),
    ("R20", []),
    ("O0 R900 O1000", [(0, 900), (1000, None)]),
    ("O0 D2 R900 U902", [(0, 900)]),
    ("D0 O2 U900 R902", [(0, 900)]),
    ("O0 R5 D10 U15", [(0, 5)]),  # the log's clock is behind
    ("O0 D2 R20 U22 O40 D42 R60 U62", [(0, 20), (40, 60)]),
    ("O0 R20 D400 U500", [(0, 20), (400, 500)]),
]


@pytest.mark.parametrize(("story", "expected"), STORIES)
def test_a_story_is_its_spells(story, expected):
    assert told(spells_of(marks(story))) == expected
    assert told(spells_of(marks(story)[::-1])) == expected


@pytest.mark.parametrize(("story", "expected"), [row for row in STORIES if len(row[0]) < 17])
def test_whatever_the_order_of_arrival_what_is_stored_comes_to_the_same(story, expected):
    for order in itertools.permutations(marks(story)):
        stored: dict[int, Spell] = {}
        keys = itertools.count(1)
        for n in range(len(order)):
            told_so_far = spells_of(order[: n + 1])
            changed, gone = spells_changed(list(stored.values()), told_so_far)
            for pk in gone:
                del stored[pk]
            for spell in changed:
                spell.pk = spell.pk or next(keys)
                stored[spell.pk] = spell
        assert told(list(stored.values())) == expected, [mark.event for mark in order]


def test_only_what_changed_is_told():
    [spell] = spells_of(marks("O0"))
    spell.pk = 5
    assert spells_changed([spell], spells_of(marks("O0 O10"))) == ([], [])
    ([again], _) = spells_changed([spell], spells_of(marks("O0 O10 R20")))
    assert (again.pk, again.ended) == (5, at(20))


def test_an_earlier_beginning_is_of_the_same_spell():
    [late] = spells_of(marks("O40"))
    late.pk = 5
    ([spell], _) = spells_changed([late], spells_of([*marks("O0"), late_mark(40)]))
    assert (spell.pk, spell.began) == (5, at(0))


def late_mark(seconds: int) -> Mark:
    return Mark(77, "PWR_OUTAGE", OUTAGE, "S", at(seconds))


def test_other_conditions_go_by_their_set():
    assert kind_of("PWR_UP", "PWR_DOWN", "C") == OUTAGE
    assert kind_of("V_SAG_START", "V_SAG_END", "S") == "V_SAG_START"
    assert kind_of("V_SAG_END", "V_SAG_START", "C") == "V_SAG_START"


@pytest.mark.parametrize(
    ("history", "until", "since"),
    [
        ("", 10, None),
        ("S0", 10, 0),
        ("S0 S5", 10, 0),
        ("S0 C5", 10, None),
        ("S0 C5 S7", 10, 7),
        ("S0 C10", 10, 0),
        ("S20", 10, None),
    ],
)
def test_what_is_open_began_behind_the_last_end(history, until, since):
    events = [(at(int(word[1:])), word[0]) for word in history.split()]
    found = open_since(events, at(until))
    assert found == (None if since is None else at(since))


# --- twins --------------------------------------------------------------------------------------


def report(origin: str, seconds: float, native: int | None = None, twin: str = "") -> Report:
    return Report(None, origin, native, at(seconds), twin)


def test_the_other_origin_within_a_minute_is_a_twin():
    known = report("T", 0)
    assert twin_of(report("S", 60, 20), [known]) is known
    assert twin_of(report("S", -60, 20), [known]) is known
    assert twin_of(report("S", 61, 20), [known]) is None
    assert twin_of(report("T", 5), [known]) is None


def test_the_nearest_is_the_twin_and_each_has_one():
    far, near = report("T", 0), report("T", 40)
    second = report("S", 38, 20)
    assert twin_of(second, [far, near]) is near
    near.twin = "S 20 at another time"
    assert twin_of(second, [far, near]) is far
    near.twin = second.note()
    assert twin_of(second, [far, near]) is near


@pytest.mark.parametrize(("old", "new"), [(3, 4), (5, 6)])
def test_old_and_new_time_of_a_clock_belong_together(old, new):
    first = report("S", 0, old)
    assert clock_partner(report("S", 10, new), [first]) is first
    assert clock_partner(report("S", 90, new), [first]) is None
    assert clock_partner(report("S", 10, old), [first]) is None
    assert clock_partner(first, [report("S", 10, new)]).native == new
