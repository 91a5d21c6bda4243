"""Drafts of files: while one is written, a second look at it follows close behind."""

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from exports import sinks
from exports.formats.base import Format, WriteContext

TOLD = 3  # faults of a file, at most


class FileWrong(ValueError):
    """A finished file that is not what it should be; nothing of the run is sent."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A file under no name yet."""

    path: Path
    writer: sinks.HashingWriter
    second_look: Future[list[str]]

    def check(self, name: str) -> None:
        """FileWrong says what the second look found in the file that is to be `name`."""
        if faults := self.second_look.result():
            raise FileWrong(f"{name}: {'; '.join(faults[:TOLD])}")


@contextmanager
def draft_begin(form: Format, ctx: WriteContext, folder: Path, name: str) -> Iterator[Draft]:
    """A draft to write to; on disk and looked through when the block ends, gone on error."""
    with (
        ThreadPoolExecutor(1, "second-look") as beside,
        sinks.draft(folder, name) as (path, writer),
    ):
        yield Draft(path, writer, beside.submit(_verify, form, ctx, path, writer))


def _verify(form: Format, ctx: WriteContext, path: Path, writer: sinks.HashingWriter) -> list[str]:
    with io.BufferedReader(sinks.Following(path, writer), sinks.CHUNK) as stream:
        return form.verify(stream, ctx)
