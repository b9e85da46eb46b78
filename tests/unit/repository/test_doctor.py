"""The rules by which facts about a workspace's surroundings become findings."""

from __future__ import annotations

import pytest

from rstuf.repository.doctor import Disk, Severity, look_at_disks
from rstuf.surroundings import kind_of

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /srv rw - nfs4 server:/export rw
24 23 8:1 /inner /srv/acme rw - ext4 /dev/sda1 rw
25 22 0:44 / /with\\040space rw - fuse.sshfs me@host: rw
26 22 0:45 / /over rw - ext4 /dev/sdb rw
27 26 0:46 / /over rw - tmpfs tmpfs rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "device", "kind"),
    [
        ("/home/acme", "8:1", "ext4"),
        ("/srv/other", "0:21", "nfs4"),
        ("/srv/acme/metadata", "8:1", "ext4"),
        ("/srvx", "8:1", "ext4"),
        ("/with space/acme", "0:44", "fuse.sshfs"),
        ("/over/acme", "0:46", "tmpfs"),
        ("/srv/subvolume", "0:99", "nfs4"),
    ],
)
def test_kinds_of_file_systems(path: str, device: str, kind: str) -> None:
    """The mount that holds a path tells its kind: by its number, else by the longest way to it."""
    assert kind_of(path, device, MOUNTS) == kind


def test_a_system_that_does_not_tell() -> None:
    """Without a table nothing is known, and nothing is found."""
    assert kind_of("/", "8:1", "") is None
    assert list(look_at_disks([Disk("/", None, free=10**12, files=None)])) == []


@pytest.mark.parametrize(
    ("disk", "codes"),
    [
        (Disk("/a", "ext4", free=10**10, files=10**6), {}),
        (Disk("/a", "nfs4", free=10**10, files=None), {"network-file-system": Severity.WARNING}),
        (Disk("/a", "fuse.sshfs", free=10**10, files=None), {"network-file-system": Severity.WARNING}),
        (Disk("/a", "fuseblk", free=10**10, files=None), {}),
        (Disk("/a", "tmpfs", free=10**10, files=None), {"memory-file-system": Severity.WARNING}),
        (Disk("/a", "xfs", free=10**8, files=None), {"little-room": Severity.WARNING}),
        (Disk("/a", "xfs", free=10**7, files=10), {"little-room": Severity.PROBLEM, "few-files": Severity.WARNING}),
    ],
)
def test_disks(disk: Disk, codes: dict[str, Severity]) -> None:
    """File systems over a network or in memory, and those that are nearly full, are findings that say what helps."""
    findings = list(look_at_disks([disk]))
    assert {each.code: each.severity for each in findings} == codes
    assert all(each.mend for each in findings)
