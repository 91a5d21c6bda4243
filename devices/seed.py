"""What every new installation starts with: four device classes and twenty bill cycles.

Called after migrations; does nothing once there is any device class or group.
"""

from decimal import Decimal
from typing import Any

from devices.models import ChannelTemplate, DeviceClass, FunctionalGroup, RegisterTemplate

QUARTER, HOUR = 900, 3600
KWH, WH100 = Decimal("0.001"), Decimal("0.1")
# (code, name, maker, interval seconds, extra channels made on demand, registers)
CLASSES = (
    ("SENTINEL", "Sentinel polyphase", "Itron", QUARTER, True),
    ("CENTRON", "Centron residential", "Itron", QUARTER, True),
    ("KV2C", "kV2c polyphase", "Aclara", QUARTER, True),
    ("I210", "I-210+ residential", "Aclara", HOUR, False),
)
# number, unit, flow, value type, resolution, made with every device
CHANNELS = (
    (1, "KWH", "DEL", "U", KWH, True),
    (2, "KWH", "REC", "U", KWH, False),
    (3, "KVARH", "DEL", "U", KWH, False),
    (4, "V", "DEL", "V", WH100, False),
)
# number, class, unit, flow, rate, dials, decimals
REGISTERS = (
    (1, "SUM", "KWH", "DEL", "T", 9, 3),
    (2, "MAX", "KW", "DEL", "T", 6, 3),
    (3, "CUM", "KW", "DEL", "T", 7, 3),
    (4, "SUM", "KWH", "REC", "T", 9, 3),
    (5, "SUM", "KVARH", "DEL", "T", 9, 3),
    (11, "SUM", "KWH", "DEL", "A", 9, 3),
    (12, "SUM", "KWH", "DEL", "B", 9, 3),
    (13, "SUM", "KWH", "DEL", "C", 9, 3),
    (21, "MAX", "KW", "DEL", "A", 6, 3),
    (22, "MAX", "KW", "DEL", "B", 6, 3),
    (23, "MAX", "KW", "DEL", "C", 6, 3),
)
BILL_CYCLES = 20


def seed(**_: Any) -> None:
    """Fill empty tables of device classes and groups."""
    if not DeviceClass.objects.exists():
        for code, name, maker, seconds, polyphase in CLASSES:
            _class_make(code, name, maker, seconds, polyphase)
    if not FunctionalGroup.objects.exists():
        FunctionalGroup.objects.bulk_create(
            FunctionalGroup(
                code=f"CYCLE{n:02}", name=f"Bill cycle {n}", kind=FunctionalGroup.Kind.BILL_CYCLE
            )
            for n in range(1, BILL_CYCLES + 1)
        )


def _class_make(code: str, name: str, maker: str, seconds: int, polyphase: bool) -> None:
    made = DeviceClass.objects.create(code=code, name=name, manufacturer=maker)
    ChannelTemplate.objects.bulk_create(
        ChannelTemplate(
            device_class=made,
            number=number,
            unit=unit,
            flow=flow,
            seconds=seconds,
            value_type=value_type,
            resolution=resolution,
            by_default=by_default,
        )
        for number, unit, flow, value_type, resolution, by_default in CHANNELS
        if polyphase or by_default
    )
    names = ("number", "register_class", "unit", "flow", "rate", "dials", "decimals")
    RegisterTemplate.objects.bulk_create(
        RegisterTemplate(device_class=made, **dict(zip(names, row, strict=True)))
        for row in REGISTERS
        if polyphase or row[0] in (1, 2)
    )
