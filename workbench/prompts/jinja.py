"""Jinja templates, for prompts that say `format="jinja"`: sandboxed, strict about what is undefined, and bounded.

A template is data that somebody registered, so it can do no more than put texts together: no macros, imports or
includes; methods and filters from a list; loops, size and time have an end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, TemplateError, UndefinedError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import Namespace, pass_context, pass_environment

from workbench.errors import InvalidInput
from workbench.prompts.jinja_bounds import Bounds, TooMuch
from workbench.wire.few_shot import as_text

_FILTERS = frozenset(
    {
        *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "int", "items"),
        *("last", "length", "list", "lower", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr"),
        *("sort", "string", "title", "trim", "truncate", "unique", "upper", "wordcount"),
    }
)
"""Filters of Jinja that make nothing large out of little; those that could are our own, below."""
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {
            *("capitalize", "casefold", "count", "endswith", "find", "isalnum", "isalpha", "isdecimal", "isdigit"),
            *("islower", "isnumeric", "isspace", "istitle", "isupper", "lower", "lstrip", "partition", "removeprefix"),
            *("removesuffix", "rfind", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip"),
            *("swapcase", "title", "upper"),
        }
    ),
    dict: frozenset({"items", "keys", "values", "get"}),
    list: frozenset({"count", "index"}),
}
_STATEMENTS = (
    (nodes.Macro, "macro"),
    (nodes.CallBlock, "call"),
    (nodes.Include, "include"),
    (nodes.Import, "import"),
    (nodes.FromImport, "from"),
    (nodes.Extends, "extends"),
    (nodes.Block, "block"),
)
_FAULTS = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
_MOST_DIGITS = 300
_OURS = "workbench"
_bounds: ContextVar[Bounds | None] = ContextVar("workbench_jinja_bounds", default=None)


def names_in(source: str) -> tuple[tuple[str, bool], ...]:
    """Return the variables of a template in the order in which they first stand, each with whether it must be given.

    One that the template asks about first (`is defined`, `| default`) may be left out. Raises InvalidInput with line
    and column for what is no template.
    """
    return _read(source)[1]


def render(source: str, values: Mapping[str, Any]) -> str:
    """Return the text; raises InvalidInput for what is undefined, not allowed, or too much."""
    template, _ = _read(source)
    bounds = Bounds()
    token = _bounds.set(bounds)
    pieces = []
    try:
        for piece in template.generate(dict(values)):
            bounds.add(piece, told=True)
            pieces.append(piece)
    except UndefinedError as error:
        raise InvalidInput(f"The template uses what is not there: {_sentence(error)}") from error
    except SecurityError as error:
        raise InvalidInput(f"The template does what prompts may not: {_sentence(error)}") from error
    except TooMuch as error:
        raise InvalidInput(f"The template does too much: {error}.", hint="Put less into it, or loop less.") from error
    except _FAULTS as error:
        raise InvalidInput(f"The template can't be rendered: {_sentence(error)}") from error
    finally:
        _bounds.reset(token)
    return "".join(pieces)


@lru_cache(maxsize=256)
def _read(source: str) -> tuple[Template, tuple[tuple[str, bool], ...]]:
    environment = _environment()
    try:
        tree = environment.parse(source)
        for kind, word in _STATEMENTS:
            if (found := tree.find(kind)) is not None:
                raise TemplateSyntaxError(f"templates of prompts have no {{% {word} %}}", found.lineno, _OURS)
        for loop in tree.find_all(nodes.For):
            if loop.recursive:
                raise TemplateSyntaxError("loops of prompts are not recursive", loop.lineno, _OURS)
        return environment.from_string(source), _variables(tree)
    except TemplateSyntaxError as error:
        line, column = error.lineno, _column(environment, source, error)
        raise InvalidInput(f"line {line}, column {column}: {_sentence(error)}", param="template") from error
    except TemplateError as error:  # an unknown filter or test, found as it is compiled
        raise InvalidInput(_sentence(error), param="template") from error
    except RecursionError as error:
        raise InvalidInput("The template is nested too deeply.", param="template") from error


def _variables(tree: nodes.Template) -> tuple[tuple[str, bool], ...]:
    from jinja2.meta import find_undeclared_variables  # noqa: PLC0415 - a compiler, which rendering alone needs not

    open_names = find_undeclared_variables(tree)
    asked: set[str] = set()
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        assert isinstance(node, (nodes.Filter, nodes.Test))
        if node.name in ("default", "d", "defined", "undefined") and isinstance(node.node, nodes.Name):
            asked.add(node.node.name)
    order = dict.fromkeys(node.name for node in tree.find_all(nodes.Name) if node.name in open_names)
    return tuple((name, name not in asked) for name in order)


def _column(environment: _Environment, source: str, error: TemplateSyntaxError) -> int:
    """Return where the faulty tag begins in its line, from 1: the first with which the text is wrong in this way."""
    lines = source.splitlines(keepends=True)
    line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
    begins = sum(map(len, lines[: error.lineno - 1]))
    opened = [at for at in range(len(line)) if line.startswith(("{{", "{%", "{#"), at)]
    if error.name == _OURS:  # the text is no fault of Jinja's
        return opened[0] + 1
    for at, after in zip(opened, [*opened[1:], len(line)], strict=True):
        try:
            environment.parse(source[: begins + after])
        except TemplateSyntaxError as found:
            if (found.lineno, found.message) == (error.lineno, error.message):
                return at + 1
    return opened[-1] + 1 if opened else len(line) - len(line.lstrip()) + 1


def _sentence(error: Exception) -> str:
    return f"{str(getattr(error, 'message', None) or error).rstrip('.')}."


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with bounds: what could run long or grow large is counted as it happens."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            text = sum(len(data.data) for data in loop.find_all(nodes.TemplateData))
            loop.iter = _call("_counted", loop.iter, text)
        for holder in reversed(list(tree.find_all(nodes.Node))):  # what is inside comes first
            for key, value in list(holder.iter_fields()):
                setattr(holder, key, list(map(_bounded, value)) if isinstance(value, list) else _bounded(value))
        return tree

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow the methods in the list, and what Jinja's own `loop` and `namespace` tell."""
        if isinstance(obj, (LoopContext, Namespace)):
            return super().is_safe_attribute(obj, attr, value)
        allowed = next((names for kind, names in _METHODS.items() if isinstance(obj, kind)), frozenset())
        return attr in allowed

    def wrap_str_format(self, value: Any) -> None:
        """Leave `format` to the list of methods, where it does not stand: it can pad without end."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Look at the size of what would come out before it is made."""
        _bounds_now().before(operator, left, right)
        return _weighed(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as in Jinja
        """Count each call."""
        _bounds_now().step()
        return super().call(__context, __obj, *args, **kwargs)

    def call_test(self, *args: Any, **kwargs: Any) -> Any:
        """Look at the time as `select` and its like try each item."""
        _bounds_now().fits(0)
        return super().call_test(*args, **kwargs)


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    made = _Environment(undefined=StrictUndefined, autoescape=False, optimized=False, finalize=_finalize)
    made.filters = {name: FILTERS[name] for name in _FILTERS}
    made.filters |= {"_counted": _counted, "_weighed": _weighed, "map": _map, "sum": _sum, "round": _round}
    made.filters |= {"join": _join, "replace": _replace, "indent": _indent, "tojson": _to_json}
    made.tests = dict(TESTS)
    made.globals = {"range": made.globals["range"], "dict": _dict, "namespace": made.globals["namespace"]}
    made.keep_trailing_newline = True
    return made


def _bounds_now() -> Bounds:
    return _bounds.get() or Bounds()  # as it is compiled there is none


def _finalize(value: Any) -> str:
    text = str(value) if isinstance(value, Undefined) else as_text(value)  # what is undefined says so itself
    _bounds_now().add(text)
    return text


def _call(name: str, node: nodes.Node, *arguments: Any) -> nodes.Filter:
    given: list[nodes.Expr] = [nodes.Const(each, lineno=node.lineno) for each in arguments]
    return nodes.Filter(node, name, given, [], None, None, lineno=node.lineno)


def _bounded(value: Any) -> Any:
    """Return a part of a template so that what it puts together is looked at; most parts are returned as they are."""
    if isinstance(value, nodes.Concat):
        return _call("join", nodes.List(value.nodes, lineno=value.lineno))
    if isinstance(value, (nodes.List, nodes.Dict)) or (isinstance(value, nodes.Tuple) and value.ctx == "load"):
        return _call("_weighed", value)
    return value


def _weighed(value: Any) -> Any:
    _bounds_now().weigh(value)
    return value


def _counted(items: Iterable[Any], text: int) -> Iterator[Any]:
    bounds = _bounds_now()
    for item in items:
        bounds.step(text)
        yield item


def _dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    made = dict(*args, **kwargs)
    _bounds_now().weigh(made)
    return made


@pass_context
def _map(context: Context, items: Iterable[Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
    bounds, size = _bounds_now(), 0
    for item in FILTERS["map"](context, items, *args, **kwargs):
        size += 1 + bounds.weigh(item)
        bounds.fits(size)
        yield item


@pass_environment
def _sum(environment: _Environment, items: Iterable[Any], attribute: str | int | None = None, start: Any = 0) -> Any:
    if not isinstance(start, (int, float)):
        raise TypeError("sum adds numbers")  # lists would be copied with each item
    return FILTERS["sum"](environment, items, attribute, start)


def _round(value: float, precision: int = 0, method: str = "common") -> Any:
    if not -_MOST_DIGITS <= precision <= _MOST_DIGITS:
        raise ValueError(f"round takes a precision of at most {_MOST_DIGITS} digits")
    return FILTERS["round"](value, precision, method)


def _join(items: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    found = [item[attribute] if attribute is not None else item for item in items]
    texts, separator = [as_text(item) for item in found], str(separator)
    bounds = _bounds_now()
    bounds.add_length(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    bounds = _bounds_now()
    bounds.add_length(len(text) + text.count(old) * len(new))
    return text.replace(old, new, count)


def _indent(text: str, width: int = 4, first: bool = False) -> str:
    lines = text.split("\n")
    bounds = _bounds_now()
    bounds.add_length(len(text) + len(lines) * width)
    pad = " " * width
    return "\n".join(pad + line if line and (number or first) else line for number, line in enumerate(lines))


def _to_json(value: Any, indent: int | None = None) -> str:
    if indent is not None and not 0 <= indent <= 16:
        raise ValueError("tojson takes an indent from 0 to 16")
    bounds, size, pieces = _bounds_now(), 0, []
    for piece in json.JSONEncoder(indent=indent, ensure_ascii=False, allow_nan=False).iterencode(value):
        size += len(piece)  # what is nested deeply is mostly indent
        bounds.fits(size)
        pieces.append(piece)
    return "".join(pieces)
