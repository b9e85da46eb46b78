"""What could stand where somebody types: commands, options, and values from the workspace they stand in.

Nothing is asked, written or locked for it, and whatever is wrong with the workspace offers nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_origin

# As many as anybody would look through.
_MOST: Final = 300
_READ: Final = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could stand there.

    Attributes:
        help: what it means, in one line.
        whole: whether the word ends with it; a directory goes on.
    """

    value: str
    help: str = ""
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was typed before the word.

    Attributes:
        path: the words of the command: "artifact show".
        values: the last value of each option, by the parameter's name.
    """

    path: str
    values: Mapping[str, str]


def complete(root: Any, words: Sequence[str], word: str) -> list[Candidate]:
    """Everything that begins with `word`, where `words` stand before it.

    Args:
        root: the program, as `grammar.program` makes it.
    """
    line = _Line(root)
    for each in words:
        if not line.take(each):
            return []
    return [found for found in line.candidates(word) if found.value.startswith(word)][:_MOST]


class _Line:
    """A command line as far as it is typed."""

    def __init__(self, root: Any) -> None:
        self._root = self._command = root
        self._path: list[str] = []
        self._values: dict[str, str] = {}
        self._used: set[str] = set()
        self._waiting: Any = None
        self._arguments = 0
        self._only_arguments = False

    def take(self, word: str) -> bool:
        """Go on behind `word`; False where nothing can be told any more."""
        if self._waiting is not None:
            self._values[self._waiting.name] = word
            self._waiting = None
        elif self._only_arguments or not word.startswith("-") or word == "-":
            return self._take_word(word)
        elif word == "--":
            self._only_arguments = True
        else:
            name, equals, value = word.partition("=")
            param = self._options().get(name)
            if param is not None:
                self._used.add(param.name)
                if equals:
                    self._values[param.name] = value
                elif _takes_value(param):
                    self._waiting = param
        return True

    def _take_word(self, word: str) -> bool:
        if not hasattr(self._command, "commands"):
            self._arguments += 1
            return True
        if word not in self._command.commands:
            return False
        self._command = self._command.get_command(None, word)
        self._path.append(word)
        return True

    def candidates(self, word: str) -> Iterable[Candidate]:
        """What could stand here, and more."""
        if self._waiting is not None:
            return self._of_param(self._waiting, word)
        if word.startswith("-") and not self._only_arguments:
            name, equals, value = word.partition("=")
            if not equals:
                return self._of_options()
            param = self._options().get(name)
            if param is None or not _takes_value(param):
                return []
            found = self._of_param(param, value)
            return [Candidate(f"{name}={each.value}", each.help, each.whole) for each in found]
        if hasattr(self._command, "commands"):
            return [Candidate(name, _first(each.help)) for name, each in self._command.commands.items()]
        arguments = [param for param in self._command.params if param.param_type_name == "argument"]
        if self._arguments < len(arguments):
            return self._of_param(arguments[self._arguments], word)
        return self._of_param(arguments[-1], word) if arguments and arguments[-1].nargs == -1 else []

    def _options(self) -> dict[str, Any]:
        """Every option that can stand here, by each of its names."""
        own = [] if self._command is self._root else self._command.params
        params = [*own, *self._root.params]
        if self._command is not self._root:
            params = [param for param in params if param.name != "version"]
        return {name: param for param in reversed(params) if param.param_type_name == "option" for name in param.opts}

    def _of_options(self) -> Iterable[Candidate]:
        yield Candidate("--help", "Show this.")
        for name, param in sorted(self._options().items()):
            again = _is_many(param) or param.count or param.name not in self._used
            if name.startswith("--") and again and not param.hidden:
                yield Candidate(name, _first(param.help))

    def _of_param(self, param: Any, word: str) -> Iterable[Candidate]:
        path = " ".join(self._path)
        kind = _kind(param)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return [Candidate(str(member.value)) for member in kind]
        offer = OFFERS.get((path, param.name)) or OFFERS.get(("", param.name))
        if offer is not None:
            return offer(_Asked(path, self._values), word)
        if kind is Path:
            return _directories(word) if param.metavar == "DIR" else _files(word)
        return []


def _kind(param: Any) -> Any:
    """The type of a parameter's value, or of each of them."""
    kind = param.type_descriptor.annotation
    return get_args(kind)[0] if get_origin(kind) is list else kind


def _is_many(param: Any) -> bool:
    return get_origin(param.type_descriptor.annotation) is list


def _takes_value(param: Any) -> bool:
    return not (param.is_flag or param.count)


