"""Plain English in docstrings, comments, messages and documents: a list of words and turns that `make lint` refuses.

    python tests/english.py                       # everything
    python tests/english.py sam_widget/export     # these files and folders

Only prose is read: docstrings, comments and string literals of Python and TypeScript, the text of Markdown files, the
cells of notebooks, the comments of the files that build the project. Names and `code` in backticks are not.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The words themselves are in these.
EXEMPT = {"tests/english.py", "tests/test_english.py"}

# A pattern, where a space stands for any white space, and what to write instead; what has a group `fine` is left alone.
RULES: tuple[tuple[str, str], ...] = (
    (r"\b(?:whoever|whomever|whosoever)\b", 'name the thing: "the caller", "a client that ..."'),
    (r"\b(?:nobody|anybody)\b", 'the passive ("is not read"), "no one" or "anyone"'),
    (r"\bsomebody\b", 'name the thing: "the user", "another kernel"; or "someone"'),
    (r"\banew\b", '"again" or "from scratch"'),
    (r"\bbeside\b", '"next to", "besides" or "compared with"'),
    (
        r"(?P<fine>\bthere )?\b(?:is|are|was|were) no\b(?! (?:longer|more|less|better|worse|larger|smaller|older)\b)",
        '"is not a ...", "has no ..." or "invalid ..."',
    ),
    (r"\bno more(?=[.,;:!)]|$)", '"no longer"'),
    (r"\b(?:go|goes|going|gone|went) on\b(?! and off)", '"continue" or "still works"'),
    (r"\bin place of\b", '"instead of"'),
    (r"\b(?:is|are|was|were) to be\b", '"must be", "can be" or "will be"'),
    (r"\bthere being\b", '"because there is"'),
    (
        r"[,;:] for (?:it|they|there|he|she|we|this|that|these|those) (?:is|are|was|were|has|have|does|do|can|must)\b",
        '"because"',
    ),
    (r"\bnowhere\b", '"not ... anywhere"'),
    (r"\b(?:hear|hears|heard) of\b", '"is told about", "is notified of" or "receives"'),
    (r"\bin the median\b", '"median" as an adjective, or "at the median"'),
    (r"\bunless told otherwise\b", '"by default"'),
    (r"\b(?:pass|passes|passed) over\b", '"skip"'),
    (r"\btrips? over\b", '"fails on" or "raises for"'),
    (r"\b(?:give|gives|gave|given) back\b", '"return", "free" or "release"'),
    (r"\bat hand\b", '"available" or "cached"'),
    (r"\b(?:come|comes|came) about\b", '"arises", or the thing that makes it'),
    (r"\bwhere there (?:is|are) (?:none|no)\b", '"if there is none" or "without ..."'),
    (r"\b(?:stay|stays|stayed) as (?:it is|they are|it was|they were)\b", '"is unchanged" or "does not change"'),
    (r"\bone an? (?:mask|line|process|image|file|ring|box|point|object|row|model|format)\b", '"one per ..."'),
    (r": As (?:for|in)(?= \0)", '"See `...`"'),
)
PATTERNS = tuple((re.compile(rule.replace(" ", r"\s+"), re.IGNORECASE), advice) for rule, advice in RULES)
# What stands for anything but prose: no pattern reaches across it.
CODE = "\0"


@dataclass(frozen=True)
class Finding:
    """A turn of phrase, where it is, and what to write instead."""

    line: int
    words: str
    advice: str


def findings(prose: str) -> Iterator[Finding]:
    """Look for what should not be in a text, in which everything but prose has been blanked."""
    for pattern, advice in PATTERNS:
        for match in pattern.finditer(prose):
            if match.groupdict().get("fine"):
                continue
            yield Finding(prose.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), advice)


# ------------------------------------------------------------------------- everything but prose, blanked in its place


def _blank(text: str, filler: str = CODE) -> str:
    """The same number of characters and lines, with nothing to read in it."""
    return re.sub(r"[^\n]", filler, text)


def _without_code_spans(text: str) -> str:
    """Blank `code` in backticks."""
    return re.sub(r"`[^`\n]*`", lambda match: _blank(match[0]), text)


def _keep(source: str, spans: list[tuple[int, int, str]]) -> str:
    """Blank a source but for spans, given as start, end and what to read there; white space stays white space."""
    parts, position = [], 0
    for start, end, text in spans:
        parts += [re.sub(r"\S", CODE, source[position:start]), text]
        position = end
    return "".join([*parts, re.sub(r"\S", CODE, source[position:])])


def _string(text: str, *, quotes: int, formatted: bool) -> str:
    """What a string literal says, its quotes as spaces; one without a space is a key, and says nothing to a reader."""
    said = text[quotes:]
    if not re.search(r"\s", said):
        return _blank(text)
    said = re.sub(r"\\[ntr\n]", lambda match: re.sub(r"[^\n]", " ", match[0]), said)
    said = re.sub(r"[\"']{1,3}$", lambda match: " " * len(match[0]), said)
    if formatted:
        said = re.sub(r"\{[^{}]*\}", lambda match: _blank(match[0]), said)
    return " " * quotes + _without_code_spans(said)


def python(source: str) -> str:
    """Docstrings, comments and string literals; literals that follow one another are one text, comments too."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    spans: list[tuple[int, int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        name = tokenize.tok_name[token.type]
        if name == "COMMENT":
            spans.append((start, end, " " + _without_code_spans(token.string[1:])))
        elif name == "STRING":
            prefix = re.match(r"[a-zA-Z]*(?:\"\"\"|'''|\"|')", token.string)
            opening = prefix[0] if prefix else ""
            spans.append((start, end, _string(token.string, quotes=len(opening), formatted="f" in opening.lower())))
        elif name.startswith("FSTRING"):  # Python 3.12 and later cut them into their parts.
            text = source[start:end]
            spans.append((start, end, _without_code_spans(text) if name == "FSTRING_MIDDLE" else _blank(text, " ")))
    return _keep(source, spans)


