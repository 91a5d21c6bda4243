"""What a received code stands for: formats/events.md, sections 3, 6 and 7."""

import pytest

from events.catalogue import ALIASES, catalogue_rows
from events.codes import (
    Alias,
    Codebook,
    Entry,
    code_normalise,
    iec_codes_parse,
    is_mnemonic,
    numbers_parse,
)


def entries() -> list[Entry]:
    return [
        Entry(
            fields["mnemonic"],
            numbers_parse(fields["c1219_codes"]),
            iec_codes_parse(fields["iec_codes"]),
        )
        for fields, _ in catalogue_rows()
    ]


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    return Codebook(entries(), {**ALIASES, "MFG_02061": Alias("V_SAG_END", "A")})


@pytest.mark.parametrize(
    ("code", "origin", "native", "expected"),
    [
        # By mnemonic: raised by the module unless a native number or an origin is given.
        ("PWR_OUTAGE", "", "", ("PWR_OUTAGE", "T", None, "26.26.0.85", "")),
        ("PWR_DOWN", "", "1", ("PWR_DOWN", "S", 1, "3.26.0.85", "")),
        ("V_SAG_END", "", "2061", ("V_SAG_END", "M", 2061, "3.26.38.224", "")),
        ("V_SAG_END", "S", "", ("V_SAG_END", "S", None, "3.26.38.224", "")),
        ("PWR_MOMENTARY", "", "", ("PWR_MOMENTARY", "T", None, "", "")),
        # By C12.19 number, plain or spelt out.
        ("22", "", "", ("DST_ON", "S", 22, "3.36.56.242", "")),
        ("00022", "S", "22", ("DST_ON", "S", 22, "3.36.56.242", "")),
        ("STD_00001", "", "", ("PWR_DOWN", "S", 1, "3.26.0.85", "")),
        ("STD_1", "", "", ("PWR_DOWN", "S", 1, "3.26.0.85", "")),
        ("5", "", "", ("TIME_CHANGED", "S", 5, "3.36.114.24", "")),
        ("7", "", "", ("STD_00007", "S", 7, "", "")),
        ("49", "", "", ("STD_00049", "S", 49, "", "")),
        # By manufacturer number: the standard's numbers mean nothing there.
        ("1", "M", "", ("MFG_00001", "M", 1, "", "")),
        ("999", "M", "", ("MFG_00999", "M", 999, "", "")),
        ("0", "M", "", ("MFG_00000", "M", 0, "", "")),
        ("MFG_02061", "", "", ("V_SAG_END", "M", 2061, "3.26.38.224", "A")),
        # Codes that go pairwise: the one concerned is sent.
        ("16", "", "", ("LOG_CLEARED", "S", 16, "3.17.53.28", "")),
        ("18", "", "", ("LOG_CLEARED", "S", 18, "3.17.44.28", "")),
        ("LOG_CLEARED", "", "18", ("LOG_CLEARED", "S", 18, "3.17.44.28", "")),
        ("LOG_CLEARED", "", "", ("LOG_CLEARED", "T", None, "", "")),
        ("3.17.44.28", "", "", ("LOG_CLEARED", "T", None, "3.17.44.28", "")),
        # By IEC code: canonical, alias, then both with the other device type.
        ("3.26.0.85", "", "", ("PWR_DOWN", "T", None, "3.26.0.85", "")),
        ("26.26.0.85", "", "", ("PWR_OUTAGE", "T", None, "26.26.0.85", "")),
        ("003.26.0.085", "", "", ("PWR_DOWN", "T", None, "3.26.0.85", "")),
        ("3.26.0.47", "S", "1", ("PWR_DOWN", "S", 1, "3.26.0.85", "")),
        ("3.26.132.223", "", "", ("V_SAG_START", "T", None, "3.26.38.223", "B")),
        ("26.36.114.24", "", "", ("TIME_CHANGED", "T", None, "3.36.114.24", "")),
        ("26.12.0.257", "", "", ("TAMPER", "T", None, "3.12.0.257", "")),
        ("26.33.1.219", "", "", ("REV_ROTATION", "T", None, "3.12.93.219", "")),
        ("3.21.117.139", "", "", ("TIME_DRIFT", "T", None, "26.21.117.139", "")),
        ("3.26.38.150", "", "", ("V_UNDER", "T", None, "3.26.38.150", "")),
        ("3.99.1.2", "", "", ("MFG_00000", "M", None, "3.99.1.2", "")),
        ("7.26.0.85", "", "", ("MFG_00000", "M", None, "7.26.0.85", "")),
        # A well-formed mnemonic that nobody knows is kept.
        ("DOOR_OPEN", "", "", ("DOOR_OPEN", "T", None, "", "")),
    ],
)
def test_a_code_resolves(codebook, code, origin, native, expected):
    assert codebook.resolve(code, origin, native) == expected


@pytest.mark.parametrize("code", ["0", "00000", "STD_00000"])
def test_standard_code_0_says_that_nothing_happened(codebook, code):
    assert codebook.resolve(code) is None


@pytest.mark.parametrize(
    "code",
    ["", "pwr_outage", "1PWR", "PWR OUTAGE", "A" * 17, "123456", "3.26.0", "3.26.0.1234", "٣"],
)
def test_a_code_of_no_known_form_is_refused(codebook, code):
    with pytest.raises(ValueError, match="neither a mnemonic"):
        codebook.resolve(code)


def test_an_alias_moves_an_unknown_mnemonic():
    book = Codebook(entries(), {"DOOR_OPEN": Alias("COVER_REMOVED")})
    assert book.resolve("DOOR_OPEN") == ("COVER_REMOVED", "T", None, "3.12.29.212", "")


@pytest.mark.parametrize("cell", ["3.26", "3.26.0.085", "3.26.0.85,3.26.0.47", "x"])
def test_a_cell_that_holds_no_iec_codes_is_refused(cell):
    with pytest.raises(ValueError, match="not an IEC event code"):
        iec_codes_parse(cell)


def test_no_two_types_of_the_catalogue_share_a_code():
    numbers = [number for entry in entries() for number in entry.numbers]
    iec_codes = [code for entry in entries() for code in entry.iec_codes]
    assert len(numbers) == len(set(numbers))
    assert len(iec_codes) == len(set(iec_codes))
    assert not set(iec_codes) & set(ALIASES)


def test_the_catalogue_and_its_aliases_are_well_formed():
    mnemonics = [entry.mnemonic for entry in entries()]
    assert len(mnemonics) == len(set(mnemonics)) == 81
    assert all(map(is_mnemonic, mnemonics))
    assert {pair for _, pair in catalogue_rows() if pair} <= set(mnemonics)
    for code, alias in ALIASES.items():
        assert code_normalise(code) == code
        assert alias.mnemonic in mnemonics
