"""Tests how the runner judges results: `python3 -m unittest discover -s tests/interop`."""

import pathlib
import tempfile
import unittest

import page
import run

LANGUAGE = {"name": "Some", "libraries": [
    {"library": "lib", "as": "client", "styles": ["basic", "none"], "not supported": ["introspect (none)", "revoke"]},
    {"library": "lib", "as": "resource server", "not supported": ["all (JWT)"]},
]}


def results():
    """The results of such a language when everything passes."""
    for style in ("basic", "none"):
        for check in run.CLIENT_CHECKS:
            excused = check == "revoke" or (check, style) == ("introspect", "none")
            yield run.Result("lib", "1", "client", style, "", check, "not supported" if excused else "passed", "why" if excused else "")
    for check in run.RESOURCE_SERVER_CHECKS:
        yield run.Result("lib", "1", "resource server", "", "at+jwt", check, "passed", "")
        yield run.Result("lib", "1", "resource server", "", "JWT", check, "not supported", "other")


class Judgement(unittest.TestCase):
    def judged(self, change):
        """The problems when the first of the good results is replaced."""
        good = list(results())
        return list(run.judge(LANGUAGE, change(good[0]) + good[1:]))

    def test_all_is_well(self):
        self.assertEqual(self.judged(lambda first: [first]), [])

    def test_a_missing_check(self):
        self.assertEqual(self.judged(lambda _: []), ["missing: lib (client, basic): sign in"])

    def test_a_check_said_twice(self):
        self.assertEqual(self.judged(lambda first: [first, first]), ["said 2 times: lib (client, basic): sign in"])

    def test_what_is_not_supported_without_leave(self):
        self.assertEqual(self.judged(lambda first: [first._replace(result="not supported", note="n")]),
                         ["not supported, against expected.json: lib (client, basic): sign in n"])

    def test_what_is_supported_after_all(self):
        good = list(results())
        at = next(at for at, result in enumerate(good) if result.check == "revoke")
        good[at] = good[at]._replace(result="passed", note="")
        self.assertEqual(len(list(run.judge(LANGUAGE, good))), 1)

    def test_another_library(self):
        said = self.judged(lambda first: [first, first._replace(library="other")])
        self.assertEqual(said, ["not in expected.json: other (client, basic): sign in"])

    def test_what_takes_long_is_there_in_a_full_run(self):
        long = {"library": "slow", "as": "gateway", "full": True}
        language = {**LANGUAGE, "libraries": [*LANGUAGE["libraries"], long]}
        self.assertEqual(list(run.judge(language, list(results()), False)), [])
        self.assertEqual(len(list(run.judge(language, list(results()), True))), len(run.GATEWAY_CHECKS))

    def test_a_machine_client_has_checks_of_its_own(self):
        language = {"name": "Some", "libraries": [{"library": "lib", "as": "machine client", "styles": ["basic"]}]}
        found = [run.Result("lib", "1", "machine client", "basic", "", check, "passed", "") for check in run.MACHINE_CLIENT_CHECKS]
        self.assertEqual(list(run.judge(language, found)), [])
        self.assertEqual(list(run.judge(language, found[1:])), ["missing: lib (machine client, basic): token of its own"])

    def test_two_versions(self):
        self.assertIn("several versions", self.judged(lambda first: [first._replace(version="2")])[0])

    def test_a_line_that_is_none(self):
        for line in ("hello", '{"library": "lib"}', '{"library":"l","version":1,"as":"client","check":"c","result":"failed"}'):
            with self.assertRaises(run.Broken):
                run.parse(line, "client", "at+jwt")


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "program.py").write_text("def f():\n    a = 1\n    # b\n    return a\n")

    def readme(self, code):
        (self.folder / "README.md").write_text(f"# S\n\n| L | as | set |\n|---|---|---|\n| `lib` | client | this |\n\n## lib\n\n```python\n{code}```\n")
        return page.fragment(self.folder)

    def test_code_that_was_run(self):
        settings, rest = self.readme("a = 1\n# b\n")
        self.assertEqual(settings, {("lib", "client"): "this"})
        self.assertEqual(rest, "### lib\n\n```python\na = 1\n# b\n```\n")

    def test_code_that_was_not_run(self):
        with self.assertRaises(ValueError):
            self.readme("a = 2\n")

    def test_the_rows_of_a_client_and_of_a_machine_client(self):
        (self.folder / "README.md").write_text("| L | as | set |\n|---|---|---|\n| lib | client | this |\n| lib | machine client | that |\n")
        self.assertEqual(page.fragment(self.folder)[0], {("lib", "client"): "this", ("lib", "machine client"): "that"})

    def test_a_row(self):
        found = [result for result in results() if result.role == "client"]
        self.assertEqual(page.row("Some", ("lib", "client"), found, {("lib", None): ""}),
                         "| Some | lib | 1 | client, 10 checks; basic, none | passed; not supported: "
                         "revoke; introspect (none): why | nothing |")
        found = [result for result in results() if result.role == "resource server"]
        self.assertEqual(page.verdict(found), "passed; not supported: everything (JWT): other")

    def test_what_takes_long_keeps_its_row(self):
        long = {"library": "slow", "as": "gateway", "full": True}
        old = ["| Some | slow | 2 | gateway, 6 checks | passed | nothing |", "| Some | gone | 1 | client, 1 checks | passed | nothing |"]
        found = page.by_library(list(results()))
        rows = list(page.rows_of("Some", [*LANGUAGE["libraries"], long], found, {("lib", None): ""}, old))
        self.assertEqual((len(rows), rows[2]), (3, old[0]))

    def test_a_page_comes_apart_and_together(self):
        rows, sections = {"Some": ["| Some | lib | 1 | r | p | n |"]}, {"Some": "### lib\n\ntext\n"}
        whole = page.assemble(["Some"], rows, sections)
        self.assertEqual(page.parts(whole), (rows, sections))


if __name__ == "__main__":
    unittest.main()
