"""Reading the inventory: `GET /devices`, `GET /devices/{id}`."""

from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from devices.api.auth import KeyAuth, device_visible
from devices.api.cursors import cursor_pack, cursor_unpack
from devices.api.openapi import answers
from devices.api.schemas import (
    ChannelOut,
    DeviceOut,
    DeviceQuery,
    Page,
    answer,
    decimal_text,
    refusals,
)
from devices.models import Channel, Device, Membership
from devices.selectors import (
    DEVICE_IDENTIFIERS,
    devices_for_list,
    prefix_filter,
    present,
)
from devices.services.keys import devices_visible

router = Router(tags=["Devices"], auth=KeyAuth("read"))


@router.get(
    "/devices",
    summary="List devices",
    response=refusals(422),
    openapi_extra=answers(OK=Page[DeviceOut]),
)
def device_list(request: HttpRequest, query: Query[DeviceQuery]) -> HttpResponse:
    """Devices by device id, a page at a time: pass `next` as `cursor` until it is null."""
    found = devices_visible(request.auth).filter(_wanted(query))
    if query.cursor is not None:
        (last,) = cursor_unpack(query.cursor, tuple[str])
        found = found.filter(device_id__gt=last)
    rows = list(_complete(found).order_by("device_id")[: query.limit + 1])
    more = len(rows) > query.limit
    items = [_device(row) for row in rows[: query.limit]]
    return answer(Page(items, cursor_pack(items[-1].device) if more else None))


@router.get(
    "/devices/{device_id}",
    summary="One device",
    response=refusals(404),
    openapi_extra=answers(OK=DeviceOut),
)
def device_detail(request: HttpRequest, device_id: str) -> HttpResponse:
    """A device with its groups, its present installation and all eras of its channels."""
    device = device_visible(request, device_id)
    return answer(_device(_complete(Device.objects.filter(pk=device.pk)).get()))


def _wanted(query: DeviceQuery) -> Q:
    """The filters of the query string as a condition."""
    wanted = Q()
    if query.group is not None:
        members = Membership.objects.filter(present(), group__code=query.group)
        wanted &= Q(pk__in=members.values("device_id"))
    if query.status is not None:
        wanted &= Q(state=query.status)
    if query.q:
        begins = Q()
        for name in DEVICE_IDENTIFIERS:
            begins |= prefix_filter(name, query.q)
        wanted &= begins
    return wanted


def _complete(devices: QuerySet[Device]) -> QuerySet[Device]:
    """With everything that an answer shows, in a fixed number of queries."""
    channels = Channel.objects.order_by("number", "pk")
    return devices_for_list(devices).prefetch_related(Prefetch("channels", channels))


def _device(device: Device) -> DeviceOut:
    place = device.installed[0] if device.installed else None
    return DeviceOut(
        device=device.device_id,
        meter_number=device.meter_number,
        serial_number=device.serial_number,
        status=device.state,
        device_class=device.device_class.code,
        time_zone=device.time_zone,
        service_point_id=place.service_point_id if place else "",
        account_id=place.account_id if place else "",
        premise_id=place.premise_id if place else "",
        transformer_id=place.transformer_id if place else "",
        feeder_id=place.feeder_id if place else "",
        multiplier=decimal_text(place.multiplier) if place else None,
        groups=[membership.group.code for membership in device.grouped],
        channels=[_channel(channel) for channel in device.channels.all()],
    )


def _channel(channel: Channel) -> ChannelOut:
    multiplier = channel.multiplier
    return ChannelOut(
        channel=channel.number,
        uom=channel.unit,
        flow=channel.flow,
        seconds=channel.seconds,
        value_type=channel.value_type,
        resolution=decimal_text(channel.resolution),
        multiplier=None if multiplier is None else decimal_text(multiplier),
        multiplier_applied=channel.multiplier_applied,
        valid_from=channel.valid_from,
        valid_to=channel.valid_to,
    )
