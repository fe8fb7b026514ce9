"""Connect to a Ray cluster, or start one on this machine. Nothing without its token is let in."""

from __future__ import annotations

import logging
import os
import sys
from types import ModuleType

from sam_widget.errors import ModelError, import_extra

# What is set before Ray is imported, unless the user has set it. Only programs with the cluster's token may use it,
# since they run any code; nothing is reported to its makers; and a busy machine takes longer to start than Ray expects.
_DEFAULTS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_agent_register_timeout_ms": "120000",
}
# How often a cluster on this machine is started: Ray gives up after 30 seconds, which a busy machine may exceed.
_ATTEMPTS = 3


def imported() -> ModuleType:
    """Return the module `ray`, which asks for a token.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    if "ray" not in sys.modules:  # Otherwise it has read them already, and asks for a token by default.
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
    return import_extra("ray", "cluster")


def connected(*, cpus: int | None = None) -> ModuleType:
    """Return the module `ray`, connected to the cluster at $RAY_ADDRESS, or to a new one on this machine.

    Args:
        cpus: How many processors a new cluster uses, by default all. One on this machine has a worker for each.

    Raises:
        MissingExtraError: Ray is not installed.
        ModelError: The cluster cannot be reached or started, or refuses the token.
    """
    ray = imported()
    if ray.is_initialized():
        return ray
    new = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": cpus, "include_dashboard": False}
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **new)
            break
        except Exception as error:  # of many types, from missing tokens to full disks
            ray.shutdown()
            if new and attempt < _ATTEMPTS and "timed out during startup" in str(error):
                continue
            where = os.environ.get("RAY_ADDRESS", "this machine")
            raise ModelError(
                f"the Ray cluster at {where} cannot be used: {error}. Check $RAY_ADDRESS, and that the cluster's token "
                "is in $RAY_AUTH_TOKEN or ~/.ray/auth_token"
            ) from error
    return ray
