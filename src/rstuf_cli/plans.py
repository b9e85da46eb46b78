"""Plans to begin from: the one that the ceremony's help shows, and the demo's."""

from __future__ import annotations

from typing import Final

SAMPLE: Final = """\
[repository]
name = "acme"

[root]                    # the people: this many of them must agree
threshold = 2
expires = "365d"
signers = ["laptop", "office", "vault"]

[keys.laptop]             # a key that exists: bring laptop.pub here
public = "laptop.pub"
signer = "file:laptop.key"   # where it signs; it may come later

[keys.office]             # made now, encrypted; you choose a passphrase
generate = "ed25519"
signer = "file:keys/office.key"

[keys.vault]
generate = "ed25519"
signer = "file:keys/vault.key"

[keys.online]             # on this machine, for what is signed each time
generate = "ed25519"
encrypt = false
signer = "file:keys/online.key"

[online]
key = "online"

[timestamp]
expires = "14d"           # "1d" where a timer renews
[snapshot]
expires = "30d"
[targets]
expires = "365d"
[bins]
count = 256               # 2048 above 100 000 artifacts
expires = "90d"

# [[delegations]]         # a role of its own for some of the paths;
# name = "team"           # without signers = ["KEY"] the online key
# paths = ["team/*"]      # signs it
"""

DEMO: Final = """\
# The plan of this demo: keys without passphrases, and one of two people is enough. Not for anything that counts.
[repository]
name = "demo"

[root]
threshold = 1
expires = "365d"
signers = ["alice", "bob"]

[keys.alice]
generate = "ed25519"
encrypt = false
signer = "file:keys/alice.key"

[keys.bob]
generate = "ed25519"
encrypt = false
signer = "file:keys/bob.key"

[keys.online]
generate = "ed25519"
encrypt = false
signer = "file:keys/online.key"

[online]
key = "online"

[timestamp]
expires = "14d"

[snapshot]
expires = "30d"

[targets]
expires = "365d"

[bins]
count = 16
expires = "90d"
"""
