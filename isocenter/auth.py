"""Who is asking and what they may do.

The gateway authenticates (session cookie or API token) and puts a short-lived signed ``Principal`` into the header
``X-Isocenter-Principal``; every service verifies it, so a service is safe when reached directly.
"""

from __future__ import annotations

import base64
import hmac
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import orjson

from isocenter.errors import NotAllowed, NotAuthenticated
from isocenter.keys import SiteKey

PRINCIPAL_HEADER = "x-isocenter-principal"
LINK_HEADER = "x-isocenter-link"  # the prefix of a signed link that the gateway took off the address
PRINCIPAL_SECONDS = 60


class Role(StrEnum):
    ADMIN = "admin"
    OPERATOR = "operator"
    DATA_MANAGER = "data_manager"
    REVIEWER = "reviewer"
    RESEARCHER = "researcher"
    READER = "reader"


class Permission(StrEnum):
    """What a route asks for. PUBLIC and SIGNED_IN need no role."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"  # own profile, password, tokens
    READ_CATALOG = "read_catalog"  # cases, studies, labels, tiles: always through the grants
    DOWNLOAD = "download"  # objects and datasets that the grants show
    FREEZE = "freeze"  # datasets and versions
    IMPORT = "import"
    EDIT_CATALOG = "edit_catalog"  # change, delete, restore cases and resources
    REVIEW = "review"  # decide; see unreleased pixels
    CONFIGURE = "configure"  # hospitals, diseases, label schemes, rule sets
    ADMINISTER = "administer"  # accounts, roles, projects, grants, audit log
    SERVERS = "servers"  # hosts, services, alerts
    STATISTICS = "statistics"


_EVERYBODY = frozenset(Role)
ALLOWED: dict[Permission, frozenset[Role]] = {
    Permission.PUBLIC: _EVERYBODY,
    Permission.SIGNED_IN: _EVERYBODY,
    Permission.READ_CATALOG: frozenset({Role.ADMIN, Role.DATA_MANAGER, Role.REVIEWER, Role.RESEARCHER, Role.READER}),
    Permission.DOWNLOAD: frozenset({Role.ADMIN, Role.DATA_MANAGER, Role.RESEARCHER}),
    Permission.FREEZE: frozenset({Role.ADMIN, Role.DATA_MANAGER, Role.RESEARCHER}),
    Permission.IMPORT: frozenset({Role.ADMIN, Role.DATA_MANAGER}),
    Permission.EDIT_CATALOG: frozenset({Role.ADMIN, Role.DATA_MANAGER}),
    Permission.REVIEW: frozenset({Role.ADMIN, Role.DATA_MANAGER, Role.REVIEWER}),
    Permission.CONFIGURE: frozenset({Role.ADMIN, Role.DATA_MANAGER}),
    Permission.ADMINISTER: frozenset({Role.ADMIN}),
    Permission.SERVERS: frozenset({Role.ADMIN, Role.OPERATOR}),
    Permission.STATISTICS: frozenset({Role.ADMIN, Role.OPERATOR, Role.DATA_MANAGER, Role.REVIEWER, Role.RESEARCHER, Role.READER}),
}
# Roles that see every disease; the others see what their projects were granted.
UNRESTRICTED = frozenset({Role.ADMIN, Role.DATA_MANAGER, Role.REVIEWER})


@dataclass(frozen=True, slots=True)
class Principal:
    """The account that asks, as the gateway signed it."""

    account_id: int
    name: str
    role: Role
    identity_permission: bool = False  # may see names and numbers; each look is audited
    request_id: str = ""

    def may(self, permission: Permission) -> bool:
        return self.role in ALLOWED[permission]

    def require(self, permission: Permission) -> None:
        if not self.may(permission):
            raise NotAllowed(f"The role {self.role} may not do this (needed: {permission}); ask an administrator.")

    @property
    def sees_all_diseases(self) -> bool:
        return self.role in UNRESTRICTED


def sign(principal: Principal, key: SiteKey, *, lifetime_seconds: int = PRINCIPAL_SECONDS) -> str:
    """``base64(json).base64(hmac)`` that is good for ``lifetime_seconds``."""
    body = base64.urlsafe_b64encode(orjson.dumps({
        "account_id": principal.account_id, "name": principal.name, "role": principal.role, "identity_permission": principal.identity_permission,
        "request_id": principal.request_id, "exp": int(time.time()) + lifetime_seconds,
    }))  # fmt: skip
    return f"{body.decode()}.{_mac(body, key)}"


def verify(header: str | None, key: SiteKey) -> Principal:
    """The principal of a signed header; NotAuthenticated when missing, altered or expired."""
    if not header:
        raise NotAuthenticated("Sign in, or send an API token as Authorization: Bearer.")
    body, _, mac = header.partition(".")
    if not hmac.compare_digest(mac, _mac(body.encode(), key)):
        raise NotAuthenticated("The internal signature is not valid; ask through the gateway.")
    fields = orjson.loads(base64.urlsafe_b64decode(body))
    if fields.pop("exp") < time.time():
        raise NotAuthenticated("The internal signature has expired; send the request again.")
    fields["role"] = Role(fields["role"])
    return Principal(**fields)


def _mac(body: bytes, key: SiteKey) -> str:
    return base64.urlsafe_b64encode(hmac.digest(_mac_key(key), body, "sha256")).decode().rstrip("=")


@lru_cache(maxsize=8)
def _mac_key(key: SiteKey) -> bytes:
    """The key of these signatures, derived once; every request is signed and verified."""
    return key.digest("principal")
