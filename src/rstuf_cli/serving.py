"""From a repository to its clients: what to serve of a workspace, and what somebody types who trusts it then."""

from __future__ import annotations

from pathlib import PurePath

from rstuf_cli.console import Console, escape


def show_way_to_clients(console: Console, *, metadata: str, artifacts: str, sha256: str) -> None:
    """Lead on, once something is published.

    Args:
        metadata, artifacts: the directories that are served, as a plan names them; "" for contents that are elsewhere.
        sha256: of root v1, hex.
    """
    served, url, option = _served(metadata, artifacts)
    for line in console.folded(
        f"  serve {served}, and nothing else of this directory: keys/ lies there too. A client types", indent=2
    ):
        console.result(line)
    console.result(f"    rstuf trust add NAME {url}{option} --fingerprint \\")
    console.result(f"      {sha256}")
    console.result("    rstuf download PATH")


def _served(metadata: str, artifacts: str) -> tuple[str, str, str]:
    """What is served where, the URL of metadata, and how a client is told of contents that it would not find."""
    meta, contents = PurePath(metadata), PurePath(artifacts)
    name = f"{escape(metadata.rstrip('/'))}/"
    if not artifacts:
        return f"{name} at URL/metadata/", "URL/metadata/", " --artifacts URL"
    if contents.is_relative_to(meta):
        below = contents.relative_to(meta).as_posix()
        return f"{name} at URL/", "URL/", "" if below == "targets" else f" --artifacts URL/{escape(below)}/"
    also = f"{escape(artifacts.rstrip('/'))}/ at URL/targets/"
    return f"{name} at URL/metadata/ and {also}", "URL/metadata/", ""
