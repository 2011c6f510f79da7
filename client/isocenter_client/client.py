"""The researcher's client: find, count, freeze, pull, import. Every call is one request of the REST interface."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isocenter_client.config import load_site
from isocenter_client.errors import ClientError, NotFound
from isocenter_client.filters import from_keywords, merged, parse_reference, parse_split

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from isocenter_client.dataset import Dataset
    from isocenter_client.pull import Report
    from isocenter_client.rest import Rest
    from isocenter_client.uploads import ImportReport, Told

PAGE_ROWS = 200
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Version:
    """A frozen dataset version: ``reference`` is name@number, ``digest`` the SHA-256 of its manifest."""

    reference: str
    digest: str
    counts: dict[str, Any]
    client: Client = field(repr=False, compare=False)

    def pull(self, folder: str | Path, *, jobs: int = 4, report: Report | None = None) -> Dataset:
        return self.client.pull(self.reference, folder, jobs=jobs, report=report)


class Client:
    """A server and a token for it; without arguments the one ``isc login`` has stored."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        if url is None or token is None:
            site = load_site()
            url, token = url or site.url, token or site.token
        self.url, self._token = url, token
        self._rest: Rest | None = None

    def __repr__(self) -> str:
        return f"Client({self.url})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._rest is not None:
            self._rest.close()
            self._rest = None

    @property
    def rest(self) -> Rest:
        """The connection, opened when first used."""
        if self._rest is None:
            from isocenter_client.rest import Rest

            self._rest = Rest(self.url, self._token)
        return self._rest

    def find(self, query: Mapping[str, Any] | None = None, *, include_null: bool = False, **where: Any) -> Iterator[dict[str, Any]]:
        """Cases that match, page by page: ``find(disease="lung_nodule", Modality="CT", SliceThickness__lte=1.5, age=(40, 70))``."""
        body: dict[str, Any] = {"query": query_of(query, include_null, where), "limit": PAGE_ROWS}
        while True:
            page = self.rest.ask("/api/v1/cases/search", body)
            yield from page["items"]
            if not page["next"]:
                return
            body["cursor"] = page["next"]

    def count(self, query: Mapping[str, Any] | None = None, *, include_null: bool = False, **where: Any) -> dict[str, Any]:
        """``{"cases", "series", "instances", "size_bytes", "by_label", "left_out_null"}``, exact."""
        return dict(self.rest.ask("/api/v1/cases/count", {"query": query_of(query, include_null, where)}))

    def attributes(self) -> list[dict[str, Any]]:
        """The names a filter may use."""
        return list(self.rest.get("/api/v1/attributes")["items"])

    def values(self, name: str, disease: str | None = None) -> dict[str, Any]:
        """Values of an attribute with the number of cases."""
        return dict(self.rest.get(f"/api/v1/attributes/{part_of(name)}/values", disease=disease))

    def case(self, key: str) -> dict[str, Any]:
        return dict(self.rest.get(f"/api/v1/cases/{part_of(key)}"))

    def datasets(self) -> list[dict[str, Any]]:
        return list(self._all("/api/v1/datasets"))

    def freeze(
        self,
        name: str,
        query: Mapping[str, Any] | None = None,
        *,
        split: str | tuple[float, ...] | Mapping[str, float] | None = None,
        seed: int = 0,
        balance: str | None = None,
        balance_parts: Sequence[str] | None = None,
        folds: int | None = None,
        label_states: Sequence[str] = ("sure", "decided"),
        include_null: bool = False,
        disease: str | None = None,
        scheme: str = "",
        title: str = "",
        description: str = "",
        licence: str = "",
        told: Told | None = None,
        **where: Any,
    ) -> Version:
        """A new immutable version of what matches now. The dataset is made when it is not there: then name the disease.

        ``balance``: "under", "over" or "weights", by patient, in ``balance_parts`` (None: train when there is one, else all).
        ``folds``: 2 to 20 folds of what is not in the part test. ``told``: called with step, done and total while it runs.
        """
        asked = query_of(query, include_null, where)
        if disease is None:
            named = asked.get("terms", {}).get("disease", [])
            disease = named[0] if len(named) == 1 else None
        body: dict[str, Any] = {"query": asked, "split": parse_split(split), "seed": seed, "label_states": list(label_states)}
        # Only what was asked for is sent: an older server knows none of these.
        body |= {"balance": balance} if balance else {}
        body |= {"balance_parts": list(balance_parts)} if balance_parts is not None else {}
        body |= {"folds": folds} if folds else {}
        try:
            self.rest.get(f"/api/v1/datasets/{part_of(name)}")
        except NotFound:
            if disease is None:
                raise ClientError(f"There is no dataset {name} yet; name its disease to make it.", field="disease") from None
            new = {"name": name, "disease": disease, "scheme": scheme, "title": title, "description": description, "licence": licence}
            self.rest.send("POST", "/api/v1/datasets", new)
        path = f"/api/v1/datasets/{part_of(name)}/versions"
        made = self.rest.send("POST", path, body, timeout=600) if told is None else self.rest.send_told(path, body, told)
        return Version(made["reference"], made["digest"], made["counts"], self)

    def version(self, reference: str) -> dict[str, Any]:
        """A version with its counts, query, recipe and card."""
        name, number = parse_reference(reference)
        return dict(self.rest.get(f"/api/v1/datasets/{name}/versions/{number}"))

    def pull(
        self, reference: str, folder: str | Path, *, as_format: str | None = None, options: Mapping[str, Any] | None = None, jobs: int = 4,
        report: Report | None = None, told: Told | None = None,
    ) -> Dataset:  # fmt: skip
        """Download ``name@1`` into a folder; resumes, verifies, and downloads nothing the second time.

        ``as_format``: not the files as they are but an export of them (``nifti``, ``monai``, ``bids`` ...), made by the server first when it is not there.
        """
        from isocenter_client.dataset import Dataset
        from isocenter_client.pull import pull, pull_export

        name, number = parse_reference(reference)
        if as_format is None:
            pull(self.rest, name, number, Path(folder), jobs=jobs, report=report)
        else:
            export = self.export(reference, as_format, options, told=told)
            pull_export(self.rest, name, number, export["key"], Path(folder), jobs=jobs, report=report)
        return Dataset(folder)

    def export(
        self, reference: str, as_format: str, options: Mapping[str, Any] | None = None, *, wait: bool = True, told: Told | None = None
    ) -> dict[str, Any]:
        """Have the server convert a version; asked for again it is the same export. ClientError with the reason when it fails."""
        base = exports_path(reference)
        export = dict(self.rest.send("POST", base, {"format": as_format, "options": dict(options or {})}))
        while wait and export["state"] in ("open", "running"):
            if told is not None:
                told("export", export["done"], export["total"])
            time.sleep(POLL_SECONDS)
            export = dict(self.rest.get(f"{base}/{export['key']}"))
        if wait and export["state"] != "finished":
            raise ClientError(f"The export is {export['state']}: {export['reason'] or 'somebody stopped it'}")
        return export

    def exports(self, reference: str) -> list[dict[str, Any]]:
        """Exports of a version and how far they are."""
        return list(self.rest.get(exports_path(reference))["items"])

    def cancel_export(self, reference: str, key: str) -> dict[str, Any]:
        return dict(self.rest.send("POST", f"{exports_path(reference)}/{part_of(key)}/cancel"))

    def compare(self, name: str, before: int, after: int) -> dict[str, Any]:
        """Cases added, removed, relabelled, moved to another part, and with other files, from one version to another."""
        return dict(self.rest.get(f"/api/v1/datasets/{part_of(name)}/compare", before=before, after=after))

    def import_folder(self, folder: str | Path | None, hospital: str, **options: Any) -> ImportReport:
        """Upload a folder and report tables, import them, wait: see :func:`isocenter_client.uploads.import_folder`."""
        from isocenter_client.uploads import import_folder

        return import_folder(self.rest, Path(folder) if folder is not None else None, hospital, **options)

    def import_reasons(self, key: str) -> list[dict[str, Any]]:
        """``{"kind", "outcome", "reason", "count"}``: how the items of an import ended and why."""
        return list(self.rest.get(f"/api/v1/imports/{part_of(key)}/reasons"))

    def imports(self) -> list[dict[str, Any]]:
        return list(self._all("/api/v1/imports"))

    def reviews(self) -> dict[str, Any]:
        """How many questions wait for a person, by kind and disease."""
        return dict(self.rest.get("/api/v1/reviews/counts"))

    def next_review(self, kind: str | None = None, disease: str | None = None) -> dict[str, Any] | None:
        """The next question, leased to you for ten minutes; None when none waits."""
        asked = {"kind": kind, "disease": disease}
        found = self.rest.send("POST", "/api/v1/reviews/next", {name: value for name, value in asked.items() if value})
        return dict(found) if found else None

    def decide(self, review: Mapping[str, Any], value: str, note: str = "") -> dict[str, Any]:
        """Answer a question of :meth:`next_review` with one of its ``choices``; the review as it stands then."""
        body = {"value": value, "note": note, "revision": review["revision"]}
        return dict(self.rest.send("POST", f"/api/v1/reviews/{part_of(review['key'])}/decision", body)["review"])

    def statistics(self) -> dict[str, Any]:
        return dict(self.rest.get("/api/v1/statistics/overview"))

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            page = self.rest.get(path, cursor=cursor, limit=PAGE_ROWS)
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return


def login(url: str, name: str, password: str, *, called: str = "isc", days: int = 90) -> str:
    """A new API token for an account, listed there as ``called``; the password is used once and kept nowhere."""
    from isocenter_client.rest import Rest

    rest = Rest(url)
    try:
        session = rest.send("POST", "/api/v1/session", {"name": name, "password": password})
        csrf = {"X-Isocenter-CSRF": session["csrf_token"]}
        token = rest.send("POST", "/api/v1/tokens", {"name": called, "days": days}, headers=csrf)["token"]
        rest.send("DELETE", "/api/v1/session", headers=csrf)
        return str(token)
    finally:
        rest.close()


def query_of(query: Mapping[str, Any] | None, include_null: bool, where: Mapping[str, Any]) -> dict[str, Any]:
    return merged(query, from_keywords(where), {"include_null": True} if include_null else None)


def exports_path(reference: str) -> str:
    name, number = parse_reference(reference)
    return f"/api/v1/datasets/{name}/versions/{number}/exports"


def part_of(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")
