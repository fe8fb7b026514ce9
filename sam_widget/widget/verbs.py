"""Derive request messages from marked methods: the request of a verb is defined by its method's signature alone.

A parameter becomes a field of the same name, except that ids of objects are named after the objects (`object_id` as
`object`, `object_ids` as `objects`). A parameter with a default is optional. A parameter of type `Request` is not a
field: it receives the request itself; one of type `Attached` receives its buffers.
"""

from __future__ import annotations

import functools
import inspect
import operator
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from sam_widget.errors import ProtocolError
from sam_widget.image.rendering import Rendering
from sam_widget.masks.cleanup import MaskSettings
from sam_widget.prompts.geometry import Box, Vertices
from sam_widget.prompts.prompt import Prompt
from sam_widget.session.remote import Remote, remote_methods
from sam_widget.widget import protocol
from sam_widget.widget.conversions import (
    MaskPrompts,
    box_from,
    prompt_from,
    rendering_from,
    settings_from,
    vertices_from,
)
from sam_widget.widget.protocol import Request


class Attached(list[bytes]):
    """The binary buffers of a request."""


# Converts a message value, given the known mask prompts, to a method's argument.
Read = Callable[[Any, MaskPrompts], Any]


def _as_it_is(value: Any, _masks: MaskPrompts) -> Any:
    return value


# The message type and the reader of each parameter type.
_WIRE: dict[Any, tuple[Any, Read]] = {
    Box: (protocol.BoxData, lambda value, _: box_from(value)),
    MaskSettings: (protocol.SettingsData, lambda value, _: settings_from(value)),
    Prompt: (protocol.PromptData, prompt_from),
    Rendering: (protocol.RenderingData, lambda value, _: rendering_from(value)),
    Sequence[str]: (protocol.Texts, _as_it_is),
    Vertices: (protocol.Vertices, lambda value, _: vertices_from(value)),
    bool: (bool, _as_it_is),
    float: (protocol.Number, _as_it_is),
    int: (protocol.Integer, _as_it_is),
    str: (protocol.Text, _as_it_is),
}


