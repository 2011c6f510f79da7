"""Who may do what: every route of every service, asked through the gateway by every role and by nobody."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from gateway_site import Site
from sqlalchemy import update
from starlette.routing import BaseRoute

from gateway.app import create_app
from gateway.passwords import Passwords
from gateway.upstreams import Table
from isocenter.auth import ALLOWED, Permission, Role
from isocenter.keys import create_key_file
from isocenter.models import Account
from isocenter.resources import Resources, open_resources
from isocenter.schema import bind_key, migrate
from isocenter.settings import SERVICES, Settings

# Reached by anybody: signing in, health, metrics (loopback peers only), the description of the interface.
PUBLIC = {("POST", "/api/v1/session"), *(("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/metrics/{service}", "/openapi.json"))}


@dataclass(frozen=True)
class Door:
    """One method of one route. ``permission`` None: it says none."""

    service: str
    method: str
    path: str
    permission: Permission | None

    @property
    def address(self) -> str:
        """The path with something in each parameter that is not there."""
        return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: "7" if found[2] == ":int" or "id" in found[1] else "none", self.path)


def _routes(routes: list[BaseRoute], prefix: str = "") -> Iterator[BaseRoute]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _routes(inner.routes)
        else:
            yield route


def _permissions(dependant: Any) -> Iterator[Permission]:
    for dependency in dependant.dependencies:
        if isinstance(found := getattr(dependency.call, "permission", None), Permission):
            yield found
        yield from _permissions(dependency)


def doors(service: str, app: Any) -> list[Door]:
    found = []
    for route in _routes(app.routes):
        path = getattr(route, "path", "")
        if isinstance(route, APIRoute):
            said = set(_permissions(route.dependant)) or {getattr(route.endpoint, "permission", None)}
        else:
            said = {getattr(getattr(route, "endpoint", None) or getattr(route, "app", None), "permission", None)}
        assert len(said) == 1, f"{path} asks for several permissions: {said}"
        for method in sorted((getattr(route, "methods", None) or {"GET"}) - {"HEAD", "OPTIONS"}):
            found.append(Door(service, method, path, next(iter(said))))
    return found


def _open(folder: Path) -> tuple[Resources, dict[str, Any]]:
    settings = Settings(data=folder, executor="inline:")
    resources = open_resources(settings, create_key_file(folder / "site.key"))
    return resources, {name: importlib.import_module(f"services.{name}.app").create_app(settings, resources) for name in SERVICES}


@pytest.fixture
def opened(tmp_path: Path) -> tuple[Resources, dict[str, Any]]:
    return _open(tmp_path / "site")


def test_routes_when_walked_then_each_says_who_may_call_it_and_the_gateway_reaches_it(opened: tuple[Resources, dict[str, Any]]) -> None:
    resources, services = opened
    gateway = create_app(resources.settings, resources, services)
    table, walked = Table(), 0
    for name, app in {**services, "gateway": gateway.own}.items():
        for door in doors(name, app):
            walked += 1
            if (door.method, door.path) in PUBLIC:
                continue
            assert door.permission is not None, f"{name} {door.method} {door.path} says no permission"
            assert door.permission is not Permission.PUBLIC, f"{name} {door.method} {door.path} is public"
            entry = table.find(door.method, door.address)
            assert entry is not None, f"the gateway does not know {door.method} {door.path} of {name}"
            assert entry.service == name, f"{door.method} {door.path} of {name} goes to {entry.service}"
    assert walked > 80


def test_roles_when_compared_with_the_table_then_each_permission_names_its_roles() -> None:
    assert set(ALLOWED) == set(Permission)
    assert ALLOWED[Permission.ADMINISTER] == {Role.ADMIN}
    assert Role.READER not in ALLOWED[Permission.DOWNLOAD]
    assert Role.OPERATOR not in ALLOWED[Permission.READ_CATALOG]
    assert all(Role.ADMIN in roles for roles in ALLOWED.values())


async def test_route_when_each_role_asks_then_403_exactly_for_those_who_may_not(opened: tuple[Resources, dict[str, Any]]) -> None:
    resources, services = opened
    await migrate(resources.db)
    await bind_key(resources.db, resources.key)
    hashes = Passwords(time_cost=1, memory_kib=64, parallelism=1)
    site = Site(create_app(resources.settings, resources, services, passwords=hashes), resources, hashes)
    all_doors = [door for name, app in {**services, "gateway": site.app.own}.items() for door in doors(name, app) if (door.method, door.path) not in PUBLIC]
    # Signing out comes last, or the others would be asked by nobody.
    all_doors.sort(key=lambda door: (door.method, door.path) == ("DELETE", "/api/v1/session"))

    async def ask(client: httpx.AsyncClient, door: Door) -> int:
        body = None if door.method in ("GET", "DELETE") else {}
        return (await client.request(door.method, door.address, json=body, headers={"If-Match": "*"})).status_code

    for door in all_doors:
        assert await ask(site.client(), door) == 401, f"anonymous {door}"
    for role in Role:
        await site.add(f"a-{role}".replace("_", "-"), role)
        async with resources.db.write() as session:  # a right of its own beside the role, which some routes ask for too
            await session.execute(update(Account).values(identity_permission=True))
        client = await site.signed_in(f"a-{role}".replace("_", "-"))
        for door in all_doors:
            assert door.permission is not None
            status = await ask(client, door)
            if role in ALLOWED[door.permission]:
                assert status not in (401, 403), f"{role} {door} -> {status}"
                assert status != 500, f"{role} {door} -> {status}"
            else:
                assert status == 403, f"{role} {door} -> {status}"
    await resources.close()
