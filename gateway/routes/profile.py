"""What everybody may change about themselves (the paper's personal information): profile, password, API tokens."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway import store
from gateway.login import cookie_of
from gateway.passwords import check_password
from gateway.routes.sessions import Authenticates, Hashes, account_view
from gateway.schemas import AccountView, NewToken, PasswordChange, ProfileChange, TokenList, TokenRequest, TokenView
from gateway.throttle import count_try, forgive, throttle_keys
from isocenter.audit import record
from isocenter.errors import InvalidInput
from isocenter.models import now
from isocenter.web import Opened, SignedIn, etag

router = APIRouter(prefix="/api/v1", tags=["gateway"])


@router.get("/profile")
async def profile(response: Response, opened: Opened, who: SignedIn) -> AccountView:
    async with opened.db.read() as session:
        account = await store.own_account(session, who)
    response.headers.update(etag(account.revision))
    return account_view(account)


@router.patch("/profile")
async def change_profile(body: ProfileChange, response: Response, opened: Opened, who: SignedIn) -> AccountView:
    """Change what is given; the last writer wins, since it is one person's own page."""
    changes = body.model_dump(exclude_unset=True, exclude_none=True)
    async with opened.db.write() as session:
        account = await store.own_account(session, who)
        for name, value in changes.items():
            setattr(account, name, value)
        if changes:
            account.revision += 1
            record(session, who, "change-profile", f"account:{who.name}", after={"fields": sorted(changes)})
    response.headers.update(etag(account.revision))
    return account_view(account)


@router.post("/profile/password", status_code=204)
async def change_password(body: PasswordChange, request: Request, opened: Opened, who: SignedIn, auth: Authenticates, hashes: Hashes) -> Response:
    """Change the own password; all other browser sessions of the account end."""
    check_password(body.new, who.name, field="new")
    keys = throttle_keys(opened.key, who.name, request.client.host if request.client else "")
    await count_try(opened.db, keys)
    async with opened.db.read() as session:
        account = await store.own_account(session, who)
    if not await hashes.matches(body.current, account.password_hash):
        raise InvalidInput("This is not your current password.", field="current")
    hashed = await hashes.hash(body.new)
    async with opened.db.write() as session:
        await forgive(session, keys)
        account = await store.own_account(session, who)
        account.password_hash, account.password_changed_at = hashed, now()
        account.revision += 1
        await store.close_sessions(session, account.id, but=cookie_of(list(request.headers.raw)))
        record(session, who, "change-password", f"account:{who.name}")
    auth.forget(who.account_id)
    return Response(status_code=204)


@router.get("/tokens")
async def tokens(opened: Opened, who: SignedIn) -> TokenList:
    async with opened.db.read() as session:
        rows = await store.tokens_of(session, who.account_id)
    return TokenList(items=[TokenView.model_validate(row, from_attributes=True) for row in rows])


@router.post("/tokens", status_code=201)
async def issue_token(body: TokenRequest, response: Response, opened: Opened, who: SignedIn) -> NewToken:
    """A token for scripts with the rights of its account; the secret is in this answer and never again."""
    async with opened.db.write() as session:
        token, secret = store.issue_token(session, who.account_id, body.name.strip(), body.days)
        await session.flush()
        record(session, who, "issue-token", f"token:{token.id}", after={"days": body.days})
    response.headers["Cache-Control"] = "no-store"
    shown = TokenView.model_validate(token, from_attributes=True)
    return NewToken(**shown.model_dump(), token=secret)


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(token_id: int, opened: Opened, who: SignedIn, auth: Authenticates) -> Response:
    async with opened.db.write() as session:
        await store.revoke_token(session, who.account_id, token_id)
        record(session, who, "revoke-token", f"token:{token_id}")
    auth.forget(who.account_id)
    return Response(status_code=204)
