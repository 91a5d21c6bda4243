"""The HTTP interface of devices and readings: posting batches, reading them back."""

from ninja import Router

from devices.api import batches, devices, intervals, registers

router = Router()
for part in (batches, devices, intervals, registers):
    router.add_router("", part.router)
