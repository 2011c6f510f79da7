"""The card of a dataset version, as a document and as markdown in both languages (the paper's 标注方式, 标注意义, 图像存储格式)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_METHODS = {
    "rule": ("by rules from report text, unsure ones decided by a reviewer", "由规则从报告文本提取，不确定者由审核人员判定"),
    "model": ("by a model", "由模型给出"),
    "reviewer": ("decided by a reviewer", "由审核人员判定"),
    "provided": ("provided with the data", "随数据提供"),
}
_FORMATS = {
    "DICOM": "one folder a series, one .dcm file an instance in geometric order, transfer syntax as received",
    "NIFTI": "one .nii or .nii.gz file a series",
    "PNG": "one .png file a series",
    "JPEG": "one .jpg file a series",
    "WSI": "one pyramidal tiled TIFF a slide, without label and macro image",
}
_LIMITS = (
    (
        "Dates are shifted by a whole number of days per patient: intervals within a patient hold, calendar dates do not.",
        "日期按患者整体平移：同一患者内的间隔有效，日历日期无效。",
    ),
    ("Ages above 89 are given as 90.", "89 岁以上统一记为 90 岁。"),
    ("Faces in head scans are not removed.", "头部扫描未做去面部处理。"),
    (
        "Labels by rules can be wrong; label_source, label_state and label_confidence say how each was made.",
        "规则标注可能有误；每条标注的来源、状态与置信度见 labels.csv。",
    ),
)
_LEFT_OUT = {
    "no_label": "no label / 无标注",
    "review": "label waits for a person, or its state was not asked for / 标注待审核或状态不符",
    "held": "no released image yet / 图像尚未放行",
    "null": "lack a value the filter asks for / 缺少筛选所需的值",
    "balance": "left out to balance the classes / 为平衡类别而未纳入",
    "withdrawn": "withdrew after an earlier version / 在先前版本之后退出",
}
_BALANCE = {
    "under": "under-sampling: as many patients of each class as of the smallest / 欠采样",
    "over": "over-sampling: `repeats` in labels.csv says how often to take a case / 过采样",
    "weights": "class weights: `weight` in labels.csv / 类别权重",
}


@dataclass(frozen=True, slots=True)
class About:
    """What stands on a card beside the manifest. ``classes`` are (code, title_en, title_zh)."""

    name: str
    number: int
    title: str
    description: str
    licence: str
    disease: tuple[str, str]  # title_en, title_zh
    scheme: tuple[str, str]
    meaning: tuple[str, str]
    classes: tuple[tuple[str, str, str], ...]

    def at(self, number: int) -> About:
        """The same for a version of this number."""
        return replace(self, number=number)


def make_card(about: About, manifest: Mapping[str, Any], counts: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """The card as a document; ``markdown`` in it is :func:`markdown` of the rest."""
    sources = sorted({row["label_source"] for row in manifest["labels"]})
    classes = [{"code": code, "title_en": en, "title_zh": zh} for code, en, zh in about.classes]
    card: dict[str, Any] = {
        "reference": f"{about.name}@{about.number}",
        "title": about.title or about.name,
        "description": about.description,
        "disease": {"code": manifest["disease"], "title_en": about.disease[0], "title_zh": about.disease[1]},
        "annotation_method": {"sources": sources, "en": _join(sources, 0), "zh": _join(sources, 1), "states": list(manifest["label_states"])},
        "annotation_meaning": {
            "scheme": f"{manifest['scheme']['code']} v{manifest['scheme']['number']}",
            "title_en": about.scheme[0],
            "title_zh": about.scheme[1],
            "en": about.meaning[0] or "; ".join(f"{code} = {en}" for code, en, _ in about.classes),
            "zh": about.meaning[1] or "；".join(f"{code} = {zh}" for code, _, zh in about.classes),
            "classes": classes,
        },
        "image_storage_format": {name: _FORMATS.get(name, "as received") for name in sorted(counts["by_format"])},
        "counts": dict(counts),
        "query": manifest["query"],
        "split": manifest["split"],
        **{name: manifest[name] for name in ("balance", "folds") if name in manifest},
        "policies": manifest["policies"],
        "licence": about.licence,
        "digest": digest,
        "limits": [{"en": en, "zh": zh} for en, zh in _LIMITS],
    }
    return card | {"markdown": markdown(card)}


def markdown(card: Mapping[str, Any]) -> str:
    """The card as a page to read, English and Chinese side by side."""
    disease, method, meaning, counts = card["disease"], card["annotation_method"], card["annotation_meaning"], card["counts"]
    lines = [
        f"# {_plain(card['title'])}",
        "",
        f"`{card['reference']}` · sha256 `{card['digest']}`",
        "",
        _plain(card["description"]) or "(no description)",
        "",
        f"- Disease / 疾病: {_plain(disease['title_en'])} / {_plain(disease['title_zh'])} (`{disease['code']}`)",
        f"- Annotation method / 标注方式: {method['en']} / {method['zh']}",
        f"- Annotation meaning / 标注意义: {_plain(meaning['en'])} / {_plain(meaning['zh'])} (`{meaning['scheme']}`)",
        f"- Image storage format / 图像存储格式: {', '.join(card['image_storage_format']) or '-'}",
        f"- Licence / 许可: {_plain(card['licence']) or 'not stated / 未注明'}",
        "",
        "## Counts / 数量",
        "",
        "| cases 病例 | series 序列 | files 文件 | bytes 字节 |",
        "|---|---|---|---|",
        f"| {counts['cases']} | {counts['series']} | {counts['files']} | {counts['size_bytes']} |",
        "",
        "| label 标注 | meaning 含义 | cases 病例 |",
        "|---|---|---|",
    ]
    lines += [f"| {c['code']} | {_plain(c['title_en'])} / {_plain(c['title_zh'])} | {counts['by_label'].get(c['code'], 0)} |" for c in meaning["classes"]]
    if card["split"]:
        lines += ["", f"## Split / 划分 (patients, stratified by label, seed {card['split']['seed']})", "", "| part 部分 | cases 病例 |", "|---|---|"]
        lines += [f"| {name} | {found['cases']} |" for name, found in counts["by_split"].items()]
    if balance := card.get("balance"):
        parts = ", ".join(filter(None, balance["parts"])) or "all / 全部"
        lines += ["", f"## Balance / 类别平衡 (patients, seed {balance['seed']})", "", f"- {_BALANCE[balance['method']]} ({parts})"]
    if folds := card.get("folds"):
        found = ", ".join(f"{name}: {number}" for name, number in counts.get("by_fold", {}).items())
        lines += ["", f"## Folds / 折 (patients, stratified by label, seed {folds['seed']})", "", f"- {folds['number']} ({found})"]
    left = counts["left_out"]
    lines += ["", "## Left out / 未纳入", "", *(f"- {_LEFT_OUT[name]}: {number}" for name, number in left.items())]
    lines += ["", "## Image files / 图像文件", "", *(f"- {name}: {text}" for name, text in card["image_storage_format"].items())]
    lines += ["", "## Policies / 规则版本", ""]
    lines += [f"- {kind}: {p['scope']} v{p['number']} (sha256 `{p['sha256'][:12]}`)" for kind, found in card["policies"].items() for p in found]
    lines += ["", "## Limits / 局限", "", *(f"- {limit['en']} {limit['zh']}" for limit in card["limits"]), ""]
    return "\n".join(lines)


def _join(sources: list[str], language: int) -> str:
    return ("; ", "；")[language].join(_METHODS.get(source, (source, source))[language] for source in sources) or "-"


def _plain(text: str) -> str:
    """A person's text without what would be markup or a line of its own."""
    return " ".join(text.replace("|", "/").replace("<", "(").replace(">", ")").split())
