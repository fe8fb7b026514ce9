"""Generate `js/src/protocol.ts` from the structs of `protocol` and the requests derived by `verbs`."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from sam_widget.widget import protocol
from sam_widget.widget.protocol import Request
from sam_widget.widget.verbs import Verbs, all_verbs

_SCALARS = {int: "number", float: "number", str: "string", bool: "boolean", types.NoneType: "null"}


def typescript(verbs: Verbs | None = None) -> str:
    """Return the TypeScript of all messages, with the requests of `verbs`, by default those of every widget."""
    requests = [verb.request for verb in (all_verbs() if verbs is None else verbs).values()]
    parts = [kind for kind in vars(protocol).values() if _is_message(kind)]
    lines = ["// Generated from the methods marked as remote, and sam_widget/widget/protocol.py, by `make protocol`."]
    lines += ["// Do not edit.", ""]
    for kind in (*parts, *requests):
        summary = (kind.__doc__ or "").strip().splitlines()[0]
        lines += [f"/** {summary} */", f"export interface {kind.__name__} {{"]
        if tag := kind.__struct_config__.tag:
            lines.append(f'  type: "{tag}";')
        for field in msgspec.structs.fields(kind):
            lines.append(f"  {field.name}{'' if field.required else '?'}: {_typescript(field.type)};")
        lines += ["}", ""]
    unions = {"Request": requests, "Reply": get_args(protocol.Reply)}
    for name, members in unions.items():
        lines += [f"export type {name} = {' | '.join(member.__name__ for member in members)};", ""]
    return "\n".join(lines)


def _is_message(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in {msgspec.Struct, Request}


def _typescript(hint: Any) -> str:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        said = [mark.extra["typescript"] for mark in args[1:] if isinstance(mark, msgspec.Meta) and mark.extra]
        return str(said[0]) if said else _typescript(args[0])
    if origin is list:
        inner = _typescript(args[0])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if origin is Literal:
        return " | ".join(f'"{arg}"' if isinstance(arg, str) else str(arg) for arg in args)
    if origin in {Union, types.UnionType}:
        return " | ".join(_typescript(arg) for arg in args if arg is not msgspec.UnsetType)
    return str(hint.__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the TypeScript to the given path, or to standard output."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments:
        Path(arguments[0]).write_text(typescript(), encoding="utf-8")
    else:
        sys.stdout.write(typescript())


if __name__ == "__main__":
    main()
