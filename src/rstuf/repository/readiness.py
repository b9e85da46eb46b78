"""What has to be done before anything new can be published: what was begun ends, and what was lost is put back."""

from __future__ import annotations

from dataclasses import dataclass

from rstuf.repository.completing import carry_on_events
from rstuf.repository.mending import put_back, record_again
from rstuf.repository.ports import Ports
from rstuf.repository.recovery import recover
from rstuf.repository.reports import PublicationReport, Recovery
from rstuf.repository.signing_anew import publish_under_new_root
from rstuf.repository.together import together
from rstuf.repository.visible import check_visible, refuse_junk_root


@dataclass(frozen=True, slots=True)
class Readiness:
    """What had to be done before anything new could be published.

    Attributes:
        recovery: what was found of an interrupted publication.
        restored: files that the storage had lost and got back; `recorded`: those whose record was made again.
        went_on: what came out before: signed anew with a key that replaced another, of events that everybody had
            signed, and of a rotation.
    """

    recovery: Recovery
    restored: tuple[str, ...]
    recorded: tuple[str, ...]
    went_on: PublicationReport | None


def get_ready(ports: Ports) -> Readiness:
    """Bring to an end what was begun, and put back what is lost. Under the publication lock."""
    recovery = recover(ports)
    anew = publish_under_new_root(ports)
    check_visible(ports)
    refuse_junk_root(ports)
    recorded = record_again(ports)
    restored = put_back(ports)
    return Readiness(recovery, restored, recorded, together(anew, carry_on_events(ports)))
