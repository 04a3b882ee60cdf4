#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""docs/esp8266.md and its Portuguese twin: what they name is there, what they tell a person to type
does what they say, and they say the same. The English page's blocks marked `<!-- run: ... -->` are
typed as they stand; `aws` is the desk's (`elo aws`)."""
import collections
import json
import pathlib
import re
import shlex
from xml.etree import ElementTree

from desk import PATIENCE, case, check, main, need

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = {"en": ROOT / "docs/esp8266.md", "pt": ROOT / "docs/esp8266.pt-BR.md"}
# The twin's word for it: a name that a person chooses, and the marks.
TWIN = {"cozinha": "kitchen", "Casa": "Home", "a senha": "its passphrase"}
MARKS = {"en": ("CPU", "PC", "CORE", "NOT YET"), "pt": ("CPU", "PC", "CORE", "AINDA NÃO")}


class Page:
    def __init__(self, language):
        self.language, self.path = language, PAGES[language]
        self.text = self.path.read_text(encoding="utf-8")
        self.prose = re.sub(r"^```.*?^```$", "", self.text, flags=re.S | re.M)

    def blocks(self):
        """(what the comment above says or "", language, text)"""
        pattern = r"(?:^<!-- (\w+: \w+) -->\n)?^```(\w*)\n(.*?)^```$"
        return re.findall(pattern, self.text, re.S | re.M)

    def to_run(self, how):
        """The one block that is marked so."""
        found = [text for mark, _, text in self.blocks() if mark == f"run: {how}"]
        need(len(found) == 1, f"{self.path.name} has one block to run: {how}", found)
        return found[0]

    def sections(self):
        """[(depth, text)], in order."""
        parts = re.split(r"^(#+) .*$", self.prose, flags=re.M)
        return [(len(d), t) for d, t in zip(parts[1::2], parts[2::2])]

    def spans(self):
        return re.findall(r"`([^`\n]+)`", self.prose)

    def tables(self):
        """The reasons: {table: [(slug, number)]}"""
        return {name: re.findall(r"^\| `(E-[A-Z0-9-]+)` \| (-\d+) \| [^|]+ \| [^|]+ \|$", body, re.M)
                for name, body in re.findall(r"<!-- part (\w+) -->\n(.*?)<!-- end of part -->",
                                             self.text, re.S) if name != "figures"}


def pages():
    return [Page(language) for language in PAGES]


def english(text):
    for twin, word in TWIN.items():
        text = text.replace(twin, word)
    return text


@case
def twins(scene):
    """both pages have the same sections, marks, commands, pictures, tables and reasons"""
    del scene
    en, pt = pages()
    check([d for d, _ in en.sections()] == [d for d, _ in pt.sections()], "the same sections",
          f"{len(en.sections())} and {len(pt.sections())}")
    for number, ((_, one), (_, other)) in enumerate(zip(en.sections(), pt.sections()), 1):
        counts = [[text.count(f"`{m}`") for m in MARKS[p.language]]
                  for text, p in ((one, en), (other, pt))]
        rows = [len(re.findall(r"^\|", text, re.M)) for text in (one, other)]
        if counts[0] != counts[1] or rows[0] != rows[1]:
            check(False, f"section {number} has the same marks and table rows",
                  f"{counts} {rows}\n{one[:200]}\n{other[:200]}")
    check(True, f"{len(en.sections())} sections have the same marks and table rows")
    blocks = [[(m, language, english(text)) for m, language, text in p.blocks()] for p in (en, pt)]
    for one, other in zip(*blocks):
        # What follows a # is for people.
        same = [(m, language, re.sub(r" +# .*", "", text)) for m, language, text in (one, other)]
        if same[0] != same[1]:
            check(False, "the same commands", f"{one}\n{other}")
    check(len(blocks[0]) == len(blocks[1]), f"the same {len(blocks[0])} blocks of commands",
          len(blocks[1]))
    pictures = [re.findall(r"!\[[^\]]+\]\(([^)]+)\)", p.text) for p in (en, pt)]
    check(pictures[0] == pictures[1] and len(pictures[0]) == 4, "the same four pictures", pictures)
    check(en.tables() == pt.tables(), "the same reasons in the same tables",
          set(map(str, en.tables().items())) ^ set(map(str, pt.tables().items())))


@case
def reasons(scene):
    """every reason that a device can show is explained, and the numbers are those of the list"""
    done = scene.run(ROOT / "tools/guide", "--check", env={"PYTHONDONTWRITEBYTECODE": "1"})
    check(done.code == 0, "the parts written by tools/guide are as it would write them", done.err)
    done = scene.elo("explain", "--markdown")
    check(done.out == (ROOT / "docs/errors.md").read_text(encoding="utf-8"),
          "docs/errors.md is what `elo explain --markdown` prints", "write it anew")
    words = (ROOT / "lib/src/elo/port/esp8266/words.c").read_text()
    mine = set(re.findall(r'"(E-[A-Z0-9-]+): ', words)) - {"E-OTHER"}
    known = set(re.findall(r'ELO_REASON\(\w+, "(E-[A-Z0-9-]+)"',
                           (ROOT / "errors/errors.def").read_text()))
    for page in pages():
        told = [slug for rows in page.tables().values() for slug, _ in rows]
        check(sorted(told) == sorted(mine), f"{page.path.name} explains all {len(mine)}, once each",
              f"missing: {mine - set(told)}\ntoo much: {set(told) - mine}")
        named = set(re.findall(r"\bE-[A-Z0-9]+(?:-[A-Z0-9]+)*\b", page.text))
        check(named <= known, f"{page.path.name} names none that is not", named - known)


