"""A portion of rows against the state: outcomes, dangers, and what to write of both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings
from django.utils.module_loading import import_string

from devices.imports.cells import Chunk
from devices.imports.codes import ERROR, Issue, said
from devices.imports.devicerules import DeviceBook
from devices.imports.grouprules import GroupBook
from devices.imports.outcome import REFUSED, UNCHANGED, Fact, Outcome
from devices.imports.state import State
from devices.models import ImportJob, ImportRow
from devices.services.imports.jobs import DEVICES, codes_of, header_of, options_of
from devices.services.imports.lookup import Catalogues, Found, states_load
from devices.services.imports.stored import cells_pack, waiting_load
from devices.services.secrets import secret_open, secret_seal

COLUMNS = (
    *("job_id", "number", "key", "kind", "result", "code", "message", "cells"),
    *("changes", "danger", "due", "status", "secret", "meter"),
)
ROLE = "devices.add_importjob"


@dataclass
class Portion:
    """Rows evaluated: their outcomes and the devices that they touched, before and after."""

    chunk: Chunk
    outcomes: list[Outcome]
    pairs: dict[str, tuple[State | None, State]]
    again: set[str]
    created: dict[str, str]
    dangers: dict[int, str]


@dataclass
class Evaluator:
    """Evaluates the rows of one import, portion by portion.

    `step`: whose unapplied changes are the state; 0: the inventory alone. `later`: whether rows
    are stored for later, anywhere.
    """

    job: ImportJob
    catalogues: Catalogues
    moment: datetime
    step: int
    later: bool
    begun: bool = False

    def __post_init__(self) -> None:
        self.options = options_of(self.job)
        self.codes = codes_of(self.job.kind)
        self.allowed = self.job.user is None or self.job.user.has_perm(ROLE)
        self.places = header_of(self.job).places
        self.created: dict[str, str] = {}

    def portion(self, chunk: Chunk) -> Portion:
        """Evaluate the next rows."""
        if not self.allowed:
            for index in range(len(chunk)):
                chunk.issue(index, "role", -1)
        keys, meters = _texts(chunk, "device_id"), _texts(chunk, "meter_number")
        overlay = self.job if self.step and self.begun else None
        found = states_load(keys, meters, self.catalogues, job=overlay, step=self.step)
        self.begun = True
        if self.job.kind == DEVICES:
            outcomes, states, touched = self._devices(chunk, found, keys, meters)
        else:
            outcomes, states, touched = self._groups(chunk, found, keys, meters)
        pairs = {key: (found.bases.get(key), states[key]) for key in touched}
        again = {key for key in touched if found.states.get(key) is not found.bases.get(key)}
        facts = [fact for outcome in outcomes for fact in outcome.facts]
        return Portion(chunk, outcomes, pairs, again, dict(self.created), dangers_find(facts))

    def _devices(
        self, chunk: Chunk, found: Found, keys: set[str], meters: set[str]
    ) -> tuple[list[Outcome], Mapping[str, State], set[str]]:
        book = self._book(found)
        if self.later:
            self._later(book, found, keys, meters)
        outcomes = book.rows(chunk)
        self.later = self.later or any(outcome.due for outcome in outcomes)
        return outcomes, book.states, book.touched

    def _book(self, found: Found) -> DeviceBook:
        book = DeviceBook(
            moment=self.moment,
            system_zone=settings.TIME_ZONE,
            seal=secret_seal,
            opened=secret_open,
            check_ratios=self.options.check_ratios,
            places=self.places,
            job=self.job.pk,
        )
        book.load(list(found.states.values()))
        return book

    def _later(self, book: DeviceBook, found: Found, keys: set[str], meters: set[str]) -> None:
        """Take in the stored rows, and the devices that they and the meter numbers name."""
        rows = waiting_load(keys | found.states.keys(), meters, self.catalogues)
        further = {row.device_id for row in rows} - found.states.keys()
        if further:
            overlay = self.job if self.step else None
            more = states_load(further, set(), self.catalogues, job=overlay, step=self.step)
            found.bases.update(more.bases)
            found.states.update(more.states)
            book.load(list(more.states.values()))
        book.load([], rows)

    def _groups(
        self, chunk: Chunk, found: Found, keys: set[str], meters: set[str]
    ) -> tuple[list[Outcome], Mapping[str, State], set[str]]:
        book = GroupBook(
            moment=self.moment,
            groups=self.catalogues.groups,
            create_groups=self.options.create_groups,
            auto_move=self.options.auto_move,
            created=self.created,
        )
        if self.later:
            devices = self._book(found)
            self._later(devices, found, keys, meters)
            book.state_at = devices.state_at
        else:
            book.state_at = lambda key, at: book.states.get(key)
        book.load(list(found.states.values()))
        outcomes = book.rows(chunk)
        return outcomes, book.states, book.touched

    def rows(self, portion: Portion) -> Iterable[tuple[Any, ...]]:
        """What the staging table gets of a portion, in the order of COLUMNS."""
        chunk = portion.chunk
        pins = chunk.values.get("pin")
        meters = chunk.values.get("meter_number")
        for index, outcome in enumerate(portion.outcomes):
            result, code, message = said(self.codes, outcome.issues, outcome.number)
            pin = pins[index] if pins else None
            meter = meters[index] if meters and outcome.due else None
            yield (
                self.job.pk,
                outcome.number,
                outcome.device_id[:20],
                outcome.kind,
                *(result, code, message),
                cells_pack(self._cells(chunk.texts[index], outcome)),
                msgspec.json.encode(outcome.changes).decode() if outcome.changes else "",
                portion.dangers.get(outcome.number, ""),
                outcome.due,
                ImportRow.Status.STAGED,
                secret_seal(pin) if isinstance(pin, str) and outcome.kind != REFUSED else "",
                meter if isinstance(meter, str) else "",
            )

    def _cells(self, cells: list[str], outcome: Outcome) -> list[str]:
        """Of a row with too many cells the action is left out, so that it is not loaded again."""
        if any(issue.symbol == "cells" for issue in outcome.issues):
            cells = list(cells)
            cells[self.places["action"]] = ""
        return cells

    def has_error(self, issues: Sequence[Issue]) -> bool:
        """Whether a row's issues refuse it."""
        return any(self.codes[issue.symbol].level == ERROR for issue in issues)


def _texts(chunk: Chunk, name: str) -> set[str]:
    return {value for value in chunk.values.get(name, ()) if isinstance(value, str)}


def dangers_find(facts: Sequence[Fact]) -> dict[int, str]:
    """Row → why it is dangerous, from what the hooks of TMS_IMPORT_DANGERS know."""
    found: dict[int, list[str]] = {}
    if facts:
        for name in settings.TMS_IMPORT_DANGERS:
            for number, text in import_string(name)(facts).items():
                found.setdefault(number, []).append(text)
    return {number: "; ".join(texts) for number, texts in found.items()}


def is_work(outcome: Outcome) -> bool:
    """Whether a row does anything."""
    return outcome.kind not in (REFUSED, UNCHANGED)
