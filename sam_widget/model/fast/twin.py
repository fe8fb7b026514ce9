"""Twins: copies of a module tree that share its weights and may use other classes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

from torch import nn

Kinds = Mapping[type[nn.Module], type[nn.Module]]


def twin(module: nn.Module, kinds: Kinds, *, hooks: bool = True, shared: Collection[nn.Module] = ()) -> Any:
    """Copy a module tree that shares every parameter and buffer with the original, even after loading or moving.

    Args:
        module: The root of the tree.
        kinds: Replacement classes, keyed by original class (matched exactly). A replacement may define `prepare()`,
            which is called on the copy once its children are in place.
        hooks: Whether forward and backward hooks are shared too; otherwise the copy has none.
        shared: Modules of the tree that are not copied.
    """
    kind = kinds.get(type(module), type(module))
    made = kind.__new__(kind)
    state = vars(made)
    state.update(vars(module))
    # The dictionaries of parameters and buffers are shared, so that a weight replaced in one is replaced in the other.
    state["_modules"] = {
        name: child if child is None or child in shared else twin(child, kinds, hooks=hooks, shared=shared)
        for name, child in module._modules.items()  # noqa: SLF001  children that are None are not in named_children
    }
    if not hooks:
        state.update({name: OrderedDict() for name in state if name.startswith("_") and "_hooks" in name})
    if kind is not type(module) and (prepare := getattr(kind, "prepare", None)) is not None:
        prepare(made)
    return made
