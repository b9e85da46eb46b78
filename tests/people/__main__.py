"""Five key holders, three root rotations and two rotations of the online key, while others publish and read all along.

python -m tests.people [--refreshes 20000]

Root asks for 3 of 5: two encrypted files, a key in a running ssh-agent, a key on a SoftHSM2 token, and a holder whose
machine has no network, no workspace and no home: she gets a bundle and gives back a picture. Another process publishes
without pause; stock clients, fresh ones and ones that remember, refresh all the while, and none of them may fail.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.people.cast import Cast
from tests.people.crowd import Crowd


def main() -> int:
    """Play it; 1 if any client failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.people")
    parser.add_argument("--refreshes", type=int, default=20_000)
    wanted = parser.parse_args().refreshes
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="people-") as scratch, Cast(Path(scratch)) as cast:
        cast.hold_ceremony()
        with Crowd(cast.workspace, Path(scratch)) as crowd:
            cast.update_root("erin joins", ["--add", "erin"], signers=["agent", "token"], picture=True)
            cast.rotate_online("online", "online-2", signers=["alice", "bob", "token"])
            cast.update_root("bob leaves", ["--remove", "bob"], signers=["alice", "agent"], picture=True)
            cast.rotate_online("online-2", "online-3", signers=["erin", "agent", "token"])
            cast.update_root("threshold 2", ["--threshold", "2"], signers=["alice", "erin", "agent"], picture=False)
            while crowd.refreshes() < wanted and not crowd.failures():
                time.sleep(1)
        cast.check()
        total, failures, roots = crowd.refreshes(), crowd.failures(), cast.roots()
    print(f"root v{roots}, {crowd.publications()} publications, {time.monotonic() - started:.0f} s")
    print(f"{total} refreshes, {len(failures)} failures")
    for failure in failures[:10]:
        print(f"  {failure}")
    return 1 if failures or total < wanted else 0


if __name__ == "__main__":
    sys.exit(main())
