"""The advisory lock keys of TMS on PostgreSQL: 'TMS' and a number, each said once."""

NUMBER = 0x544D5300  # numbering a batch; taken last, held until COMMIT
PARTITIONS = 0x544D5301  # making, merging and dropping partitions
ERAS = 0x544D5302  # shared by batches, exclusive to whoever closes a channel
FOLD = 0x544D5303  # one process folds at a time
