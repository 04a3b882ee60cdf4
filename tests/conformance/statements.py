# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""The data files - statements and deviations - and the summary that is made of them."""
import collections
import re

SPEC = {4: "3.1.1", 5: "5"}
ROW = re.compile(r"^(\d+(?:\.\d+)*-\d+) ([SCB]) (.+?)(?: // (.+))?$")
Statement = collections.namedtuple("Statement", "id side text reason")
Deviation = collections.namedtuple("Deviation", "name servers statements reason")


def rows_of(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield f"{path.name}:{number}", line


def load(path):
    table = {}
    for where, line in rows_of(path):
        match = ROW.match(line)
        if not match or match[1] in table:
            raise SystemExit(f"{where}: not a row, or its second: {line}")
        table[match[1]] = Statement(*match.groups())
    return table


def load_deviations(path):
    """name | server versions[; server versions] | statements | reason"""
    table = {}
    for where, line in rows_of(path):
        parts = [p.strip() for p in line.split("|")]
        if len(parts) != 4 or parts[0] in table:
            raise SystemExit(f"{where}: not a row, or its second: {line}")
        servers = {}
        for one in parts[1].split(";"):
            server, *versions = one.split()
            servers[server] = {{"3.1.1": 4, "5": 5}[v] for v in versions}
        table[parts[0]] = Deviation(parts[0], servers, parts[2].split(), parts[3])
    return table


def judge(tables, deviations, tests):
    """What is wrong with the data files themselves."""
    found = []
    tested = {version: {s for t in tests for s in t.statements[version] if s != "-"}
              for version in tables}
    for version, table in tables.items():
        for s in sorted(tested[version] - set(table)):
            found.append(f"a test names MQTT {SPEC[version]} [MQTT-{s}], which there is not")
        for row in table.values():
            if row.side != "C" and row.id not in tested[version] and not row.reason:
                found.append(f"MQTT {SPEC[version]} [MQTT-{row.id}] has no test and no reason")
            if row.id in tested[version] and row.reason:
                found.append(f"MQTT {SPEC[version]} [MQTT-{row.id}] has a test and a reason")
    for d in deviations.values():
        for versions in d.servers.values():
            for version in versions:
                for s in d.statements:
                    if s not in tables[4] and s not in tables[5]:
                        found.append(f"deviation {d.name} names [MQTT-{s}], which there is not")
    return found


def unused(deviations, used, spoken):
    return [f"deviations.txt: {server} no longer has '{d.name}' in MQTT {SPEC[version]}, "
            "or no test asks"
            for d in deviations.values() for server, versions in d.servers.items()
            for version in versions
            if (server, version) in spoken and (server, d.name, version) not in used]


class Summary:
    def __init__(self, tables, deviations, tests, results):
        self.tables, self.deviations = tables, deviations
        self.tests, self.results = tests, results
        self.servers = sorted({server for _, server, _ in results}, reverse=True)
        self.table = self._table()

    def names(self, version, statement):
        return [t.name for t in self.tests if statement in t.statements[version]]

    def verdict(self, server, version, row):
        """What became of a statement: passed, failed, deviates, outside or client."""
        names = self.names(version, row.id)
        if not names:
            return "client" if row.side == "C" else "outside"
        outcomes = [self.results[key] for name in names
                    if (key := (name, server, version)) in self.results]
        if any(outcomes):
            return "failed"
        if not outcomes:
            return "not run"
        if any(row.id in d.statements and version in d.servers.get(server, ())
               for d in self.deviations.values()):
            return "deviates"
        return "passed"

    def counts(self, server, version):
        return collections.Counter(self.verdict(server, version, row)
                                   for row in self.tables[version].values())

    def _table(self):
        kinds = ("passed", "deviates", "failed", "not run", "outside", "client")
        lines = [f"{'':24}" + "".join(f"{k:>10}" for k in kinds)]
        for version in self.tables:
            for server in self.servers:
                count = self.counts(server, version)
                lines.append(f"MQTT {SPEC[version]:5} {server:13}" +
                             "".join(f"{count[k]:10d}" for k in kinds))
        behaviours = [t.name for t in self.tests if t.aws]
        bad = sum(bool(problem) for key, problem in self.results.items() if key[0] in behaviours)
        lines.append(f"AWS's own behaviours: {len(behaviours)}, {bad} failed")
        return lines

    def document(self):
        out = [HEAD]
        for version in self.tables:
            out.append(f"| MQTT {SPEC[version]} | " + " | ".join(self.servers) + " |")
            out.append("|---|" + "---|" * len(self.servers))
            counts = [self.counts(s, version) for s in self.servers]
            for kind, words in KINDS.items():
                if any(c[kind] for c in counts):
                    out.append(f"| {words} | " + " | ".join(str(c[kind]) for c in counts) + " |")
            out.append("")
        out += ["## Where a server deviates", "",
                "Each of these is tested: the test proves what the server does instead.", "",
                "| what | server | statements | reason |", "|---|---|---|---|"]
        for d in self.deviations.values():
            who = ", ".join(f"{s} ({' and '.join(SPEC[v] for v in sorted(vs))})"
                            for s, vs in d.servers.items())
            out.append(f"| `{d.name}` | {who} | {' '.join(d.statements) or '-'} | {d.reason} |")
        out += ["", "## Behaviours of AWS IoT Core beyond the specifications", "",
                "| behaviour | versions | test |", "|---|---|---|"]
        for t in self.tests:
            if t.aws:
                versions = " and ".join(SPEC[v] for v in (4, 5) if t.statements[v])
                out.append(f"| {t.aws} | {versions} | `{t.name}` |")
        for version, table in self.tables.items():
            out += ["", f"## MQTT {SPEC[version]}, statement by statement", "",
                    "| statement | what it says | " + " | ".join(self.servers) + " | tests |",
                    "|---|---|" + "---|" * len(self.servers) + "---|"]
            for row in table.values():
                names = ", ".join(f"`{n}`" for n in self.names(version, row.id))
                out.append(f"| {row.id} | {row.text} | " + " | ".join(
                    self.verdict(s, version, row) for s in self.servers) +
                    f" | {names or row.reason or 'for clients only'} |")
        return "\n".join(out) + "\n"


KINDS = {"passed": "statements tested, as specified", "deviates": "tested, deviates (below)",
         "failed": "failed", "not run": "not run", "outside": "cannot be seen from outside",
         "client": "for clients only"}

HEAD = """# Conformance to MQTT 3.1.1 and MQTT 5

Written by `tests/conformance/run.py build/dev/elo --doc docs/conformance.md`; `ctest -R conformance`
fails when it is out of date. The same tests run against mosquitto (2.0.11, Debian 12's), so that the suite
itself is checked by software that nobody here wrote. How it works: `tests/conformance/README.md`.
"""


def summary(tables, deviations, tests, results):
    return Summary(tables, deviations, tests, results)
