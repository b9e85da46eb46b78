"""A client as anybody could write it: python-tuf and nothing of rstuf.

    python client.py URL ROOT_FILE MEMORY < names

Starting from the root in ROOT_FILE (and from what it remembers in the directory MEMORY), it downloads each artifact
named on standard input and prints a JSON object a line: {"path", "length", "sha256"}, or {"path", "missing": true}.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from tuf.ngclient import Updater


def main(url: str, root_file: str, memory: str) -> None:
    Path(memory).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as downloads:
        updater = Updater(
            metadata_dir=memory,
            metadata_base_url=url,
            target_dir=downloads,
            target_base_url=url + "targets/",
            bootstrap=Path(root_file).read_bytes(),
        )
        updater.refresh()
        for line in sys.stdin:
            path = line.rstrip("\n")
            info = updater.get_targetinfo(path)
            if info is None:
                print(json.dumps({"path": path, "missing": True}))
                continue
            data = Path(updater.download_target(info)).read_bytes()
            print(json.dumps({"path": path, "length": len(data), "sha256": hashlib.sha256(data).hexdigest()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
