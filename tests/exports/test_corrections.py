"""Correction files: what changed after it was sent, all of it, and nothing else."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from devices import journal
from devices.readings import RegisterRead, RegisterValue
from exports import services
from exports.models import ExportDefinition, ExportRun
from exports.scope import Window, windows_merge
from tests.devices.factories import batch_post
from tests.exports.factories import (
    START,
    D,
    definition_make,
    file_text,
    meters_make,
    readings_post,
    run_now,
)
from tests.exports.test_backlog import edit, owed, since

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
State = ExportRun.State


def correct(definition: ExportDefinition) -> ExportRun:
    return run_now(definition, corrections=True)


def test_only_what_changed_after_it_was_sent_goes_out_and_the_rest_with_the_next_run():
    channels = meters_make(2)
    readings_post(channels)
    definition = since()
    first = run_now(definition)
    readings_post(channels[:1], slot=5, values=[777])  # a correction
    readings_post(channels[:1], day=D + 1, slot=0, values=[1, 2])  # new, another day
    readings_post(channels[1:], day=D + 1, slot=0, values=[3])  # new, another meter
    run = correct(definition)
    assert (run.state, run.mode, run.original_batch) == (State.DONE, "CO", first.batch_id)
    assert (run.meters, run.intervals) == (1, 1)
    text = file_text(run)
    assert text.strip().endswith("00000100,1,202603140600,,0.777")
    assert ",RESEND," in text
    definition.refresh_from_db()
    assert definition.cursor == run.horizon == journal.horizon()
    assert owed(definition) == [
        ("D0000", 1, "new", first.horizon),
        ("D0001", 1, "new", first.horizon),
    ]
    assert correct(definition).state == State.EMPTY
    assert len(owed(definition)) == 2
    last = run_now(definition)
    assert (last.mode, last.intervals) == ("IN", 3)
    assert "202603140600" not in file_text(last)
    assert owed(definition) == []
    assert run_now(definition).state == State.EMPTY


def test_a_day_with_both_is_parted_slot_by_slot_whatever_comes_between():
    channels = meters_make(1)
    readings_post(channels, values=[1, 2, 3])
    definition = since()
    run_now(definition)
    readings_post(channels, slot=2, values=[30, 4])  # 02: corrected, 03: new
    assert correct(definition).intervals == 1
    readings_post(channels, slot=1, values=[20, 31, 40, 5])  # 03 still new
    journal.fold_all()
    run = correct(definition)
    assert [line.split(",")[16::3] for line in file_text(run).splitlines()] == [["0.02", "0.031"]]
    last = run_now(definition)
    assert [line.split(",")[16::3] for line in file_text(last).splitlines()] == [["0.04", "0.005"]]


def test_what_a_new_export_did_not_begin_with_is_no_correction():
    channels = meters_make(1)
    readings_post(channels, values=[1, 2])
    definition = since(from_now=True)
    readings_post(channels, slot=2, values=[3])
    assert run_now(definition).intervals == 1
    readings_post(channels, slot=0, values=[9])
    assert correct(definition).state == State.EMPTY
    assert run_now(definition).intervals == 1


def test_a_meter_that_comes_into_the_selection_waits_for_the_next_run():
    old, new = meters_make(1, group="G1"), meters_make(1, first=1, group="G2")
    readings_post([*old, *new])
    definition = since(groups=["G1"])
    run_now(definition)
    definition.refresh_from_db()
    edit(definition, groups=["G1", "G2"])
    readings_post(new, slot=1, values=[5])
    assert correct(definition).state == State.EMPTY
    assert {reason for _, _, reason, _ in owed(definition)} == {"scope"}
    assert run_now(definition).intervals == 24


def test_register_reads_and_events_are_parted_in_the_same_way():
    (channel,) = meters_make(1)
    device = channel.device_id

    def read(hours: int, value: int) -> None:
        values = (RegisterValue("SUM", "KWH", "DEL", value=Decimal(value), number=1),)
        batch_post([], [(device, RegisterRead(START + timedelta(hours=hours), "CUR", values))])

    read(0, 100)
    definition = since(format="rde")
    first = run_now(definition)
    assert first.registers == 1
    read(0, 101)
    read(1, 200)
    run = correct(definition)
    assert (run.registers, run.mode) == (1, "CO")
    assert f",CO,{first.batch_id}," in file_text(run).splitlines()[0]
    assert owed(definition) == [("D0000", None, "new", first.horizon)]
    read(1, 201)
    assert correct(definition).state == State.EMPTY
    assert run_now(definition).registers == 1
    assert owed(definition) == []
    assert run_now(definition).state == State.EMPTY


@pytest.mark.parametrize(
    ("code", "word"),
    [("lodestar", ""), ("mv90", ""), ("hhf", ""), ("sxml", "Correction")],
)
def test_every_interval_format_makes_correction_files(code, word):
    channels = meters_make(2)
    readings_post(channels)
    options = {"zone_name": "UTC=EST5"} if code == "lodestar" else {}
    definition = since(format=code, options=options)
    run_now(definition)
    readings_post(channels[:1], slot=5, values=[777])
    readings_post(channels[1:], day=D + 1, slot=5, values=[7])
    run = correct(definition)
    assert (run.state, run.error, run.meters) == (State.DONE, "", 1)
    if word:
        assert word in file_text(run)
    assert [device for device, *_ in owed(definition)] == ["D0001"]
    assert services.run_rebuild(run)[0].same
    again = services.run_again(run)
    assert (again.mode, again.corrections) == ("RE", True)


def test_an_export_of_periods_sends_what_came_after_its_runs():
    channels = meters_make(2)
    readings_post(channels, values=[1, 2, 3])
    definition = definition_make()
    first = run_now(definition)
    with pytest.raises(services.NotNow, match="no period"):
        services.definition_run(definition, corrections=True, start=START, end=START)
    assert correct(definition).state == State.EMPTY
    readings_post(channels[:1], slot=2, values=[30, 4])
    readings_post(channels, day=D + 3, values=[5])  # outside of what was sent
    run = correct(definition)
    assert (run.intervals, run.mode, run.original_batch) == (2, "CO", first.batch_id)
    assert not definition.backlog.exists()
    definition.refresh_from_db()
    assert definition.cursor == 0
    assert correct(definition).state == State.EMPTY
    readings_post(channels[:1], slot=2, values=[31])
    assert correct(definition).intervals == 1
    assert services.run_rebuild(run)[0].same


def test_windows_hold_the_highest_number():
    windows = [Window(0, 10, 3), Window(5, 15, 7), Window(20, 30, 1), Window(8, 9, 2)]
    assert windows_merge(windows) == [(0, 5, 3), (5, 15, 7), (20, 30, 1)]


def test_there_is_nothing_to_correct_before_something_was_sent(client):
    readings_post(meters_make(1))
    definition = since()
    with pytest.raises(services.NotNow, match="nothing yet"):
        services.definition_run(definition, corrections=True)
    flow = definition_make("LIVE", period="since_last", format="rte")
    with pytest.raises(services.NotNow, match="as they arrive"):
        services.definition_run(flow, corrections=True)


def test_by_command():
    channels = meters_make(1)
    readings_post(channels)
    definition = since()
    with pytest.raises(CommandError, match="nothing yet"):
        call_command("run", "SINCE", mode="correction")
    run_now(definition)
    readings_post(channels, slot=5, values=[777])
    out = StringIO()
    call_command("run", "SINCE", "--mode", "correction", "--json", stdout=out)
    assert json.loads(out.getvalue())["intervals"] == 1
