"""read(write(x)) is x, up to the losses that each format's page declares."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st
from msgspec import structs

from devices.readings import DeviceInfo, MeterData, RegisterRead, RegisterValue, status_letter
from exports.formats.idf.tables import METHODS, SOURCE_OF_METHOD
from exports.formats.quality import LETTER_MASKS
from exports.formats.rde.tables import ENERGY_KINDS
from exports.formats.registers import reads_order, values_order
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.register_cases import CASES
from tests.exports.formats.register_strategies import DEVICES, meters_reads
from tests.exports.formats.register_tools import read, write

Kept = Callable[[RegisterRead], RegisterRead]


def lettered(value: RegisterValue) -> RegisterValue:
    return structs.replace(value, status=LETTER_MASKS[status_letter(value.status)])


def ordered(read: RegisterRead, change: Callable[[RegisterValue], RegisterValue]) -> RegisterRead:
    """The read with its values as the file orders them; a source of all values is the read's."""
    found = [change(value) for value in sorted(read.values, key=values_order)]
    sources = [value.source or read.source for value in found]
    common = next((source for source in sources if source != "ED"), "ED")
    return replace(
        read,
        source=common,
        values=tuple(
            structs.replace(value, source="" if source == common else source)
            for value, source in zip(found, sources, strict=True)
        ),
    )


def of_idf(read: RegisterRead) -> RegisterRead:
    def source(value: RegisterValue) -> RegisterValue:
        said, letter = value.source or read.source, status_letter(value.status)
        back = SOURCE_OF_METHOD[METHODS[said]]
        back = "ED" if METHODS[said] == "M" and letter in "EV" else back
        return structs.replace(lettered(value), source=back)

    bare = replace(read, season=None, status_word="", received=None, read_id="", revision=0)
    return ordered(bare, source)


def of_rde(read: RegisterRead) -> RegisterRead:
    return ordered(replace(read, status_word=""), lambda value: value)


def of_btf(read: RegisterRead) -> RegisterRead:
    word = read.status_word and f"{read.status_word:0>8}"
    bare = replace(read, status_word=word, received=None, read_id="", revision=0)
    return ordered(bare, lettered)


def same(found: Sequence[RegisterRead], wanted: Sequence[RegisterRead]) -> None:
    """Compares value by value: a failure then names one, and is found quickly."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert len(one.values) == len(other.values)
        for a, b in zip(one.values, other.values, strict=True):
            assert a == b
        assert replace(one, values=()) == replace(other, values=())


def values_of(reads: Sequence[RegisterRead]) -> dict[tuple, tuple]:
    return {
        (read.time, read.read_type, *value.key): (value.value, value.peak_time)
        for read in reads
        for value in read.values
    }


def carried(name: str, unit: str) -> bool:
    """Whether profile wide has a cell for such a register."""
    energy = {kind.energy for kind in ENERGY_KINDS}
    demand = {kind.demand for kind in ENERGY_KINDS}
    return unit in energy if name == "SUM" else name in ("MAX", "CUM") and unit in demand


EMPTY = {"time_zone": ""}
FORMATS: dict[str, tuple[dict[str, object], int, Kept, dict[str, str]]] = {
    "idf": (
        {"register_types": "TOT,MAX,CUM,CCUM,PRES,COIN", "zone": None},
        *(1, of_idf, {"device_id": "", "serial_number": "", "device_class": ""}),
    ),
    "rde": ({}, 99, of_rde, EMPTY | {"device_class": ""}),
    "rde names": ({"names": True, "line_end": "LF"}, 99, of_rde, EMPTY | {"device_class": ""}),
    "btf": ({}, 1, of_btf, EMPTY | {"serial_number": ""}),
    "btf implied": ({"layout": "0101", "line_end": "LF"}, 1, of_btf, EMPTY | {"serial_number": ""}),
}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), device=DEVICES)
def test_what_is_read_is_what_was_written(
    name: str, data: st.DataObject, device: DeviceInfo
) -> None:
    words, occurrences, kept, lost = FORMATS[name]
    reads = data.draw(meters_reads(2 if occurrences > 1 else 1))
    written, tally = write(name[:3], [MeterData(device, reads=tuple(reads))], **words)
    [meter], report = read(name[:3], written)
    assert (report.errors, report.warnings) == (0, 0), report.issues
    assert meter.device == device._replace(**lost)
    same(meter.reads, [kept(read) for read in sorted(reads, key=reads_order)])
    assert tally.registers == sum(len(read.values) for read in reads)


@settings(max_examples=25, deadline=None)
@given(device=DEVICES, reads=meters_reads(wide=True))
def test_wide_rows_keep_values_peaks_rates_and_letters(
    device: DeviceInfo, reads: list[RegisterRead]
) -> None:
    words = {"profile": "wide", "null_registers": "omit"}
    written, _ = write("rde", [MeterData(device, reads=tuple(reads))], **words)
    found, report = read("rde", written)
    assert (report.errors, report.warnings) == (0, 0), report.issues
    back = [one for meter in found for one in meter.reads]
    assert {meter.device.meter_number for meter in found} <= {device.meter_number}
    assert values_of(back) == {
        key: said
        for key, said in values_of(reads).items()
        if carried(*key[2:4]) and said[0] is not None
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_bytes_neither_crash_nor_hang_a_reader(case, data: st.DataObject) -> None:
    good = bytearray((GOLDEN / case.name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(good) - 1))
        match data.draw(st.sampled_from("scid")):
            case "s":
                good[place] = data.draw(st.integers(0, 255))
            case "c":
                del good[place:]
                good += b"\n"
            case "i":
                good[place:place] = data.draw(st.binary(max_size=9))
            case _:
                del good[place : place + data.draw(st.integers(1, 30))]
        good = good or bytearray(b"\n")
    read(case.format, bytes(good))
    read(case.format, bytes(good), on_error="file")


@pytest.mark.parametrize("code", ["idf", "rde", "btf"])
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_without_an_exception(code: str, data: bytes) -> None:
    read(code, data)
