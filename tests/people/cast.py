"""The key holders, and the commands by which they act."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PIN, PASSPHRASE = "4711-tests", "a passphrase for tests only"
OVERLAP_SECONDS = 4
PLAN = """
[repository]
name = "people"
[root]
threshold = 3
signers = ["alice", "bob", "agent", "token", "dana"]
[keys.alice]
generate = "ed25519"
signer = "file:keys/alice.key"
[keys.bob]
generate = "ecdsa"
signer = "file:keys/bob.key"
[keys.agent]
signer = "{agent}"
[keys.token]
signer = "{token}"
[keys.dana]
public = "dana.pub"
[keys.online]
generate = "ed25519"
encrypt = false
signer = "file:keys/online.key"
[online]
key = "online"
[bins]
count = 8
"""


class Cast:
    """Everybody who holds a key, and one workspace."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.workspace = scratch, scratch / "workspace"
        self._dana = scratch / "dana"
        self._agent: subprocess.Popen[bytes] | None = None
        self._environment = {**os.environ, "RSTUF_HOLDER_DIR": str(scratch / "holder")}
        self._heard: str | None = None

    def __enter__(self) -> Cast:
        self._dana.mkdir(mode=0o700)
        self._start_agent()
        self._start_token()
        for name, text in (("passphrase", PASSPHRASE), ("pin", PIN)):
            (self.scratch / name).write_text(text + "\n")
            (self.scratch / name).chmod(0o600)
        return self

    def __exit__(self, *_: object) -> None:
        if self._agent is not None:
            self._agent.terminate()

    def hold_ceremony(self) -> None:
        """Everybody but Dana is here; she gave her public half."""
        self._offline("key", "generate", "dana", "--passphrase-file", str(self.scratch / "passphrase"))
        shutil.copy(self._dana / "dana.pub", self.scratch)
        plan = self.scratch / "plan.toml"
        plan.write_text(PLAN.format(agent=self._agent_uri, token=self._token_uri))
        made = self.rstuf("ceremony", "--plan", str(plan))
        self._heard = made["root"]["sha256"]
        for name in ("erin", "online-2", "online-3"):
            self.rstuf("key", "generate", name, *(["--unencrypted"] if name.startswith("online") else []))
        print(f"ceremony: root v1 {self._heard}")

    def update_root(self, what: str, options: list[str], *, signers: list[str], picture: bool) -> None:
        """A new root, signed by those who are here, and perhaps by Dana."""
        waits = self.rstuf("root", "update", *options, "--no-sign", "--yes", code=4)
        self._sign(self._event(waits), signers, picture=picture)
        print(f"root update, {what}: root v{self.roots()}")

    def rotate_online(self, old: str, new: str, *, signers: list[str]) -> None:
        """Another online key: both sign until the overlap is over, then the old one is dropped."""
        overlap = f"{OVERLAP_SECONDS}s"
        self.rstuf("key", "rotate", old, "--to", new, "--overlap", overlap, "--no-sign", "--yes", code=4)
        self._sign(f"root-v{self.roots() + 1}", signers, picture=False)
        time.sleep(OVERLAP_SECONDS + 1)
        self.rstuf("renew")
        assert not self.rstuf("status").get("rotation"), "the rotation did not end"
        (self.workspace / "keys" / f"{old}.key").unlink()
        print(f"key rotate {old} to {new}: root v{self.roots()}")

    def roots(self) -> int:
        """The newest root's version."""
        return max(int(path.name.split(".")[0]) for path in (self.workspace / "metadata").glob("*.root.json"))

    def check(self) -> None:
        """The audit finds nothing."""
        assert self.rstuf("verify")["ok"]

    def _sign(self, event: str, signers: list[str], *, picture: bool) -> None:
        if picture:
            self._sign_offline(event)
        for place, name in enumerate(signers):
            last = place == len(signers) - 1
            self.rstuf("sign", event, "--key", name, "--yes", code=0 if last else 4)

    def _sign_offline(self, event: str) -> None:
        """Nothing goes to Dana but the bundle, and nothing comes back but a picture."""
        bundle, picture = self._dana / f"{event}.rstuf", self._dana / f"{event}.png"
        self.rstuf("bundle", "export", event, "-o", str(bundle))
        trusted = ["--fingerprint", self._heard or ""] if not (self._dana / "record").exists() else []
        code = self._offline("bundle", "inspect", str(bundle), *trusted)["code"]
        assert code == self.rstuf("event", "show", event)["code"], "the two see different codes"
        give = ["--yes", "--code", code, "--passphrase-file", str(self.scratch / "passphrase"), "-o", f"{event}.sig"]
        self._offline("bundle", "sign", str(bundle), "--key", "dana.key", "--qr-out", str(picture), *give, *trusted)
        self.rstuf("bundle", "import", str(picture), code=4)

    def _event(self, document: dict[str, Any]) -> str:
        return f"root-v{self.roots() + 1}" if "event" not in document else document["event"]

    def rstuf(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a command in the workspace; its document."""
        secrets = ["--passphrase-file", str(self.scratch / "passphrase")]
        secrets += ["--passphrase-file", f"token={self.scratch / 'pin'}"] if words[0] in {"ceremony", "sign"} else []
        command = [sys.executable, "-m", "rstuf_cli", "--repo", str(self.workspace), "--json", *words, *secrets]
        return self._run(command, self._environment, Path.cwd(), code)

    def _offline(self, *words: str) -> dict[str, Any]:
        """Run a command where Dana is: no network, no home, no workspace."""
        record = ["--holder-dir", str(self._dana / "record")] if words[0] == "bundle" else []
        command = ["unshare", "-rn", sys.executable, "-m", "rstuf_cli", "--json", *words, *record]
        return self._run(command, {"PATH": os.environ["PATH"]}, self._dana, 0)

    def _run(self, command: list[str], environment: dict[str, str], directory: Path, code: int) -> dict[str, Any]:
        done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, check=False)
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}"
        return json.loads(done.stdout)

    def _start_agent(self) -> None:
        socket = self.scratch / "agent"
        self._agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
        self._environment["SSH_AUTH_SOCK"] = str(socket)
        deadline = time.monotonic() + 10
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        key = self.scratch / "agent-key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        subprocess.run(["ssh-add", "-q", str(key)], env=self._environment, check=True)
        listed = subprocess.run(["ssh-add", "-l"], env=self._environment, capture_output=True, check=True)
        self._agent_uri = "ssh-agent:" + listed.stdout.decode().split()[1]
        key.unlink()

    def _start_token(self) -> None:
        tokens, conf = self.scratch / "tokens", self.scratch / "softhsm2.conf"
        tokens.mkdir()
        conf.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self._environment["SOFTHSM2_CONF"] = str(conf)
        module = next(path for path in Path("/usr/lib").rglob("libsofthsm2.so"))
        self._environment["PYKCS11LIB"] = str(module)
        make = ["softhsm2-util", "--init-token", "--free", "--label", "people", "--pin", PIN, "--so-pin", PIN]
        subprocess.run(make, env=self._environment, check=True, capture_output=True)
        key = ["pkcs11-tool", "--module", str(module), "--token-label", "people", "--login", "--pin", PIN]
        key += ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "02", "--label", "token"]
        subprocess.run(key, env=self._environment, check=True, capture_output=True)
        self._token_uri = "hsm:2?label=people"
