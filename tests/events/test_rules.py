"""Which events a selection and a rule take, what breaks a rule, and when people are told."""

from datetime import UTC, datetime, time, timedelta

import pytest

from events.rules import (
    SYSTEM,
    Fact,
    Match,
    Rate,
    Rule,
    RuleBroken,
    Selection,
    Waiting,
    is_quiet,
    matches,
    scope,
    selection,
    tell,
    within,
)

NOW = datetime(2026, 4, 2, 19, 31, tzinfo=UTC)  # a Thursday, 14:31 in Chicago
GASP = Fact("PWR_OUTAGE", "OUTG", "A", NOW, default_routed=True, device_class="CENTRON")
ALL = Rule(1, "all", categories=["OUTG"])


# --- selections ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        (Selection(), False),
        (Selection(frozenset({"PWR_OUTAGE"})), True),
        (Selection(frozenset({"TAMPER"})), False),
        (Selection(default=True), True),
        (Selection(categories=frozenset({"OUTG"})), True),
        (Selection(categories=frozenset({"TAMP"})), False),
        (Selection(severities=frozenset({"A"})), True),
        (Selection(severities=frozenset({"W", "I"})), False),
        (Selection(categories=frozenset({"OUTG"}), severities=frozenset({"W"})), False),
        (Selection(categories=frozenset({"TAMP"}), severities=frozenset({"A"})), False),
        (Selection(categories=frozenset({"OUTG"}), severities=frozenset({"A"})), True),
    ],
)
def test_a_selection_takes_what_it_names(chosen, taken):
    assert chosen.takes(GASP) is taken


def test_a_nuisance_is_taken_by_its_name_only():
    noise = GASP._replace(mnemonic="SELF_READ", nuisance=True)
    every = Selection(categories=frozenset({"OUTG"}), severities=frozenset({"A"}), default=True)
    assert not every.takes(noise)
    assert Selection(frozenset({"SELF_READ"})).takes(noise)


@pytest.mark.parametrize(
    ("mnemonics", "categories", "severities", "words"),
    [
        (["no mnemonic"], [], [], "no mnemonic is no mnemonic"),
        ([], "OUTG", [], "categories are not a list of words"),
        ([], [1], [], "categories are not a list of words"),
        ([], None, [], "categories are not a list of words"),
        ([], ["XXXX"], [], "categories: XXXX is not known"),
        ([], [], ["Q"], "severities: Q is not known"),
    ],
)
def test_a_selection_that_makes_no_sense_is_told(mnemonics, categories, severities, words):
    with pytest.raises(RuleBroken, match=words):
        selection(mnemonics, categories, severities)


def test_the_first_group_by_code_puts_a_device_in_scope():
    fact = GASP._replace(groups=("A", "B", "C"))
    assert scope(frozenset(), fact) == ""
    assert scope(frozenset({"C", "B"}), fact) == "B"
    assert scope(frozenset({"D"}), fact) is None


# --- rules --------------------------------------------------------------------------------------


def rule(**fields) -> Rule:
    return Rule(7, "r", **{"categories": ["OUTG"], **fields})


@pytest.mark.parametrize(
    ("one", "taken"),
    [
        (rule(), True),
        (rule(categories=["TAMP"]), False),
        (rule(device_classes=frozenset({"CENTRON"})), True),
        (rule(device_classes=frozenset({"KV2C"})), False),
        (rule(groups=frozenset({"NORTH"})), False),
        (rule(days=[3]), True),
        (rule(days=[4]), False),
        (rule(hours=(time(14), time(15)), zone="America/Chicago"), True),
        (rule(hours=(time(14), time(15))), False),
        (rule(hours=(time(19), time(6))), True),
        (rule(hours=(time(20), time(6))), False),
        (rule(days=[3], hours=(time(19), time(6))), True),
    ],
)
def test_a_rule_takes_what_meets_all_its_conditions(one, taken):
    assert one.takes(GASP) is taken


