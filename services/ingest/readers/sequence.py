"""MR sequence and CT phase: two independent votes, what people wrote and what the physics says, and doubt where they differ.

Rule order and thresholds: ../shared/facts/images-and-viewers.md A4; attribute meanings: PS3.3 C.8.3.1 (MR Image),
C.8.13 (Enhanced MR), C.8.2.1 (CT Image).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DERIVED_MAPS = ("ADC", "TRACEW", "FA")


@dataclass(frozen=True, slots=True)
class MrEvidence:
    """What a series says about its sequence; times in ms, '' and None where absent."""

    descriptions: tuple[str, ...] = ()
    image_type: tuple[str, ...] = ()
    scanning_sequence: tuple[str, ...] = ()
    sequence_variant: tuple[str, ...] = ()
    sequence_name: str = ""
    acquisition_contrast: str = ""
    tr_ms: float | None = None
    te_ms: float | None = None
    ti_ms: float | None = None
    flip_deg: float | None = None
    b_value: float | None = None
    contrast_agent: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A label with where it came from and why it may be wrong ('' when it is sure)."""

    label: str = ""
    source: str = ""
    doubt: str = ""


def _words(pattern: str) -> re.Pattern[str]:
    """A pattern over text normalised by :func:`_normal`, bounded by anything that is no Latin letter or digit."""
    return re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])")


# First hit wins, so derived maps and special techniques stand before plain weightings.
_MR_TEXT: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ADC", _words(r"e?adc|apparent diffusion\w*|adc ?map") ),
    ("TRACEW", _words(r"trace ?w?|tracew")),
    ("FA", _words(r"(?:col)?fa|fractional anisotropy")),
    ("LOCALIZER", _words(r"loc|locali[sz]ers?\w*|survey\w*|scouts?|aa ?head ?scout\w*|aascout|3 ?(?:-|plane) ?(?:plane)? ?loc\w*|smartbrain")),
    ("FIELDMAP", _words(r"field ?map\w*|fmap\w*|b0 ?map\w*|b0 ns|gre field\w*")),
    ("DWI", _words(r"dwi\w*|dti\w*|diff\w*|hardi|ivim|noddi|dmri|dwibs|resolve|zoomit dwi|b ?=? ?\d{3,4}(?: ?s ?mm2)?")),
    ("ASL", _words(r"(?:p|pc|3d ?)?asl\w*|pcasl\w*")),
    ("PERFUSION", _words(r"perf\w*|dsc|pwi")),
    ("BOLD", _words(r"bold\w*|[ft]?fmri\w*|rs ?fmri|rest(?:ing)?\d*(?: state)?|epi ?rt\w*")),
    ("ANGIO", _words(r"tof\w*|mra|angio\w*|pc ?a|mip|vessel\w*|twist|tricks")),
    ("MRCP", _words(r"mrcp\w*|cholangio\w*")),
    ("SWI", _words(r"swi\w*|swan|t2 ?star\w*|t2\*\w*|hemo")),
    ("FLAIR", _words(r"\w*flair\w*|dark ?fl(?:uid)?")),
    ("STIR", _words(r"stir\w*|tirm\w*|t2 ?ir")),
    ("EPI", _words(r"(?:se ?)?epi\w*|ep2d\w*|(?:se ?)?epi ?(?:pe|asc|desc).*")),
    ("T2", _words(r"t2\w*|haste\w*|ssfse\w*|frfse\w*|true?fisp|fiesta\w*|ciss|space|cube")),
    ("T1", _words(r"t1\w*|m?e?m?p ?rage\w*|mp2rage\w*|(?:f?s)?spgr\w*|bravo|vibe\w*|lava\w*|thrive\w*|flash\w*|tfl\w*|eth?rive\w*")),
    ("PD", _words(r"pd\w*|proton ?dens\w*|rho")),
)  # fmt: skip
_MR_CHINESE: tuple[tuple[str, str], ...] = (
    ("ADC", "表观"), ("LOCALIZER", "定位"), ("DWI", "弥散|扩散"), ("ASL", "自旋标记"), ("PERFUSION", "灌注"), ("BOLD", "功能成像|静息态"),
    ("SWI", "磁敏感"), ("MRCP", "胰胆管|水成像"), ("ANGIO", "血管成像|血管造影"), ("FLAIR", "水抑制|黑水|液体衰减"), ("PD", "质子"),
)  # fmt: skip
_CONTRAST_TEXT = re.compile(
    r"(?<![a-z0-9])(?:gd|gado\w*|post(?!erior)\w*|c\+|\+ ?c|ce|dce\w*|dyn\w*|contrast|enh\w*|arterial|portal|venous|delayed|hbp)(?![a-z0-9])"
    r"|增强|动脉期|门脉期|静脉期|延迟期|肝胆期|动态"
)
_NO_CONTRAST_TEXT = re.compile(
    r"(?<![a-z0-9])(?:pre ?(?:gd|contrast)?|non ?contrast\w*|plain|w ?o(?: contrast)?|without|nc|c-|non ?enh\w*|unenhanced)(?![a-z0-9+])|平扫|无增强|未增强"
)
_NO_AGENT = {"", "NONE", "NO", "N", "N/A", "NA", "UNKNOWN", "NO CONTRAST", "WITHOUT", "-", "0", "无"}


