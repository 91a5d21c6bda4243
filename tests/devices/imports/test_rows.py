"""Rows of both interfaces: codes, their order, and what is refused together."""

import pytest

from devices.imports.columns import DEVICE_COLUMNS
from devices.imports.options import OptionFault, options_read
from devices.models import Device, ScheduleProfile
from tests.devices.imports.files import answers, codes, device, lines, preview, result_bytes, send

pytestmark = pytest.mark.django_db


def refused(data: bytes | str, kind: str = "devices", **options) -> tuple[str, str]:
    """Code and message of a refused file."""
    job = send(data, kind, **options)
    assert job.state == "refused"
    assert len(answers(job)) == 1
    return job.code, job.message


# --- files ---------------------------------------------------------------------------------------


def test_files_that_cannot_be_taken():
    assert refused("") == ("DEV01", "file is empty or has no header line")
    assert refused("\r\nAction,DeviceID\r\n")[0] == "DEV01"
    assert refused("Action,DeviceID,deviceid\r\nU,D1,D1\r\n") == (
        *("DEV03", "column DeviceID appears twice"),
    )
    assert refused(b"Action\0")[0] == "DEV04"
    assert refused('Action,DeviceID\r\nU,"D1\r\nU,D2\r\n') == (
        *("DEV31", "row 2: a quote is not closed"),
    )
    assert refused("Action,DeviceID\r\nU,D1,x\r\nU,D2,,y\r\n") == (
        *("DEV05", "row 2: 3 cells, header has 2"),
    )
    assert refused("", "groups")[0] == "GRP01"
    assert refused("Action,GroupCode\r\n", "groups") == (
        *("GRP02", "required column DeviceID missing"),
    )


def test_a_file_above_the_limits(settings):
    settings.TMS_IMPORT_MAX_BYTES = 20
    assert refused("Action,DeviceID\r\nU,D1\r\n") == ("DEV29", "file larger than 20 bytes or rows")
    settings.TMS_IMPORT_MAX_BYTES, settings.TMS_IMPORT_MAX_ROWS = 1000, 1
    assert refused("Action,DeviceID\r\nU,D1\r\nU,D1\r\n")[0] == "DEV29"
    assert refused("Action,DeviceID,GroupCode\r\nR,D,C\r\nR,D,C\r\n", "groups")[0] == "GRP18"


def test_ten_thousand_columns_are_ignored_and_said():
    names = ",".join(f"Ballast{n}" for n in range(10_000))
    device("D1")
    job = send(f"Action,DeviceID,Notes,{names}\r\nU,D1,x{',' * 10_000}\r\n")
    assert job.state == "applied"
    assert codes(job) == ["WARN DEV51", "OK"]
    assert job.message.count("DEV51") == 9_999


def test_a_column_that_may_be_mistyped_holds_the_file_until_confirmed():
    device("D1")
    text = lines("Action,DeviceID,Note", "U,D1,x")
    job = send(text)
    assert (job.state, job.held, job.code) == ("refused", True, "DEV61")
    assert job.message == "column Note is unknown; did you mean Notes?"
    assert codes(send(text, ignore_unknown="yes")) == ["WARN DEV61", "WARN DEV53"]


def test_windows_1252_is_read_and_said():
    device("D1")
    job = send("Action,DeviceID,City\r\nU,D1,Zürich\r\n".encode("cp1252"))
    assert codes(job) == ["WARN DEV56", "OK"]
    assert Device.objects.get().city == "Zürich"


# --- rows ----------------------------------------------------------------------------------------


def test_rows_without_content_are_counted_and_ignored():
    device("D1")
    job = send(lines("Action,DeviceID,Notes,Result", ",,,OK", "  ,\u00a0,,", "U,D1,x,ERROR", ",,,"))
    assert [row[:2] for row in answers(job)] == [(4, "OK")]


def test_what_makes_a_row_unreadable_is_its_one_message():
    job = send(
        lines(
            "Action,DeviceID,MeterNumber,Multiplier",
            *("X,D1,,abc", "U,,,abc", ",D1,,", "U,D1,,,,x", "<null>,D1,,", "U,<null>,,"),
        )
    )
    assert [row[2:] for row in answers(job)] == [
        ("DEV06", 'row 2: unknown action "X"'),
        ("DEV07", "row 3: DeviceID empty"),
        ("DEV06", 'row 4: unknown action ""'),
        ("DEV05", "row 5: 6 cells, header has 4"),
        ("DEV06", 'row 6: unknown action ""'),
        ("DEV07", "row 7: DeviceID empty"),
    ]
    assert b"\r\n,D1,,,5,ERROR,DEV05," in result_bytes(job)


