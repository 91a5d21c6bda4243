"""Workbooks (.xlsx) as tables of text: read as a stream, and guarded against bombs."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, BinaryIO

import openpyxl

from devices.imports.text import FileRefused, Limits, Record

MAX_PARTS = 2000
MAX_UNPACKED = 1 << 30  # bytes of all parts
MAX_STRINGS = 128 << 20  # bytes of the parts that are held in memory
MAX_RATIO = 250  # unpacked to packed, of parts that are not small
SMALL = 4 << 20
MAX_COLUMNS = 16_384
_HEAD = 4096


class Dated(str):
    """The text of a cell that is a date in the workbook: an identifier in it was one once."""

    __slots__ = ()


class WorkbookTable:
    """The first sheet of a workbook as records; FileRefused when it is none or too large."""

    delimiter = ","
    comma_numbers = False
    encoding = "utf-8-sig"

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self.limits = limits
        self._number = 0
        stream.seek(0)
        _guard(stream, limits)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._book = openpyxl.load_workbook(
                    stream, read_only=True, data_only=True, keep_links=False
                )
            self._sheet = self._book.worksheets[0]
            self._sheet.reset_dimensions()  # what a sheet says of its size may be anything
        except Exception as error:
            raise FileRefused("not_text") from error

    @property
    def position(self) -> int:
        """Rows read so far; how many there are is not known."""
        return self._number

    def __iter__(self) -> Iterator[Record]:
        rows = self._sheet.iter_rows(values_only=True)
        while True:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    values = next(rows, None)
            except Exception as error:  # whatever a broken part makes the library raise
                raise FileRefused("not_text") from error
            if values is None:
                return
            self._number += 1
            if self._number > self.limits.rows + 1 or len(values) > MAX_COLUMNS:
                raise FileRefused("too_large", n=self.limits.rows)
            cells = [cell_text(value) for value in values]
            while cells and not cells[-1]:
                cells.pop()
            yield self._number, cells

    def close(self) -> None:
        """Close the workbook's parts."""
        self._book.close()


def cell_text(value: Any) -> str:
    """A cell as a person would have typed it."""
    if value is None:
        return ""
    if isinstance(value, str):
        # Escapes of the format can spell what no text may hold.
        plain = value.isascii()
        text = value if plain else value.encode("utf-8", "replace").decode()
        return text.replace("\0", "")
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        # A spreadsheet keeps and shows fifteen digits.
        return f"{Decimal(f'{value:.15g}'):f}"
    if isinstance(value, datetime):
        whole = value.time() == time()
        return Dated(value.date().isoformat() if whole else value.isoformat(" ", "seconds"))
    if isinstance(value, (date, time)):
        return Dated(value.isoformat())
    return str(value)


def _guard(stream: BinaryIO, limits: Limits) -> None:
    """Refuse an archive that would unpack to more than can be meant, or defines entities."""
    try:
        with zipfile.ZipFile(stream) as archive:
            parts = archive.infolist()
            held = sum(p.file_size for p in parts if "worksheets/" not in p.filename)
            if (
                len(parts) > MAX_PARTS
                or sum(part.file_size for part in parts) > MAX_UNPACKED
                or held > MAX_STRINGS
                or any(_is_bomb(part) for part in parts)
            ):
                raise FileRefused("too_large", n=limits.bytes)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as opened:
                        if b"<!DOCTYPE" in opened.read(_HEAD):
                            raise FileRefused("not_text")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise FileRefused("not_text") from error
    except (EOFError, zipfile.LargeZipFile) as error:
        raise FileRefused("not_text") from error
    finally:
        stream.seek(0)


def _is_bomb(part: zipfile.ZipInfo) -> bool:
    return part.file_size > SMALL and part.file_size > MAX_RATIO * max(part.compress_size, 1)
