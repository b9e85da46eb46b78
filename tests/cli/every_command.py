"""Each command as it may be typed, and the workspace in which it finds something to do."""

from __future__ import annotations

BUNDLE = ["../root-v2.rstuf", "--fingerprint", "{first}", "--holder-dir", "../holder"]
CODE = ["--code", "{code}"]
COMMANDS = {
    "demo": ["demo", "new"],
    "ceremony": ["--repo", "new", "ceremony", "--plan", "{plan}"],
    "artifact add": ["artifact", "add", "{file}"],
    "artifact remove": ["artifact", "remove", "a.txt"],
    "artifact sync": ["artifact", "sync", "--delete", "{directory}"],
    "artifact list": ["artifact", "list"],
    "artifact show": ["artifact", "show", "a.txt"],
    "artifact import": ["artifact", "import", "-", "--format", "ndjson"],
    "artifact export": ["artifact", "export"],
    "artifact why": ["artifact", "why", "a.txt"],
    "key generate": ["key", "generate", "maria"],
    "key list": ["key", "list"],
    "key find": ["key", "find"],
    "key show": ["key", "show", "alice"],
    "key add": ["key", "add", "alice", "--away"],
    "key export": ["key", "export", "alice"],
    "key rotate": ["key", "rotate", "online", "--yes"],
    "root show": ["root", "show"],
    "root history": ["root", "history"],
    "root diff": ["root", "diff"],
    "publish": ["publish"],
    "bins advise": ["bins", "advise"],
    "bins resize": ["bins", "resize", "8", "--yes"],
    "status": ["status"],
    "renew": ["renew", "--force", "timestamp"],
    "recover copy": ["recover", "copy", "--yes"],
    "recover root-keys": ["recover", "root-keys"],
    "verify": ["verify"],
    "lint": ["lint"],
    "doctor": ["doctor"],
    "log": ["log"],
    "completion": ["completion", "bash"],
    "trust add": ["trust", "add", "new", "metadata", "--root", "metadata/1.root.json", "--trust-dir", "../trust"],
    "trust list": ["trust", "list", "--trust-dir", "../trust"],
    "trust show": ["trust", "show", "acme", "--trust-dir", "../trust"],
    "trust remove": ["trust", "remove", "acme", "--yes", "--trust-dir", "../trust"],
    "map make": ["map", "make", "-o", "../new.json", "--repository", "acme=https://updates.example.org/"],
    "map show": ["map", "show", "../map.json", "--trust-dir", "../trust"],
    "map check": ["map", "check", "../map.json"],
    "download": ["download", "a.txt", "--dir", "../fetched", "--trust-dir", "../trust"],
    "sign": ["sign", "--yes", "--holder-dir", "../holder"],
    "event list": ["event", "list"],
    "event show": ["event", "show", "root-v2"],
    "event cancel": ["event", "cancel", "root-v2", "--yes"],
    "bundle export": ["bundle", "export", "root-v2", "-o", "../exported.rstuf"],
    "bundle inspect": ["bundle", "inspect", *BUNDLE],
    "bundle sign": ["bundle", "sign", *BUNDLE, *("--key", "keys/alice.key", "-o", "../alice.sig", "--yes", *CODE)],
    "bundle import": ["bundle", "import", "../bob.sig"],
    "root update": ["root", "update", "--add", "carol", "--yes"],
    "key revoke": ["key", "revoke", "bob", "--yes"],
    "recover root-key": ["recover", "root-key", "bob", "--to", "carol", "--yes"],
    "recover root": ["recover", "root"],
    "recover online-key": ["recover", "online-key", "online", "--leaked", "--yes"],
    "recover state": ["recover", "state", "--yes"],
    "recover metadata": ["recover", "metadata", "--yes"],
}
# The workspaces in which commands are typed that would find nothing to do in the usual one.
PLACES = {
    **dict.fromkeys(["sign", "event list", "event show", "event cancel"], "waits"),
    **dict.fromkeys(["bundle export", "bundle inspect", "bundle sign", "bundle import"], "waits"),
    "recover root": "due",
    "recover state": "stateless",
    "recover metadata": "torn",
}
LOOKING = {
    *("artifact list", "artifact show", "artifact why", "artifact export", "status", "verify"),
    *("doctor", "log", "completion", "key list", "key find", "key show", "key export"),
    *("root show", "root history", "root diff", "recover root-keys"),
    *("event list", "event show", "bundle inspect", "bins advise", "lint"),
}
# Root keys sign these alone, and they have no passphrase.
OF_ROOT = {"sign", "bundle import", "root update", "key revoke", "recover root-key", "recover root"}
CLIENT = {"trust add", "trust list", "trust show", "trust remove", "download", "map make", "map show", "map check"}