def test_messages_stand_by_code_then_by_column():
    device("D2", "M2")
    job = send(
        lines(
            "Action,DeviceID,Longitude,Latitude,Multiplier,MeterNumber,DeviceClass,CTRatio",
            *("A,D1,200,5,x,,NONE,y", "A,D3,,1,x,M2,SENTINEL,"),
            *("U,D2,x,,,<null>,<null>,", "U,D2,<null>,5,,,,", "U,D2,<null>,<null>,,,,"),
        )
    )
    assert [row[3] for row in answers(job)] == [
        "row 2: MeterNumber required for add"
        ' | DEV13 row 2: DeviceClass "NONE" empty or unknown'
        " | DEV16 row 2: Latitude and Longitude must both be given and in range"
        ' | DEV17 row 2: Multiplier "x" is not a number in the allowed range'
        ' | DEV17 row 2: CTRatio "y" is not a number in the allowed range',
        "row 3: MeterNumber M2 belongs to active device D2"
        " | DEV16 row 3: Latitude and Longitude must both be given and in range"
        ' | DEV17 row 3: Multiplier "x" is not a number in the allowed range',
        "row 4: Latitude and Longitude must both be given and in range"
        " | DEV23 row 4: MeterNumber cannot be cleared"
        " | DEV23 row 4: DeviceClass cannot be cleared",
        "row 5: Latitude and Longitude must both be given and in range",
        "row 6: nothing changed",
    ]


def test_a_deletion_checks_nothing_but_its_key_and_its_time():
    device("D1")
    job = send(
        lines(
            "Action,DeviceID,Multiplier,EffectiveTime",
            *("D,D1,abc,yesterday", "D,D1,abc,", "D,D1,,", "D,D9,,", "UNPROVISION,D\u00e9,,"),
        )
    )
    assert codes(job) == ["ERROR DEV18", "OK", "WARN DEV54", "ERROR DEV15", "ERROR DEV09"]


def test_dates_of_installation_and_removal_are_in_order():
    device("D1")
    head = "Action,DeviceID,InstallDate,RemovalDate"
    job = send(lines(head, "U,D1,2024-05-01,", "U,D1,,2024-04-30", "U,D1,2024-04-01,2024-04-30"))
    assert codes(job) == ["OK", "ERROR DEV25", "OK"]


def test_ratios_are_checked_where_that_is_asked_for():
    device("D1")
    text = lines("Action,DeviceID,Multiplier,CTRatio,PTRatio", "U,D1,40,20,", "U,D1,40,20,2")
    assert codes(preview(text)) == ["OK", "OK"]
    job = send(text, check_ratios="yes")
    assert codes(job) == ["ERROR DEV17", "OK"]
    assert answers(job)[0][3] == 'row 2: Multiplier "40" is not a number in the allowed range'


def test_profiles_are_known_by_their_names():
    ScheduleProfile.objects.create(name="TOU winter")
    device("D1")
    head = "Action,DeviceID,ScheduleProfile"
    assert codes(send(lines(head, "U,D1,TOU winter", "U,D1,TOU summer"))) == ["OK", "ERROR DEV21"]


def test_provisioning_is_queued_for_its_time():
    device("D1")
    text = lines("Action,DeviceID,Provision,EffectiveTime", "U,D1,Y,2026-03-01T00:00Z")
    assert codes(send(text)) == ["OK"]
    assert f"{Device.objects.get().provision_at:%FT%TZ}" == "2026-03-01T00:00:00Z"


def test_a_masked_pin_of_an_added_device_is_ignored_and_said():
    text = lines("Action,DeviceID,MeterNumber,DeviceClass,PIN", "A,D1,M1,SENTINEL,****")
    assert codes(send(text)) == ["WARN DEV59"]
    assert Device.objects.get().pin == ""


def test_padding_and_what_it_says():
    text = lines("Action,DeviceID,MeterNumber,DeviceClass", "A,D1,123,SENTINEL")
    job = send(text, pad="MeterNumber:8")
    assert answers(job)[0][3] == 'row 2: MeterNumber padded to "00000123"'
    assert b"A,D1,123,SENTINEL,2,WARN,DEV57," in result_bytes(job)
    assert Device.objects.get().meter_number == "00000123"


# --- the answer ----------------------------------------------------------------------------------


def test_formulas_are_disarmed_and_read_back():
    device("D1")
    text = "Action;DeviceID;Notes\r\nU;D1;'-not a number\r\nU;D1;'+1\r\nU;D1;-1,5\r\n"
    body = result_bytes(send(text))
    assert b"U;D1;'-not a number;2;OK;;\r\n" in body
    assert b"U;D1;'+1;3;OK;;\r\n" in body
    assert b"U;D1;-1,5;4;OK;;\r\n" in body
    again = send(body)
    assert codes(again) == ["OK", "OK", "OK"]


