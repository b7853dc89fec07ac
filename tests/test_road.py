"""The road in notebook 00: its arrows are what the notebooks say they need, its hours their own."""

import re
from pathlib import Path

import pytest

from minisd.course import exercises
from minisd.course import notebooks as nb
from minisd.course.__main__ import minutes_of

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
TITLES = {path.name[:2]: nb.read(path)["cells"][0]["source"] for path in NOTEBOOKS}
ROAD = next(
    cell["source"]
    for cell in nb.read(NOTEBOOKS[0])["cells"]
    if cell["source"].startswith("## The road")
)
SIDES = {
    "─": "LR", "│": "UD", "┌": "RD", "┐": "LD", "└": "RU", "┘": "LU", "├": "URD", "┤": "ULD",
    "┬": "LRD", "┴": "LRU", "┼": "LRUD", "►": "L", "◄": "R", "▼": "U", "▲": "D",
}  # fmt: skip
HEADS = {"►": "R", "◄": "L", "▼": "D", "▲": "U"}
STEPS = {"L": (0, -1), "R": (0, 1), "U": (-1, 0), "D": (1, 0)}


def arrows(drawing):
    """{(from, to)} of a drawing in box characters: every line that is joined is one junction."""
    rows = drawing.split("\n")
    marks = {(r, c): mark for r, row in enumerate(rows) for c, mark in enumerate(row)}
    labels = {}
    for r, row in enumerate(rows):
        for label in re.finditer(r"(\d\d) [A-Za-z]+(?: [A-Za-z]+)*", row):
            for c in range(label.start() - 1, label.end() + 1):  # a blank lies beside each
                labels[r, c] = label[1]
    found, left = set(), {place for place, mark in marks.items() if mark in SIDES}
    while left:
        joined, starts, ends = [left.pop()], set(), set()
        for r, c in joined:
            for side in SIDES[marks[r, c]] + HEADS.get(marks[r, c], ""):
                place = r + STEPS[side][0], c + STEPS[side][1]
                if place in labels:
                    (ends if HEADS.get(marks[r, c]) == side else starts).add(labels[place])
                elif place in left:
                    left.remove(place)
                    joined.append(place)
                else:
                    assert place in joined, f"a line ends in nothing: row {r}, column {c}"
        found |= {(start, end) for start in starts for end in ends}
    return found


def without_detours(needs):
    """The pairs that no chain of other pairs says already."""

    def reaches(start, end, pairs):
        nexts = {b for a, b in pairs if a == start}
        return end in nexts or any(reaches(one, end, pairs) for one in nexts)

    return {pair for pair in needs if not reaches(*pair, needs - {pair})}


def test_arrows_are_what_the_notebooks_need():
    rows = {to: re.search(r"^\| you need \| (.*) \|$", TITLES[to], re.M) for to in TITLES}
    assert [number for number, row in rows.items() if row is None] == ["00"]
    needs = {
        (number, to)
        for to, row in rows.items()
        for number in (re.findall(r"\b(\d\d)\b(?!\.)", row[1]) if row else [])
        if number != "00"
    }
    drawing = re.search(r"```\n(.*?)```", ROAD, re.S)[1]
    assert set(re.findall(r"\d\d", drawing)) == set(TITLES) - {"00"}
    assert arrows(drawing) == without_detours(needs)


def test_hours_are_those_of_the_titles():
    hours = int(re.search(r"add up to about (\d+) hours", ROAD)[1])
    whole = sum(minutes_of(title) for title in TITLES.values()) / 60
    assert hours == round(whole)
    practice = sum(exercise.minutes for exercise in exercises().values()) / 60
    assert 1.8 < whole / practice < 2.3, "reading and looking take about as long again"


@pytest.mark.parametrize(
    "drawing, expected",
    [
        ("01 one ──► 02 two", {("01", "02")}),
        ("01 one ─┐\n        ├─► 03 three\n02 two ─┘", {("01", "03"), ("02", "03")}),
        ("02 two ◄── 01 one\n              │\n              ▼\n             03 a b",
         {("01", "02"), ("01", "03")}),
    ],
)  # fmt: skip
def test_reader_follows_lines(drawing, expected):
    assert arrows(drawing) == expected


def test_detours_are_left_out():
    assert without_detours({("1", "2"), ("2", "3"), ("1", "3")}) == {("1", "2"), ("2", "3")}


def test_reader_refuses_a_loose_end():
    with pytest.raises(AssertionError, match="ends in nothing"):
        arrows("01 one ─┐\n\n         02 two")