def _wire(hint: Any) -> tuple[Any, Read]:
    """Return the message type and the reader for a parameter type.

    Raises:
        TypeError: Values of the type cannot be sent.
    """
    if hint in _WIRE:
        return _WIRE[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return hint, _as_it_is
    if origin in {Union, types.UnionType} and types.NoneType in args:
        inner, read = _wire(functools.reduce(operator.or_, [arg for arg in args if arg is not types.NoneType]))
        return inner | None, lambda value, masks: None if value is None else read(value, masks)
    raise TypeError(f"values of type {hint} cannot be sent; expected one of {', '.join(map(str, _WIRE))}")


@dataclass(frozen=True)
class Asked:
    """A request, and its buffers."""

    request: Request
    buffers: Sequence[bytes] = ()


@dataclass(frozen=True)
class Argument:
    """A parameter of a method, and the field of the request that it is read from.

    There is no field if the parameter is the request itself, or its buffers.
    """

    parameter: inspect.Parameter
    field: str | None
    read: Read

    def add(self, asked: Asked, masks: MaskPrompts, given: list[Any], named: dict[str, Any]) -> None:
        """Add the value in the request to the arguments of the call."""
        value: Any = asked if self.field is None else getattr(asked.request, self.field)
        value = self.parameter.default if value is UNSET else self.read(value, masks)
        if self.parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            given.extend(value)
        elif self.parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            named[self.parameter.name] = value
        else:
            given.append(value)


@dataclass(frozen=True)
class Verb:
    """An action that a view may request.

    Attributes:
        mark: Its name on the wire, and its scheduling.
        method: Name of the method.
        request: The type of its request message.
        arguments: The method's parameters and their fields.
    """

    mark: Remote
    method: str
    request: type[Request]
    arguments: tuple[Argument, ...]

    @classmethod
    def of(cls, mark: Remote, method: Callable[..., Any]) -> Verb:
        """Derive a verb from a marked method.

        Raises:
            TypeError: A parameter has no type, or a type whose values cannot be sent.
        """
        hints = get_type_hints(method)
        arguments, fields = [], []
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            hint, required = hints.get(parameter.name), parameter.default is inspect.Parameter.empty
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                continue  # options only for scripts
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                hint = Sequence[hint]  # type: ignore[valid-type]
            if hint is Request:
                arguments.append(Argument(parameter, None, lambda asked, _: asked.request))
                continue
            if hint is Attached:
                arguments.append(Argument(parameter, None, lambda asked, _: Attached(asked.buffers)))
                continue
            kind, read = _wire(hint)
            name = parameter.name.replace("_ids", "s").removesuffix("_id")
            arguments.append(Argument(parameter, name, read))
            fields.append((name, kind) if required else (name, kind | UnsetType, UNSET))
        request: Any = msgspec.defstruct(
            mark.name.title().replace("_", ""),
            fields,
            bases=(Request,),
            namespace={"__doc__": (method.__doc__ or "").split("\n\n")[0]},
            tag_field="type",
            tag=mark.name,
            frozen=True,
            forbid_unknown_fields=True,
            kw_only=True,
        )
        return cls(mark, method.__name__, request, tuple(arguments))

    def read(self, content: dict[Any, Any]) -> Request:
        """Read a request of this verb.

        Raises:
            ProtocolError: A field is missing, unknown or malformed; the message gives its path.
        """
        try:
            return msgspec.convert(content, self.request)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            why, _, path = str(error).partition(" - at `$")
            if "regex" in why:  # the pattern of `protocol.Text`
                why = "expected text without halves of characters, such as a truncated emoji"
            raise ProtocolError(f"{self.mark.name}{path.removesuffix('`')} cannot be read: {why[:200]}") from error

    def call(self, target: object, request: Request, masks: MaskPrompts, buffers: Sequence[bytes] = ()) -> Any:
        """Execute a request: call the method of the target with its values."""
        asked = Asked(request, buffers)
        given: list[Any] = []
        named: dict[str, Any] = {}
        for argument in self.arguments:
            argument.add(asked, masks, given, named)
        return getattr(target, self.method)(*given, **named)


# Verbs by their names on the wire.
Verbs = dict[str, Verb]


@functools.cache
def verbs_of(kind: type) -> Verbs:
    """Return the verbs of a class, derived from its marked methods."""
    verbs = [Verb.of(mark, method) for mark, method in remote_methods(kind)]
    return {verb.mark.name: verb for verb in sorted(verbs, key=lambda verb: verb.mark.name)}


def read_request(content: object, verbs: Verbs) -> tuple[Verb, Request]:
    """Read a request that a view sent.

    Raises:
        ProtocolError: The type is not that of a verb, or a field is missing, unknown or malformed.
    """
    if not isinstance(content, dict):
        raise ProtocolError(f"a message must be an object with a type, not {type(content).__name__}")
    kind = content.get("type")
    if not isinstance(kind, str) or kind not in verbs:
        raise ProtocolError(f"unknown message type {ascii(kind)[:40]}; expected one of {', '.join(sorted(verbs))}")
    return verbs[kind], verbs[kind].read(content)


def all_verbs() -> Verbs:
    """Return the verbs of all kinds of widgets, for the TypeScript."""
    from sam_widget.session.session import Session
    from sam_widget.widget.engine_control import EngineControl
    from sam_widget.widget.gallery import GalleryRequests
    from sam_widget.widget.requests import ViewRequests
    from sam_widget.widget.view_decoding import ViewDecoding

    kinds = (ViewRequests, ViewDecoding, GalleryRequests, EngineControl, Session)
    return {name: verb for kind in kinds for name, verb in verbs_of(kind).items()}