def test_a_resubmit_file_has_the_bad_rows_only_and_excel_safe_wraps_ids():
    device("D1")
    text = lines(
        "Action,DeviceID,MeterNumber,Notes", "U,D1,,x", "U,D9,00123,y", 'U,D9,"1,2",', "U,D9,12E5,"
    )
    job = send(text, excel_safe="yes")
    assert result_bytes(job, only_bad=True).decode("utf-8-sig") == (
        'Action,DeviceID,MeterNumber,Notes\r\nU,D9,"=""00123""",y\r\n'
        'U,D9,"1,2",\r\nU,D9,"=""12E5""",\r\n'
    )


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colour": "x"}, "no option colour; there are: "),
        ({"date_order": "YDM"}, "date_order=YDM: one of MDY, DMY, YMD"),
        ({"all_or_nothing": "perhaps"}, "all_or_nothing=perhaps: yes or no"),
        ({"pad": "Notes:3"}, "Notes is no column of identifiers"),
        ({"pad": "MeterNumber:x"}, "write MeterNumber:digits, at most 20"),
        ({"pad": "MeterNumber:21"}, "write MeterNumber:digits, at most 20"),
        ({"all_or_nothing": "1", "row_by_row": "1"}, "exclude each other"),
    ],
)
def test_options_that_cannot_be_so(given, message):
    with pytest.raises(OptionFault) as fault:
        options_read(given, DEVICE_COLUMNS)
    assert message in str(fault.value)


# --- groups --------------------------------------------------------------------------------------


def test_a_device_is_found_by_either_number_and_must_be_one():
    device("D1", "M1", ("CYCLE05",))
    device("D2", "M2")
    device("D3", "M3", state="unprovisioned")
    job = send(
        lines(
            "Action,DeviceID,MeterNumber,GroupCode",
            *("A,D1,M2,CYCLE01", "A,D1,M3,CYCLE01", "A,,,CYCLE01", "A,D3,,CYCLE01"),
            *("M,,M2,CYCLE01", "A,D2,M2,", "X,D2,,CYCLE01", "A,D2,1E+5,CYCLE01"),
        ),
        "groups",
    )
    assert [row[2:] for row in answers(job)] == [
        ("GRP06", "row 2: DeviceID D1 and MeterNumber M2 are different devices"),
        ("GRP05", 'row 3: device "M3" not found'),
        ("GRP14", "row 4: DeviceID empty"),
        ("GRP11", "row 5: device D3 is unprovisioned"),
        ("GRP53", "row 6: device was in no bill cycle; added"),
        ("GRP14", "row 7: GroupCode empty"),
        ("GRP04", 'row 8: unknown action "X"'),
        (
            "GRP12",
            'row 9: MeterNumber "1E+5" looks like a number changed by a spreadsheet; '
            "format the column as text",
        ),
    ]


def test_the_type_of_a_group_must_agree_and_is_needed_to_create_it():
    device("D1")
    head = "Action,DeviceID,GroupCode,GroupType"
    text = lines(head, "A,D1,CYCLE01,GENERAL", "A,D1,NEW,", "A,D1,NEW,GENERAL", "R,D1,NEW,GENERAL")
    assert codes(preview(text, "groups")) == ["ERROR GRP08", *["ERROR GRP07"] * 3]
    job = send(text, "groups", create_groups="yes")
    assert [row[2:] for row in answers(job)] == [
        ("GRP08", "row 2: group CYCLE01 is BILLCYCLE, row says GENERAL"),
        ("GRP08", "row 3: GroupType needed to create group NEW"),
        ("GRP56", "group NEW created"),
        ("", ""),
    ]


def test_an_automatic_move_and_the_order_of_time():
    device("D1", groups=("CYCLE05",))
    head = "Action,DeviceID,BillCycle,EffectiveDate"
    job = send(lines(head, "A,D1,CYCLE06,2026-03-01"), "groups", auto_move="yes")
    assert answers(job)[0][2:] == ("GRP52", "row 2: moved from CYCLE05")
    job = send(lines(head, "M,D1,CYCLE07,2026-02-01", "M,D1,CYCLE07,31/12"), "groups")
    assert [row[2:] for row in answers(job)] == [
        (
            "GRP13",
            "row 2: EffectiveDate 2026-02-01T00:00:00-06:00 lies before 2026-03-01T00:00:00-06:00",
        ),
        ("GRP13", 'row 3: EffectiveDate "31/12" is not a clear date'),
    ]


def test_a_move_from_a_group_that_the_device_is_not_in():
    device("D1", groups=("CYCLE05",))
    head = "Action,DeviceID,GroupCode,FromGroup"
    job = send(
        lines(head, "M,D1,CYCLE06,CYCLE07", "M,D1,CYCLE05,CYCLE06", "A,D1,CYCLE05,NONE"), "groups"
    )
    assert codes(job) == ["ERROR GRP10", "WARN GRP51", "WARN GRP51"]
