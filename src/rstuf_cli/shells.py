"""How shells ask what could stand where somebody types, and how they are answered.

A shell's script calls `rstuf` with the variable `_RSTUF_COMPLETE`: bash hands in its line, since it splits words where
nobody else does; zsh and fish hand in the words. The answer is a line for each candidate, or nothing at all: never an
error, never a question.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rstuf_cli.completing import Candidate


class Shell(StrEnum):
    """A shell that has a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


SCRIPTS: Final = {
    Shell.BASH: """\
# Completion of rstuf for bash, from `rstuf completion bash`.
_rstuf_completion() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(_RSTUF_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null </dev/null)
}
complete -o nospace -F _rstuf_completion rstuf
""",
    Shell.ZSH: """\
#compdef rstuf
# Completion of rstuf for zsh, from `rstuf completion zsh`.
_rstuf() {
    local kind value help
    local -a before whole partial whole_shown partial_shown
    before=("${(@Q)words[2,CURRENT-1]}")
    while IFS=$'\\t' read -r kind value help; do
        if [[ $kind == whole ]]; then
            whole+=("$value")
            whole_shown+=("$value${help:+  -- $help}")
        else
            partial+=("$value")
            partial_shown+=("$value${help:+  -- $help}")
        fi
    done < <(_RSTUF_COMPLETE=zsh "${(Q)words[1]}" "${before[@]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)
    (( $#whole )) && compadd -l -d whole_shown -- "${whole[@]}"
    (( $#partial )) && compadd -S '' -l -d partial_shown -- "${partial[@]}"
    return $(( $#whole + $#partial == 0 ))
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _rstuf "$@"
else
    compdef _rstuf rstuf
fi
""",
    Shell.FISH: """\
# Completion of rstuf for fish, from `rstuf completion fish`.
function __rstuf_complete
    set -l before (commandline -opc)
    set -l program $before[1]
    set -e before[1]
    _RSTUF_COMPLETE=fish $program $before (string unescape -- (commandline -ct); or echo) 2>/dev/null </dev/null
end
complete -c rstuf -f -a '(__rstuf_complete)'
""",
}


def answer(shell: str, arguments: Sequence[str]) -> int:
    """Answer a shell that asks; whatever goes wrong, with nothing."""
    try:
        lines = _ANSWERS[Shell(shell)](arguments)
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt):
        # Nobody who presses the tab key wants to read of it.
        return 0
    return 0


def _candidates(words: Sequence[str], word: str) -> list[Candidate]:
    """What could stand there, but for what would do something else than to be typed."""
    from rstuf_cli.app import whole_program
    from rstuf_cli.completing import complete

    return [each for each in complete(whole_program(), words, word) if each.value.isprintable()]


def _for_zsh(words: Sequence[str]) -> list[str]:
    found = _candidates(words[:-1], words[-1])
    return [f"{'whole' if each.whole else 'partial'}\t{each.value}\t{each.help}" for each in found]


def _for_fish(words: Sequence[str]) -> list[str]:
    return [f"{each.value}\t{each.help}" for each in _candidates(words[:-1], words[-1])]


def _for_bash(arguments: Sequence[str]) -> list[str]:
    line, breaks = arguments
    words = split(line, breaks=breaks)
    while words and re.match(r"\w+=", words[0].text):
        words.pop(0)
    last = words[-1]
    found = _candidates([each.text for each in words[1:-1]], last.text)
    return [_in_bash(each, last) for each in found]


def _in_bash(found: Candidate, word: Word) -> str:
    """What takes the place of the part that bash completes; the space behind it is ours, a closing quote bash's."""
    rest = found.value[word.known :]
    if word.quote == "'":
        return rest.replace("'", "'\\''")
    if word.quote == '"':
        return re.sub(r'(["$`\\])', r"\\\1", rest)
    home = "~/" if rest.startswith("~/") and word.known == 0 else ""
    quoted = home + re.sub(r"([^\w@%+=:,./-])", r"\\\1", rest.removeprefix(home) if home else rest)
    return quoted + (" " if found.whole else "")


class Word(NamedTuple):
    """A word of a line.

    Attributes:
        text: without quotes.
        known: how many characters of it stand before the part that bash completes.
        quote: the one that is open at its end, if any.
    """

    text: str
    known: int
    quote: str


def split(line: str, *, breaks: str) -> list[Word]:
    """The words of a line that ends where the cursor is; the last one is empty behind a space.

    Args:
        breaks: bash's COMP_WORDBREAKS: where a word ends for it, and for nobody else.
    """
    words: list[Word] = []
    text, known, quote, begun, position = "", 0, "", False, 0
    while position < len(line):
        character = line[position]
        position += 1
        if quote == "'" or (quote == '"' and character != "\\"):
            if character == quote:
                quote = ""
            else:
                text += character
        elif character == "\\":
            text += line[position : position + 1]
            position += 1
        elif character in "'\"":
            quote, known = character, len(text)
        elif character in " \t\n":
            if begun:
                words.append(Word(text, known, quote))
            text, known, begun = "", 0, False
            continue
        else:
            text += character
            if character in breaks:
                known = len(text)
        begun = True
    return [*words, Word(text, known, quote)]


_ANSWERS: Final[dict[Shell, Callable[[Sequence[str]], list[str]]]] = {
    Shell.BASH: _for_bash,
    Shell.ZSH: _for_zsh,
    Shell.FISH: _for_fish,
}
