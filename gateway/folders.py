"""``isocenter deidentify``: a folder of images into another one, without a catalog."""

from __future__ import annotations

import secrets
from pathlib import Path

from isocenter.keys import KEY_BYTES, SiteKey, create_key_file, read_key_file
from services.ingest.deidentify.folder import REPORT_NAME, deidentify_folder
from services.ingest.deidentify.policy import load_policy


def deidentify(source: Path, destination: Path, key_file: Path | None) -> list[str]:
    """What to tell the person: how many files of each outcome, and where the report is."""
    key = SiteKey(secrets.token_bytes(KEY_BYTES)) if key_file is None else read_key_file(key_file) if key_file.exists() else create_key_file(key_file)
    result = deidentify_folder(source, destination, key, load_policy())
    told = [f"{count:8d}  {outcome.value}" for outcome, count in sorted(result.counts.items())]
    told.append(f"The outcome of each file, by its ordinal, is in {REPORT_NAME} in the destination folder.")
    if key_file is None:
        told.append("The key was used once and is gone: files of the same patients done another time get other pseudonyms. Keep one with --key-file.")
    return told
