"""Cut a whole report into its sections by the headings people write, in Chinese and English."""

from __future__ import annotations

import re
from functools import lru_cache

from services.ingest.report_records import ReportKind, Sections

_HEADINGS: dict[str, tuple[str, ...]] = {
    "exam": ("检查方法", "检查技术", "检查项目", "检查部位", "检查名称", "扫描方法", "扫描技术", "examination", "exam", "technique", "procedure", "study", "protocol"),
    "specimen": ("送检标本", "标本名称", "送检部位", "送检物", "标本", "specimens?(?: submitted| received)?", "tissue submitted", "source of specimen"),
    "history": (
        "临床病史", "简要病史", "现病史", "既往史", "家族史", "病史摘要", "病史", "临床诊断", "临床资料", "临床信息", "临床表现", "检查目的", "主诉", "入院诊断", "术前诊断",
        "clinical (?:history|information|indication|data|details|diagnosis)", "history", "indications?", "reason for (?:exam(?:ination)?|study)",
        "pre-?op(?:erative)? diagnosis", "past medical history", "family history",
    ),
    "findings": (
        "影像所见", "检查所见", "影像学表现", "影像表现", "影像描述", "超声所见", "放射学表现", "ct所见", "mri?所见", "检查描述", "所见", "描述",
        "findings?", "report", "observations?",
    ),
    "gross": ("肉眼所见", "大体描述", "大体所见", "大体检查", "巨检", "大体", "gross(?: description| examination| findings)?", "macroscopic(?: description| examination)?"),
    "microscopic": ("镜下所见", "镜检所见", "镜下描述", "光镜所见", "镜检", "镜下", "microscopic(?: description| examination| findings)?", "microscopy", "histology"),
    "impression": (
        "诊断意见", "影像诊断", "影像学诊断", "诊断印象", "检查结论", "病理诊断", "病理学诊断", "最终诊断", "超声提示", "检查提示", "放射学诊断", "诊断结果", "诊断结论", "印象",
        "结论", "诊断", "意见", "提示", "补充诊断", "更正诊断", "补充报告", "更正报告",
        "impressions?", "conclusions?", "(?:final |pathologic(?:al)? |final pathologic(?:al)? |amended |revised |corrected )?diagnosis", "opinion", "summary",
        "interpretation", "addendum(?: diagnosis)?",
    ),
    "comparison": ("比较", "对比", "comparisons?"),
    "none": ("建议", "备注", "报告医[师生]", "审核医[师生]", "报告日期", "免疫组化", "recommendations?", "comments?", "notes?", "electronically signed by"),
}  # fmt: skip


@lru_cache(maxsize=1)
def _heading() -> re.Pattern[str]:
    groups = "|".join(f"(?P<{name}>{'|'.join(sorted(words, key=len, reverse=True))})" for name, words in _HEADINGS.items())
    # a heading opens a line or follows a sentence, and is followed by a colon, or is in brackets of its own, or alone on its line
    opening = r"(?:^|(?<=[\n。；;.!?】\]])|(?<=[\n。；;.!?】\]]\s))[ \t]*(?:\d[.、)]\s*)?"
    return re.compile(rf"{opening}(?:[【\[](?:{groups})[】\]]\s*[:：]?|(?:{_bare(groups)})[ \t]*(?:[:：]|(?=\r?\n)))", re.IGNORECASE | re.MULTILINE)


def _bare(groups: str) -> str:
    """The same alternatives under other group names, since a name may stand only once in a pattern."""
    return re.sub(r"\(\?P<(\w+)>", r"(?P<\1_>", groups)


def split_sections(text: str, kind: ReportKind) -> Sections:
    """Sections of a whole report. Without any heading all of it is the impression (one text speaks for itself).

    Text before the first heading counts as findings (imaging) or specimen (pathology). Comparison, comments and
    signatures are joined to the findings, so that nothing is lost.
    """
    marks = list(_heading().finditer(text))
    if not any((mark.lastgroup or "").rstrip("_") in ("findings", "impression", "gross", "microscopic") for mark in marks):
        return Sections(impression=text.strip())
    rest = "findings" if kind is ReportKind.IMAGING else "microscopic"
    found: dict[str, list[str]] = {}
    lead = text[: marks[0].start()].strip()
    if lead:
        found.setdefault(rest if kind is ReportKind.IMAGING else "specimen", []).append(lead)
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name = (mark.lastgroup or "").rstrip("_")
        body = text[mark.end() : following.start() if following else len(text)].strip(" \t\n:：")
        # a signature, comment or immunostain keeps its heading where it is appended
        body, name = (text[mark.start() : mark.end()].strip() + body, rest) if name in ("none", "comparison") else (body, name)
        if body:
            found.setdefault(name, []).append(body)
    return Sections(**{name: "\n".join(bodies) for name, bodies in found.items()})
