"""Taking in a batch, from every way in: HTTP, files, the demo, the quarantine."""

from devices.services.ingest.accept import (
    Answer,
    BatchRefused,
    KeyConflict,
    Provision,
    batch_accept,
)

__all__ = ["Answer", "BatchRefused", "KeyConflict", "Provision", "batch_accept"]
