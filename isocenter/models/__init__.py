"""All tables of the catalog, by noun (design.md section 7)."""

from isocenter.models.accounts import Account, AuditEvent, Grant, LoginThrottle, Member, Project, Session, SiteState, Token
from isocenter.models.base import Base, now
from isocenter.models.clinical import (
    Case,
    CaseStudy,
    CatalogRevision,
    Change,
    DoomedObject,
    ExamTally,
    IdentityCapsule,
    Instance,
    Patient,
    PatientIdentity,
    Report,
    ReportText,
    Resource,
    Series,
    Slide,
    Stack,
    StoreGate,
    Study,
    Tombstone,
)
from isocenter.models.datasets import Dataset, DatasetMember, DatasetVersion, Export
from isocenter.models.diseases import Disease, Hospital, LabelClass, LabelScheme, PolicyVersion, RuleProposal, SavedSearch
from isocenter.models.imports import Import, ImportBatch, ImportItem
from isocenter.models.labels import CaseLabel, FilledValue, Label, Link, Review, ReviewDecision
from isocenter.models.servers import Alert, HostSample, Notice, ServiceSample, Silence, TakenBody

__all__ = [
    "Account", "Alert", "AuditEvent", "Base", "Case", "CaseLabel", "CaseStudy", "CatalogRevision", "Change", "Dataset", "DatasetMember",
    "DatasetVersion", "Disease", "DoomedObject", "ExamTally", "Export", "FilledValue", "Grant", "Hospital", "HostSample", "IdentityCapsule",
    "Import", "ImportBatch", "ImportItem", "Instance", "Label", "LabelClass", "LabelScheme", "Link", "LoginThrottle", "Member", "Notice", "Patient",
    "PatientIdentity", "PolicyVersion", "Project", "Report", "ReportText", "Resource", "Review", "ReviewDecision", "RuleProposal", "SavedSearch",
    "Series", "ServiceSample", "Session", "Silence", "SiteState", "Slide", "Stack", "StoreGate", "Study", "TakenBody", "Token", "Tombstone", "now",
]  # fmt: skip
