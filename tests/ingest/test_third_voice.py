"""The third voice against a small stand-in of an OpenAI-compatible service: what it may do, and where text goes."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ingest_samples import imaging_row, write_ct, write_table
from ingest_service import Ingest, open_ingest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select

from isocenter.models import CaseLabel, Label
from isocenter.settings import Settings
from services.ingest.label_records import CaseLabel as Aggregated
from services.ingest.third import Address, Asked, ask, join
from services.ingest.voice import Said

QUESTION = Asked("Benign or malignant", (("0", "benign"), ("1", "malignant")), "impression: something")
Answer = Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]


class StandIn:
    """A service that keeps what it was sent; ``answer`` makes status, headers and body of a request's JSON."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.release = threading.Event()
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                own.requests.append({"path": self.path, **body})
                own.headers.append(dict(self.headers))
                status, headers, content = answer(body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def address(self, seconds: float = 10.0) -> Address:
        return Address(self.url, "tiny", "secret-token", seconds)


@contextmanager
def standing(answer: Answer) -> Iterator[StandIn]:
    made = StandIn(answer)
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.release.set()
        made.server.shutdown()
        made.server.server_close()
        thread.join()


def says(value: Any, probability: Any = 0.9) -> Answer:
    content = json.dumps({"value": value, "probability": probability})
    return lambda _: (200, {}, json.dumps({"choices": [{"message": {"content": content}}]}).encode())


async def test_third_voice_when_asked_then_the_text_and_the_key_go_to_the_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing(says("0")) as elsewhere, standing(says("1", 0.8)) as service:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, elsewhere.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert await ask(service.address(), [QUESTION]) == [Said("1", 0.8)]
        assert elsewhere.requests == []
        assert service.requests[0]["path"] == "/v1/chat/completions"
        assert (service.requests[0]["model"], service.requests[0]["messages"][1]["content"]) == ("tiny", QUESTION.text)
        assert service.headers[0]["Authorization"] == "Bearer secret-token"


async def test_third_voice_when_redirected_then_the_text_is_not_sent_there() -> None:
    with standing(says("0")) as elsewhere:
        with standing(lambda _: (307, {"Location": elsewhere.url + "/chat/completions"}, b"")) as service:
            assert await ask(service.address(), [QUESTION]) == [None]
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        says("2"),
        says("1", 1.5),
        says("1", "sure"),
        says(1),
        lambda _: (200, {}, b"not json"),
        lambda _: (200, {}, b'{"choices": []}'),
        lambda _: (200, {}, json.dumps({"choices": [{"message": {"content": "malignant"}}]}).encode()),
        lambda _: (200, {}, b" " * (80 << 10)),
        lambda _: (500, {}, b"{}"),
    ],
    ids=["no-class", "no-probability", "a-word", "a-number", "no-json", "no-choice", "prose", "too-long", "broken"],
)
async def test_third_voice_when_the_answer_is_not_of_the_form_then_it_does_not_count(answer: Answer) -> None:
    with standing(answer) as service:
        assert await ask(service.address(), [QUESTION]) == [None]


async def test_third_voice_when_it_does_not_answer_in_time_then_it_is_left_alone() -> None:
    holding = threading.Event()

    def never(_: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        holding.wait(30)
        return 200, {}, b"{}"

    with standing(never) as service:
        try:
            answers = await ask(service.address(seconds=0.3), [QUESTION] * 40)
        finally:
            holding.set()
        assert answers == [None] * 40
        assert len(service.requests) <= 4  # one round, then it is not asked again


async def test_third_voice_when_nobody_listens_then_work_goes_on() -> None:
    with standing(says("1")) as service:
        address = service.address(seconds=5)
    assert await ask(address, [QUESTION]) == [None]


def test_third_voice_when_joined_then_agreement_raises_and_disagreement_asks() -> None:
    rule = Aggregated("1", 0.9, "HCC", "imaging", "r")
    agreed = join(rule, Said("1", 0.99))
    assert (agreed.effect, agreed.case.value) == ("agrees", "1")
    assert 0.9 < agreed.case.confidence < 0.96
    against = join(rule, Said("0", 0.6))
    assert (against.effect, against.case.value, against.case.proposal, against.case.reason) == ("disagrees", "review", "1", "third-voice-disagrees")
    doubt = Aggregated("review", 0.0, "", "hedged", "r", proposal="1")
    assert join(doubt, Said("1", 1.0)).case == doubt  # it never labels alone
    assert join(rule, Said("review", 0.9)).case == rule


@pytest.mark.parametrize("url", ["ftp://host/v1", "https://name:word@host/v1", "https:///v1", "https://host/v1?x=1"])
def test_settings_when_the_address_is_no_plain_one_then_they_are_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="ISOCENTER_THIRD_VOICE_URL"):
        Settings(third_voice_url=url, third_voice_model="m")


def test_settings_when_nothing_is_set_then_the_third_voice_is_off() -> None:
    assert Address.of(Settings()) is None
    with pytest.raises(ValidationError, match="MODEL"):
        Settings(third_voice_url="https://host/v1")


async def opened(tmp_path: Path, service: StandIn) -> AsyncIterator[Ingest]:
    settings = {"third_voice_url": service.url, "third_voice_model": "tiny", "third_voice_key": SecretStr("k")}
    async for ingest in open_ingest("", tmp_path, **settings):
        yield ingest


async def test_import_when_the_third_voice_disagrees_then_the_case_is_asked_about_and_explained(tmp_path: Path) -> None:
    with standing(says("0", 0.9)) as service:
        async for ingest in opened(tmp_path, service):
            for n, text in enumerate(("肝右叶肝细胞癌，张伟明已告知。", "肝右叶囊肿。")):
                write_ct(ingest.root / "i" / f"{n}.dcm", uid=f"1.2.{n}", patient_id=f"100000{n}", accession=f"CT{n}", name="张伟明", seed=n)
                row = imaging_row(accession=f"CT{n}", patient_id=f"100000{n}", impression=text)
                write_table(ingest.root / "t" / f"{n}.csv", [row])
            tables = [{"path": str(ingest.root / "t" / f"{n}.csv"), "kind": "imaging"} for n in range(2)]
            await ingest.run(ingest.root / "i", *tables, diseases=["liver"])
            async with ingest.resources.db.read() as session:
                pointers = [(row.value, row.state) for row in await session.scalars(select(CaseLabel).order_by(CaseLabel.case_id))]
                rows = list(await session.scalars(select(Label).where(Label.source == "model").order_by(Label.case_id)))
            assert pointers == [("review", "review"), ("0", "sure")]
            assert [row.evidence[-1]["effect"] for row in rows] == ["disagrees", "agrees"]
            assert rows[1].confidence > 0.93
            review = (await ingest.call("GET", "/reviews", params={"kind": "label"}))["items"][0]
            assert review["proposal"]["third"] == {"value": "0", "probability": 0.9, "effect": "disagrees"}
            told = await ingest.call("GET", f"/cases/{review['case_key']}/labels/explain")
            assert [voice["value"] for voice in told["voices"]] == ["1", "review"]
            sent = json.dumps(service.requests, ensure_ascii=False)
            assert "张伟明" not in sent
            assert len(service.requests) == 2
            await ingest.run(ingest.root / "i", *tables, diseases=["liver"])  # the same texts are not sent again
            assert len(service.requests) == 2
