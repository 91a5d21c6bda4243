"""How much has ever arrived, counted once: sums over all batches without reading them again."""

from django.db.models import F

from devices.metrics import arrived_since
from devices.models import Arrived


def arrivals_count() -> bool:
    """Add what has arrived since the last count; True when there is more.

    Two that count at the same time add it once: the sums move only from the number they were read
    at.
    """
    stored, _ = Arrived.objects.get_or_create(pk=1)
    upto, sums = arrived_since(stored.number)
    if upto == stored.number:
        return False
    changes = {name: F(name) + value for name, value in sums.items()}
    Arrived.objects.filter(pk=1, number=stored.number).update(number=upto, **changes)
    return True
