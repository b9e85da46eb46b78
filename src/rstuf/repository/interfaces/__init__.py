"""What the engine asks of its adapters, in the engine's own terms.

Each protocol states what an implementation must guarantee; the contract suites in `tests/contract` check it.
"""

from rstuf.repository.interfaces.rows import PutResult, RowSpool, Totals
from rstuf.repository.interfaces.signing import (
    KeyMaker,
    NewKey,
    RoleSigner,
    Secrets,
    SignerSource,
    ToldOfWaits,
    Watch,
    Witness,
)
from rstuf.repository.interfaces.stamps import FORGETFUL, KnownStamps, StampNotes, Stamps
from rstuf.repository.interfaces.state import StateReader, StateStore, StateTransaction
from rstuf.repository.interfaces.storage import (
    ArtifactBatch,
    ArtifactStorage,
    AskedName,
    Kept,
    MetadataBatch,
    MetadataStorage,
    ReceivedContent,
    ServedEntry,
    ServedFault,
    ServedPlaces,
    ServedSurroundings,
    ignored,
)

__all__ = [
    "FORGETFUL",
    "ArtifactBatch",
    "ArtifactStorage",
    "AskedName",
    "Kept",
    "KeyMaker",
    "KnownStamps",
    "MetadataBatch",
    "MetadataStorage",
    "NewKey",
    "PutResult",
    "ReceivedContent",
    "RoleSigner",
    "RowSpool",
    "Secrets",
    "ServedEntry",
    "ServedFault",
    "ServedPlaces",
    "ServedSurroundings",
    "SignerSource",
    "StampNotes",
    "Stamps",
    "StateReader",
    "StateStore",
    "StateTransaction",
    "ToldOfWaits",
    "Totals",
    "Watch",
    "Witness",
    "ignored",
]
