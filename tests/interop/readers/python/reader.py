"""Looks artifacts up, and downloads them, with python-tuf as it is: requests on stdin, answers on stdout.

What they say stands in ../../clients.py.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from tuf.ngclient import Updater


def look(updater: Updater, path: str, place: Path | None) -> dict[str, Any]:
    """What it says of one path; `place` is where to download it to."""
    try:
        found = updater.get_targetinfo(path)
        if found is None:
            return {"found": None}
        answer = {"found": found.hashes.get("sha256") or next(iter(found.hashes.values()))}
        if place is not None:
            content = Path(updater.download_target(found, str(place))).read_bytes()
            answer["bytes"] = hashlib.sha256(content).hexdigest()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return answer


def session(asked: dict[str, Any]) -> dict[str, Any]:
    """What it says of a repository."""
    memory, url = Path(asked["memory"]), asked["url"]
    root = Path(asked["root"]).read_bytes()
    place = memory / "content" if asked["download"] else None
    try:
        updater = Updater(str(memory / "metadata"), url, target_base_url=f"{url}targets/", bootstrap=root)
        updater.refresh()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"answers": [look(updater, path, place) for path in asked["paths"]]}


for line in sys.stdin:
    print(json.dumps(session(json.loads(line))), flush=True)
