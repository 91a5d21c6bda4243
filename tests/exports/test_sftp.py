"""SFTP against a real OpenSSH server, over good and bad lines."""

import hashlib
import os
import subprocess

import pytest

from exports.delivery import (
    DeliveryRefused,
    DestinationFault,
    Draft,
    HostKeyFault,
    Parcel,
    fingerprint,
    host_key_of,
    private_key_check,
    sftp_deliver,
    sftp_try,
)
from exports.delivery.parcel import draft_name
from tests.exports.parcels import SIZE, Looking, deliver, parcel_make, server_of, shown
from tests.sshd import keygen, line_to


@pytest.fixture
def parcel(tmp_path) -> Parcel:
    return parcel_make(tmp_path)


# --- what goes well -------------------------------------------------------------------------------


def test_a_file_arrives_whole_with_its_trigger_file_after_it(sshd, parcel):
    with Looking(sshd.home) as partner:
        deliver(parcel, server_of(sshd))
    assert shown(sshd.home) == ["A_1.txt", "A_1.txt.ok"]
    assert hashlib.sha256((sshd.home / "A_1.txt").read_bytes()).hexdigest() == parcel.sha256
    assert (sshd.home / "A_1.txt.ok").read_text() == f"{SIZE} {parcel.sha256}\n"
    assert partner.seen["A_1.txt"] == {SIZE}
    assert len(list(sshd.home.iterdir())) == 2  # nothing hidden is left


def test_the_same_bytes_are_ours_other_bytes_are_not_replaced(sshd, parcel):
    server = server_of(sshd)
    deliver(parcel, server)
    inode = (sshd.home / "A_1.txt").stat().st_ino
    deliver(parcel, server)
    assert (sshd.home / "A_1.txt").stat().st_ino == inode
    (sshd.home / "A_1.txt").write_bytes(os.urandom(SIZE))
    with pytest.raises(DeliveryRefused, match="is there already, with other content"):
        deliver(parcel, server)
    (sshd.home / "A_1.txt").write_bytes(b"theirs")
    with pytest.raises(DeliveryRefused, match="is there already, with other content"):
        deliver(parcel, server)
    assert (sshd.home / "A_1.txt").read_bytes() == b"theirs"


def test_one_that_appears_meanwhile_is_not_replaced(sshd, parcel):
    draft = Draft(".d.tmp", (), lambda: (sshd.home / "A_1.txt").write_bytes(b"theirs") and None)
    with pytest.raises(DeliveryRefused, match="with other content"):
        sftp_deliver(parcel, server_of(sshd), draft)
    assert (sshd.home / "A_1.txt").read_bytes() == b"theirs"
    assert len(list(sshd.home.iterdir())) == 1


def test_what_dead_attempts_left_is_removed(sshd, parcel):
    (sshd.home / ".A_1.txt.dead.tmp").write_text("half")
    deliver(parcel, server_of(sshd), ".A_1.txt.dead.tmp", ".never-there.tmp")
    assert len(list(sshd.home.iterdir())) == 2


def test_a_trigger_file_that_is_there_is_left_alone(sshd, parcel):
    (sshd.home / "A_1.txt.ok").write_text("being read")
    deliver(parcel, server_of(sshd))
    assert (sshd.home / "A_1.txt.ok").read_text() == "being read"


def test_damaged_bytes_are_not_sent(sshd, parcel):
    parcel.source.write_bytes(b"?" * SIZE)
    with pytest.raises(DeliveryRefused, match=r"kept bytes of A_1\.txt are damaged"):
        deliver(parcel, server_of(sshd))
    assert list(sshd.home.iterdir()) == []


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_each_kind_open_it_with_and_without_passphrase(sshd, kind):
    for passphrase in ("", "a long passphrase"):
        key = keygen(sshd.folder / "own", kind, passphrase)
        (sshd.folder / "authorized").write_text((sshd.folder / "own.pub").read_text())
        server = server_of(sshd, private_key=key.read_text(), passphrase=passphrase)
        sftp_try(server)
    assert list(sshd.home.iterdir()) == []


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_host_keys_of_each_kind_are_known_again(sshd, kind):
    keygen(sshd.folder / "host_key", kind)
    sshd.restart()
    shown_key = host_key_of(server_of(sshd))
    assert shown_key == sshd.host_key
    sftp_try(server_of(sshd, host_key=shown_key))


