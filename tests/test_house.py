"""The rules of the house that no linter knows: who may import whom, how long, what is documented.

The arrows are those of the architecture: an app imports only apps below it, a module only modules
below it in its app, and what is pure imports nothing but values.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = {
    "tms": set(),  # knows the apps by dotted name only
    "devices": set(),
    "events": {"devices"},
    "exports": {"devices", "events"},
}
# Tools of the project that know no app, for the pages of any.
TOOLS = {"tms.keyset"}

# Rooms of an app, lowest first; a module imports from its own floor and those below.
PURE, MODELS, STORE, SELECTORS, SERVICES, TOP = range(6)
FLOORS = {
    "devices": {
        **dict.fromkeys(("readings", "terms", "blocks", "counts", "winners", "rosters"), PURE),
        **dict.fromkeys(("batchform", "batchvalues", "plots", "charts", "imports"), PURE),
        **dict.fromkeys(("bestread", "consumption", "storedreads", "tracing"), PURE),
        **dict.fromkeys(("longwork",), PURE),
        **dict.fromkeys(("registertable", "usageplots", "story"), PURE),
        **dict.fromkeys(("models", "leases"), MODELS),
        **dict.fromkeys(("journal", "rows", "limits", "router", "beside", "folders"), STORE),
        **dict.fromkeys(("selectors", "metrics"), SELECTORS),
        **dict.fromkeys(("registers", "billing"), SELECTORS),
        **dict.fromkeys(("services", "seed", "demo"), SERVICES),
    },
    "events": {
        **dict.fromkeys(
            ("codes", "checks", "rules", "pairing", "mrc", "failpoints", "timeline", "helping"),
            PURE,
        ),
        **dict.fromkeys(("models",), MODELS),
        **dict.fromkeys(("selectors", "metrics"), SELECTORS),
        **dict.fromkeys(("services", "catalogue", "defaults", "mail"), SERVICES),
    },
    "exports": {
        **dict.fromkeys(("formats", "naming", "sinks", "schedules", "periods"), PURE),
        **dict.fromkeys(("assemble", "failpoints", "gate"), PURE),
        **dict.fromkeys(("models",), MODELS),
        **dict.fromkeys(("ahead", "scope", "places", "hooks", "replica"), STORE),
        **dict.fromkeys(("selectors", "metrics", "coverage"), SELECTORS),
        **dict.fromkeys(("services", "intake", "ingest", "delivery", "rte"), SERVICES),
    },
}
TOP_ROOMS = {
    *("admin", "api", "apps", "commandline", "dashboard", "management", "migrations", "sections"),
    *("tasks", "resources", "stories"),
}
PURE_LIBRARIES = {"numpy", "lxml", "msgspec", "cronsim", "openpyxl"}
MAX_LINES = 400


def sources(*folders: str) -> list[Path]:
    """Python files of these folders, or of the whole project."""
    return sorted(
        path
        for folder in folders or (*APPS, "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    )


def name_of(path: Path) -> str:
    """A module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Dotted names that a module imports, wherever in it; `from a import b` is a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours() -> Iterator[tuple[str, str]]:
    """Every import of one of our modules by another: (who, whom)."""
    for path in sources(*APPS):
        for target in imports_of(path):
            if target.split(".")[0] in APPS:
                yield name_of(path), target


def floor_of(name: str) -> int:
    """The floor of a module of an app; that of the app itself is the lowest."""
    app, *rest = name.split(".")
    if not rest:
        return PURE
    if rest[0] in TOP_ROOMS:
        return TOP
    assert rest[0] in FLOORS[app], f"{app}.{rest[0]} has no floor in tests/test_house.py"
    return FLOORS[app][rest[0]]


def room_of(target: str) -> str:
    """The module of an imported name: `devices.blocks.pack` is in devices.blocks."""
    return ".".join(target.split(".")[:2])


# --- who may import whom ------------------------------------------------------------------------


def test_an_app_imports_only_the_apps_below_it_and_what_is_pure():
    wrong = [
        f"{who} imports {whom}"
        for who, whom in ours()
        if (mine := who.split(".")[0]) != (theirs := whom.split(".")[0])
        and theirs not in APPS[mine]
        and not (theirs in FLOORS and floor_of(room_of(whom)) == PURE)
        and not whom.startswith(tuple(f"{tool}." for tool in TOOLS))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_tool_for_all_apps_knows_none_and_serves_pages_only():
    for tool in TOOLS:
        path = ROOT / f"{tool.replace('.', '/')}.py"
        assert not [name for name in imports_of(path) if name.split(".")[0] in APPS]
    users = {who for who, whom in ours() if whom.startswith(tuple(TOOLS))}
    assert all(".admin" in who or who.startswith("tms") for who in users), users


def test_inside_an_app_imports_go_downwards():
    wrong = [
        f"{who} imports {whom}"
        for who, whom in ours()
        if who.split(".")[0] == whom.split(".")[0] != "tms"
        and floor_of(who) < floor_of(room_of(whom))
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_modules_import_values_only():
    wrong = []
    for path in sources(*FLOORS):
        if (who := name_of(path)).count(".") == 0 or floor_of(who) != PURE:
            continue
        for target in imports_of(path):
            top = target.split(".")[0]
            if top in FLOORS:
                allowed = floor_of(room_of(target)) == PURE
            else:
                allowed = top in PURE_LIBRARIES or top in sys.stdlib_module_names
            if not allowed:
                wrong.append(f"{who} imports {target}")
    assert not wrong, "\n".join(wrong)


# --- sizes, words, documentation ----------------------------------------------------------------


def test_no_module_is_too_long():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sources()
        if path.parent.name != "migrations"  # written by Django, by model
    }
    assert not {path: lines for path, lines in lengths.items() if lines > MAX_LINES}


def test_every_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if (text := path.read_text()).strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert not [path for path in silent if "/migrations/" not in path]


def test_the_readme_tells_of_every_setting_and_of_no_other():
    settings = (ROOT / "tms/settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"(TMS_\w+)"', settings))
    told = set(re.findall(r"^\| `(TMS_\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert "TMS_DATABASE_URL" in read
    assert told == read


REGISTRIES = tuple(
    f"{name}.{end}"
    for name, end in (
        *(("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "com"), ("npmjs", "org")),
        *(("debian", "org"), ("docker", "io"), ("jsdelivr", "net"), ("unpkg", "com")),
    )
)
NOT_OURS = {".git", ".venv", "var", "__pycache__", "test-artifacts", "static-built", "htmlcov"}
NOT_OURS |= {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def texts() -> Iterator[tuple[Path, str]]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        for name in files:
            try:
                yield Path(folder) / name, (Path(folder) / name).read_text("utf-8")
            except UnicodeDecodeError:
                continue  # an image, a compressed file


def test_no_file_names_a_package_registry():
    named = [str(path) for path, text in texts() if any(host in text for host in REGISTRIES)]
    assert not named


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "constraints.txt"])
def test_every_requirement_is_pinned_exactly(name):
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    packages = [line for line in lines if line and not line.startswith("-")]
    assert packages
    assert not [line for line in packages if not re.fullmatch(r"[\w.\-]+(\[\w+\])?==[\w.]+", line)]


def test_what_is_required_agrees_with_the_constraints():
    def pins(name: str) -> set[str]:
        text = re.sub(r"\[\w+\]", "", (ROOT / name).read_text())
        return {pin.lower() for pin in re.findall(r"^[\w.\-]+==[\w.]+", text, re.MULTILINE)}

    assert pins("requirements.txt") | pins("requirements-dev.txt") <= pins("constraints.txt")
