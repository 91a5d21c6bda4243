"""The `export` command: one run, in this process, from the store to a finished file."""

import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from devices import journal
from devices.models import Installation
from devices.readings import RegisterRead, RegisterValue
from exports import ahead, services
from exports.commandline import parse_options, parse_time
from exports.models import ExportRun, RunFile
from tests.devices.factories import batch_post, channel_make, day_of, device_make, entry_of

D = day_of(2026, 3, 14)
START = datetime(2026, 3, 14, tzinfo=UTC)


def fleet_make(devices=3, **channel):
    for n in range(devices):
        device = device_make(f"D{n}", meter_number=f"M{n}")
        Installation.objects.create(
            device=device, valid_from=START - timedelta(days=9), service_point_id=f"SP{n}"
        )
        made = channel_make(device, seconds=3600, **channel)
        batch_post([entry_of(made, D, 0, [n, None, *range(22)])])


def export(*arguments, **options):
    out, err = io.StringIO(), io.StringIO()
    call_command(
        *("export", "cmep", "--start", "2026-03-14", "--end", "2026-03-15"),
        *arguments,
        stdout=out,
        stderr=err,
        **options,
    )
    return out.getvalue(), err.getvalue()


@pytest.mark.django_db
class TestExport:
    def test_a_file_its_counts_and_its_hash(self, tmp_path):
        fleet_make()
        target = tmp_path / "x.txt"
        out, _ = export("--output", str(target), "--json")
        data = target.read_bytes()
        report = json.loads(out)
        assert report["files"] == [
            {
                "path": str(target),
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        ]
        counted = {k: report[k] for k in ("meters", "records", "intervals", "registers", "missing")}
        assert counted == {
            "meters": 3,
            "records": 3,
            "intervals": 72,
            "registers": 0,
            "missing": 3,
        }
        assert (report["format"], report["status"], report["horizon"]) == ("cmep", "done", 3)
        assert data.splitlines()[0].startswith(b"MEPMD01,19970819,TMS,")
        assert data.count(b"\r\n") == 3
        run = ExportRun.objects.get()
        assert (run.pk, run.state, run.meters) == (report["run"], "done", 3)
        assert RunFile.objects.get().published
        assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]

    def test_a_folder_gets_the_formats_own_name_and_nothing_is_overwritten(self, tmp_path):
        fleet_make(1)
        for _ in range(2):
            export("--output", f"{tmp_path}/made/")
        names = sorted(p.name for p in (tmp_path / "made").iterdir())
        batches = sorted(ExportRun.objects.values_list("batch_id", flat=True))
        assert names == [f"CMEP_EXPORT_{batch}.txt" for batch in batches]
        assert len(set(batches)) == 2

    def test_the_selection_reaches_the_file(self, tmp_path):
        fleet_make()
        target = tmp_path / "x.txt"
        export("--device", "D1", "D2", "--device", "D0", "--channel", "1", "--unit", "KWH",
               "--output", str(target))  # fmt: skip
        assert target.read_bytes().count(b"\r\n") == 3
        export("--device", "D1", "--option", "meter_id=DeviceID", "--output", str(target))
        assert b",D1,OK,E,KWH," in target.read_bytes()

    def test_nothing_to_send_makes_no_file(self, tmp_path):
        out, _ = export("--output", str(tmp_path / "x.txt"))
        assert "Nothing to send" in out
        assert list(tmp_path.iterdir()) == []
        assert ExportRun.objects.get().state == "empty"

    def test_a_zone_moves_the_days(self, tmp_path):
        fleet_make(1)
        target = tmp_path / "x.txt"
        export("--zone", "America/Chicago", "--output", str(target))
        assert b",24,202603140600," in target.read_bytes()

    def test_stdout_gets_the_file_and_stderr_the_report(self, capfdbinary):
        fleet_make(1)
        call_command(
            *("export", "cmep", "--start", "2026-03-14", "--end", "2026-03-15"),
            *("--output", "-", "--json"),
        )
        out, err = capfdbinary.readouterr()
        report = json.loads(err.splitlines()[-1])
        assert report["files"] == [
            {"path": "-", "bytes": len(out), "sha256": hashlib.sha256(out).hexdigest()}
        ]
        assert out.startswith(b"MEPMD01,")

    def test_register_reads_of_both_ends_of_the_period(self, tmp_path):
        device = device_make("R", meter_number="R")
        reads = [
            RegisterRead(
                START + timedelta(days=n),
                "CUR",
                (RegisterValue("SUM", "KWH", "DEL", "T", Decimal(n), number=1),),
            )
            for n in (-1, 0, 1, 2)
        ]
        batch_post([], [(device.pk, read) for read in reads])
        target = tmp_path / "x.txt"
        export("--option", "include=registers", "--output", str(target))
        assert b",KWHREG,1,,2,202603140000,,0,202603150000,,1\r\n" in target.read_bytes()

    def test_a_refusal_leaves_no_file_and_its_reason(self, tmp_path):
        fleet_make(1, unit="HZ", value_type="V")
        with pytest.raises(CommandError, match="FMT08") as caught:
            export("--option", "on_unsupported=stop", "--output", str(tmp_path / "x.txt"))
        assert caught.value.returncode == 1
        assert list(tmp_path.iterdir()) == []
        run = ExportRun.objects.get()
        assert (run.state, "FMT08" in run.error) == ("failed", True)

    def test_what_a_format_cannot_carry_is_left_out_with_a_warning(self, tmp_path):
        fleet_make(1, unit="HZ", value_type="V")
        _, err = export("--output", str(tmp_path / "x.txt"))
        assert "warning: FMT08 (1): left out" in err

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(CommandError, match="is no folder"):
            export("--output", str(tmp_path / "no" / "x.txt"))

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--device", "NO"], "--device NO: unknown"),
            (["--group", "NO"], "--group NO: unknown"),
            (["--zone", "Mars/Olympus"], "not an IANA time zone"),
            (["--option", "dialect"], "NAME=VALUE"),
            (["--option", "dialect=a", "--option", "dialect=b"], "given twice"),
            (["--option", "dialect=klingon"], "dialect"),
            (["--option", "colour=red"], "colour"),
            (["--option", "on_error=no"], "stop, skip_meter"),
            (["--end", "2026-03-14"], "after its start"),
            (["--start", "yesterday"], "neither a date nor"),
            (["--start", "2026-03-14T00:00:00"], "give an offset"),
        ],
    )
    def test_wrong_usage_is_told_and_makes_no_run(self, arguments, why, tmp_path):
        with pytest.raises(CommandError, match=why) as caught:
            export("--output", str(tmp_path / "x"), *arguments)
        assert caught.value.returncode == 2
        assert not ExportRun.objects.exists()

    def test_batch_ids_rise_even_within_a_second(self):
        request = services.RunRequest("cmep", START, START + timedelta(days=1))
        ids = [services.run_create(request).batch_id for _ in range(3)]
        assert ids == sorted(set(ids))
        assert all(len(i) == 14 and i.isdigit() for i in ids)

    def test_an_unforeseen_error_is_kept_with_the_run(self, tmp_path, monkeypatch):
        fleet_make(1)

        def fail(*_):
            raise ZeroDivisionError("by design")

        monkeypatch.setattr("exports.services.here.frames_read", fail)
        request = services.RunRequest("cmep", START, START + timedelta(days=1))
        with pytest.raises(ZeroDivisionError):
            services.run_execute(services.run_create(request), str(tmp_path / "x"))
        assert ExportRun.objects.get().error == "ZeroDivisionError: by design"
        assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_a_run_reads_ahead_on_a_connection_of_its_own(tmp_path):
    fleet_make(3)
    journal.fold_all()
    target = tmp_path / "x.txt"
    export("--output", str(target))
    assert target.read_bytes().count(b"\r\n") == 3


@pytest.mark.django_db(transaction=True)
def test_reading_ahead_hands_errors_on_and_stops_when_nobody_reads():
    def items():
        yield 1
        raise ZeroDivisionError

    reader = ahead.read_ahead(items)
    assert next(reader) == 1
    with pytest.raises(ZeroDivisionError):
        next(reader)
    endless = ahead.read_ahead(lambda: iter(int, 1))
    assert next(endless) == 0
    endless.close()  # joins its thread


def test_options_and_times_as_typed():
    assert parse_options(["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    assert parse_time("2026-03-14", "America/Chicago").isoformat() == "2026-03-14T05:00:00+00:00"
    assert parse_time("2026-03-14T01:00:00+01:00", "UTC") == START
