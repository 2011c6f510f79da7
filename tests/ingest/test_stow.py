"""STOW-RS: what is sent, what is answered, and what is in the catalog afterwards (PS3.18 10.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingest_samples import write_ct
from ingest_service import Ingest


def multipart(files: list[bytes], boundary: str = "xyz") -> tuple[bytes, dict[str, str]]:
    body = b"".join(f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + data + b"\r\n" for data in files) + f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}'}


async def send(ingest: Ingest, files: list[bytes], status: int) -> Any:
    from isocenter.auth import PRINCIPAL_HEADER, sign

    body, headers = multipart(files)
    headers[PRINCIPAL_HEADER] = sign(ingest.who, ingest.resources.key)
    answer = await ingest.http.post("/dicom-web/studies", params={"hospital": "H1"}, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_stow_when_all_are_good_then_200_and_the_sent_uids_are_named(ingest: Ingest, tmp_path: Path) -> None:
    files = [write_ct(tmp_path / f"{n}.dcm", uid="1.2.3", number=n).read_bytes() for n in (1, 2)]
    dataset = await send(ingest, files, 200)
    assert [item["00081155"]["Value"] for item in dataset["00081199"]["Value"]] == [["1.2.3.1.1"], ["1.2.3.1.2"]]
    assert "00081198" not in dataset
    again = await send(ingest, files, 202)
    assert {item["00081196"]["Value"][0] for item in again["00081199"]["Value"]} == {0xB000}
    assert list(ingest.resources.staging.list("")) == []


async def test_stow_when_one_is_no_dicom_then_202_and_it_is_named_as_failed(ingest_here: Ingest, tmp_path: Path) -> None:
    good = write_ct(tmp_path / "a.dcm", uid="1.2.3").read_bytes()
    dataset = await send(ingest_here, [good, bytes(range(256)) * 4], 202)
    assert len(dataset["00081199"]["Value"]) == 1
    assert dataset["00081198"]["Value"][0]["00081197"]["Value"] == [0xC000]


async def test_stow_when_nothing_can_be_stored_then_409(ingest_here: Ingest) -> None:
    dataset = await send(ingest_here, [b"nothing"], 409)
    assert "00081199" not in dataset


async def test_stow_when_the_body_is_something_else_then_a_clear_problem(ingest_here: Ingest) -> None:
    from isocenter.auth import PRINCIPAL_HEADER, sign

    for headers, body in (
        ({"Content-Type": "application/json"}, b"{}"),
        ({"Content-Type": 'multipart/related; type="image/jpeg"; boundary=x'}, b""),
        ({"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}, b"garbage"),
    ):
        signed = headers | {PRINCIPAL_HEADER: sign(ingest_here.who, ingest_here.resources.key)}
        answer = await ingest_here.http.post("/dicom-web/studies", content=body, headers=signed)
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"]
