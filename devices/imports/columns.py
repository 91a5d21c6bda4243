"""The columns of both interfaces, declared in the specification's order.

All that reads, checks, documents or writes a column comes from these tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.imports.kinds import (
    Choice,
    ClassCode,
    Coordinate,
    Day,
    Flag,
    FreeText,
    Group,
    Groups,
    Identifier,
    Kind,
    Moment,
    Number,
    Phases,
    Pin,
    Profile,
    Zone,
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in a header, our field, its kind, and what the documentation says.

    `required` is the specification's word: "always", "A" (for an add) or empty. `clear` says what
    `<null>` does in an update: "yes", "no" (refused) or "empty" (as an empty cell).
    """

    name: str
    field: str
    kind: Kind
    required: str = ""
    clear: str = "yes"
    meaning: str = ""
    also: tuple[str, ...] = ()


COMM_TYPES = ("GPRS", "CDMA", "LTE", "IP", "OTHER")
DEVICE_ACTIONS = {"A": "A", "ADD": "A", "U": "U", "UPDATE": "U"}
DEVICE_ACTIONS |= {"D": "D", "DELETE": "D", "UNPROVISION": "D"}
GROUP_ACTIONS = {"A": "A", "ADD": "A", "R": "R", "REMOVE": "R", "D": "R", "DELETE": "R"}
GROUP_ACTIONS |= {"M": "M", "MOVE": "M"}
BILL_CYCLE, GENERAL = "BILLCYCLE", "GENERAL"
_RATIO = Number(digits=12, decimals=4)
_DATED = "a change opens a new dated installation"
_CHECKED = "informational, or (option) checked against Multiplier"

# fmt: off
DEVICE_COLUMNS = (
    #      name              field               kind, required, <null>, meaning
    Column("Action",         "action",           Choice(words=("A", "U", "D")), "always", "empty",
           "A add, U update, D delete; also ADD, UPDATE, DELETE, UNPROVISION"),
    Column("DeviceID",       "device_id",        Identifier(20), "always", "empty", "key"),
    Column("MeterNumber",    "meter_number",     Identifier(20), "A", "no", "unique among active"),
    Column("SerialNumber",   "serial_number",    Identifier(24)),
    Column("DeviceClass",    "device_class",     ClassCode(10), "A", "no", "an existing class"),
    Column("PIN",            "pin",              Pin(16), "", "yes", "encrypted; shown as ****"),
    Column("CommType",       "comm_type",        Choice(words=COMM_TYPES)),
    Column("CommAddress",    "comm_address",     Identifier(64), "", "yes", "phone, IP"),
    Column("ServicePointID", "service_point_id", Identifier(24), "", "yes", _DATED),
    Column("AccountID",      "account_id",       Identifier(20), "", "yes", _DATED),
    Column("PremiseID",      "premise_id",       Identifier(24), "", "yes", _DATED),
    Column("Address",        "address",          FreeText(80, breaks=True)),
    Column("City",           "city",             FreeText(40)),
    Column("State",          "region",           FreeText(20)),
    Column("PostalCode",     "postal_code",      FreeText(12)),
    Column("Latitude",       "latitude",         Coordinate(limit=90), "", "pair", "both"),
    Column("Longitude",      "longitude",        Coordinate(limit=180), "", "pair", "both"),
    Column("TimeZone",       "time_zone",        Zone(), "", "yes", "default: the system's zone"),
    Column("Multiplier",     "multiplier",       _RATIO, "", "yes", f"default 1; {_DATED}"),
    Column("CTRatio",        "ct_ratio",         _RATIO, "", "yes", _CHECKED),
    Column("PTRatio",        "pt_ratio",         _RATIO, "", "yes", _CHECKED),
    Column("BillCycle",      "bill_cycle",       Group(12, cycle=True), "", "yes",
           "enters that bill cycle, leaves the old one"),
    Column("Groups",         "groups",           Groups(12), "", "no",
           "GENERAL groups, added, never removed"),
    Column("TransformerID",  "transformer_id",   Identifier(16), "", "yes", _DATED),
    Column("FeederID",       "feeder_id",        Identifier(12), "", "yes", _DATED),
    Column("Phase",          "phase",            Phases(), "", "yes", "stored in the order ABC"),
    Column("InstallDate",    "install_date",     Day()),
    Column("RemovalDate",    "removal_date",     Day(), "", "yes", "not before InstallDate"),
    Column("ScheduleProfile", "schedule_profile", Profile(40), "", "yes", "provisioning profile"),
    Column("Provision",      "provision",        Flag(), "", "empty",
           "default N; Y queues provisioning, at EffectiveTime"),
    Column("EffectiveTime",  "effective",        Moment(), "", "empty", "default: of the import"),
    Column("Notes",          "notes",            FreeText(255, breaks=True)),
)
GROUP_COLUMNS = (
    Column("Action",         "action",           Choice(words=("A", "R", "M")), "always", "empty",
           "A add, R remove, M move; also ADD, REMOVE, MOVE, D, DELETE"),
    Column("DeviceID",       "device_id",        Identifier(20), "one", "empty", "or the next"),
    Column("MeterNumber",    "meter_number",     Identifier(20), "one", "empty", "of one active"),
    Column("GroupCode",      "group",            Group(12), "always", "empty",
           "or GroupName, BillCycle", ("GroupName", "BillCycle")),
    Column("GroupType",      "type",             Choice(words=(BILL_CYCLE, GENERAL)), "", "empty",
           "needed to create a group; if given it must agree"),
    Column("FromGroup",      "source",           Group(12), "", "empty",
           "what M leaves; of a bill cycle: default the present one"),
    Column("EffectiveDate",  "effective",        Moment(), "", "empty", "default: of the import"),
    Column("Notes",          "notes",            FreeText(255, breaks=True), "", "empty"),
)
# fmt: on
PLACE_FIELDS = (
    *("service_point_id", "account_id", "premise_id", "transformer_id", "feeder_id", "multiplier"),
)
ANSWER_COLUMNS = ("RowNumber", "Result", "Code", "Message")
MASK = "****"
