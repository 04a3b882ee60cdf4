# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Elo authors
"""What the tests of the emulated board share: running an image, what the plugin has counted, a
mosquitto whose certificate hangs below an intermediate CA with RSA keys, as those of AWS do."""
import collections
import pathlib
import re
import shutil
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "wire"))
import desk  # noqa: E402
from desk import Device, check, endpoint_free, need  # noqa: E402

SECTIONS = ["handshake", "step", "publish"]
Section = collections.namedtuple("Section", "entered all longest")
EXCEPTION, STACK, HOST, POWER, RESTART = 70, 71, 72, 73, 74


def image(name):
    return SOURCE / "build" / "lx106" / f"{name}.elf"


class Counts:
    """What the plugin wrote."""

    def __init__(self, path):
        self.numbers, self.sections, self.places = {}, {}, []
        for line in path.read_text().splitlines():
            words = line.split()
            if words[0] == "section":
                self.sections[SECTIONS[int(words[1])]] = Section(*map(int, words[3::2]))
            elif words[0] == "at":
                self.places.append((int(words[1], 16), int(words[2]), words[3]))
            else:
                self.numbers[words[0]] = int(words[1])

    def misuse(self):
        return [self.numbers[n]
                for n in ("flash_narrow_loads", "flash_stores", "stray_accesses")]


class Board:
    """Starts images in a scene."""

    def __init__(self, scene):
        self.scene = scene
        self.runs = 0
        here = pathlib.Path(scene.elo_path).parent / "tests" / "target"
        self.runner, self.plugin = here / "board", here / "lx106-plugin.so"
        need(image("probe").exists(), "the images are built (tools/test lx106)", image("probe"))
        need(shutil.which("qemu-system-xtensa"), "qemu-system-xtensa is installed")

    def argv(self, name, args, options, count, profile=None):
        argv = [self.runner, *options]
        self.runs += 1
        out = self.scene.path(f"counts-{self.runs}")
        if count:
            plugin = f"{self.plugin},out={out}" + (f",profile={profile}" if profile else "")
            argv += ["--plugin", plugin]
        return argv + [image(name), *args], out

    def start(self, name, *args, options=(), count=False, **more):
        """Goes on by itself. With `count` it has a `counts()` for when it has ended."""
        argv, out = self.argv(name, args, options, count)
        process = self.scene.start(*argv, **more)
        process.counts = lambda: Counts(out)
        return process

    def run(self, name, *args, options=(), count=False, stdin=None, profile=None):
        """To the end; desk.Result, and Counts if asked for."""
        argv, out = self.argv(name, args, options, count, profile)
        result = self.scene.run(*argv, stdin=stdin)
        return (result, Counts(out)) if count else result


class Chain:
    """A CA that openssl makes: a root, an intermediate below it, and what that issues."""

    def __init__(self, scene, kind="rsa"):
        self.scene, self.kind = scene, kind
        self.root = self.make("root", None, "basicConstraints=critical,CA:TRUE\n"
                              "keyUsage=critical,keyCertSign")
        self.middle = self.make("middle", "root", "basicConstraints=critical,CA:TRUE\n"
                                "keyUsage=critical,keyCertSign")

    def key(self, name, kind):
        if kind == "ec":
            return self.scene.make_key(name)
        path = self.scene.path(f"{name}.key")
        self.scene.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                           "-out", path)
        return path

    def make(self, name, issuer, extensions, kind=None, subject=None):
        key = self.key(name, kind or self.kind)
        csr, cert = self.scene.path(f"{name}.csr"), self.scene.path(f"{name}.pem")
        self.scene.openssl("req", "-new", "-key", key, "-subj", f"/CN={subject or name}", "-out",
                           csr)
        file = self.scene.path(f"{name}.ext")
        file.write_text(extensions + "\n")
        signer = ["-signkey", key] if issuer is None else [
            "-CA", self.scene.path(f"{issuer}.pem"), "-CAkey", self.scene.path(f"{issuer}.key"),
            "-CAcreateserial"]
        self.scene.openssl("x509", "-req", "-in", csr, *signer, "-days", "3650", "-extfile", file,
                           "-out", cert)
        return cert

    def server(self, host="localhost"):
        """(certificate with its intermediate, key)"""
        cert = self.make("server", "middle", f"subjectAltName=DNS:{host}")
        chain = self.scene.path("server-chain.pem")
        chain.write_text(cert.read_text() + self.middle.read_text())
        return chain, self.scene.path("server.key")

    def device(self, name, kind="ec"):
        """Certificate and key of a client."""
        cert = self.make(name, "root", "extendedKeyUsage=clientAuth", kind)
        return Device(name, cert, self.scene.path(f"{name}.key"), "", "")

    def thing(self, name):
        return credentials(self.scene, self.root, self.device(name))


def to_der(scene, pem, der):
    scene.openssl("x509", "-in", pem, "-outform", "DER", "-out", der)


def credentials(scene, root, device):
    """A folder with the three files that an image reads."""
    folder = scene.path(f"credentials-{device.name}")
    folder.mkdir()
    to_der(scene, root, folder / "ca.der")
    to_der(scene, device.cert, folder / "cert.der")
    sec1 = scene.path("sec1.der")
    scene.openssl("ec", "-in", device.key, "-outform", "DER", "-out", sec1)
    data = sec1.read_bytes()  # RFC 5915: a sequence, version 1, and 32 bytes
    need(data[5:7] == b"\x04\x20", "the key is on P-256", data[:8].hex())
    (folder / "key.bin").write_bytes(data[7:39])
    return folder


class Mosquitto:
    """Debian's broker, which wants certificates of the chain."""

    def __init__(self, scene, chain):
        self.scene, self.chain, self.port = scene, chain, endpoint_free()
        cert, key = chain.server()
        self.conf = scene.path("mosquitto.conf")
        self.conf.write_text(
            f"listener {self.port} localhost\ncafile {chain.root}\ncertfile {cert}\n"
            f"keyfile {key}\nrequire_certificate true\nuse_identity_as_username true\n"
            "allow_anonymous false\npersistence false\nuser root\nlog_type all\n")
        self.start()
        self.person = chain.device("person")

    def start(self):
        self.process = self.scene.start("mosquitto", "-c", self.conf)
        need(self.process.wait_line(r"mosquitto version .* running"), "mosquitto runs",
             self.process.text())

    def options(self, client_id):
        return desk.mosquitto_options("localhost", self.port, self.chain.root, self.person,
                                      client_id)

    def sub(self, topic):
        process = self.scene.start("stdbuf", "-oL", "mosquitto_sub", *self.options("person-sub"),
                                   "-d", "-t", topic, "-q", "1", "-F", "MSG %t %q %r %p")
        need(process.wait_line("^Subscribed "), f"mosquitto_sub is subscribed to {topic}",
             process.text())
        return process

    def pub(self, topic, message):
        result = self.scene.run("mosquitto_pub", *self.options("person-pub"), "-t", topic, "-m",
                                message, "-q", "1")
        check(result.code == 0, f"mosquitto_pub sends {len(message)} bytes to {topic}", result.err)


def symbol(name, pc):
    """The function of an image that an address lies in."""
    import subprocess
    out = subprocess.run(["xtensa-lx106-elf-addr2line", "-f", "-e", image(name), hex(pc)],
                         capture_output=True, text=True, check=False).stdout
    return re.sub(r"\n.*", "", out, flags=re.S)
