"""Isocenter's client: find, freeze and pull datasets. httpx is all it needs, and is imported when first used.

>>> from isocenter_client import Client
>>> dataset = Client().pull("lung-nodule-thin@1", "./data")
>>> train = dataset.torch("train")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isocenter_client.aio import AsyncClient
    from isocenter_client.client import Client, Version
    from isocenter_client.dataset import Dataset
    from isocenter_client.errors import ClientError

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "ClientError", "Dataset", "Version", "__version__"]

_HOMES = {"AsyncClient": "aio", "Client": "client", "Version": "client", "Dataset": "dataset", "ClientError": "errors"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
