"""The report of a disease (the paper's 医疗数据信息报表) as a printable page or a workbook, in Chinese or English."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from openpyxl import Workbook
from openpyxl.styles import Font

Cell = str | int | float | None

WORDS: dict[str, tuple[str, str]] = {  # English, Chinese
    "title": ("Medical data report", "医疗数据信息报表"),
    "disease": ("Disease", "疾病"),
    "made": ("Made at (UTC)", "生成时间（UTC）"),
    "by": ("Made by", "生成人"),
    "scope": ("What this account may see", "统计范围：本账号可见的数据"),
    "summary": ("Summary", "基本信息"),
    "cases": ("Cases", "病例"),
    "series": ("Image series", "影像序列"),
    "instances": ("Images", "影像数"),
    "bytes": ("Size in bytes", "大小（字节）"),
    "missing": ("unknown", "不详"),
    "value": ("Value", "值"),
    "none": ("No label", "未标注"),
    "review": ("In review", "待审核"),
    "sure": ("Sure", "确定"),
    "decided": ("Decided by a person", "人工确定"),
    "imaging": ("Imaging report", "影像报告"),
    "pathology": ("Pathology report", "病理报告"),
    "F": ("Female", "女"),
    "M": ("Male", "男"),
    "O": ("Other", "其他"),
    "age_band": ("Age at an examination", "检查时年龄"),
    "list": ("Cases one by one", "病例清单"),
    "key": ("Case", "病例编号"),
    "sex": ("Sex", "性别"),
    "age": ("Age", "年龄"),
    "label": ("Label", "标注"),
    "label_state": ("State of the label", "标注状态"),
    "modalities": ("Modalities", "检查模态"),
    "studies": ("Studies", "检查数"),
    "reports": ("Reports", "报告数"),
    "cut": ("Only the first {number} cases are listed.", "仅列出前 {number} 个病例。"),
}
STYLE = (
    "body{font:14px/1.5 'Noto Sans','Noto Sans SC',sans-serif;margin:2rem;color:#111}table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
    "caption{text-align:left;font-weight:bold;padding:.3rem 0}th,td{border:1px solid #999;padding:.2rem .6rem;text-align:left}"
    "td.number{text-align:right}@media print{body{margin:0}thead{display:table-header-group}tr{break-inside:avoid}}"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A named table; its first row is the heads."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What stands on paper, in one language."""

    title: str
    about: Sequence[tuple[str, str]]
    tables: Sequence[Table]
    language: str


def word(name: str, language: str) -> str:
    """The text of a word of ours; a name we have none for stays as it is."""
    return WORDS[name][1 if language == "zh-CN" else 0] if name in WORDS else name


def about(title: str, who: str, moment: datetime, language: str) -> list[tuple[str, str]]:
    made = f"{moment:%Y-%m-%d %H:%M}"
    return [(word("disease", language), title), (word("made", language), made), (word("by", language), who), (word("scope", language), "")]


def as_html(report: Report) -> bytes:
    """One page without scripts or outside files; every text is escaped."""
    parts = [f'<!doctype html><html lang="{report.language}"><head><meta charset="utf-8"><title>{html.escape(report.title)}</title>']
    parts.append(f"<style>{STYLE}</style></head><body><h1>{html.escape(report.title)}</h1><p>")
    parts.append("<br>".join(html.escape(f"{name}: {value}" if value else name) for name, value in report.about) + "</p>")
    for table in report.tables:
        parts.append(f"<table><caption>{html.escape(table.title)}</caption><thead><tr>")
        parts += [f'<th scope="col">{html.escape(head)}</th>' for head in table.heads]
        parts.append("</tr></thead><tbody>")
        for row in table.rows:
            parts.append("<tr>" + "".join(_cell(value) for value in row) + "</tr>")
        parts.append("</tbody></table>" + (f"<p>{html.escape(table.note)}</p>" if table.note else ""))
    parts.append("</body></html>")
    return "".join(parts).encode()


def _cell(value: Cell) -> str:
    number = ' class="number"' if isinstance(value, int | float) else ""
    return f"<td{number}>{html.escape('' if value is None else str(value))}</td>"


def as_xlsx(report: Report) -> bytes:
    """A sheet a table; texts that a spreadsheet would run as a formula are kept as text."""
    book = Workbook()
    book.remove(book.active)
    first = book.create_sheet(report.title[:31])
    for pair in report.about:
        first.append([_safe(value) for value in pair])
    for table in report.tables:
        sheet = book.create_sheet("".join(" " if letter in "[]:*?/\\" else letter for letter in table.title)[:31])
        sheet.append([_safe(head) for head in table.heads])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        sheet.freeze_panes = "A2"
        for row in table.rows:
            sheet.append([_safe(value) for value in row])
        if table.note:
            sheet.append([_safe(table.note)])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _safe(value: Cell) -> Cell:
    if not isinstance(value, str):
        return value
    text = "".join(letter for letter in value if letter >= " ")
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