def anchor(heading):
    """As a forge makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@case
def names(scene):
    """links, files, make's targets, names in the library, words of the console are there"""
    del scene
    for picture in sorted((ROOT / "docs/img").glob("*.svg")):
        root = ElementTree.parse(picture).getroot()
        told = [root.findtext(f"{{http://www.w3.org/2000/svg}}{tag}") for tag in ("title", "desc")]
        check(all(told) and "prefers-color-scheme: dark" in picture.read_text(encoding="utf-8"),
              f"{picture.name} says what it shows, by day and by night")
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    library = "\n".join(p.read_text(encoding="utf-8", errors="replace")
                        for p in (ROOT / "lib/src").rglob("*") if p.suffix in (".h", ".c", ".cpp"))
    console = (ROOT / "lib/src/elo/setup/commands.c").read_text()
    tests = {p.name for p in (ROOT / "tests").rglob("test_*")}
    for page in pages():
        name = page.path.name
        links = re.findall(r"\]\(([^)\s]+)\)", page.text)
        headings = {anchor(h) for h in re.findall(r"^#+ (.*)$", page.prose, re.M)}
        lost = [link for link in links if not link.startswith("https://") and not (
            link[1:] in headings if link.startswith("#") else (page.path.parent / link).is_file())]
        check(links and not lost, f"{name}: {len(links)} links lead somewhere", lost)
        spans = page.spans()
        files = [s for s in spans if re.match(r"(lib|docs|tests|tools|ports|cli)/[\w./-]+$", s)]
        lost = [f for f in files if not (ROOT / f).exists()]
        lost += [s for s in spans if re.match(r"test_\w+\.(c|py)$", s) and s not in tests]
        check(files and not lost, f"{name}: {len(files)} files are there", lost)
        made = set(re.findall(r"\bmake ([a-z0-9-]+)", "\n".join(
            spans + [text for _, _, text in page.blocks()])))
        check(made and made <= targets, f"{name}: make can {', '.join(sorted(made))}", made - targets)
        words = set(re.findall(r"\b(?:Elo[A-Z]\w+|elo_\w+|ELO_\w+)\b", page.text))
        lost = {w for w in words if not re.search(rf"\b{w}\b", library)}
        check(words and not lost, f"{name}: the library has {', '.join(sorted(words))}", lost)
        called = set(re.findall(r"`(?:elo\.|net\.)?([a-z]\w+)\((?:Serial|\.\.\.|\"[^`]*)?\)`", page.prose))
        lost = {w for w in called if not re.search(rf"\b{w}\(", library)} - {
            "setup", "setInsecure", "configTime", "state", "connect", "callback"}
        check(not lost, f"{name}: and {', '.join(sorted(called))}", lost)
        typed = re.findall(r"^\| `([a-z]+)(?: [A-Z\[\]a-z ]+)?` \| [^|`]+", page.prose, re.M)
        table = [w for w in typed if f'"{w}"' in console]
        check(table == ["help", "status", "why", "scan", "wifi", "interval", "set", "reset",
                        "forget"] and console.count("\nCOMMAND(") == len(table),
              f"{name}: the console's words, all of them", typed)
        examples = set(re.findall(r"\b(Telemetry|Station|DeepSleep|PubSubClient)\b", page.text))
        lost = [e for e in examples if not (ROOT / f"lib/examples/{e}/{e}.ino").is_file()]
        check(len(examples) == 4 and not lost, f"{name}: the examples are there", lost)


def commands(page):
    """Each `elo VERB ...` of the page: (verb, the words after it)."""
    texts = [text for _, language, text in page.blocks() if language == "sh"] + page.spans()
    for text in texts:
        for line in text.replace("\\\n", " ").splitlines():
            match = re.match(r"elo ([a-z]+)\b(.*)", line)
            if match:
                yield match[1], shlex.split(match[2].replace("...", ""))


@case
def options(scene):
    """every command of `elo` that is named, and its options, are in its help"""
    helps = {}

    def help_of(verb):
        if verb not in helps:
            done = scene.elo(verb, "--help")
            helps[verb] = done.out if done.code == 0 else ""
        return helps[verb]
    for page in pages():
        lost, seen = [], collections.Counter()
        for verb, words in commands(page):
            seen[verb] += 1
            wanted = [w for w in words if re.match(r"--?[a-z]", w)] if verb != "aws" else []
            lost += [f"elo {verb} {w}" for w in wanted
                     if not re.search(rf"(^|[\s,|(\[]){re.escape(w)}\b", help_of(verb), re.M)]
            lost += [] if help_of(verb) else [f"elo {verb}"]
        alone = re.findall(r"^\| `(--[a-z-]+)(?: [A-Z]+)?` \|", page.prose, re.M)
        lost += [o for o in alone if o not in help_of("add")]
        check(not lost and alone, f"{page.path.name}: {dict(seen)}, and {', '.join(alone)}", lost)


