"""Specifies how the encoding of text is told by its bytes."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.corpus.reading.charsets import BOMS, CANDIDATES, SUPERSETS, detect

GERMAN = (
    "Die Bäckerei an der Brücke öffnet um sechs. „Zwei Brötchen, bitte“, sagt Frau Müller – "
    "wie jeden Morgen –, zählt das Geld auf den Tresen und grüßt die Nachbarin. Draußen regnet es, "
    "und die Straßenbahn fährt heute später, weil am Schloßplatz die Gleise erneuert werden.\n"
)
FRENCH = (
    "Après l’été, la vieille bibliothèque a rouvert ses portes. Les élèves y trouvent désormais "
    "un café, une salle où l’on répète des pièces de théâtre, et un atelier de reliure très "
    "fréquenté. « C’est là que j’ai rédigé mon mémoire », raconte Hélène, étudiante à Nîmes.\n"
)
POLISH = (
    "W piątek wieczorem na rynku było jeszcze głośno. Sprzedawcy składali stragany, dzieci goniły "
    "gołębie, a starszy pan w kapeluszu śpiewał pieśń, której nikt już nie pamiętał. Później "
    "przyszła mgła znad rzeki i wszystko ucichło, jakby ktoś zgasił światło nad miastem.\n"
)
RUSSIAN = (
    "Утром на станции было тихо. Поезд опаздывал, и пассажиры пили чай в маленьком буфете у окна. "
    "Старый проводник рассказывал, как зимой пути занесло снегом и состав три дня стоял в степи. "
    "Никто ему не верил, но слушали внимательно и смеялись в нужных местах.\n"
)
GREEK = (
    "Το πρωί η θάλασσα ήταν ήρεμη και οι ψαράδες γύρισαν νωρίς στο λιμάνι. Η γιαγιά άπλωσε τα "
    "ρούχα στην αυλή και έφτιαξε καφέ για όλους. Κανείς δεν μιλούσε για την καταιγίδα που είχαν "
    "περάσει τη νύχτα, σαν να μην είχε γίνει ποτέ.\n"
)
TURKISH = (
    "Sabahleyin çarşıda büyük bir kalabalık vardı. Balıkçılar gece tuttukları balıkları satıyor, "
    "çocuklar güvercinlere yem atıyordu. Öğleye doğru yağmur başladı ve herkes küçük dükkânların "
    "altına sığındı. İşte o sırada şehrin eski saati ilk kez doğru çaldı.\n"
)
HEBREW = (
    "בבוקר יצאנו מן הבית אל השוק הישן. המוכרים סידרו את הפירות על הדוכנים, והילדים רצו בין "
    "הסמטאות וצחקו. סבתא קנתה לחם, זיתים וגבינה, ואחר כך ישבנו יחד על הספסל וחיכינו לאוטובוס "
    "שאיחר כמו בכל יום.\n"
)
ARABIC = (
    "في الصباح ذهبنا إلى السوق القديم قرب الميناء. كان الباعة يرتبون الفواكه والخضروات، وكان "
    "الأطفال يركضون بين الدكاكين ويضحكون. اشترت جدتي خبزا وزيتونا، ثم جلسنا معا ننتظر الحافلة "
    "التي تأخرت كعادتها كل يوم.\n"
)
SIMPLIFIED = (
    "星期天早上，我们一家人去郊外的湖边散步。天气很好，许多老人坐在树下下棋，孩子们在草地上放风筝。"
    "中午我们在一家小饭馆里吃了面条，老板说今年的鱼比去年便宜得多。回家的路上，大家都觉得很累，"
    "但是心里非常高兴。\n"
)
TRADITIONAL = (
    "星期天早上，我們一家人到郊外的湖邊散步。天氣很好，許多老人坐在樹下下棋，孩子們在草地上放風箏。"
    "中午我們在一家小飯館裡吃了麵條，老闆說今年的魚比去年便宜得多。回家的路上，大家都覺得很累，"
    "但是心裡非常高興。\n"
)
JAPANESE = (
    "日曜日の朝、家族で湖のほとりを散歩しました。天気がよくて、木の下では老人たちが将棋をさし、"
    "子どもたちは草の上で凧をあげていました。昼は小さな食堂でそばを食べました。今年は魚が安いと"
    "主人が言っていました。帰り道はみんな疲れていましたが、とても楽しい一日でした。\n"
)
KOREAN = (
    "일요일 아침에 우리 가족은 호숫가를 산책했습니다. 날씨가 좋아서 노인들은 나무 아래에서 장기를 "
    "두고 아이들은 잔디밭에서 연을 날렸습니다. 점심에는 작은 식당에서 국수를 먹었습니다. 돌아오는 "
    "길에 모두 피곤했지만 아주 즐거운 하루였습니다.\n"
)
CASES = [
    (GERMAN, "cp1252"),
    (FRENCH, "cp1252"),
    (POLISH, "cp1250"),
    (POLISH, "iso8859-2"),
    (RUSSIAN, "koi8-r"),
    (RUSSIAN, "cp1251"),
    (RUSSIAN, "cp866"),
    (RUSSIAN, "iso8859-5"),
    (GREEK, "cp1253"),
    (TURKISH, "cp1254"),
    (HEBREW, "cp1255"),
    (ARABIC, "cp1256"),
    (SIMPLIFIED, "gb18030"),
    (TRADITIONAL, "cp950"),
    (JAPANESE, "cp932"),
    (JAPANESE, "euc_jp"),
    (KOREAN, "cp949"),
    *(
        (text, order)
        for text in (GERMAN, RUSSIAN, SIMPLIFIED, JAPANESE, KOREAN)
        for order in ("utf-16-le", "utf-16-be")
    ),
]


def encoded(text: str, encoding: str) -> bytes:
    """Return the text without what the encoding cannot spell, which must be little."""
    content = text.encode(encoding, "ignore")
    assert len(content.decode(encoding)) > 0.95 * len(text)
    return content


@pytest.mark.parametrize(("text", "encoding"), CASES)
def test_a_paragraph_is_recognised(text: str, encoding: str) -> None:
    content = encoded(text, encoding)
    found = detect(content, is_whole=True)
    assert found is not None
    assert content.decode(found) == content.decode(encoding)


@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, SIMPLIFIED, JAPANESE])
@pytest.mark.parametrize("cut", range(5))
def test_a_sample_may_cut_a_character(text: str, cut: int) -> None:
    encodings = {GERMAN: "utf-16-le", RUSSIAN: "utf-8", SIMPLIFIED: "gb18030", JAPANESE: "euc_jp"}
    content = (text * 2).encode(encodings[text])
    content = content[: len(content) - cut]
    found = detect(content, is_whole=False)
    assert found is not None
    decode = codecs.getincrementaldecoder(found)("strict").decode
    assert (text * 2).startswith(decode(content))


@pytest.mark.parametrize(
    "content",
    [
        "Grüße, ".encode() + b"\xff" + " und ein Stück vom Kuchen".encode(),
        RUSSIAN.encode()[:-2] + b"\n",
        SIMPLIFIED.encode().replace("早".encode(), b"\xe6\x97"),
        (GERMAN * 3).encode() + "Stück für Stück\n".encode("cp1252"),
    ],
    ids=["stray byte", "cut off", "half a character", "a line of windows-1252"],
)
def test_utf8_that_is_broken_here_and_there_is_utf8(content: bytes) -> None:
    assert detect(content, is_whole=True) == "utf-8"


@pytest.mark.parametrize(
    "content",
    ["ab\xe9\n".encode("latin-1") + "ü\n".encode(), b"\x81 \x8d", b"caf\xe9 \xe4\xb8", b"\x00\xff"],
    ids=["as much UTF-8", "no encoding", "few bytes", "no text"],
)
def test_of_little_text_nothing_else_than_western_is_said(content: bytes) -> None:
    assert detect(content, is_whole=True) in (None, "utf-8", "cp1252")


def test_what_is_declared_is_believed_of_what_is_not_utf8() -> None:
    content = encoded(RUSSIAN, "cp1251")
    assert detect(content, is_whole=True, declared="koi8-r") == "koi8-r"
    assert detect(content, is_whole=True, declared="utf-8") == "cp1251"
    assert detect(RUSSIAN.encode(), is_whole=True, declared="koi8-r") == "utf-8"


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_valid_utf8_is_utf8(text: str) -> None:
    assert detect(text.encode(), is_whole=True) == "utf-8"
    assert detect(text.encode()[:-1], is_whole=False) == "utf-8"


@settings(deadline=None)
@given(st.binary(), st.booleans())
def test_any_bytes_have_an_encoding_that_is_known_or_none(content: bytes, is_whole: bool) -> None:
    found = detect(content, is_whole)
    assert found is None or codecs.lookup(found)


def test_utf8_may_hold_a_nul() -> None:
    assert detect("Grüße\x00, und mehr als das\n".encode(), is_whole=True) == "utf-8"
    assert detect(b"a \x00 b\n", is_whole=True) == "utf-8"


def test_all_that_is_looked_for_spells_ascii_as_ascii() -> None:
    ascii_bytes = bytes(range(128))
    for name in (*CANDIDATES, *SUPERSETS.values()):
        assert ascii_bytes.decode(name) == ascii_bytes.decode("ascii"), name


def test_the_longest_byte_order_mark_is_looked_for_first() -> None:
    marks = list(BOMS)
    for place, mark in enumerate(marks):
        assert not any(later.startswith(mark) for later in marks[place + 1 :])
