"""`python -m benchmarks [QUESTION …] [--quick]`: each question on each database, in tables."""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time

from benchmarks.databases import VENDORS, database
from benchmarks.tables import Line, table
from tests.servers import Unavailable

QUESTIONS = (
    *("export", "since", "runs", "formats", "registers"),
    *("ingest", "imports", "events", "size", "memory"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("question", nargs="*", help=f"of {', '.join(QUESTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the meters")
    parser.add_argument("--on", choices=VENDORS, action="append", help="default: both")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := sorted(set(given.question) - set(QUESTIONS)):
        parser.error(f"no such question: {', '.join(unknown)}")
    if given.child:
        return _answer(given.question[0], given.quick)
    began = time.perf_counter()
    failed = 0
    for name in given.question or QUESTIONS:
        for vendor in given.on or VENDORS:
            failed += not _ask(name, vendor, given.quick)
    print(f"{time.perf_counter() - began:.0f} s in all, {os.cpu_count()} cores", file=sys.stderr)
    return 1 if failed else 0


def _ask(name: str, vendor: str, quick: bool) -> bool:
    """Have one question answered in a process of its own, on a fresh database."""
    print(f"{name} on {vendor} …", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks", "--child", name, *(["--quick"] * quick)]
    try:
        with database(vendor) as environment:
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    except Unavailable as reason:
        print(f"skipped: {reason}\n")
        return True
    if done.returncode:
        print(f"## {name} on {vendor}\n\nfailed\n", flush=True)
        return False
    answer = json.loads(done.stdout)
    lines = [Line(**line) for line in answer["lines"]]
    print(table(f"{answer['title']}, on {vendor}", answer["notes"], lines), flush=True)
    return True


def _answer(name: str, quick: bool) -> int:
    """In the child: migrate, measure, print the lines as JSON."""
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    question = importlib.import_module(f"benchmarks.{name}")
    lines = [line.as_dict() for line in question.measure(quick)]
    title, *notes = question.__doc__.strip().splitlines()
    notes = [note for note in notes if note]
    notes.extend(question.NOTES[connection.vendor])
    print(json.dumps({"title": title.rstrip("."), "notes": notes, "lines": lines}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
