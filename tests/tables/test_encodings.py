"""Tables in the encodings that people have: Japanese is told, others are asked for, Western European stays itself."""

from __future__ import annotations

import re

import polars as pl
import pytest

import sentinel
from sentinel.domain.errors import DataError
from sentinel.tables.encodings import tell_encoding

ROWS = "".join(f"2024/01/{1 + tick // 24:02d} {tick % 24:02d}:00,{tick % 7}.5\n" for tick in range(300))


def table(names: str, encoding: str) -> bytes:
    return f"{names}\n{ROWS}".encode(encoding)


@pytest.mark.parametrize("names", ["日時,水温(℃)", "諏訪湖 観測所：湖心\n日時,溶存酸素", "ﾃﾞｰﾀ日付,ｽｲｵﾝ"])
def test_shift_jis_is_read_as_it_is(tmp_path, names):
    """Its names came out as Western European letters without a word."""
    path = tmp_path / "lake.csv"
    path.write_bytes(table(names, "cp932"))
    assert sentinel.analyse(path).readings["series"].unique().to_list() == [names.splitlines()[-1].split(",")[1]]


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        ("日期,水温(℃)", "gb18030"), ("日期,水溫", "big5"), ("일시,수온", "cp949"), ("日時,データ", "euc_jp"),
        ("Дата,Температура воды", "cp1251"), ("Дата,Температура", "koi8_r"), ("Дата,Температура", "cp866"),
        ("Ημερομηνία,Θερμοκρασία", "cp1253"),
    ],
)  # fmt: skip
def test_where_several_are_possible_it_asks_and_the_option_reads_it(tmp_path, names, encoding):
    path = tmp_path / "lake.csv"
    path.write_bytes(table(names, encoding))
    with pytest.raises(DataError, match=re.escape(f"'{names}' in {encoding}")):
        sentinel.analyse(path)
    assert sentinel.analyse(path, encoding=encoding).readings["series"].unique().to_list() == [names.split(",")[1]]


@pytest.mark.parametrize("name", ["Größe (°C)", "Übermäßig", "Škoda – “x”", "débit d'été", "¿qué? ¡año!"])
def test_western_european_text_of_windows_stays_itself(tmp_path, name):
    path = tmp_path / "lake.csv"
    path.write_bytes(table(f"Zeit,{name}", "cp1252"))
    readings: pl.DataFrame = sentinel.analyse(path).readings
    assert readings["series"].unique().to_list() == [name]


@pytest.mark.parametrize(("name", "encoding"), [("Příčný sklon", "cp1250"), ("Sıcaklık; Yağış", "cp1254")])
def test_letters_of_latin_words_are_no_cyrillic_or_greek_ones(tmp_path, name, encoding):
    """Czech and Turkish tables were refused, with the question whether they are Russian."""
    path = tmp_path / "a.csv"
    path.write_bytes(f"time,{name},x\n2021-01-01,1,2\n2021-01-02,3,4\n".encode(encoding))
    assert tell_encoding(path.read_bytes(), "a.csv") in ("cp1252", "latin-1")


def test_signs_that_come_in_each_row_do_not_outnumber_the_names(tmp_path):
    """Bug: dates such as 2021年3月1日 made Chinese names Western European ones."""
    rows = "".join(f"2021年{1 + day // 28}月{1 + day % 28}日,{day % 7}.5\n" for day in range(300))
    path = tmp_path / "lake.csv"
    path.write_bytes(f"时间,水温\n{rows}".encode("gb18030"))
    with pytest.raises(DataError, match="'时间,水温' in gb18030"):
        sentinel.analyse(path)
