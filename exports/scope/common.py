"""What frames of a period and frames of changes have in common."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from devices import journal
from devices.journal import sql
from devices.models import Batch
from devices.readings import SOURCES, Arrival, Channel, Ints, Sheet


def grids_of(channels: Sequence[Channel], kinds: Ints) -> Iterator[tuple[journal.Grid, Ints]]:
    """The rows of each grid."""
    grids = [(c.seconds, c.grid_offset or 0, c.zone) for c in channels]
    for grid in dict.fromkeys(grids):
        of_grid = np.array([other == grid for other in grids])
        rows = np.flatnonzero(of_grid[kinds])
        if len(rows):
            yield grid, rows


def arrivals_of(sheets: Iterable[Sheet]) -> dict[int, Arrival]:
    """The batches that the sheets' numbers name."""
    named = [np.unique(sheet.numbers) for sheet in sheets if sheet.numbers is not None]
    if not named:
        return {}
    numbers = np.unique(np.concatenate(named)).tolist()
    found = Batch.objects.filter(number__in=sql.id_set(numbers))
    return {
        number: Arrival(received, SOURCES.get(source, source))
        for number, received, source in found.values_list("number", "received", "source")
    }
