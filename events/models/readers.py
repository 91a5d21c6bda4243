"""How far those have come who go through the events in the order of their batches."""

from django.db import models

# An event's number that every event of a batch is below: the batch is done.
DONE = 2**63 - 1


class Position(models.Model):
    """Every event is done of batches numbered below `number`; of that batch those up to `event`."""

    number = models.BigIntegerField(default=0, editable=False)
    event = models.BigIntegerField(default=DONE, editable=False)

    class Meta:
        abstract = True


class Reader(Position):
    """One who goes through all events once: incidents, alarms."""

    name = models.CharField(max_length=20, primary_key=True)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"
