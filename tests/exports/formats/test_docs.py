"""The documentation's tables, and the two commands."""

import io
import json
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from exports import formats
from exports.formats.docs import DocsError, markdown, page_render

PAGES = Path(settings.BASE_DIR) / "docs" / "formats"
PAGE = "# X\n<!-- generated: a -->\nold\n<!-- end -->\nkept\n"
TABLE = [("Head", "er"), ("1|2", "3")]


def run(name: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_pages_are_up_to_date() -> None:
    run("format_docs", "--check")


def test_stale_pages_are_found_and_rewritten(tmp_path: Path) -> None:
    folder = tmp_path / "formats"
    shutil.copytree(PAGES, folder)
    page = folder / "cmep.md"
    fresh = page.read_text(encoding="utf-8")
    page.write_text(fresh.replace("| `KWHREG` |", "| `OLD` |"), encoding="utf-8")
    with pytest.raises(CommandError, match=r"stale: cmep\.md"):
        run("format_docs", "--check", "--folder", str(folder))
    assert "| `OLD` |" in page.read_text(encoding="utf-8")
    assert run("format_docs", "--folder", str(folder)).startswith("1 of ")
    assert page.read_text(encoding="utf-8") == fresh


def test_a_missing_page_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"btf\.md"):
        run("format_docs", "--check", "--folder", str(tmp_path))


def test_a_page_has_every_table_and_no_other() -> None:
    assert page_render(PAGE, {"a": TABLE}, "x.md") == (
        "# X\n<!-- generated: a -->\n| Head | er |\n| --- | --- |\n| 1\\|2 | 3 |\n"
        "<!-- end -->\nkept\n"
    )
    with pytest.raises(DocsError, match=r"x\.md: no table 'a'; there are: b"):
        page_render(PAGE, {"b": TABLE}, "x.md")
    with pytest.raises(DocsError, match=r"x\.md lacks the block b"):
        page_render(PAGE, {"a": TABLE, "b": TABLE}, "x.md")
    assert markdown(TABLE).count("\n") == 3


def test_every_option_is_documented() -> None:
    for fmt in formats.every():
        page = (PAGES / f"{fmt.code}.md").read_text(encoding="utf-8")
        for option in fmt.options:
            assert f"| `{option.name}` |" in page


def test_formats_are_listed() -> None:
    assert "cmep" in run("formats")
    [cmep] = [row for row in json.loads(run("formats", "--json")) if row["code"] == "cmep"]
    assert cmep == {
        **{"code": "cmep", "label": "California Metering Exchange Protocol (MEPMD01 v1.20)"},
        **{"extension": "txt", "intervals": True, "registers": True, "events": False},
        **{"readable": True, "writable": True},
    }