def mr_sequence(evidence: MrEvidence) -> Finding:
    """The sequence of an MR image: both votes agree -> "both"; one alone -> its name, with doubt when the other differs."""
    texts = tuple(_normal(text) for text in evidence.descriptions)
    text, physics = mr_text_vote(texts), mr_physics_vote(evidence)
    if physics in DERIVED_MAPS or physics in ("LOCALIZER", "PHASE"):
        doubt = "" if text in ("", physics, "DWI", "FIELDMAP") or physics == "LOCALIZER" else "text-differs"
        label = "FIELDMAP" if physics == "PHASE" and text == "FIELDMAP" else physics
        return Finding(label, "both" if text == label else "image_type", doubt)
    if _compatible(text, physics):
        return Finding(_finer(text, physics), "both")
    if physics in _all_weightings(texts):
        # "pd+t2" names both echoes of one series; the echo time says which this is.
        return Finding(physics, "both")
    if text and not physics:
        return Finding(text, "description", "physics-silent" if text in ("T1", "T2", "PD", "T1+C", "FLAIR", "STIR", "DWI") else "")
    if physics and not text:
        return Finding(physics, "physics", "" if physics == "DWI" else "description-silent")
    if not text:
        return Finding("", "", "no-evidence")
    # A person's words for a technique outrank thresholds, but a person looks.
    return Finding(text, "description", f"physics-says-{physics.lower()}")


def mr_text_vote(texts: tuple[str, ...]) -> str:
    """The label that descriptions name; the first text that names one decides, '' where none does."""
    for text in texts:
        label = next((name for name, pattern in _MR_TEXT if pattern.search(text)), "")
        label = next((name for name, pattern in _MR_CHINESE if re.search(pattern, text)), label)
        if label in ("", "T1"):
            contrast = bool(_CONTRAST_TEXT.search(text)) and not _NO_CONTRAST_TEXT.search(text)
            if label == "T1" and contrast:
                return "T1+C"
        if label:
            return label
    return ""


def _all_weightings(texts: tuple[str, ...]) -> set[str]:
    """Every plain weighting that one description names."""
    return {name for text in texts[:1] for name, pattern in _MR_TEXT if name in ("T1", "T2", "PD") and pattern.search(text.replace("+", " "))}


def mr_physics_vote(e: MrEvidence) -> str:
    """The label that image type and timing give, '' where they are silent."""
    kinds = set(e.image_type)
    if "ADC" in kinds or "EADC" in kinds:
        return "ADC"
    if "TRACEW" in kinds or "TRACE" in kinds:
        return "TRACEW"
    if "FA" in kinds:
        return "FA"
    if "LOCALIZER" in kinds:
        return "LOCALIZER"
    if ("P" in kinds or "PHASE" in kinds) and "M" not in kinds:
        return "PHASE"
    name = e.sequence_name.lower()
    if (e.b_value or 0) > 0 or "DIFFUSION" in kinds or e.acquisition_contrast == "DIFFUSION" or re.match(r"\*?ep_b|epi_dti|seepi", name):
        return "DWI"
    if "ASL" in kinds or e.acquisition_contrast == "PERFUSION":
        return "ASL" if "ASL" in kinds else "PERFUSION"
    if "TOF" in kinds or e.acquisition_contrast in ("TIME_OF_FLIGHT", "FLOW_ENCODED"):
        return "ANGIO"
    return _by_timing(e, kinds, name)


