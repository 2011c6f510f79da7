"""The S3 store that tests run on answers as the object store will use it (obstore, path style)."""

from __future__ import annotations

import hashlib
import os

import obstore
import pytest
from fixtures.s3 import S3Server, open_bucket


async def test_s3_store_when_object_put_then_reads_whole_and_range_back(s3_store: dict[str, str]) -> None:
    store, data = open_bucket(s3_store), os.urandom(300_000)
    await obstore.put_async(store, "data/影像/a.dcm", data)
    got = await obstore.get_async(store, "data/影像/a.dcm")
    assert bytes(await got.bytes_async()) == data
    assert bytes(await obstore.get_range_async(store, "data/影像/a.dcm", start=1000, end=1500)) == data[1000:1500]
    head = await obstore.head_async(store, "data/影像/a.dcm")
    assert head["size"] == len(data)
    assert str(head["e_tag"]).strip('"') == hashlib.md5(data).hexdigest()


async def test_s3_store_when_key_is_absent_then_raises_file_not_found(s3_store: dict[str, str]) -> None:
    with pytest.raises(FileNotFoundError):
        await obstore.head_async(open_bucket(s3_store), "nothing")


def test_s3_store_when_object_is_large_then_takes_it_in_parts(s3_store: dict[str, str]) -> None:
    store, data = open_bucket(s3_store), os.urandom(1024) * (12 * 1024)
    obstore.put(store, "big", data, use_multipart=True, chunk_size=5 * 1024 * 1024)
    assert hashlib.sha256(obstore.get(store, "big").bytes()).digest() == hashlib.sha256(data).digest()


def test_new_bucket_when_made_twice_then_the_two_do_not_see_each_other(s3_server: S3Server) -> None:
    one, two = s3_server.new_bucket(), s3_server.new_bucket()
    obstore.put(open_bucket(one), "a", b"1")
    assert [meta["path"] for page in obstore.list(open_bucket(one)) for meta in page] == ["a"]
    assert [meta["path"] for page in obstore.list(open_bucket(two)) for meta in page] == []
    s3_server.drop_bucket(one)
    s3_server.drop_bucket(two)
    with pytest.raises(FileNotFoundError):
        obstore.head(open_bucket(one), "a")