# A regular expression after an operator, a comment, a string, or a template.
_TYPESCRIPT = re.compile(
    r"""(?P<regex>(?<=[=(,:;!&|?])\s*/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*)
    |(?P<line>//[^\n]*)|(?P<block>/\*.*?\*/)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<template>`(?:\\.|[^`\\])*`)""",
    re.DOTALL | re.VERBOSE,
)


def typescript(source: str) -> str:
    """Comments and strings of TypeScript; comments of CSS."""
    spans: list[tuple[int, int, str]] = []
    for match in _TYPESCRIPT.finditer(source):
        text = match[0]
        if match["line"]:
            text = "  " + _without_code_spans(text[2:])
        elif match["block"]:
            text = re.sub(r"^/\*+|\*+/$|(?<=\n)[ \t]*\*", lambda star: " " * len(star[0]), text)
            text = _without_code_spans(text)
        elif match["string"]:
            text = _string(text, quotes=1, formatted=False)
        elif match["template"]:
            text = re.sub(r"\$\{[^{}]*\}", lambda code: _blank(code[0]), text)
            text = " " + text[1:-1] + " "
        else:
            continue
        spans.append((match.start(), match.end(), text))
    return _keep(source, spans)


def hashes(source: str) -> str:
    """Comments that begin with a hash at the start of a line or after a space."""
    kept = []
    for line in source.splitlines(keepends=True):
        mark = re.search(r"(?:^|(?<=\s))#", line)
        code, comment = (line[: mark.start()], line[mark.end() :]) if mark else (line, "")
        kept.append(re.sub(r"\S", CODE, code) + " " * bool(mark) + _without_code_spans(comment))
    return "".join(kept)


def markdown(source: str) -> str:
    """Text, and the comments of fenced code."""
    parts = re.split(r"(^```.*?^```$)", source, flags=re.DOTALL | re.MULTILINE)
    return "".join(hashes(part) if part.startswith("```") else _without_code_spans(part) for part in parts)


def notebook(source: str) -> str:
    """Text of a notebook's cells, and the comments of its code; outputs are not read."""
    kept, kind, inside = [], "", False
    for line in source.splitlines(keepends=True):
        if found := re.search(r'"cell_type": "(\w+)"', line):
            kind = found[1]
        text = CODE * (len(line) - 1) + "\n"
        if re.match(r'\s*"source": \[\s*$', line):
            inside = True
        elif inside and re.match(r"\s*\]", line):
            inside = False
        elif inside and (found := re.match(r'(\s*")(.*?)((?:\\n)?",?\s*)$', line)):
            said = found[2] if kind == "markdown" else hashes(found[2])
            text = " " * len(found[1]) + _without_code_spans(said) + " " * (len(found[3]) - 1) + "\n"
        kept.append(text)
    return "".join(kept)


# What is read, by pattern from the root.
READERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("sam_widget/**/*.py", python),
    ("sam_widget/**/*.pyi", python),
    ("tests/**/*.py", python),
    ("notebooks/**/*.py", python),
    ("notebooks/*.ipynb", notebook),
    ("js/src/**/*.ts", typescript),
    ("js/src/**/*.css", typescript),
    ("js/test/**/*.ts", typescript),
    ("*.md", markdown),
    ("notebooks/**/*.md", markdown),
    ("sam_widget/**/*.md", markdown),
    ("Makefile", hashes),
    ("pyproject.toml", hashes),
    (".github/workflows/*.yml", hashes),
    (".ci/run", hashes),
)


def files() -> Iterator[tuple[str, Callable[[str], str]]]:
    """Every file that is read, relative to the root, and its reader."""
    for pattern, reader in READERS:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if name not in EXEMPT:
                yield name, reader


def check(places: tuple[str, ...] = ()) -> list[str]:
    """What is wrong, as lines to print: in these files and folders, or everywhere."""
    wrong = []
    for name, reader in files():
        if not places or any(name == place or name.startswith(f"{place}/") for place in places):
            prose = reader((ROOT / name).read_text(encoding="utf-8"))
            found = sorted(findings(prose), key=lambda finding: finding.line)
            wrong += [f"{name}:{one.line}: {one.words!r}: write {one.advice}" for one in found]
    return wrong


if __name__ == "__main__":
    lines = check(tuple(Path(place).as_posix().rstrip("/") for place in sys.argv[1:]))
    print("\n".join(lines))
    sys.exit(bool(lines))
