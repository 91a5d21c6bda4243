"""Elements and attributes as declarations: what may stand where, put into text and got back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from exports.formats.issues import refusal
from exports.formats.kinds import Kind, Number

# What XML 1.0 has no way to carry.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


# Identifiers that stand as they are, a line each.
_BARE = re.compile(r"[!#-%'-;=?-~](?:[ !#-%'-;=?-~]*[!#-%'-;=?-~])?(?:\n[!#-%'-;=?-~]"
                   r"(?:[ !#-%'-;=?-~]*[!#-%'-;=?-~])?)*")  # fmt: skip


def all_bare(texts: Sequence[str]) -> bool:
    """Whether these identifiers are written as they are, with nothing to refuse or to escape."""
    return _BARE.fullmatch("\n".join(texts)) is not None


def escape(text: str, name: str, *, quotes: bool) -> bytes:
    """Text as it stands in a document; FMT05 for a character that XML cannot carry."""
    if bad := _FORBIDDEN.search(text):
        raise refusal("FMT05", field=name, char=f"{ord(bad[0]):04X}")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (text.replace('"', "&quot;") if quotes else text).encode()


@dataclass(frozen=True, slots=True)
class Pattern(Kind):
    """Text of a form: at most `width` characters that match `pattern`. What does not match is
    FMT05 or FMT06 on the way out, ValueError on the way in."""

    words: str
    pattern: re.Pattern[str]
    width: int

    @property
    def phrase(self) -> str:
        return self.words

    def put(self, value: str, name: str, size: int) -> bytes:
        if len(value) > self.width:
            raise refusal("FMT06", field=name, length=len(value), width=self.width)
        if not self.pattern.fullmatch(value):
            odd = next((c for c in value if not " " < c <= "~"), value[:1] or " ")
            raise refusal("FMT05", field=name, char=f"{ord(odd):04X}")
        return value.encode()

    def get(self, raw: bytes) -> str:
        text = raw.decode()
        if len(text) > self.width or not self.pattern.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is no {self.words}")
        return text


@dataclass(frozen=True, slots=True)
class Digits(Number):
    """A plain decimal of so many digits in all, without zeros in front."""

    total: int = 18
    above_zero: bool = False
    plain: ClassVar[re.Pattern[bytes]] = re.compile(rb"[+-]?(\d*)(?:\.(\d*))?", re.ASCII)

    @property
    def phrase(self) -> str:
        rule = "never rounded" if self.exact else "rounded half-even"
        return f"number, {self.total} digits, {self.decimals} decimals, {rule}"

    def put(self, value: Decimal, name: str, size: int) -> bytes:
        text = Number.put(self, value, name, size)
        if self._over(text) or (self.above_zero and value <= 0):
            raise refusal("FMT07", field=name, value=value, width=self.total)
        return text

    def get(self, raw: bytes) -> Decimal:
        text = raw.strip()
        if not self.plain.fullmatch(text) or not any(c in b"0123456789" for c in text):
            raise ValueError(f"{raw[:40].decode('utf-8', 'replace')!r} is no number")
        if self._over(text):
            raise ValueError(f"{text[:40].decode()!r} has over {self.total} digits or "
                             f"{self.decimals} decimals")  # fmt: skip
        value = Decimal(text.decode())
        if self.above_zero and value <= 0:
            raise ValueError(f"{text.decode()!r} is not above 0")
        return value

    def _over(self, text: bytes) -> bool:
        whole, _, part = text.lstrip(b"+-").partition(b".")
        part = part.rstrip(b"0")
        return len(part) > self.decimals or len(whole.lstrip(b"0")) + len(part) > self.total


@dataclass(frozen=True, slots=True)
class Boolean(Kind):
    """`true` or `false`; `1` and `0` are read, too."""

    @property
    def phrase(self) -> str:
        return "`true` or `false`"

    def put(self, value: bool, name: str, size: int) -> bytes:
        return b"true" if value else b"false"

    def get(self, raw: bytes) -> bool:
        words = {b"true": True, b"1": True, b"false": False, b"0": False}
        if raw.strip() not in words:
            raise ValueError(f"{raw[:40].decode('utf-8', 'replace')!r} is neither true nor false")
        return words[raw.strip()]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute, or the text of an element: name, kind, whether it must be there, note."""

    name: str
    kind: Kind
    required: bool = True
    note: str = ""

    def put(self, value: Any, quotes: bool = True) -> bytes:
        return escape(self.kind.put(value, self.name, 80).decode(), self.name, quotes=quotes)


@dataclass(frozen=True, slots=True)
class Element:
    """An element with its attributes in order."""

    name: str
    attributes: tuple[Attribute, ...] = ()

    def tag(self, values: Mapping[str, Any]) -> bytes:
        """`X a="1" b="2"`: attributes that are None are left out."""
        parts = [self.name.encode()]
        for attribute in self.attributes:
            value = values.get(attribute.name)
            if value is not None or attribute.required:
                parts.append(b'%s="%s"' % (attribute.name.encode(), attribute.put(value)))
        return b" ".join(parts)

    def template(self, values: Mapping[str, Any], *open_: str) -> bytes:
        """The same for the `%` operator, with `%s` for the attributes that are open; these need
        no escape, and the others hold no `%`."""
        parts = [self.name.encode()]
        for attribute in self.attributes:
            name = attribute.name
            if name in open_:
                parts.append(b'%s="%%s"' % name.encode())
            elif values.get(name) is not None or attribute.required:
                parts.append(b'%s="%s"' % (name.encode(), attribute.put(values.get(name))))
        return b" ".join(parts)

    def rows(self) -> list[tuple[str, ...]]:
        """Rows of the documentation."""
        return [
            (self.name, f"@{a.name}", a.kind.phrase, "yes" if a.required else "", a.note)
            for a in self.attributes
        ]


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element that holds text."""

    element: Element
    text: Attribute

    @property
    def name(self) -> str:
        return self.element.name

    def line(self, indent: int, text: Any, values: Mapping[str, Any] | None = None) -> bytes:
        """The element on a line of its own."""
        inner, tag = self.text.put(text, quotes=False), self.element.tag(values or {})
        return b"%s<%s>%s</%s>\r\n" % (b" " * indent, tag, inner, self.name.encode())

    def rows(self) -> list[tuple[str, ...]]:
        """Rows of the documentation."""
        return [(self.name, "text", self.text.kind.phrase, "yes", self.text.note),
                *self.element.rows()]  # fmt: skip
