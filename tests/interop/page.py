"""Makes docs/interop.md from `page.md`, the README.md of each language and the results of a run."""

import collections
import os
import pathlib
import re
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs/interop.md"
HEAD = "| | Library | Version | What was run | Result | What you must set |\n|---|---|---|---|---|---|\n"
# Kinds of code blocks that need not be a part of a program.
NOT_CODE = ("console", "text")
ROLES = ("client", "machine client", "resource server", "browser client", "sign-in", "gateway", "application")
SKIPPED_FOLDERS = {"node_modules", "target", "__pycache__", "build", "vendor"}


def compare(expected, results, write):
    """Compares the page with the results of the languages that ran, or writes it. Returns the problems, in words."""
    old = PAGE.read_text() if PAGE.exists() else ""
    rows, sections = parts(old)
    problems = []
    for language, found in results.items():
        name = expected[language]["name"]
        found = in_order(expected[language]["libraries"], found)
        try:
            settings, rest = fragment(HERE / language)
            rows[name] = list(rows_of(name, expected[language]["libraries"], by_library(found), settings, rows.get(name, [])))
            sections[name] = rest
        except (ValueError, OSError) as error:
            problems.append(f"tests/interop/{language}/README.md: {error}")
    order = [language["name"] for language in expected.values()]
    new = assemble(order, rows, sections)
    if problems or new == old:
        return problems
    if write:
        PAGE.write_text(new)
        print(f"wrote {PAGE.relative_to(HERE.parent.parent)}")
        return []
    changed = [line for line in new.splitlines() if line not in old.splitlines()]
    return ["docs/interop.md is not what this run says (`tests/interop/run.py --write` writes it): " + "; ".join(changed[:5])]


def rows_of(name, libraries, found, settings, old):
    """A language's rows. A library of a full run that was not run keeps its old row."""
    for library, role in dict.fromkeys((entry["library"], entry["as"]) for entry in libraries):
        if (library, role) in found:
            yield row(name, (library, role), found[library, role], settings)
        elif any(entry.get("full") for entry in libraries if (entry["library"], entry["as"]) == (library, role)):
            yield from (line for line in old if is_row_of(line, library, role))


def is_row_of(line, library, role):
    cells = cells_of(line)
    return cells[1] == library and cells[3].startswith(f"{role}, ")


def in_order(libraries, results):
    """The results in the order of expected.json: programs may run their styles at once."""
    places = [(entry["library"], entry["as"], style) for entry in libraries for style in entry.get("styles", [""])]
    known = [result for result in results if (result.library, result.role, result.style) in places]
    return sorted(known, key=lambda result: places.index((result.library, result.role, result.style)))


def assemble(order, rows, sections):
    """The whole page."""
    table = HEAD + "".join(f"{line}\n" for name in order for line in rows.get(name, []))
    text = (HERE / "page.md").read_text().replace("{{table}}\n", f"{table}\n")
    return text + "".join(f"\n## {name}\n\n{sections[name]}" for name in order if name in sections)


def parts(text):
    """The rows and the sections of a page, by the language's name."""
    head, *others = re.split(r"^## (?=\w)", text, flags=re.M)
    sections = dict(other.split("\n\n", 1) for other in others if "\n\n" in other)
    # A section ends with the empty line before the next heading.
    sections = {name: section.rstrip("\n") + "\n" for name, section in sections.items()}
    rows = collections.defaultdict(list)
    for line in head.splitlines():
        cells = cells_of(line)
        if len(cells) == 6 and cells[0] in sections:
            rows[cells[0]].append(line)
    return rows, sections


def cells_of(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def by_library(results):
    """The results of each library in each role."""
    found = collections.defaultdict(list)
    for result in results:
        found[result.library, result.role].append(result)
    return found


def row(name, key, results, settings):
    """The row of a library in one role."""
    library, role = key
    setting = settings.get((library, role), settings.get((library, None)))
    if setting is None:
        raise ValueError(f"its table has no row for {library} ({role})")
    checks = len({result.check for result in results})
    kinds = [dict.fromkeys(getattr(result, kind) for result in results if getattr(result, kind)) for kind in ("style", "typ")]
    run = "; ".join([f"{role}, {checks} checks", *(", ".join(kind) for kind in kinds if kind)])
    return f"| {name} | {library} | {results[0].version} | {run} | {verdict(results)} | {setting or 'nothing'} |"


def verdict(results):
    """The result column: `passed`, and what the library does not support, by reason."""
    def where(result):
        return ", ".join(word for word in (result.style, result.typ) if word)

    every, reasons = {where(result) for result in results}, collections.defaultdict(dict)
    for result in results:
        if result.result == "not supported":
            reasons[result.note].setdefault(result.check, []).append(where(result))
    words = ["passed"] if any(result.result == "passed" for result in results) else []
    for note, checks in reasons.items():
        by_place = collections.defaultdict(list)
        for check, places in checks.items():
            by_place["" if set(places) == every else f" ({'; '.join(places)})"].append(check)
        whole = {result.check for result in results}
        named = [("everything" if set(checks) == whole else ", ".join(checks)) + place for place, checks in by_place.items()]
        words.append(f"not supported: {'; '.join(named)}: {note}")
    return "; ".join(words).replace("|", "\\|").replace("\n", " ")


def fragment(folder):
    """Reads a language's README.md: the last column of its table, by library and role, and the text behind the table."""
    lines = (folder / "README.md").read_text().splitlines()
    table = [at for at, line in enumerate(lines) if line.startswith("|")]
    if len(table) < 3:
        raise ValueError("it has no table")
    end = table[0]
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    settings = {}
    for line in lines[table[0] + 2:end]:
        cells = cells_of(line)
        role = next((role for role in ROLES if role in cells[1:-1]), None)
        settings[cells[0].strip("`*"), role] = cells[-1]
    rest = "\n".join(lines[end:]).strip("\n") + "\n"
    check_code(folder, rest)
    return settings, headings(rest)


def headings(text):
    """The text with its highest headings at the third level. Lines of code are no headings."""
    code, out = False, []
    for line in text.splitlines():
        code ^= line.startswith("```")
        level = 0 if code else len(line) - len(line.lstrip("#"))
        out.append((level if line[level:].startswith(" ") else 0, line))
    shift = 3 - min((level for level, _ in out if level), default=3)
    return "".join("#" * (level + shift if level else 0) + line[level:] + "\n" for level, line in out)


def check_code(folder, text):
    """Raises an error unless every block of code stands, in one piece, in a file of the language's programs."""
    files = [[line.rstrip() for line in path.read_text(errors="replace").splitlines()] for path in sources(folder)]
    for kind, code in re.findall(r"^```([^\n]*)\n(.*?)^```", text, flags=re.M | re.S):
        lines = [line.rstrip() for line in code.splitlines()]
        if kind.strip() not in NOT_CODE and not any(stands_in(lines, file) for file in files):
            raise ValueError(f"this code is in none of its programs:\n{code}")


def sources(folder):
    """The files of a folder, without built or installed ones."""
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        yield from (pathlib.Path(at) / name for name in files if name != "README.md")


def stands_in(lines, file):
    """Whether the lines are in the file, with any indentation."""
    size, block = len(lines), textwrap.dedent("\n".join(lines))
    first = lines[0].strip() if lines else None
    starts = (at for at, line in enumerate(file) if line.strip() == first)
    return any(textwrap.dedent("\n".join(file[at:at + size])) == block for at in starts)