def person(scene, desk):
    """What a person's shell has: `elo` and `aws` on the path, the desk's data folder known."""
    folder = scene.path("bin")
    folder.mkdir()
    (folder / "elo").symlink_to(scene.elo_path)
    aws = folder / "aws"  # and behind it the AWS CLI, by the path without this folder
    aws.write_text(f'#!/bin/sh\nPATH={scene.env["PATH"]} exec "{scene.elo_path}" aws "$@"\n')
    aws.chmod(0o755)
    return {"PATH": f"{folder}:{scene.env['PATH']}", "ELO_DATA": str(desk.data)}


def types(scene, env, block, cwd=None):
    """The block in one shell, which ends at the first command that fails."""
    done = scene.run("bash", "-euo", "pipefail", "-c", block, env=env, cwd=cwd,
                     patience=PATIENCE * (1 + block.count("aws iot")))
    need(done.code == 0, f"typed: {block.splitlines()[0]}" + (" ..." if "\n" in block else ""),
         done.out + done.err)
    return done


@case
def without_a_board(scene):
    """a thing, who watches it, a virtual board, a command and its answer"""
    env = person(scene, scene.desk())
    watch = device = None
    for line in Page("en").to_run("lines").splitlines():
        if line.startswith("elo sub "):
            watch = scene.start("bash", "-c", f"exec {line}", env=env)
            need(watch.wait_line("^Subscribed$"), f"typed: {line}", watch.text())
        elif line.startswith("elo device "):
            device = scene.start("bash", "-c", f"exec {line}", env=env)
            need(device.wait_line(r"\bonline\b"), f"typed: {line}", device.text())
        else:
            types(scene, env, line)
        if line.startswith("elo pub "):
            need(watch.wait_line('elo/kitchen/reply .*"ok":true'), "it is answered", watch.text())
            check(watch.wait_line('elo/kitchen/state .*"led":"on".*"interval":5'),
                  "the state is the one commanded", watch.text())
            check(watch.wait_line("elo/kitchen/telemetry "), "telemetry is there", watch.text())


@case
def a_sketch_folder(scene):
    """the folder `data` of a sketch"""
    env = person(scene, scene.desk())
    types(scene, env, Page("en").to_run("whole"))
    data = scene.path("data")
    check(sorted(p.name for p in data.iterdir()) ==
          ["ca.pem", "cert.pem", "config.json", "key.pem", "wifi.json"],
          "it has the five files", list(data.iterdir()))
    check(json.loads((data / "wifi.json").read_text()).keys() == {"ssid", "password"},
          "wifi.json is as the library reads it")


@case
def on_aws(scene):
    """thing, CSR, certificate, policy, endpoint; the files are a device; revoked, they are none"""
    page = Page("en")
    desk = scene.desk("--region", "sa-east-1", "--account", "123456789012")
    env = person(scene, desk)
    types(scene, env, page.to_run("aws"))
    data = scene.path("data")
    config = json.loads((data / "config.json").read_text())
    check(config["host"] == desk.endpoints["mqtts"], "the endpoint is the one that is told", config)
    # AWS tells a name only, and the port is 8883; a test's desk has another. The root is its own.
    config["host"], config["port"] = desk.host, desk.mqtts_port
    (data / "config.json").write_text(json.dumps(config))
    (data / "ca.pem").write_bytes(pathlib.Path(desk.ca).read_bytes())
    since = desk.log_mark()
    ran = scene.elo("device", "--bundle", data, "--count", "2", "--interval", "1s")
    check(ran.code == 0, "elo device --bundle data delivers telemetry", ran.out + ran.err)
    refused = [r for r in desk.records[since:] if str(r.get("code", "")).startswith("E-")]
    check(not refused, "and nothing it does is refused", refused)
    wrong = scene.elo("pub", "elo/other/telemetry", "-m", "{}", "--bundle", data)
    check(wrong.code == 5, "a topic that is not its own is", wrong.err)
    types(scene, env, page.to_run("revoke"))
    since = desk.log_mark()
    device = scene.start_elo("device", "--bundle", data)
    need(device.wait_line("^offline "), "once INACTIVE it is not let in any more", device.text())
    check(device.end() != 0, "and never was", device.text())
    desk.expect_record("E-CERT-INACTIVE", since, code="E-CERT-INACTIVE")
    why = scene.elo("why", "kitchen", "--data", desk.data)
    check("E-CERT-INACTIVE" in why.out, "and elo why kitchen says why", why.out + why.err)


if __name__ == "__main__":
    main()
