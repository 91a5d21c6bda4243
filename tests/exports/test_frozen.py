"""A part of a run as bytes: small, and the same part again."""

import zlib
from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest

from devices.readings import DeviceInfo
from exports.scope.frozen import LIST, Part, Read, kind_channel, kind_text, pack, slices, unpack

COLUMNS = [f.name for f in fields(Part) if f.name not in ("infos", "kinds", "reads")]
INFO = {
    "device_id": "D{}",
    "meter_number": "\\{} |",
    "time_zone": "UTC",
    "groups": "A" + LIST + "B",
}


def part_of(size=3, **given):
    infos = tuple(
        [INFO.get(name, "").format(n) for n in range(size)] for name in DeviceInfo._fields
    )
    whole = {"device": np.arange(size) + 7, "start": np.zeros(size, np.int64)}
    return Part(infos=infos, end=np.full(size, 1 << 34), **(whole | given))


def same(one, other):
    return (
        tuple(map(list, one.infos)) == tuple(map(list, other.infos))
        and (one.kinds, one.reads) == (other.kinds, other.reads)
        and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS)
    )


@pytest.mark.parametrize("size", [0, 1, 3])
def test_what_is_packed_comes_back(size):
    kinds = (kind_text([1, "KWH", "DEL", 900, "U", "0.001", None, True, -21600, ""]),)
    part = part_of(
        size,
        kinds=kinds,
        channel=np.arange(size) * 5 + 2**40,
        stay=np.arange(size),
        kind=np.zeros(size, np.int64),
        day=np.array([20526, -3] * size),
        reads=(Read(7, "CUR", 1_700_000_000_000_001, 4),) * size,
    )
    again = unpack(pack(part))
    assert same(again, part)
    assert pack(again) == pack(part)


def test_devices_have_their_groups_apart():
    [first, *_] = part_of().devices()
    assert (first.device_id, first.meter_number, first.groups) == ("D0", "\\0 |", ("A", "B"))
    lonely = replace(part_of(1), infos=tuple([""] for _ in DeviceInfo._fields))
    assert list(lonely.devices()) == [DeviceInfo("", time_zone="", groups=())]


def test_a_fleet_of_plain_meters_is_small():
    assert len(pack(part_of(10_000))) < 10 * 10_000


def test_only_our_bytes_are_unpacked():
    with pytest.raises(ValueError, match="version 03, not 02"):
        unpack(b"\x03" + pack(part_of())[1:])


def test_parts_from_before_corrections_were_known_are_read():
    part = part_of(1, day_channel=np.array([1]), day=np.array([5]), day_since=np.array([7]))
    packed = msgspec.msgpack.decode(zlib.decompress(pack(part)[1:]))
    del packed["columns"]["day_sent"]
    old = b"\x01" + zlib.compress(msgspec.msgpack.encode(packed))
    assert same(unpack(old), replace(part, day_sent=np.array([7])))


def test_a_line_feed_in_an_identifier_is_refused():
    infos = tuple(["a\nb", "c"] for _ in DeviceInfo._fields)
    with pytest.raises(ValueError, match="line feed"):
        pack(replace(part_of(2), infos=infos))


def test_a_read_has_its_time_to_the_microsecond():
    assert Read(1, "CUR", 1_000_001, 0).when.isoformat() == "1970-01-01T00:00:01.000001+00:00"


def test_slices_keep_what_is_theirs():
    reads = tuple(Read(device, "CUR", 0, 0) for device in (7, 8, 9))
    part = part_of(
        3,
        channel=np.array([1, 2, 3]),
        stay=np.array([0, 1, 2]),
        kind=np.zeros(3, np.int64),
        opened=np.zeros(3, np.int64),
        closed=np.ones(3, np.int64),
        day_channel=np.array([1, 3, 3]),
        day=np.array([5, 6, 7]),
        day_since=np.zeros(3, np.int64),
        day_sent=np.zeros(3, np.int64),
        reads=reads,
    )
    one, rest = slices(part, [1, 3])
    assert (one.channel.tolist(), one.stay.tolist(), one.day.tolist()) == ([1], [0], [5])
    assert (rest.channel.tolist(), rest.stay.tolist(), rest.day.tolist()) == (
        *([2, 3], [0, 1], [6, 7]),
    )
    assert (one.reads, rest.reads) == (reads[:1], reads[1:])
    assert [info.device_id for info in rest.devices()] == ["D1", "D2"]


@pytest.mark.parametrize("applied", ["true", "1", "True", "false", "0"])
def test_a_kind_is_a_channel_whatever_the_database_calls_true(applied):
    channel = kind_channel(f"2|V||60|V|0.1|40.0000|{applied}|0|UTC")
    assert channel.multiplier_applied is (applied not in ("false", "0"))
    assert (channel.number, str(channel.multiplier), channel.zone) == (2, "40.0000", "UTC")
