"""The commands as a utility's scripts call them."""

import io
import json

import openpyxl
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from devices.models import Device, ImportJob, Membership
from tests.devices.imports.files import device, inventory, lines

pytestmark = pytest.mark.django_db
GOOD = lines("Action,DeviceID,MeterNumber,DeviceClass", "A,D1,M1,SENTINEL", "U,D9,,")


def call(*arguments) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def report(*arguments) -> dict:
    return json.loads(call(*arguments, "--json"))


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "devices march.csv"
    made.write_bytes(GOOD.encode())
    return made


def test_good_rows_are_applied_and_reported(path):
    said = report("import_devices", path)
    assert said["import"] == ImportJob.objects.get().batch
    said.pop("import")
    assert said == {
        **{"status": "applied", "added": 1, "updated": 0, "deleted": 0, "moved": 0},
        **{"unchanged": 0, "refused": 1},
        "rows": [
            {"row": 2, "result": "OK", "code": "", "message": ""},
            {
                **{"row": 3, "result": "ERROR", "code": "DEV15"},
                "message": "row 3: device D9 not found",
            },
        ],
    }
    assert Device.objects.get().device_id == "D1"


def test_a_dry_run_reports_the_same_and_stores_nothing(path, tmp_path):
    result = tmp_path / "out.csv"
    said = report("import_devices", path, "--dry-run", "--result", result)
    assert (said["status"], said["added"], said["refused"]) == ("preview", 1, 1)
    assert not Device.objects.exists()
    assert not ImportJob.objects.exists()
    assert result.read_bytes().startswith(b"\xef\xbb\xbfAction,DeviceID,")


def test_all_or_nothing_fails_with_one_line(path):
    with pytest.raises(CommandError) as failed:
        call("import_devices", path, "--all-or-nothing")
    assert str(failed.value) == "nothing was applied: DEV15 row 3: device D9 not found"
    assert failed.value.returncode == 1
    assert not Device.objects.exists()


def test_a_mistyped_column_fails_until_it_is_ignored(tmp_path):
    device("D1")
    path = tmp_path / "a.csv"
    path.write_text(lines("Action,DeviceID,Note", "U,D1,x"))
    with pytest.raises(CommandError) as failed:
        call("import_devices", path, "--json")
    expected = "nothing was applied: DEV61 column Note is unknown; did you mean Notes?"
    assert str(failed.value) == expected
    assert report("import_devices", path, "--ignore-unknown")["status"] == "applied"


@pytest.mark.parametrize("option", ["colour=red", "date_order", "pad=Notes:3"])
def test_a_wrong_option_is_wrong_usage(path, option):
    with pytest.raises(CommandError) as failed:
        call("import_devices", path, "--option", option)
    assert failed.value.returncode == 2


def test_a_missing_file_fails(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call("import_devices", tmp_path / "none.csv")


def test_a_result_that_cannot_be_written_fails(path, tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call("import_devices", path, "--dry-run", "--result", tmp_path / "none" / "out.csv")


def test_the_result_as_a_workbook_has_the_bad_cells_marked(tmp_path):
    path, result = tmp_path / "a.csv", tmp_path / "out.xlsx"
    path.write_text(
        lines("Action,DeviceID,MeterNumber,DeviceClass", "A,D1,1.2E+11,SENTINEL", "A,D2,'=x,KV2C")
    )
    call("import_devices", path, "--result", result)
    sheet = openpyxl.load_workbook(result).active
    rows = list(sheet.iter_rows())
    assert [cell.value for cell in rows[0]][-4:] == ["RowNumber", "Result", "Code", "Message"]
    filled = {
        cell.coordinate for row in rows[1:] for cell in row if cell.fill.fgColor.rgb == "00F8D0CC"
    }
    assert filled == {"C2", "F2", "C3", "F3"}
    assert rows[2][2].value == "=x"
    assert rows[2][2].data_type == "s"


def test_groups_are_moved_and_the_import_undone(tmp_path):
    device("D1", groups=("CYCLE05",))
    before = inventory()
    path = tmp_path / "g.csv"
    path.write_text(lines("Action,DeviceID,GroupCode", "M,D1,CYCLE06"))
    said = report("import_groups", path)
    assert (said["status"], said["moved"]) == ("applied", 1)
    assert Membership.objects.count() == 2
    undone = report("undo_import", said["import"])
    assert undone == {
        **{"import": said["import"], "status": "undone", "conflicts": [], "kept": []},
    }
    assert inventory() == before
    with pytest.raises(CommandError, match="is not applied"):
        call("undo_import", said["import"])
    with pytest.raises(CommandError, match="there is no import 17"):
        call("undo_import", 17)


def test_conflicts_of_an_undo_are_printed(tmp_path, path):
    said = report("import_devices", path)
    Device.objects.update(notes="since")
    text = call("undo_import", said["import"])
    assert text.splitlines() == [
        f"Import {said['import']} undone.",
        "D1: changed since; left as it is",
    ]
    call("undo_import", said["import"], "--force")
    assert not Device.objects.exists()


def test_a_list_for_people(path):
    text = call("import_devices", path)
    assert text.startswith("Import ")
    assert "applied: 1 added, 0 updated, 0 deleted, 0 moved, 0 unchanged, 1 refused." in text
