"""The one door to the store: append a batch, number it, fold, read as of a horizon, purge.

Everything that arrives is a batch in the journal; its number rises in commit order. Blocks and
register snapshots are folded from the journal and can always be folded again. Readers see the
store as of a number: blocks, plus what the fold has not reached, less what came later.
"""

from devices.journal.append import (
    Entry,
    EntryColumns,
    batch_number,
    columns_append,
    entries_append,
    prepare,
    registers_append,
    wake,
    withdrawal_entry,
)
from devices.journal.fold import fold_all, fold_step
from devices.journal.marks import HorizonGone, base_number, folded_to, horizon
from devices.journal.purge import purge
from devices.journal.read import (
    ChannelKey,
    ChannelSeries,
    Grid,
    Table,
    days_read,
    grid_read,
    series_read,
    tables_read,
)
from devices.journal.registers import (
    registers_numbers,
    registers_read,
    registers_read_keys,
    registers_stored,
    version_read,
)
from devices.journal.totals import Total, totals_read
from devices.journal.versions import Batches, Versions, batches_between, versions_read

__all__ = [
    "Batches",
    "ChannelKey",
    "ChannelSeries",
    "Entry",
    "EntryColumns",
    "Grid",
    "HorizonGone",
    "Table",
    "Total",
    "Versions",
    "base_number",
    "batch_number",
    "batches_between",
    "columns_append",
    "days_read",
    "entries_append",
    "fold_all",
    "fold_step",
    "folded_to",
    "grid_read",
    "horizon",
    "prepare",
    "purge",
    "registers_append",
    "registers_numbers",
    "registers_read",
    "registers_read_keys",
    "registers_stored",
    "series_read",
    "tables_read",
    "totals_read",
    "version_read",
    "versions_read",
    "wake",
    "withdrawal_entry",
]
