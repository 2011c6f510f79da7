"""Take identifying values out of report text: what the link knows of the patient, and what looks like such a value by itself.

Values become placeholders that say what stood there ([姓名], [PHONE]); dates move by the patient's shift and keep their form.
PS3.15 has no clause for free text; the kinds follow the identifiers of HIPAA 164.514(b)(2) and GB/T 35273.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.ingest.deidentify.text_dates import date_spans
from services.ingest.names import parse_name, written_forms
from services.ingest.normalise import fold, number_key
from services.ingest.report_records import Scrubbed

AGE_MAX = 89  # ages above are written as 90 (HIPAA safe harbor)
PLACEHOLDERS = {
    "age": ("[年龄]", "[AGE]"), "name": ("[姓名]", "[NAME]"), "phone": ("[电话]", "[PHONE]"), "id": ("[证件号]", "[ID]"), "number": ("[编号]", "[NUMBER]"),
    "email": ("[邮箱]", "[EMAIL]"), "address": ("[地址]", "[ADDRESS]"), "hospital": ("[医院]", "[HOSPITAL]"), "date": ("[日期]", "[DATE]"),
}  # fmt: skip
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑谢罗梁宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严"
    "覃武戴莫孔向汤常温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农"
    "司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻"
    "傅萧赖濮寿习宦庾暨殳沃蔚夔厍訾竺桓闾缑谯檀莘郦扶逄揭哈"
    "仉位厉伊仝区郜海阚花权强帅屠豆朴盖练廉禹井祖漆巴丰支卿国狄平计索宣晋相初门云容敬来扈晁芮都普阙浦戈伏鹿薄邸雍辜羊阎乌母裘亓修邰赫杭况那宿鲜印逯隆茹诺战慕危玉银亢公"
)  # fmt: skip
_COMPOUND = "欧阳|上官|司马|诸葛|司徒|东方|皇甫|尉迟|公孙|慕容|令狐|夏侯|长孙|宇文"
_HAN_NAME = rf"(?:(?:{_COMPOUND})[\u4e00-\u9fff]{{1,2}}|[{SURNAMES}][\u4e00-\u9fff·]{{1,2}})"
_LATIN_NAME = r"(?-i:[A-Z][a-zA-Z'\-]+(?:[ ]+[A-Z]\.?)?(?:,?[ ]+[A-Z][a-zA-Z'\-]+){1,2}|[A-Z][a-zA-Z'\-]{2,})"
_NOT_A_NAME = "(?!建议|查房|会诊|阅片|签名|签字|意见|认为|要求|考虑|陪同|联系|同意|审核|复核|报告|诊断|电话|工作|姓名|共同|协同|双人|集体|讨论|沟通|未|已|请|无)"
_GENERIC_HOSPITAL = "".join(f"(?<!{word})" for word in ("上级", "当地", "外地", "我", "本", "该", "某", "原", "其他", "其它", "综合", "专科", "上述", "各级", "下级", "基层", "外", "到", "在", "去", "大", "肿瘤专科"))
_DOCTOR = "(?:报告|审核|申请|诊断|检查|病理|主治|主管|经治|初诊|复诊|复核|送检|开单|会诊|取材|记录|管床|签发|手术|主刀|操作|录入|书写|阅片|初步|责任)"
_COMMON_LATIN = frozenset(
    "may june april august white black brown green gray grey rose long short young little small large hill wood stone field day summer winter"
    " head neck hand foot leg bone rib lung liver mass low high left right center central page price case wall ball bell park lake rice bush".split()
)  # fmt: skip


_INITIAL = re.compile(r" [A-Z]\.?(?![A-Za-z])")  # a middle initial after a latin name


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    kind: str
    replacement: str | None = None  # None: the placeholder of its kind


def scrub(text: str, known: Sequence[str] = (), shift_days: int = 0) -> Scrubbed:
    """The text with placeholders, and how many values of each kind went.

    ``known``: raw strings of the patient and staff (names in any written form, numbers), found blank-, case-, width- and
    script-insensitively and as pinyin. Dates move by ``shift_days``; a date that cannot be (31.02.2021) becomes [日期].
    """
    if not text:
        return Scrubbed("", {})
    folded = fold(text)
    spans: list[_Span] = []
    for found in (_known(text, folded, tuple(known)), _patterns(text, folded), _dates(folded, shift_days), _ages(folded)):
        spans += [span for span in found if all(span.end <= other.start or span.start >= other.end for other in spans)]
    language = 0 if re.search(r"[\u4e00-\u9fff]", text) else 1
    pieces, at = [], 0
    counts: Counter[str] = Counter()
    for span in sorted(spans, key=lambda s: s.start):
        pieces += [text[at : span.start], PLACEHOLDERS[span.kind][language] if span.replacement is None else span.replacement]
        counts[span.kind] += 1
        at = span.end
    return Scrubbed("".join([*pieces, text[at:]]), dict(counts))


@dataclass(frozen=True, slots=True)
class _KnownForm:
    squeezed: str  # folded, without blanks and marks
    kind: str
    single: bool  # a lone latin word: only where it is written with a capital


@lru_cache(maxsize=4096)
def _forms(known: tuple[str, ...]) -> tuple[_KnownForm, ...]:
    """What to look for, longest first."""
    forms: dict[str, _KnownForm] = {}
    for value in known:
        name = parse_name(value)
        if any(character.isdigit() for character in value):
            number = re.sub(r"[\W_]+", "", fold(value))
            for form in (number, number_key(value).lower()):
                if len(form) >= 4:
                    forms.setdefault(form, _KnownForm(form, "number", False))
        elif name:
            for written in written_forms(value):
                form = re.sub(r"[\W_]+", "", fold(written))
                latin = form.isascii()
                single = latin and form in name.tokens
                if len(form) >= (3 if latin else 2) and not (single and form in _COMMON_LATIN):
                    forms.setdefault(form, _KnownForm(form, "name", single))
        elif len(value.strip()) >= 4:
            form = re.sub(r"[\W_]+", "", fold(value))
            forms.setdefault(form, _KnownForm(form, "number", False))
    return tuple(sorted(forms.values(), key=lambda form: -len(form.squeezed)))


def _known(text: str, folded: str, known: tuple[str, ...]) -> list[_Span]:
    forms = _forms(known)
    if not forms:
        return []
    positions = [n for n, character in enumerate(folded) if character.isalnum()]
    squeezed = "".join(folded[n] for n in positions)
    found: list[_Span] = []
    for form in forms:
        at = squeezed.find(form.squeezed)
        while at >= 0:
            start, end = positions[at], positions[at + len(form.squeezed) - 1] + 1
            if _whole(folded, start, end) and _compact(folded, start, end) and (not form.single or text[start].isupper()):
                initial = _INITIAL.match(text, end) if form.kind == "name" and form.squeezed.isascii() else None
                found.append(_Span(start, initial.end() if initial else end, form.kind))
            at = squeezed.find(form.squeezed, at + 1)
    kept: list[_Span] = []
    for span in found:
        if all(span.end <= other.start or span.start >= other.end for other in kept):
            kept.append(span)
    return kept


def _whole(folded: str, start: int, end: int) -> bool:
    """Not inside a longer latin word or number."""

    def same(a: str, b: str) -> bool:
        return a.isascii() and b.isascii() and a.isalnum() and b.isalnum() and a.isdigit() == b.isdigit()

    return not (start > 0 and same(folded[start - 1], folded[start])) and not (end < len(folded) and same(folded[end - 1], folded[end]))


def _compact(folded: str, start: int, end: int) -> bool:
    """Its characters stand together: no sentence mark, line break or long gap between them."""
    return not re.search(r"[。；;:：\n]|[,，、]{2}|\W{4}|\d[,，、]\d|[.!?] ", folded[start:end])


Replacement = Callable[[re.Match[str]], tuple[int, int]]


@lru_cache(maxsize=1)
def _rules() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """(kind, pattern) in order of precedence; the group ``v`` is what goes, or the whole match. Matched on the original text."""
    number_label = (
        r"(?:住院|门诊|门急诊|急诊|病案|病历|病理|检查|影像|登记|就诊|患者|病人|床|放射|超声|报告|申请单?|标本|切片|蜡块|社保|医保|一卡通|就诊卡|条码|原?片|x线|ct|mri?)(?:检查)?(?:编号|流水号|卡号|号码|号|id)(?:码)?"
        r"|\b(?:mrn|medical record (?:number|no\.?)|patient (?:id|no\.?|number)|acc(?:ession)?(?: (?:number|no\.?))?|hospital (?:no\.?|number)|case (?:no\.?|number)|"
        r"account (?:no\.?|number)|visit (?:no\.?|number)|encounter|insurance (?:no\.?|number|id)|policy (?:no\.?|number)|specimen (?:no\.?|number|id)|study id|unit (?:no\.?|number)|chart (?:no\.?|number))"
    )
    return tuple(
        (kind, re.compile(pattern, re.IGNORECASE))
        for kind, pattern in (
            ("email", r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+"),
            ("id", r"(?<![0-9])[1-9]\d{5}\s?(?:18|19|20)\d{2}\s?(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\s?\d{3}[\dXx](?![0-9])"),
            ("id", r"(?:身份证|证件|护照|军官证|社会保障)(?:号码?|编号)?\s*[:：为是]?\s*(?P<v>[A-Za-z]{0,2}\d[\dXx\-\s]{5,20}[\dXx])"),
            ("id", r"\b(?:ssn|social security(?: (?:number|no\.?))?|passport(?: (?:number|no\.?))?)\s*[:#]?\s*(?P<v>[A-Z]{0,2}\d[\d\- ]{5,12}\d)"),
            ("id", r"(?<![\d\-])\d{3}-\d{2}-\d{4}(?![\d\-])"),
            ("phone", r"(?<!\d)(?:\+?86[\- ]?)?1[3-9]\d[\- ]?\d{4}[\- ]?\d{4}(?!\d)"),
            ("phone", r"(?<!\d)\(?0\d{2,3}\)?[\- ]?\d{7,8}(?:(?:转|-|\s*ext\.?\s*)\d{1,6})?(?!\d)"),
            ("phone", r"(?<!\d)[48]00[\- ]\d{3,4}[\- ]\d{3,4}(?!\d)"),
            ("phone", r"(?<!\d)(?:\+?1[\-. ])?(?:\(\d{3}\)[\-. ]?|\d{3}[\-. ])\d{3}[\-. ]\d{4}(?:\s*(?:x|ext\.?)\s*\d+)?(?!\d)"),
            ("phone", r"(?:电话|手机|联系方式|座机|传真|tel(?:ephone)?|phone|pager|fax|cell|mobile|ext\.?)(?:号码?)?\s*(?:is|[:：#为是])?\s*(?P<v>\+?\d[\d\-. ]{4,16}\d)"),
            ("number", rf"(?:{number_label})\s*(?:is|[:：#＃.为是])?\s*(?P<v>(?=[A-Za-z\-]*\d)[A-Za-z0-9][A-Za-z0-9\-/]{{2,24}})"),
            ("number", r"(?<![A-Za-z0-9])(?-i:[A-Z]{1,3})\d{2}[\-－]\d{4,8}(?![0-9])"),
            ("number", r"(?<![A-Za-z0-9.])(?-i:[A-Z]{1,3}\d{6,})(?![A-Za-z0-9])"),
            ("number", r"(?<![\dA-Za-z.\-])(?!(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4}|\d{6})?(?!\d))\d{7,}(?![\dA-Za-z]|\.\d)"),
            ("address", r"(?:现|家庭|通讯|联系|户籍|居住|工作)?(?:住址|地址|住所|家住|居住于|户口所在地)\s*[:：为是]?\s*(?P<v>[^\s，,。；;\n][^，,。；;\n]{2,60})"),
            ("address", r"(?:[\u4e00-\u9fff]{2,7}(?:省|市|自治区|区|县|州))*[\u4e00-\u9fff]{2,8}(?:路|街|大道|巷|胡同|弄|村|小区|新村|街道)\s*\d+\s*(?:号|弄|栋|幢|室|单元|楼)(?:[\d\-]+(?:号楼?|栋|幢|室|单元|楼)?)*"),
            ("address", r"\b(?:home )?address\s*[:：]?\s*(?P<v>[^\n;]{5,80}?)(?=\.(?:\s|$)|[\n;]|$)"),
            ("address", r"\b\d{1,5} (?-i:[A-Z][\w'.]+ ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Drive|Lane|Ln|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Terrace)\b\.?(?:,? (?-i:[A-Z][a-z]+)){0,2}(?:,? (?-i:[A-Z]{2}))?(?: \d{5}(?:-\d{4})?)?"),
            ("hospital", rf"(?:(?<=[在于由经至往从到自赴回])|(?<![\u4e00-\u9fff]))(?!建议|请|必要|可|需|待|转)[\u4e00-\u9fff]{{2,18}}?{_GENERIC_HOSPITAL}(?:医院|卫生院|保健院|医学中心|医疗中心)(?:[\u4e00-\u9fff]{{1,4}}(?:院区|分院))?"),
            ("hospital", r"(?-i:(?:[A-Z][\w.'&\-]* ){1,5}(?:(?:of|and) (?:[A-Z][\w.'&\-]* ?){1,3})?(?:Hospital|Medical Center|Medical Centre|Clinic|Infirmary|Health System|Cancer Center|Cancer Centre|Cancer Institute)\b)"),
            ("name", rf"(?:{_DOCTOR}(?:医[师生]|者|人|技师|护士)|审核|复核|签发|阅片|书写|记录|医[师生]|技师|签名|签字|签发|姓名|患者姓名|联系人|家属|主任|护士)\s*[:：]\s*(?P<v>(?:{_HAN_NAME}|{_NOT_A_NAME}[\u4e00-\u9fff·]{{2,4}})(?:[、,，/ ]\s?{_HAN_NAME})*)(?![\u4e00-\u9fff])"),
            ("name", rf"{_DOCTOR}(?:医[师生]|技师|护士)\s*(?P<v>{_NOT_A_NAME}{_HAN_NAME}(?=[，,。；;、\s(（/]|电话|$)|{_NOT_A_NAME}[\u4e00-\u9fff·]{{2,4}}(?=[，,、\s]?\s*(?:电话|联系|手机|工号|tel)))"),
            ("name", rf"(?:患者|病人|受检者|病员)(?:姓名)?\s*[:：]?\s*(?P<v>{_NOT_A_NAME}[\u4e00-\u9fff·]{{2,4}})(?=[，,、（(]\s*(?:男|女|性别|联系|电话|年龄|住院|身份证|\d)|，?联系电话)"),
            ("name", rf"(?:(?<=[由经请与向致电约问])|(?<![\u4e00-\u9fff]))(?P<v>(?!{_DOCTOR}|上级|值班|门诊|临床){_HAN_NAME}|(?!{_DOCTOR})[{SURNAMES}][\u4e00-\u9fff]?)(?=(?:医[师生]|主任|教授|护士|先生|女士|老师|副主任))"),
            ("name", rf"(?:\b(?:dr|doctor|prof|professor|mrs|miss)\b\.?|(?-i:\bM[rs]\b\.?|\bM[RS]\.))\s+(?P<v>{_LATIN_NAME})"),
            ("name", rf"\b(?:patient(?: name)?|name|physician|radiologist|pathologist|attending|resident|dictated by|signed(?: electronically)? by|electronically signed by|read by|reviewed by|verified by|interpreted by|reported by|referring physician|discussed with|called to)\s*[:：]\s*(?P<v>{_LATIN_NAME})"),
            ("name", rf"\b(?:patient|dictated by|signed(?: electronically)? by|electronically signed by|read by|reviewed by|verified by|interpreted by|reported by|discussed with|notified|called to)\s+(?:dr\.?\s+)?(?P<v>(?-i:[A-Z][a-z'\-]+(?: [A-Z]\.)? [A-Z][a-z'\-]+))(?![a-z])"),
            ("name", r"(?P<v>(?-i:[A-Z][a-z'\-]+(?: [A-Z]\.)? [A-Z][a-z'\-]+)),? (?-i:M\.?D\.?|D\.O\.|R\.?N\.?|Ph\.?D\.?)(?![A-Za-z])"),
        )
    )  # fmt: skip


def _patterns(text: str, folded: str) -> list[_Span]:
    """Half-width text is matched, so that full-width digits are found; its length is that of the text."""
    half = "".join(f if f.isascii() and not c.isascii() else c for c, f in zip(text, folded, strict=True)) if not text.isascii() else text
    kept: list[_Span] = []
    for kind, pattern in _rules():
        for match in pattern.finditer(half):
            start, end = match.span("v") if "v" in pattern.groupindex else match.span()
            if end > start and all(end <= other.start or start >= other.end for other in kept):
                kept.append(_Span(start, end, kind))
    return kept


def _dates(folded: str, shift_days: int) -> Iterable[_Span]:
    return [_Span(start, end, "date", moved) for start, end, moved in date_spans(folded, shift_days)]


_AGE = re.compile(r"(?<![\d.])(?P<v>1[0-2]\d|9\d)(?=\s*(?:岁|周岁|y\b|y/o|yo\b|yrs?\b|[- ]years?[- ]old|[- ]year[- ]old))|(?:年龄|age[d]?)\s*[:：]?\s*(?P<w>1[0-2]\d|9\d)(?!\d)")


def _ages(folded: str) -> Iterable[_Span]:
    found = []
    for match in _AGE.finditer(folded):
        start, end = match.span("v") if match["v"] else match.span("w")
        if int(folded[start:end]) > AGE_MAX and folded[start:end] != "90":
            found.append(_Span(start, end, "age", "90"))
    return found
