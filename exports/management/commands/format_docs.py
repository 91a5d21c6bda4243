"""Writes the tables of docs/formats from the declarations, or checks that they are up to date."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from devices.imports import docs as imports
from exports.formats import every
from exports.formats.docs import DocsError, index_table, page_render


class Command(BaseCommand):
    requires_system_checks = ()  # touches no app and no database
    help = "Writes the layout and option tables into docs/formats/<code>.md and the index."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail when stale")
        parser.add_argument(
            "--folder", type=Path, default=Path(settings.BASE_DIR) / "docs" / "formats"
        )

    def handle(self, **options: Any) -> None:
        folder: Path = options["folder"]
        tables = {f"{fmt.code}.md": fmt.tables() for fmt in every() if _ours(type(fmt))}
        tables |= imports.pages()
        tables["README.md"] = {"formats": index_table([f for f in every() if _ours(type(f))])}
        stale = []
        for name, blocks in tables.items():
            path = folder / name
            try:
                page = path.read_text(encoding="utf-8")
                rendered = page_render(page, blocks, name)
            except (OSError, DocsError) as error:
                raise CommandError(str(error)) from error
            if rendered != page:
                stale.append(name)
                if not options["check"]:
                    path.write_text(rendered, encoding="utf-8")
        if stale and options["check"]:
            raise CommandError(f"stale: {', '.join(stale)}; run manage.py format_docs")
        self.stdout.write(f"{len(stale)} of {len(tables)} pages rewritten")


def _ours(kind: type) -> bool:
    """Formats outside the tree have their pages outside, too."""
    return kind.__module__.startswith("exports.formats.")
