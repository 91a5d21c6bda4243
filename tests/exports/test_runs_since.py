"""Since the last export: by batch number, with a cursor that moves with the commit of a run."""

from datetime import timedelta

import pytest

from exports import services
from exports.formats.cmep import Cmep
from exports.models import ExportDefinition, ExportRun
from tests.exports.factories import (
    START,
    D,
    definition_make,
    file_text,
    meters_make,
    readings_post,
    run_now,
    work_all,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
State = ExportRun.State


def since(**fields) -> ExportDefinition:
    return definition_make("SINCE", period="since_last", **fields)


def test_the_second_run_is_empty_and_the_third_has_what_changed():
    channels = meters_make(3)
    readings_post(channels)
    definition = since()
    first = run_now(definition)
    assert (first.state, first.meters, first.intervals, first.mode) == ("done", 3, 72, "IN")
    second = run_now(definition)
    assert (second.state, second.intervals) == (State.EMPTY, 0)
    readings_post(channels[1:2], slot=5, values=[777])
    third = run_now(definition)
    assert (third.meters, third.intervals) == (1, 1)
    assert file_text(third).strip().endswith("00000100,1,202603140600,,0.777")
    assert run_now(definition).state == State.EMPTY


def test_the_cursor_moves_with_the_commit_only(monkeypatch):
    channels = meters_make(1)
    number = readings_post(channels)
    definition = since()
    run = services.definition_run(definition)
    for _ in range(2):
        services.work()
        definition.refresh_from_db()
        assert definition.cursor == 0
    readings_post(channels, day=D + 1)  # after the horizon: for the next run
    work_all()
    definition.refresh_from_db()
    run.refresh_from_db()
    assert definition.cursor == run.horizon == number
    assert run.intervals == 24
    assert run_now(definition).intervals == 24


def test_a_failed_run_leaves_the_cursor_and_the_next_one_sends_everything(monkeypatch):
    readings_post(meters_make(2))
    definition = since()
    with monkeypatch.context() as patch:
        patch.setattr(Cmep, "verify", lambda self, stream, ctx: ["wrong"])
        assert run_now(definition).state == State.FAILED
    definition.refresh_from_db()
    assert definition.cursor == 0
    assert run_now(definition).intervals == 48


def test_a_definition_can_begin_with_what_comes_from_now_on():
    channels = meters_make(1)
    readings_post(channels)
    definition = since(from_now=True)
    assert run_now(definition).state == State.EMPTY
    readings_post(channels, day=D + 1)
    assert run_now(definition).intervals == 24


def test_a_period_of_its_own_does_not_touch_the_cursor():
    channels = meters_make(1)
    readings_post(channels)
    definition = since()
    run = run_now(definition, start=START, end=START + timedelta(days=1))
    assert (run.state, run.since, run.mode) == (State.DONE, None, "OR")
    definition.refresh_from_db()
    assert definition.cursor == 0