def _by_timing(e: MrEvidence, kinds: set[str], name: str) -> str:
    scan = set(e.scanning_sequence)
    if "EP" in scan or re.match(r"\*?ep(?:fid|se)", name):
        spin_echo = ("SE" in scan and "epfid" not in name) or "epse" in name
        return "EPI" if spin_echo else "BOLD"
    if "FMRI" in kinds:
        return "BOLD"
    te, tr, ti = e.te_ms, e.tr_ms, e.ti_ms
    inverted = "IR" in scan or bool(ti and "SE" in scan)
    if inverted and te is not None and ti is not None and "GR" not in scan:
        if te > 60 and ti > 1500:
            return "FLAIR"
        if 0 < ti <= 300:
            return "STIR"
    if "SE" in scan or name.startswith(("*tse", "tse", "*se", "se", "*h2d", "fse")):
        if te is None:
            return ""
        if te >= 60:
            return "T2"
        if tr is not None and tr <= 900:
            return _with_contrast("T1", e)
        return "PD" if te < 35 or tr is None or tr > 1500 else ""
    if "GR" in scan and te is not None:
        prepared = "IR" in scan or "MP" in e.sequence_variant
        if prepared or te < 8:
            return _with_contrast("T1", e)
    return ""


def _with_contrast(label: str, e: MrEvidence) -> str:
    return f"{label}+C" if has_agent(e.contrast_agent) else label


def has_agent(stated: str) -> bool:
    """Whether ContrastBolusAgent names an agent; "NONE" and the like occur as values."""
    return stated.strip().upper() not in _NO_AGENT


def _compatible(text: str, physics: str) -> bool:
    if not text or not physics:
        return False
    if text == physics:
        return True
    pairs = {
        ("T1", "T1+C"), ("EPI", "BOLD"), ("BOLD", "EPI"), ("ASL", "BOLD"), ("ASL", "PERFUSION"), ("PERFUSION", "BOLD"), ("DWI", "EPI"),
        ("ANGIO", "T1"), ("ANGIO", "T1+C"), ("SWI", "T1"), ("MRCP", "T2"), ("T1+C", "T1"), ("LOCALIZER", "T1"), ("FIELDMAP", "T1"),
        ("ADC", "DWI"), ("TRACEW", "DWI"), ("FA", "DWI"), ("FIELDMAP", "EPI"), ("LOCALIZER", "T2"), ("STIR", "T2"), ("FLAIR", "T2"),
    }  # fmt: skip
    return (text, physics) in pairs


def _finer(text: str, physics: str) -> str:
    if (text, physics) == ("T1", "T1+C"):
        return "T1+C"
    return "BOLD" if {text, physics} == {"EPI", "BOLD"} else text


# ------------------------------------------------------------------------------------------------------------- CT phase

_CT_ANGIO = re.compile(r"(?<![a-z0-9])(?:cta\w*|angio\w*|coronary|aort\w*|runoff)(?![a-z0-9])|血管|冠脉|造影")
_CT_ENHANCED = re.compile(
    r"(?<![a-z0-9])(?:c\+|\+ ?c|ce ?ct|ce|with contrast|post ?contrast|contrast|enhanced|enh|arterial\w*|art|portal\w*|pv|venous|delay\w*|late"
    r"|nephro\w*|parenchym\w*|iv contrast|w contrast)(?![a-z0-9])|增强|动脉期|门脉期|静脉期|延迟期|实质期|强化"
)
_CT_PLAIN = re.compile(
    r"(?<![a-z0-9])(?:plain|non ?-?contrast|non ?-?enhanced|unenhanced|without(?: contrast)?|w ?/? ?o|ncct|nect|nc|c-|pre ?contrast|native)"
    r"(?![a-z0-9+])|平扫|非增强"
)


def ct_phase(descriptions: tuple[str, ...], contrast_agent: str, image_type: tuple[str, ...]) -> Finding:
    """plain, enhanced or angiography (平扫, 增强, 造影). The agent attribute is often unset on enhanced series and left over
    on plain ones, so alone it never makes a phase sure."""
    agent = has_agent(contrast_agent)
    text = ""
    for description in descriptions:
        spaced = _normal(description)
        if _CT_PLAIN.search(spaced):
            text = "plain"
        elif _CT_ANGIO.search(spaced):
            text = "angiography"
        elif _CT_ENHANCED.search(spaced):
            text = "enhanced"
        if text:
            break
    if text == "plain":
        return Finding(text, "description", "agent-stated") if agent else Finding(text, "both" if contrast_agent.strip() else "description")
    if text:
        return Finding(text, "both" if agent else "description")
    if {"MIP", "VRT"} & set(image_type) and agent:
        return Finding("angiography", "image_type", "description-silent")
    if agent:
        return Finding("enhanced", "physics", "description-silent")
    if contrast_agent.strip():
        return Finding("plain", "physics", "description-silent")
    return Finding("", "", "no-evidence")


def _normal(text: str) -> str:
    """Lower case, with separators that people type between words as blanks; + and - stay where they mean contrast."""
    lowered = text.lower().replace("＋", "+")
    return re.sub(r"[_/\\.,;:()\[\]{}<>=^|]+", " ", lowered)
