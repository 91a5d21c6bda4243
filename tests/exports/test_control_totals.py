"""A file that is not what its own counts and totals say fails its run: nothing of it is sent."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from exports import assemble, formats
from exports.models import Delivery, RunFile
from exports.services import join
from tests.devices import fleet
from tests.exports.factories import definition_make, directory_make, run_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
START = datetime(2026, 3, 1, 6, tzinfo=UTC)
END = START + timedelta(days=1)

# What a bad disk, or a fault of ours, might make of a file. In the binary ones a record is lost.
BROKEN = {
    "btf": (rb"150\.0000", b"150.0001", "energy total"),
    "rde": (rb",150,", b",151,", "energy total"),
    "rde names": (rb",150,", b",151,", "energy total"),
    "idf": (rb"\n[^\n]*,150,[^\n]*", b"", "header counts 2 lines"),
    "sxml": (rb"<Value>150<", b"<Value>151<", "EnergyControlTotal"),
    "sxml intervals": (rb"<I [^>]*/>", b"", "@count is 96"),
    "rte": (rb",150,", b",151,", "sum of R values|RTR"),
    "cmep": (rb",96,|,48,", b",47,", "counts 47 triplets"),
    "cmep registers": (rb",2,2026", b",3,2026", "counts 3 triplets"),
    "mv90": (None, 216, "the trailer counts"),
    "hhf": (None, 216, "the trailer counts"),
}
OPTIONS = {
    "rde names": {"names": "yes"},
    "sxml": {"intervals": "no"},
    "cmep registers": {"include": "registers"},
    "rte": {"control": "yes"},
}


@pytest.fixture
def store():
    (device,) = fleet.make_devices(1)
    channel = fleet.make_channel(device)
    fleet.store_days(channel, START, fleet.load_shape(1))
    fleet.store_total(device, START, "100")
    fleet.store_total(device, END - timedelta(hours=1), "150")


def corrupted(pattern: bytes | None, change):
    """`file_assemble`, whose bytes are changed on their way to the disk."""

    def broken(form, ctx, segments, out, **more):
        whole = io.BytesIO()
        tally = assemble.file_assemble(form, ctx, segments, whole, **more)
        data = whole.getvalue()
        if pattern is None:  # the last record but the trailer
            bad = data[: -2 * change] + data[-change:]
        else:
            bad = re.sub(pattern, change, data, count=1)
        assert bad != data, data[:4000]
        out.write(bad)
        return tally

    return broken


def definition(name: str, settings, tmp_path):
    code = name.split()[0]
    options = {k: v for k, v in OPTIONS.get(name, {}).items()
               if k in {o.name for o in formats.get(code).options}}  # fmt: skip
    return definition_make(
        *("TOTALS",), format=code, start=START, end=END, options=options, on_unsupported="skip",
        destinations=[directory_make(settings, tmp_path)],
    )  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_was_changed_on_its_way_fails_its_run(
    store, settings, tmp_path, monkeypatch, name
):
    pattern, change, said = BROKEN[name]
    export = definition(name, settings, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(join, "file_assemble", corrupted(pattern, change))
        run = run_now(export)
    assert run.state == "failed"
    assert re.search(said, run.error), run.error
    assert not RunFile.objects.filter(published=True).exists()
    assert not Delivery.objects.exists()
    assert run_now(export).state == "done"
    assert Delivery.objects.count() == 1
