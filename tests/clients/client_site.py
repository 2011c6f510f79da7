"""The platform as a script of another maker sees it."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb_client.api import DICOMwebClient
from fixtures.running import Platform
from pydicom.dataset import Dataset

STUDIES, SERIES, SLICES = 2, 2, 3


@dataclass
class Site:
    """What was sent to the platform, and how scripts reach it."""

    platform: Platform
    token: str
    sent: list[Dataset]
    answered: Dataset  # to the store

    @property
    def dicomweb(self) -> str:
        return f"{self.platform.url}/dicom-web"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def client(self) -> DICOMwebClient:
        return DICOMwebClient(self.dicomweb, headers=self.headers)
