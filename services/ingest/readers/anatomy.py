"""Which part of the body a header, description or file name speaks of, in Chinese and English."""

from __future__ import annotations

import re

# Defined terms of PS3.16 Annex L where there is one. First hit in this order wins: an organ before the region around it.
_WORDS: tuple[tuple[str, str], ...] = (
    ("PANCREAS", r"pancrea\w*|胰"),
    ("LIVER", r"liver|hepat\w*|肝"),
    ("BREAST", r"breast|mammo\w*|乳腺|乳房|钼靶"),
    ("LUNG", r"lungs?|pulmon\w*|肺"),
    ("PROSTATE", r"prostat\w*|前列腺"),
    ("KIDNEY", r"kidneys?|renal|urogram|ctu|肾"),
    ("GALLBLADDER", r"gallbladder|biliary|mrcp|胆"),
    ("STOMACH", r"stomach|gastric|胃"),
    ("COLON", r"colon|colorect\w*|rectum|rectal|结肠|直肠"),
    ("UTERUS", r"uter\w+|cervical cancer|子宫|宫颈"),
    ("THYROID", r"thyroid|甲状腺"),
    ("HEART", r"heart|cardiac|coronary|心脏|冠脉|冠状动脉"),
    ("HEAD", r"head|skull|cranial|头颅|头部"),
    ("BRAIN", r"brain|cerebr\w*|颅脑|脑"),
    ("NECK", r"neck|颈部"),
    ("CSPINE", r"c-?spine|cervical spine|颈椎"),
    ("LSPINE", r"l-?spine|lumbar|腰椎"),
    ("SPINE", r"spine|脊柱|胸椎"),
    ("CHEST", r"chest|thora\w+|胸"),
    ("PELVIS", r"pelvi\w+|hip|盆腔|骨盆|髋"),
    ("ABDOMEN", r"abdom\w*|abd|腹"),
    ("KNEE", r"knee|膝"),
    ("SHOULDER", r"shoulder|肩"),
    ("EXTREMITY", r"extremit\w+|ankle|wrist|foot|hand|elbow|踝|腕|足|手部|肘"),
    ("EYE", r"retina\w*|fundus|ophthalm\w*|眼"),
)
_COMPILED = tuple((part, re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.IGNORECASE)) for part, words in _WORDS)
_NOTHING = {"", "NONE", "UNKNOWN", "UNDEFINED", "OTHER", "UNSPECIFIED", "N/A", "NA", "-"}


def body_part(header_value: str, descriptions: tuple[str, ...]) -> tuple[str, str]:
    """(body part in upper case, source): the header's own value, else an organ word in the descriptions, else ('', '')."""
    stated = re.sub(r"\s+", " ", header_value).strip().upper()
    if stated not in _NOTHING:
        # A Chinese or free-text value of BodyPartExamined is brought to the defined term where it names one.
        return (stated if stated.isascii() else part_in(stated) or stated), "header"
    for text in descriptions:
        part = part_in(text)
        if part:
            return part, "description"
    return "", ""


def part_in(text: str) -> str:
    """The body part a text names first by specificity, '' where it names none."""
    spaced = text.replace("_", " ")
    return next((part for part, pattern in _COMPILED if pattern.search(spaced)), "")
