"""How much a client reads: the defaults of python-tuf, tuf-js and go-tuf bind whoever publishes."""

from __future__ import annotations

from typing import Final

ROOT_BYTES: Final = 512_000
TIMESTAMP_BYTES: Final = 16_384
SNAPSHOT_BYTES: Final = 2_000_000
TARGETS_BYTES: Final = 5_000_000
ROOT_ROTATIONS: Final = 256

# What stands around the entries of a targets role: its header, and signatures of a few keys.
_TARGETS_OVERHEAD: Final = 16_384
# The most bytes of entries a role may hold.
TARGETS_PAYLOAD_BYTES: Final = TARGETS_BYTES - _TARGETS_OVERHEAD

# A `length` for snapshot stands in our timestamp and lifts every client's cap; this bounds what we ask of them.
SNAPSHOT_WITH_LENGTH_BYTES: Final = 8_000_000
