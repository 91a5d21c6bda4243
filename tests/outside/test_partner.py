"""A partner's server goes away and comes back, as a whole installation sees it: files wait, the
destination is paused, an alarm mail arrives, then everything arrives, never half (P4, P5)."""

import hashlib

import pytest

from tests.outside.test_faults import site, watcher  # noqa: F401 fixtures

PEOPLE = """
from django.contrib.auth.models import Group, User
ada = User.objects.create_user("ada", "ada@example.com", "long enough", is_staff=True)
ada.groups.add(Group.objects.get(name="Administrator"))
"""
LATER = """
from django.utils import timezone
from exports.models import Delivery, Destination
now = timezone.now()
Destination.objects.filter(next_try__gt=now).update(next_try=now)
Delivery.objects.filter(state="waiting", due__gt=now).update(due=now)
print(Destination.objects.filter(paused__isnull=False).count())
"""
PAUSED = "[TMS] Destination BANK is paused: it takes no files"


def later(site) -> int:  # noqa: F811
    """Time passes, as destinations see it; how many are paused."""
    return int(site.done("shell", "-v", "0", "-c", LATER))


def export(site) -> dict:  # noqa: F811
    """A batch, and the run that sends it; the run's file."""
    site.as_("ingest", "POST", "/batches", site.batch())
    run = site.run_start()
    site.wait_for(lambda: site.run_see(run)["status"] == "done")
    return site.run_see(run)["files"][0]


def arrived(site, files: list[dict]) -> bool:  # noqa: F811
    return all((site.sshd.home / f"{file['name']}.ok").exists() for file in files)


@pytest.fixture
def worker(site):  # noqa: F811
    site.done("shell", "-v", "0", "-c", PEOPLE)
    running = site.begin("worker")
    yield running
    running.terminate()
    running.wait(60)


def test_a_server_that_is_away_gets_everything_when_it_is_back(site, watcher, worker):  # noqa: F811
    files = [export(site)]
    site.wait_for(lambda: arrived(site, files))
    site.sshd.stop()
    files += [export(site) for _ in range(3)]
    site.wait_for(lambda: later(site) == 1)
    site.wait_for(lambda: PAUSED in site.box.subjects())
    told = next(mail for mail in site.box.taken if mail["Subject"] == PAUSED)
    assert told["To"] == "ada@example.com"
    words = told.get_body(("plain",)).get_content()
    assert "cannot be reached: Connection refused" in words
    assert "http://127.0.0.1:8000/exports/destination/" in words
    assert len(list(site.sshd.home.glob("*.txt"))) == 1  # what waits, waits
    others = (site.outbox / f"{files[-1]['name']}.ok").exists  # and holds up nobody else
    site.wait_for(others)

    site.sshd.start()
    later(site)  # the hour's look
    site.wait_for(lambda: arrived(site, files))
    for file in files:
        data = (site.sshd.home / file["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
    assert len(list(site.sshd.home.iterdir())) == 2 * len(files)
    for path, digest in watcher.seen.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path
    site.wait_for(lambda: later(site) == 0)
    assert site.box.subjects().count(PAUSED) == 1