def test_hours_past_midnight_belong_to_the_day_on_which_they_began():
    friday_early = GASP._replace(received=datetime(2026, 4, 3, 3, tzinfo=UTC))
    night = (time(22), time(6))
    assert rule(days=[3], hours=night).takes(friday_early)
    assert not rule(days=[4], hours=night).takes(friday_early)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"hours": (time(1), time(2)), "zone": "Nowhere/Land"}, "'Nowhere/Land' is no time zone"),
        ({"hours": (time(1), None)}, "a beginning and no end"),
        ({"days": [7]}, "days are not numbers"),
        ({"days": "monday"}, "days are not numbers"),
        ({"severities": ["?"]}, "severities"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_says_why(broken, words):
    with pytest.raises(RuleBroken, match=words):
        rule(**broken).takes(GASP)


def test_what_is_not_reached_does_not_break_a_rule():
    elsewhere = rule(groups=frozenset({"NORTH"}), days=[9])
    assert not elsewhere.takes(GASP)


# --- the fallback -------------------------------------------------------------------------------

BROKEN = rule(days=[9])


def test_matches_are_those_of_all_rules():
    assert matches(GASP, [ALL, rule()], 99) == [Match(1), Match(7)]


def test_an_alarm_that_nothing_takes_goes_to_the_fallback():
    assert matches(GASP, [], 99) == [Match(99, "no rule takes it")]
    assert matches(GASP, [rule(categories=["TAMP"])], 99) == [Match(99, "no rule takes it")]


@pytest.mark.parametrize("changed", [{"severity": "W"}, {"nuisance": True}])
def test_what_is_no_alarm_needs_no_hearer(changed):
    assert matches(GASP._replace(**changed), [], 99) == []


def test_a_rule_that_cannot_be_evaluated_is_no_missing_match():
    [first, second] = matches(GASP, [ALL, BROKEN], 99)
    assert first == Match(1)
    assert second.rule == 99
    assert second.why == "rule “r” cannot be evaluated: days are not numbers 0 to 6"
    warning = GASP._replace(severity="W")
    assert [match.rule for match in matches(warning, [BROKEN], 99)] == [99]
    assert matches(warning, [ALL, BROKEN], 99) == [Match(1)]


def test_without_a_fallback_only_rules_match():
    assert matches(GASP, [BROKEN], None) == []


def test_the_systems_own_alarms_are_a_category_to_rules():
    own = Fact("TMS_DISK", SYSTEM, "A", NOW)
    assert matches(own, [rule(categories=[SYSTEM]), ALL], 99) == [Match(7)]
    assert matches(own, [rule(categories=[SYSTEM], groups=frozenset({"NORTH"}))], 99)[0].rule == 99


# --- when people are told -----------------------------------------------------------------------


def ago(**delta) -> datetime:
    return NOW - timedelta(**delta)


NIGHT = (time(22), time(6))


@pytest.mark.parametrize(
    ("rate", "waiting", "what"),
    [
        (Rate(), Waiting(0, NOW), ""),
        (Rate(), Waiting(5000, NOW), "alarm"),
        (Rate(limit=12), Waiting(1, NOW), "alarm"),
        (Rate(limit=12), Waiting(3, NOW, 3), "alarm"),
        (Rate(limit=12), Waiting(3, NOW, 4), ""),  # more than half: gathered
        (Rate(limit=12), Waiting(4, NOW), ""),  # a burst: gathered
        (Rate(limit=12), Waiting(4, ago(seconds=10)), "summary"),
        (Rate(limit=12), Waiting(4, ago(seconds=10), 6), "summary"),
        (Rate(limit=12), Waiting(900, ago(seconds=10), 1, ago(seconds=11)), ""),
        (Rate(limit=12), Waiting(1, NOW, 1, ago(seconds=11)), ""),
        (Rate(limit=12), Waiting(1, NOW, 1, ago(minutes=2)), "alarm"),
        (Rate(limit=12), Waiting(900, ago(minutes=2), 7, ago(minutes=2)), "summary"),
        (Rate(limit=12), Waiting(900, ago(minutes=30), 12, ago(minutes=30)), ""),
        (Rate(limit=12), Waiting(900, ago(minutes=30), 11, ago(minutes=30)), "summary"),
        (Rate(digest=60, limit=2), Waiting(1, ago(minutes=59)), ""),
        (Rate(digest=60, limit=2), Waiting(1, ago(minutes=60)), "digest"),
        (Rate(quiet=(time(19), time(20))), Waiting(1, NOW), ""),
        (Rate(quiet=(time(18), time(19))), Waiting(1, NOW), "alarm"),
        (Rate(quiet=(time(14), time(15)), zone="America/Chicago"), Waiting(1, NOW), ""),
    ],
)
def test_when_people_are_told(rate, waiting, what):
    assert tell(rate, waiting, NOW) == what


def test_quiet_hours_of_an_unknown_zone_are_taken_as_utc():
    rate = Rate(quiet=NIGHT, zone="Nowhere")
    assert not is_quiet(rate, NOW)
    assert is_quiet(rate, NOW + timedelta(hours=4))


@pytest.mark.parametrize(
    ("now", "inside"),
    [(time(22), True), (time(5, 59), True), (time(6), False), (time(21, 59), False)],
)
def test_hours_may_pass_midnight(now, inside):
    assert within(now, *NIGHT) is inside


def test_equal_hours_are_the_whole_day():
    assert within(time(3), time(8), time(8))