def test_a_fingerprint_is_what_openssh_shows(sshd):
    command = ["ssh-keygen", "-lf", str(sshd.folder / "host_key.pub")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert fingerprint(sshd.host_key) == told.split()[1]


# --- what goes wrong, each in words that tell what to do ------------------------------------------


def test_another_host_key_stops_before_anything_is_said(sshd, parcel):
    known = sshd.host_key
    for kind in ("ed25519", "rsa"):  # another one, and one of another kind
        keygen(sshd.folder / "host_key", kind)
        sshd.restart()
        with pytest.raises(HostKeyFault, match="shows another host key") as caught:
            deliver(parcel, server_of(sshd, host_key=known))
        assert caught.value.offered == sshd.host_key
    assert list(sshd.home.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "no.such.host.invalid"}, "there is no host no.such.host.invalid"),
        ({"host": "x" * 70}, "there is no host"),
        ({"port": 1}, "cannot be reached: Connection refused"),
        ({"folder": "/nowhere"}, "has no folder /nowhere"),
        ({"username": "stranger"}, "refuses the log-in of stranger by private key"),
        ({"private_key": "", "password": "x"}, "refuses the log-in of .* by password"),
        ({"private_key": "nonsense"}, "the stored private key cannot be used"),
    ],
)
def test_what_is_wrong_is_said(sshd, parcel, changes, said):
    with pytest.raises(DestinationFault, match=said):
        deliver(parcel, server_of(sshd, **changes))


def test_a_folder_that_may_not_be_written_into(sshd, parcel):
    sshd.options = "-R"
    sshd.restart()
    with pytest.raises(DestinationFault, match=r"does not let .* write into"):
        deliver(parcel, server_of(sshd))


def test_a_disk_that_is_full_leaves_nothing_and_says_so(sshd, parcel):
    sshd.file_limit = 500_000
    sshd.restart()
    with pytest.raises(DestinationFault, match="as when its disk or quota is full"):
        deliver(parcel, server_of(sshd))
    assert list(sshd.home.iterdir()) == []
    sshd.file_limit = 0
    sshd.restart()
    deliver(parcel, server_of(sshd))


def test_a_line_that_is_cut_again_and_again_delivers_in_the_end(sshd, parcel):
    left: list[str] = []
    with line_to(sshd.port) as line, Looking(sshd.home) as partner:
        server = server_of(sshd, port=line.port)
        for line.cut_after in (1, 1000, 2500, 4000, 100_000, 700_000, 1_400_000):
            name = draft_name(parcel.name)
            with pytest.raises(DestinationFault, match="broke off"):
                sftp_deliver(parcel, server, Draft(name, tuple(left)))
            left.append(name)
        line.cut_after = 0
        deliver(parcel, server, *left)
    assert partner.seen["A_1.txt"] == {SIZE}
    assert len(list(sshd.home.iterdir())) == 2


@pytest.mark.parametrize("after", [1, 1500, 4000, 600_000])
def test_a_line_that_falls_silent_is_given_up(sshd, parcel, after):
    with line_to(sshd.port) as line:
        line.silent_after = after
        with pytest.raises(DestinationFault, match=r"did not go on for 0\.7 seconds"):
            deliver(parcel, server_of(sshd, port=line.port, timeout=0.7))
    assert shown(sshd.home) == []


def test_a_slow_line_takes_longer_than_the_time_out_and_arrives(sshd, parcel):
    with line_to(sshd.port) as line, Looking(sshd.home) as partner:
        line.rate = 800_000
        deliver(parcel, server_of(sshd, port=line.port, timeout=1))
    assert partner.seen == {"A_1.txt": {SIZE}, "A_1.txt.ok": {len(parcel.trigger_line)}}


@pytest.mark.parametrize(
    ("text", "passphrase", "said"),
    [
        ("nonsense", "", "no private key of kind"),
        ("nonsense", "x", "or the passphrase does not open it"),
        ("{key}", "", "has a passphrase"),
        ("{key}", "wrong", "or the passphrase does not open it"),
        ("", "", "no private key of kind"),
    ],
)
def test_a_private_key_that_is_none_is_refused(tmp_path, text, passphrase, said):
    key = keygen(tmp_path / "k", passphrase="right").read_text()
    with pytest.raises(ValueError, match=said) as caught:
        private_key_check(text.format(key=key), passphrase)
    assert key.splitlines()[1] not in str(caught.value)
    assert private_key_check(key, "right")
