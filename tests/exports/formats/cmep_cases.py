"""The worked examples of cmep.md, section 11, as meter data. Data only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from devices.readings import (
    Channel,
    DeviceInfo,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
    epoch,
)

PACIFIC = "America/Los_Angeles"
N, E, A, R = Status.MISSING, Status.ESTIMATED, Status.EDITED, Status.RAW
METER = DeviceInfo(
    device_id="SSI0004711",
    meter_number="E10293847",
    account_id="SA0001234567",
    service_point_id="4400871",
    time_zone=PACIFIC,
)


def minute(text: str) -> datetime:
    """CCYYMMDDHHMM, UTC."""
    return datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=UTC)


def words(text: str) -> list[str]:
    return text.split()


def series(
    unit: str,
    first: str,
    values: Sequence[str | None],
    *,
    flow: str = "DEL",
    seconds: int = 900,
    status: dict[int, int] | None = None,
    resolution: str = "0.0001",
    ends: Sequence[str] = (),
    kind: str = "U",
    **channel: object,
) -> IntervalSeries:
    """A series from its first end on; a value None is MISSING."""
    step = Decimal(resolution)
    counts = [0 if value is None else int(Decimal(value) / step) for value in values]
    masks = [int(N) if value is None else 0 for value in values]
    for place, mask in (status or {}).items():
        masks[place] = int(mask)
    times = [epoch(minute(end)) for end in ends] or [
        epoch(minute(first) + timedelta(seconds=seconds * place)) for place in range(len(values))
    ]
    return IntervalSeries(
        Channel(1, unit, flow, seconds, kind, step)._replace(**channel),
        np.array(times),
        np.array(counts),
        np.array(masks, np.uint16),
    )


def register(unit: str, readings: dict[str, str], flow: str = "DEL") -> tuple[RegisterRead, ...]:
    return tuple(
        RegisterRead(minute(time), "CUR", (RegisterValue("SUM", unit, flow, value=Decimal(value)),))
        for time, value in readings.items()
    )


@dataclass(frozen=True)
class Case:
    """An example: golden file, its hash in the specification, what is written and how."""

    name: str
    sha256: str
    series: tuple[IntervalSeries, ...] = ()
    reads: tuple[RegisterRead, ...] = ()
    device: DeviceInfo = METER
    created: str = "202603150610"
    mode: str = "OR"
    options: dict[str, object] = field(default_factory=dict)
    sender: str = "123456789"
    receiver: str = "987654321"
    bytes: int = 0

    @property
    def meter(self) -> MeterData:
        return MeterData(self.device, self.series, self.reads)


EIGHT = ["0.312", "0.298", "0.305", "0.291", "0.287", "0.3", "0.296", "0.289"]
GAP = [*EIGHT[:3], None, None, *EIGHT[5:]]
FILLED = [*EIGHT[:3], "0.2945", "0.2921", *EIGHT[5:]]
FIRST = "202603140715"
SPRING = words(
    "1.24 1.1 1.4 1.15 1.07 1.4 1.92 1.8 1.77 1.22 1.54 1.28 "
    "1.17 1.11 1.21 1.93 1.83 1.81 1.8 1.19 1.31 1.63 1.73"
)
AUTUMN = words(
    "1.85 1.88 1.09 1.61 1.67 1.51 1.18 1.47 1.09 1.93 1.87 1.55 1.3 "
    "1.91 1.57 1.88 1.85 1.51 1.41 1.6 1.43 1.16 1.31 1.81 1.04"
)
KVARH = series("KVARH", FIRST, ["0.085", "0.081", "0.079", "-0.012"])
SENSUS = {
    "sender": "SENSUS",
    "receiver": "47622887",
    "device": METER._replace(account_id="ACME:130000"),
}
PULSES = {"multiplier": Decimal("0.012"), "multiplier_applied": False}

CASES = (
    Case(
        "a_validated",
        "03eaf94df28f76791cbab2880ce46f505e3b1a3bb41cbd0c22503737fe382c48",
        (series("KWH", FIRST, EIGHT),),
        bytes=262,
    ),
    Case(
        "b_gap_flagged",
        "c860e5183d30788e7e09eb4f4f5008f5b87cd9a6fed42831f0db308e44bd312a",
        (series("KWH", FIRST, GAP),),
        bytes=254,
    ),
    Case(
        "c_gap_split",
        "eded9ca35966ea2281759d85f4fd52be8a3c09502c43b7e6c03cb9bd7f6e2b0d",
        (series("KWH", FIRST, GAP),),
        options={"missing": "split"},
        bytes=326,
    ),
    Case(
        "d_gap_estimated",
        "86930a53fb98969cf5d92d8584697bbcd4a97f8772c99204d9a903abbe88fc97",
        (series("KWH", FIRST, FILLED, status={3: E, 4: E}),),
        created="202603160610",
        mode="CO",
        bytes=270,
    ),
    Case(
        "e_raw",
        "f4f07c09aee12ceaf6be23f99c34fd6c43d4bffbd4fd6c4f2dd57301431c0018",
        (series("KWH", FIRST, EIGHT[:4], status=dict.fromkeys(range(4), R)),),
        bytes=188,
    ),
    Case(
        "f_adjusted",
        "accbfb800da7974b837759704209d419c90f3fece43290b37022532b73ec3899",
        (series("KWH", FIRST, ["0.31", *EIGHT[1:4]], status={0: A}),),
        created="202603170610",
        mode="RE",
        bytes=188,
    ),
    Case(
        "g_spring_day",
        "6e7cb7f9be5d0a11b770ea8d2a5415240223e1cc2320b75dd32aa331640a7761",
        (series("KWH", "202603080900", SPRING, seconds=3600),),
        created="202603090805",
        bytes=537,
    ),
    Case(
        "h_autumn_day",
        "da984b3b66fbbd5146a65ef422257d4dce8102e108aa95d85a638e7806c867ed",
        (series("KWH", "202511020800", AUTUMN, seconds=3600),),
        created="202511030905",
        bytes=578,
    ),
    Case(
        "i_received",
        "6d59f38c018d93118913feecd693bb23a2f711e7028799133d60bd5df49521fb",
        (series("KWH", "202603141815", ["0.715", "0.742", "0.698", "0.731"], flow="REC"),),
        bytes=185,
    ),
    Case(
        "j_kvarh_delivered_positive",
        "6f65c0fc86868087c1d5d654d925d04105435032ccc83d77803a9114d06a422c",
        (KVARH,),
        bytes=187,
    ),
    Case(
        "k_kvarh_cmep120",
        "435d850dab6e73f81fa78282dd8f74650cc4ecea98249fab52921763d3280e09",
        (KVARH,),
        options={"kvarh_sign": "cmep120"},
        bytes=189,
    ),
    Case(
        "l_registers",
        "50971272b968df5b9127e491f66cdcf097f8066793b1da33c308bcb56279c96a",
        reads=register("KWH", {"202603140700": "18234.112", "202603150700": "18262.845"}),
        created="202603150710",
        options={"include": "registers"},
        bytes=147,
    ),
    Case(
        "m_pulses",
        "309e9bbfc66306997f37c4e7bf80ca9e946e45e4b34f90179133d31f7df2ba2b",
        (series("PULSE", FIRST, ["26", "25", "25", "24"], resolution="1", **PULSES),),
        options={"pulses": "yes"},
        bytes=178,
    ),
    Case(
        "n_daily_gas",
        "69ea4d4eb74ce4e8a00357905922240840a27d973743046b6317b56f3a4ab015",
        (series("THERM", "202603150700", ["1.42"], seconds=86400, zone=PACIFIC),),
        device=METER._replace(meter_number="G5550123"),
        created="202603150710",
        bytes=124,
    ),
    Case(
        "o_hourly_water",
        "da40bd2a08cbc620e3db4ebd2640cc2d4eac52280f6cc04e7c914862bba1db7e",
        (series("GAL", "202603140800", ["11", "0", "4"], seconds=3600),),
        device=METER._replace(meter_number="W771002"),
        bytes=151,
    ),
    Case(
        "p_sensus_intervals",
        "8fadbc1d9efd39674fb3f27201a5924d08fd5892f74a946cf65418ff54841dd1",
        (
            series(
                "KWH",
                FIRST,
                ["0.312", None, "0.305", "0.291"],
                status={2: Status.POWER_OUTAGE, 3: E},
            ),
        ),
        options={"dialect": "sensus"},
        bytes=188,
        **SENSUS,
    ),
    Case(
        "q_sensus_register",
        "58dd0fb4c205b1baf555eac2d1b75584a74d995fbf596a5cb3641e50ada54b44",
        reads=register("KWH", {"202603140700": "120.5", "202603150700": "121.25"}, flow="REC"),
        created="202603150710",
        options={"dialect": "sensus", "include": "registers"},
        bytes=152,
        **SENSUS,
    ),
    Case(
        "r_empty_crc_field",
        "b6e965bb9f32d1631405e019e71bc54d0c83e7066fea67b08d399696bb1ddcd5",
        (series("KWH", FIRST, EIGHT[:2]),),
        options={"empty_crc_field": "yes"},
        bytes=145,
    ),
    Case(
        "u_daily_over_spring",
        "a72e10b316bd190ca879a3d496aa9a5ce530380a6ba25a4110f4219da556e454",
        (
            series(
                "KWH",
                "",
                ["28.7", "29.1", "27.4"],
                seconds=86400,
                zone=PACIFIC,
                ends=["202603080800", "202603090700", "202603100700"],
            ),
        ),
        created="202603100710",
        bytes=153,
    ),
)


def whole_day(name: str, first: str, size: int, created: str, length: int, sha256: str) -> Case:
    """Example T: value of slot k = 0.2 + 0.001 k."""
    values = [f"0.{200 + place}" for place in range(size)]
    return Case(name, sha256, (series("KWH", first, values),), created=created, bytes=length)


WHOLE_DAYS = (
    whole_day(
        "t_whole_day",
        FIRST,
        96,
        "202603150610",
        2119,
        "4f7ca0cb063737e53f932fe550d926f2283fdafcf2cd4f62194a69aa1902a9a3",
    ),
    whole_day(
        "t_spring_day",
        "202603080815",
        92,
        "202603150610",
        2039,
        "ad66546cb7065084aeddf6ef5d82ae61711e3f1eb2436f100934884439afc1c8",
    ),
    whole_day(
        "t_autumn_day",
        "202511020715",
        100,
        "202511030905",
        2303,
        "7a4a4643219f03e0f74ca6f457144916fdcb053ef91753fe593097f91fca46a4",
    ),
)


def tou(time: str, season: int | None, *values: RegisterValue) -> RegisterRead:
    return RegisterRead(minute(time), "SR", values, season=season)


def by_rate(unit: str, kind: str = "SUM", **rates: str) -> tuple[RegisterValue, ...]:
    return tuple(
        RegisterValue(kind, unit, "DEL", rate, Decimal(text)) for rate, text in rates.items()
    )


# Section 11, example S: what was used between the two reads.
TOU = MeterData(
    METER,
    reads=(
        tou("202603010800", 0, *by_rate("KWH", T="10000", A="2000.1", B="7999.9")),
        tou("202604010700", 0, *by_rate("KWH", T="10500.45", A="2112.5", B="8387.95")),
    ),
)
TOU_OPTIONS = {
    "tou": "yes",
    "include": "registers",
    "tou_labels": "A=ON-PEAK;B=OFF-PEAK",
    "tou_seasons": "0=W;1=S",
}
TOU_SHA256 = "6ea3e45c1f474a10e11956280fd9d90947ac00eedf89a9d958ffb4e825769612"
