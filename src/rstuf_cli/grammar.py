"""How a command line is read: options that stand before and after the verb alike, values without heavy machinery."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from rstuf_cli.help import command_help, group_help
from rstuf_cli.run import run_of

_ROOT_ONLY: Final = frozenset({"version", "help"})
# What may name a file: such names are bytes, and need not be text.
_FILES: Final = frozenset({"repo", "passphrase_file", "custom"})


class Verb(NamedTuple):
    """A command that is loaded when it is called: until then the program knows what its help needs.

    Attributes:
        panel: what it is for, one of `help.PANELS`.
        path: its words: "status", "artifact add".
        home: module and function, with a colon between them; the module's `EXAMPLES` has its examples by `path`.
        purpose: the first line of its docstring, as the program's help says it.
    """

    panel: str
    path: str
    home: str
    purpose: str


class Command(TyperCommand):
    """A verb. It takes the options of the whole program too, and explains itself by examples."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_common(ctx, super().get_params(ctx))

    def get_help_option(self, ctx: Any) -> Any:
        return _on_our_console(super().get_help_option(ctx))

    def get_help(self, ctx: Any) -> str:
        return command_help(ctx, super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        with _in_context(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        _take_common(ctx)
        run_of(ctx).settle()
        return super().invoke(ctx)


class Group(TyperGroup):
    """A noun, or the whole program."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_common(ctx, super().get_params(ctx))

    def get_help_option(self, ctx: Any) -> Any:
        return _on_our_console(super().get_help_option(ctx))

    def get_help(self, ctx: Any) -> str:
        return group_help(ctx, super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        _take_common(ctx)
        return super().invoke(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        with _in_context(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and super().get_command(ctx, args[0]) is None:
            from rstuf_cli.suggestions import unknown_command

            raise unknown_command(ctx, args[0])
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        return found.load() if isinstance(found, _Unloaded) else found


class _Unloaded(TyperCommand):
    """Stands for a verb until it is called.

    Attributes:
        place: where it stands among all verbs.
    """

    def __init__(self, verb: Verb, name: str, *, place: int) -> None:
        self.place = place
        super().__init__(name, help=verb.purpose, rich_help_panel=verb.panel, rich_markup_mode=None)
        self._verb = verb

    def load(self) -> Any:
        """The command itself."""
        module_name, _, function = self._verb.home.partition(":")
        module = import_module(module_name)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(self.name, cls=Command, epilog=module.EXAMPLES[self._verb.path])(getattr(module, function))
        return get_command(app)


def program(callback: Callable[..., None], verbs: Iterable[Verb], *, nouns: Mapping[str, str], epilog: str) -> Any:
    """The tree of commands.

    Args:
        callback: its parameters are the options of every command; it is run before any.
        verbs: the commands.
        nouns: what the first words of two-word commands mean.
    """
    app = typer.Typer(
        name="rstuf",
        cls=Group,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        pretty_exceptions_show_locals=False,
        invoke_without_command=True,
        subcommand_metavar="COMMAND ...",
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=epilog,
    )
    app.callback()(callback)
    root: Any = get_command(app)
    groups: dict[str, Any] = {"": root}
    for place, verb in enumerate(verbs):
        noun, _, name = verb.path.rpartition(" ")
        if noun not in groups:
            groups[noun] = Group(name=noun, help=nouns[noun], subcommand_metavar="COMMAND ...", rich_markup_mode=None)
            root.add_command(groups[noun])
        groups[noun].add_command(_Unloaded(verb, name, place=place))
    return root


@contextmanager
def _in_context(ctx: Any) -> Iterator[None]:
    """Let every error of the parser know how far it came: whoever tells it names the command whose help helps."""
    try:
        yield
    except typer.TyperException as error:
        if getattr(error, "ctx", None) is None:
            error.ctx = ctx  # type: ignore[attr-defined]
        raise


def _on_our_console(option: Any) -> Any:
    """The option that shows help, where all output goes, so that an output that fails is told in the same words."""

    def show(ctx: Any, _param: Any, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            run_of(ctx).console.page(ctx.get_help())
            ctx.exit()

    if option is not None:
        option.callback = show
    return option


def _with_common(ctx: Any, own: list[Any]) -> list[Any]:
    """A command's own parameters, and those of the program that are not among them."""
    common = ctx.find_root().command.params if ctx.parent is not None else ()
    params = [*own, *(param for param in common if param.name not in _ROOT_ONLY)]
    for param in params:
        # Typer would load a validation library to turn a word into the same word.
        if getattr(param, "_runtime_param", None) is None:
            param._runtime_param = _Plain(param.type_descriptor.annotation)
    return params


def _take_common(ctx: Any) -> None:
    """Hand the program's options to the run; the command's function has not asked for them."""
    run = run_of(ctx)
    given: dict[str, Any] = {}
    for param in ctx.find_root().command.params:
        if param.name in _ROOT_ONLY:
            continue
        value = ctx.params.pop(param.name, None) if ctx.parent is not None else ctx.params.get(param.name)
        source = ctx.get_parameter_source(param.name)
        if source is not None and source.name == "COMMANDLINE":
            given[param.name] = tuple(value) if isinstance(value, list | tuple) else value
    run.take(run.options.joined(given), ctx.command_path)


class _Plain:
    """Turns words into values of the few types that our commands declare."""

    def __init__(self, annotation: Any) -> None:
        self._many = get_origin(annotation) is list
        self._kind = get_args(annotation)[0] if self._many else annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """`value` as the parameter's type.

        Raises:
            BadParameter: it is none.
        """
        if self._many:
            return [self._one(each, param, ctx) for each in value or ()]
        return None if value is None else self._one(value, param, ctx)

    def _one(self, value: Any, param: Any, ctx: Any) -> Any:
        kind = self._kind
        if isinstance(value, kind) and kind is not str:
            return value
        if kind is int:
            return _whole(value, param, ctx)
        if issubclass(kind, Enum):
            names: Mapping[str, Enum] = {str(member.value): member for member in kind}
            if value not in names:
                raise typer.BadParameter(f"{value!r} is not one of {', '.join(names)}", ctx=ctx, param=param)
            return names[value]
        if kind is str and param.name not in _FILES and not _is_text(value):
            raise typer.BadParameter("it is not UTF-8 text", ctx=ctx, param=param)
        if kind is Path and ("\0" in value or not value):
            raise typer.BadParameter("it cannot be the name of a file", ctx=ctx, param=param)
        return kind(value)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(value: str, param: Any, ctx: Any) -> int:
    text = value.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 17):
        raise typer.BadParameter(f"{value[:40]!r} is not a whole number", ctx=ctx, param=param)
    number = int(text)
    if param.min is not None and number < param.min:
        raise typer.BadParameter(f"{number} is less than {param.min}", ctx=ctx, param=param)
    if param.max is not None and number > param.max:
        raise typer.BadParameter(f"{number} is more than {param.max}", ctx=ctx, param=param)
    return number
