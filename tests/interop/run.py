#!/usr/bin/env python3
"""Runs the client libraries and resource servers of tests/interop against heirloom; README.md says how it works.

    tests/interop/run.py [--binary target/debug/heirloom] [--jobs 2] [--only python] [--only js/openid-client] [--full] [--write]
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import first_look
import page
import sign_in
from server import Server

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENT_CHECKS = ["sign in", "refresh", "refresh again", "concurrent refresh", "expired access token", "wrong password",
                 "wrong secret", "narrower scope", "revoke", "introspect"]
RESOURCE_SERVER_CHECKS = ["accepts a token", "refuses an expired token", "refuses another audience",
                          "refuses another issuer", "refuses a changed signature", "reads scope and roles",
                          "key rotation with a warm cache"]
MACHINE_CLIENT_CHECKS = ["token of its own", "same token again", "claims of the token", "wrong secret"]
BROWSER_CLIENT_CHECKS = ["wrong password", "sign in", "refresh", "sign out"]
GATEWAY_CHECKS = ["accepts a token", "refuses no token", "refuses another audience", "refuses a changed signature",
                  "refuses an expired token", "key rotation"]
CHECKS = {"client": CLIENT_CHECKS, "machine client": MACHINE_CLIENT_CHECKS, "resource server": RESOURCE_SERVER_CHECKS,
          "browser client": BROWSER_CLIENT_CHECKS, "sign-in": sign_in.CHECKS, "gateway": GATEWAY_CHECKS, "application": GATEWAY_CHECKS}
# The lifetime of the access tokens that a program waits for, in seconds: long enough that they are good until they are used.
SHORT = 8
# The servers that a program is run against: how each is started, and the `typ` that its results are listed under.
SERVERS = {
    "client": [{"flags": [], "access_token": SHORT, "typ": "at+jwt"}],
    "machine client": [{"flags": [], "typ": "at+jwt"}],
    "resource server": [{"flags": ["--lead-time", "1"], "typ": typ} for typ in ("at+jwt", "JWT")],
    "browser client": [{"flags": [], "typ": "at+jwt"}],
    "sign-in": [{"flags": [], "typ": "at+jwt"}],
    "gateway": [{"flags": ["--lead-time", "1"], "access_token": SHORT, "typ": "at+jwt"}],
    "application": [{"flags": ["--lead-time", "1"], "access_token": SHORT, "typ": "at+jwt"}],
}
# Seconds.
SETUP_TIME, PROGRAM_TIME = 600, 240

Result = collections.namedtuple("Result", "library version role style typ check result note")


class Broken(Exception):
    """A mistake that makes all results of a language useless."""


def main():
    arguments = parse_arguments()
    expected = json.loads((HERE / "expected.json").read_text())
    languages = [name for name in expected if chosen(arguments.only, name)]
    looks = not arguments.only or "first_look" in arguments.only
    if not languages and not looks:
        sys.exit(f"--only {arguments.only} names none of {', '.join(expected)}, first_look")
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        # In reverse, because the last languages take the longest to set up.
        runs = {name: pool.submit(run_language, name, arguments) for name in reversed(languages)}
    results, failures = {}, []
    for name in languages:
        results[name], broken = runs[name].result()
        failures += broken
        # Checks that a broken program did not report are not listed one by one.
        if not broken and not arguments.partly(name):
            failures += [f"{name}: {problem}" for problem in judge(expected[name], results[name], arguments.full)]
    failed = [(name, result) for name in languages for result in results[name] if result.result == "failed"]
    failures += [f"{name}: {title(result)}: {result.note}" for name, result in failed]
    looked, problems = first_look.run(arguments.binary) if looks else ([], [])
    failures += problems
    if not any(arguments.partly(name) for name in languages):
        failures += page.compare(expected, {name: results[name] for name in languages}, arguments.write and not failures)
    print_table(results, time.monotonic() - started)
    print(f"first look: {', '.join(looked)}")
    for failure in failures:
        print(f"FAILED: {failure}")
    counted = collections.Counter(result.result for found in results.values() for result in found)
    print(f"interop: {counted['passed'] + len(looked)} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/debug/heirloom")
    parser.add_argument("--jobs", type=int, default=2, help="how many languages at a time")
    parser.add_argument("--only", action="append", default=[], metavar="LANGUAGE[/PROGRAM]")
    parser.add_argument("--full", action="store_true", default=bool(os.environ.get("FULL")),
                        help="also run what takes long to set up; so does FULL=1")
    parser.add_argument("--write", action="store_true", help="write docs/interop.md instead of comparing with it")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    if not arguments.binary.exists():
        parser.error(f"{arguments.binary} is missing: run `cargo build --bins --examples`")
    # Whether only some programs of a language run. Then missing checks are no failures.
    arguments.partly = lambda name: bool(arguments.only) and name not in arguments.only
    return arguments


def chosen(only, language):
    return not only or any(word.split("/")[0] == language for word in only)


def run_language(name, arguments):
    """Sets a language up and runs its programs. Returns the results, and what was broken, in words."""
    folder, results, broken = HERE / name, [], []
    try:
        for file in ("setup", "run", "programs", "README.md"):
            if not (folder / file).exists():
                raise Broken(f"tests/interop/{name}/{file} is missing")
        environment = {**os.environ, "FULL": "1" if arguments.full else ""}
        command([ROOT / ".ci/again", folder / "setup"], environment, SETUP_TIME, f"{name}: setup")
        for program, role, is_long in programs(folder):
            if is_long and not arguments.full:
                continue
            if arguments.only and not {name, f"{name}/{program}"} & set(arguments.only):
                continue
            for settings in SERVERS[role]:
                try:
                    results += run_program(name, program, role, settings, arguments.binary)
                except (Broken, RuntimeError, OSError) as error:
                    broken.append(f"{name}/{program} ({role}): {error}")
    except Broken as error:
        broken.append(str(error))
    return results, broken


def programs(folder):
    """The programs that the file `programs` lists."""
    for line in (folder / "programs").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            program, role, *full = line.split()
            role = role.replace("-", " ") if role != "sign-in" else role
            if role not in CHECKS or full not in ([], ["full"]):
                raise Broken(f"{folder.name}/programs has the line {line!r}")
            yield program, role, bool(full)


def run_program(language, program, role, settings, binary):
    """Runs a program against a server of its own, and reads its results."""
    what = f"{language}/{program} ({settings['typ']})" if role == "resource server" else f"{language}/{program}"
    is_app = role == "sign-in" and language != "browser"  # apps in a browser do the checks themselves
    port = sign_in.free_port()
    if is_app:
        settings = {**settings, "audience": sign_in.audience(port)}
    with Server(binary, **settings) as server:
        try:
            words = [HERE / language / "run", program]
            if is_app:
                lines = [json.dumps(said) for said in sign_in.run(server, words, port)]
            else:
                lines = command(words, server.environment(), PROGRAM_TIME, what).splitlines()
            results = [parse(line, role, settings["typ"]) for line in lines]
        except Broken as error:
            raise Broken(f"{error}\n  the server's log ends: {tail(server.log.read_text(errors='replace'), 5)}") from error
        against = server.broken_lines() if "client" in role or role == "sign-in" else []
    if against:
        raise Broken("somebody was signed out: " + "; ".join(against))
    return results


def command(words, environment, seconds, what):
    """Runs a command in a process group of its own, shows its log, and returns what it printed."""
    started = time.monotonic()
    say(f"{what}: begins")
    with subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", cwd=HERE, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise Broken(f"{what}: not done after {seconds} seconds: {tail(out + err)}") from None
    say(f"{what}: {time.monotonic() - started:.1f} s")
    if process.returncode != 0:
        raise Broken(f"{what}: exit code {process.returncode}: {tail(out + err)}")
    return out


def parse(line, role, typ):
    """The result in a line that a program has printed."""
    try:
        said = json.loads(line)
        if said["as"] != role or said["result"] not in ("passed", "failed", "not supported"):
            raise ValueError("what it says as `as` or `result` is not permitted")
        if said["result"] != "passed" and not said.get("note"):
            raise ValueError("there is no note that says why")
        typ = typ if role == "resource server" else ""
        return Result(said["library"], str(said["version"]), role, said.get("style", ""), typ, said["check"],
                      said["result"], said.get("note", ""))
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"{error!r} in the line {line!r}") from error


def judge(language, results, full=True):
    """Compares the results of a language with the expected ones. Libraries of a full run are expected only then."""
    found = collections.Counter(place(result) for result in results)
    yield from (f"said {count} times: {title_of(at)}" for at, count in found.items() if count > 1)
    wanted = {}
    for entry in language["libraries"]:
        if entry.get("full") and not full:
            continue
        excused = [parse_excuse(text) for text in entry.get("not supported", [])]
        typs = ("at+jwt", "JWT") if entry["as"] == "resource server" else ("",)
        for check in CHECKS[entry["as"]] + entry.get("also", []):
            for style in entry.get("styles", [""]):
                for typ in typs:
                    at = (entry["library"], entry["as"], style, typ, check)
                    wanted[at] = any(name in (check, "all") and where <= {style, typ} for name, where in excused)
    yield from (f"missing: {title_of(at)}" for at in wanted if at not in found)
    for result in results:
        at = place(result)
        if at not in wanted:
            yield f"not in expected.json: {title_of(at)}"
        elif (result.result == "not supported") != wanted[at] and result.result != "failed":
            yield f"{result.result}, against expected.json: {title_of(at)} {result.note}"
    versions = collections.defaultdict(set)
    for result in results:
        versions[result.library].add(result.version)
    yield from (f"{library} has several versions: {found}" for library, found in versions.items() if len(found) > 1)


def parse_excuse(text):
    """`CHECK`, or `CHECK (STYLE, TYP)`; `all` is every check."""
    name, where = re.fullmatch(r"([^(]+?)(?: \(([^)]*)\))?", text).groups()
    return name, set(where.split(", ")) if where else set()


def place(result):
    return result.library, result.role, result.style, result.typ, result.check


def title(result):
    return title_of(place(result))


def title_of(at):
    library, role, style, typ, check = at
    where = ", ".join(word for word in (role, style, typ) if word)
    return f"{library} ({where}): {check}"


def print_table(results, seconds):
    for language, found in results.items():
        rows = collections.defaultdict(collections.Counter)
        for result in found:
            row = (result.library, result.version, result.role, result.style, result.typ)
            rows[row][result.result] += 1
        for row, counts in rows.items():
            words = ", ".join(f"{count} {what}" for what, count in sorted(counts.items(), reverse=True))
            library, version, role, *where = row
            print(f"{language:10} {library:32} {version:12} {role:16} {' '.join(filter(None, where)):20} {words}")
    print(f"in {seconds:.0f} seconds")


def tail(text, lines=15):
    return "\n".join(text.strip().splitlines()[-lines:])


LOCK = threading.Lock()


def say(text):
    with LOCK:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