def _first(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


# --- values ----------------------------------------------------------------------------------------------


def _files(word: str) -> list[Candidate]:
    return _listed(word, lambda _entry: True)


def _directories(word: str) -> list[Candidate]:
    return _listed(word, lambda entry: entry.is_dir())


def _listed(word: str, wanted: Callable[[os.DirEntry[str]], bool]) -> list[Candidate]:
    """Files whose names begin as what is typed; hidden ones where a dot is."""
    above, slash, start = word.rpartition("/")
    place = os.path.expanduser(above + slash) if slash else "."  # noqa: PTH111  (a word, of which the rest is kept)
    found = []
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith(start) and (start or not entry.name.startswith(".")) and wanted(entry):
                    directory = entry.is_dir()
                    name = f"{above}{slash}{entry.name}{'/' if directory else ''}"
                    found.append(Candidate(name, whole=not directory))
                    if len(found) == _READ:
                        break
    except OSError:
        return []
    return sorted(found, key=lambda each: each.value)


def _behind(head: str, found: Iterable[Candidate]) -> list[Candidate]:
    return [Candidate(head + each.value, each.help, each.whole) for each in found]


def _known(asked: _Asked, names: str, prefix: str) -> list[str]:
    """Names that the workspace knows; none where there is none that can be read."""
    import rstuf
    from rstuf.errors import RstufError

    chosen = asked.values.get("repo") or os.environ.get("RSTUF_REPO")
    start = Path(chosen) if chosen else Path.cwd()
    search = rstuf.Search.HERE if chosen else rstuf.Search.UPWARDS
    try:
        return rstuf.known_names(start, rstuf.Names[names], prefix=prefix, limit=_READ, search=search)
    except RstufError:
        return []


def _artifacts(asked: _Asked, word: str) -> list[Candidate]:
    """Artifact paths, up to the next slash."""
    found: dict[str, bool] = {}
    for path in _known(asked, "ARTIFACTS", word):
        here, slash, _ = path[len(word) :].partition("/")
        found[word + here + slash] = not slash
    return [Candidate(value, whole=whole) for value, whole in found.items()]


def _roles(asked: _Asked, word: str) -> list[Candidate]:
    return [Candidate("bins", "all of them"), *map(Candidate, _known(asked, "ROLES", word))]


def _delegated(asked: _Asked, word: str) -> list[Candidate]:
    tops = {"root", "targets", "snapshot", "timestamp"}
    return [Candidate(name) for name in _known(asked, "ROLES", word) if name not in tops]


def _clients(_asked: _Asked, _word: str) -> list[Candidate]:
    import rstuf

    return [Candidate(name) for name in rstuf.client_names()]


def _keys(asked: _Asked, word: str) -> list[Candidate]:
    return [Candidate(name) for name in _known(asked, "KEYS", word)]


def _events(asked: _Asked, word: str) -> list[Candidate]:
    return [Candidate(name) for name in _known(asked, "EVENTS", word)]


def _key_files(asked: _Asked, word: str) -> list[Candidate]:
    """`KEY=FILE`, or the file alone."""
    key, equals, file = word.partition("=")
    if equals:
        return _behind(f"{key}=", _files(file))
    return [*_key_equals(asked, word), *_files(word)]


def _key_equals(asked: _Asked, word: str) -> list[Candidate]:
    return [Candidate(f"{name}=", whole=False) for name in _known(asked, "KEYS", word)]


def _trusted(asked: _Asked, _word: str) -> list[Candidate]:
    import rstuf
    from rstuf_cli.trusting import trust_directory

    chosen = asked.values.get("trust_dir")
    return list(map(Candidate, rstuf.TrustStore(trust_directory(Path(chosen) if chosen else None)).names()))


def _actions(_asked: _Asked, _word: str) -> list[Candidate]:
    from rstuf_cli.actions import WORDS

    kinds = dict.fromkeys(action.partition(".")[0] for action in WORDS)
    return [Candidate(name) for name in sorted({*kinds, *WORDS})]


def _signers(_asked: _Asked, word: str) -> list[Candidate]:
    head = "file:"
    return _behind(head, _files(word[len(head) :])) if word.startswith(head) else [Candidate(head, whole=False)]


def _hashes(_asked: _Asked, _word: str) -> list[Candidate]:
    return [Candidate(f"{algorithm}:", whole=False) for algorithm in ("sha256", "sha512", "blake2b-256")]


def _custom(_asked: _Asked, word: str) -> list[Candidate]:
    return _behind("@", _files(word[1:])) if word.startswith("@") else []


def _nothing(_asked: _Asked, _word: str) -> list[Candidate]:
    return []


Offer = Callable[[_Asked, str], list[Candidate]]
OFFERS: Final[Mapping[tuple[str, str], Offer]] = {
    ("", "repo"): lambda _asked, word: _directories(word),
    ("", "passphrase_file"): _key_files,
    ("", "passphrase_fd"): _key_equals,
    ("artifact add", "prefix"): _nothing,
    ("artifact add", "path"): _nothing,
    ("artifact add", "custom"): _custom,
    ("artifact add", "hashes"): _hashes,
    ("artifact remove", "paths"): _artifacts,
    ("artifact remove", "prefix"): _artifacts,
    ("artifact list", "prefix"): _artifacts,
    ("artifact list", "after"): _artifacts,
    ("artifact show", "path"): _artifacts,
    ("artifact why", "path"): _artifacts,
    ("artifact export", "prefix"): _artifacts,
    ("artifact export", "after"): _artifacts,
    ("artifact sync", "prefix"): _artifacts,
    ("key generate", "name"): _nothing,
    ("key add", "name"): _keys,
    ("key add", "signer"): _signers,
    ("key generate", "signer"): lambda _asked, _word: [Candidate("hsm:", whole=False)],
    ("key show", "name"): _keys,
    ("key export", "name"): _keys,
    ("sign", "event"): _events,
    ("sign", "key"): _keys,
    ("event show", "event"): _events,
    ("event cancel", "event"): _events,
    ("bundle export", "event"): _events,
    ("bundle inspect", "fingerprint"): _nothing,
    ("bundle inspect", "max_expiry"): _nothing,
    ("bundle sign", "key"): lambda _asked, word: _files(word),
    ("bundle sign", "fingerprint"): _nothing,
    ("bundle sign", "max_expiry"): _nothing,
    ("bundle sign", "code"): _nothing,
    ("sign", "code"): _nothing,
    ("key rotate", "name"): _keys,
    ("key rotate", "to"): _keys,
    ("key rotate", "overlap"): _nothing,
    ("key revoke", "name"): _keys,
    ("key revoke", "to"): _keys,
    ("root update", "add"): _keys,
    ("root update", "remove"): _keys,
    ("root update", "expires"): _nothing,
    ("root update", "renew_before"): _nothing,
    ("bins advise", "counts"): _nothing,
    ("bins advise", "role"): _delegated,
    ("delegation prepare", "role"): _nothing,
    ("delegation prepare", "key"): lambda _asked, word: _files(word),
    ("delegation prepare", "from_"): _trusted,
    ("delegation prepare", "prefix"): _nothing,
    ("delegation prepare", "remove"): _nothing,
    ("delegation prepare", "custom"): _custom,
    ("delegation prepare", "expires"): _nothing,
    ("delegation accept", "role"): _delegated,
    ("delegation accept", "prefix"): _nothing,
    ("delegation accept", "compat"): _clients,
    ("bins resize", "role"): _delegated,
    ("bins resize", "compat"): _clients,
    ("publish", "compat"): _clients,
    ("delegation add", "name"): _nothing,
    ("delegation add", "path"): _nothing,
    ("delegation add", "signer"): _keys,
    ("delegation add", "expires"): _nothing,
    ("delegation add", "renew_before"): _nothing,
    ("delegation add", "parent"): _delegated,
    ("delegation add", "before"): _delegated,
    ("delegation add", "compat"): _clients,
    ("delegation update", "name"): _delegated,
    ("delegation update", "path"): _nothing,
    ("delegation update", "signer"): _keys,
    ("delegation update", "expires"): _nothing,
    ("delegation update", "renew_before"): _nothing,
    ("delegation update", "before"): _delegated,
    ("delegation update", "compat"): _clients,
    ("delegation remove", "name"): _delegated,
    ("delegation why", "path"): _artifacts,
    ("recover online-key", "name"): _keys,
    ("recover online-key", "to"): _keys,
    ("recover state", "name"): _nothing,
    ("recover state", "former_key"): _nothing,
    ("recover root-key", "name"): _keys,
    ("recover root-key", "to"): _keys,
    ("renew", "force"): _roles,
    ("log", "since"): _nothing,
    ("log", "action"): _actions,
    ("log", "head"): _nothing,
    ("lint", "url"): lambda _asked, word: _directories(word),
    ("lint", "compat"): _clients,
    ("verify", "url"): lambda _asked, word: _directories(word),
    ("verify", "artifacts_url"): lambda _asked, word: _directories(word),
    ("trust add", "name"): _nothing,
    ("trust add", "url"): lambda _asked, word: _directories(word),
    ("trust add", "fingerprint"): _nothing,
    ("trust add", "artifacts"): lambda _asked, word: _directories(word),
    ("trust show", "name"): _trusted,
    ("trust remove", "name"): _trusted,
    ("map make", "url"): _nothing,
    ("map make", "repository"): _nothing,
    ("map make", "path"): _nothing,
    ("download", "paths"): _nothing,
    ("download", "from_"): _trusted,
    ("download", "output"): lambda _asked, word: _files(word),
}
"""What is offered for values that are text, by command (all, where it is empty) and parameter."""
