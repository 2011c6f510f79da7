"""Wire shapes of the gateway's own routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from isocenter.auth import Permission, Role

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,63}$", description="2 to 64 of a-z 0-9 . _ -")]
ShortText = Annotated[str, Field(max_length=200)]
Password = Annotated[str, Field(max_length=1000)]  # the rule's own sentence answers what is too long
Email = Annotated[str, Field(max_length=200, pattern=r"^([^@\s]+@[^@\s]+)?$")]
Language = Literal["", "en", "zh-CN"]


class Strict(BaseModel):
    """A body in which an unknown name is an error, not silence."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Strict):
    name: Annotated[str, Field(max_length=200)]
    password: Password


class AccountView(BaseModel):
    """An account as its owner and administrators see it."""

    name: str
    full_name: str
    email: str
    department: str
    role: Role
    identity_permission: bool
    language: str
    active: bool
    created_at: datetime
    revision: int


class SessionView(BaseModel):
    """Who is signed in, what they may do, and the token that browser writes carry in ``X-Isocenter-CSRF``."""

    account: AccountView
    csrf_token: str
    permissions: list[Permission]


class ProfileChange(Strict):
    full_name: ShortText | None = None
    email: Email | None = None
    department: ShortText | None = None
    language: Language | None = None


class PasswordChange(Strict):
    current: Password
    new: Password


class TokenRequest(Strict):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    days: Annotated[int, Field(ge=1, le=365)] = 90


class TokenView(BaseModel):
    id: int
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class NewToken(TokenView):
    """With the secret, which is shown this once."""

    token: str


class TokenList(BaseModel):
    items: list[TokenView]
    next: None = None


class NewAccount(Strict):
    name: Name
    full_name: ShortText = ""
    email: Email = ""
    department: ShortText = ""
    role: Role
    identity_permission: bool = False
    language: Language = ""
    password: Password | None = None


class CreatedAccount(AccountView):
    """With the generated password, shown this once; null when the request gave one."""

    password: str | None = None


class AccountChange(Strict):
    role: Role | None = None
    active: bool | None = None
    identity_permission: bool | None = None
    full_name: ShortText | None = None
    email: Email | None = None
    department: ShortText | None = None


class OncePassword(BaseModel):
    """A generated password, shown this once."""

    password: str


class AuditView(BaseModel):
    id: int
    at: datetime
    actor: str
    verb: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str
