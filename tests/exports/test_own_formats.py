"""A utility's own format is a module outside the tree, named in TMS_FORMATS."""

from exports import formats

MODULE = """
from exports.formats.base import Format


class Acme(Format):
    code = "acme"
    label = "Acme's own"
    extension = "txt"


FORMAT = Acme()
"""


def test_a_format_named_in_the_settings_is_listed_by_the_commands(installation, tmp_path):
    (tmp_path / "acme_tms.py").write_text(MODULE)
    installation.environment |= {"TMS_FORMATS": "acme_tms", "PYTHONPATH": str(tmp_path)}
    listed = installation.manage("formats", "--json")
    assert listed.returncode == 0, listed.stderr
    assert '"acme"' in listed.stdout
    assert "acme" not in formats.codes()


def test_a_module_without_a_format_stops_the_start_and_is_named(installation, tmp_path):
    (tmp_path / "empty_tms.py").write_text("")
    installation.environment |= {"TMS_FORMATS": "empty_tms", "PYTHONPATH": str(tmp_path)}
    ended = installation.manage("formats")
    assert ended.returncode != 0
    assert "empty_tms has neither FORMAT nor FORMATS" in ended.stderr
