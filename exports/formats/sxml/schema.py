"""The published schema, and how a large document is held against it a part at a time.

The streaming validator of libxml2 tells neither line nor column. So each Meter, NotRead, Header and
Trailer is validated as a tree of its own, by the same types, and what is left of the document (its
order, its attributes) by the schema itself. The file-wide keys are the reader's care.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from exports.formats.sxml.tables import NAMESPACE

SCHEMA_PATH = Path(__file__).with_name("tms-sxml-1.xsd")
XS = "{http://www.w3.org/2001/XMLSchema}"
TYPES = {"Header": "Header", "Meter": "Meter", "Trailer": "Trailer"}


class Fault(NamedTuple):
    """What the schema says of a line."""

    line: int
    message: str


@lru_cache(maxsize=1)
def whole() -> etree.XMLSchema:
    """The schema as it is published."""
    return etree.XMLSchema(etree.parse(str(SCHEMA_PATH)))


@lru_cache(maxsize=1)
def parts() -> etree.XMLSchema:
    """The same types with the document's large parts as roots."""
    tree = etree.parse(str(SCHEMA_PATH))
    root = tree.getroot()
    for name, kind in TYPES.items():
        etree.SubElement(root, f"{XS}element", name=name, type=kind)
    not_read = next(e for e in root.iter(f"{XS}element") if e.get("name") == "NotRead")
    alone = etree.SubElement(root, f"{XS}element", name="NotRead")
    alone.append(etree.fromstring(etree.tostring(not_read[0])))
    return etree.XMLSchema(tree)


def part_faults(element: Any) -> Iterator[Fault]:
    """What is wrong with one part."""
    schema = parts()
    if not schema.validate(element):
        yield from _faults(schema, element.sourceline)


def skeleton_faults(root: Any) -> Iterator[Fault]:
    """What is wrong with a document whose meters were taken out."""
    schema = whole()
    if not schema.validate(root):
        yield from _faults(schema, root.sourceline)


def _faults(schema: etree.XMLSchema, line: int) -> Iterator[Fault]:
    log: Any = schema.error_log
    for entry in log:
        if "No precomputed value" not in entry.message:  # follows another, and says nothing
            yield Fault(entry.line or line, entry.message.replace("{" + NAMESPACE + "}", ""))
