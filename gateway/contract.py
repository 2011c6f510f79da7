"""The merged OpenAPI document without a server: what ``isocenter openapi`` prints and the types of the web pages are made from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import orjson

from gateway.app import create_app
from gateway.openapi import fetch
from gateway.upstreams import open_service
from isocenter.keys import create_key_file
from isocenter.resources import open_resources
from isocenter.settings import SERVICES, Settings


async def contract() -> str:
    """The document as JSON text, names sorted, two spaces deep, so that a change of the interface is a readable difference of a file.

    No catalog is made and no service starts; the folder that the services are given is empty and goes at once.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data=folder, catalog_url=f"sqlite+aiosqlite:///{folder / 'catalog.sqlite'}")
        resources = open_resources(settings, create_key_file(folder / "site.key"))
        gateway = create_app(settings, resources, {service: open_service(service, settings, resources) for service in SERVICES})
        try:
            _, body = await fetch(gateway.own, "/openapi.json")
        finally:
            await gateway.authenticator.close()
            await resources.close()
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
