#!/usr/bin/env python3
"""An independent reader of backup repositories, written from docs/format.md alone.

    reader.py REPOSITORY IDENTITY list
    reader.py REPOSITORY IDENTITY restore SNAPSHOT INTO

REPOSITORY is a directory, IDENTITY an owner's age identity file (X25519). Needs the packages cryptography, zstandard, blake3.
It reads everything into memory and takes its time: it is for looking, for testing, and for the day when nothing else is at hand.
"""
import itertools, json, os, pathlib, re, stat, struct, sys
from contextlib import suppress
from functools import lru_cache
from age_file import age_decrypt, file_key, identity
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
import zstandard

MAX_CHUNK, DAY, NEWER = 1 << 24, 24 * 60 * 60 * 1000, "written by a newer version"
SECTIONS = (63, 64), (136, 30), (170, 24), (31, 128), (511, 8)  # filter, rows, segments, packs, fences: items a page, bytes an item
KINDS = {1: "file", 2: "directory", 3: "symlink", 4: "fifo", 5: "socket", 6: "char", 7: "block", 8: "stream"}

def load(text):
    """An object of JSON that requires nothing that is not known here."""
    def once(members):
        assert len(dict(members)) == len(members), "a member stands twice"
        return dict(members)
    value = json.loads(text, object_pairs_hook=once)
    assert not value.get("requires"), NEWER
    return value

def little(data):
    return int.from_bytes(data, "little")
def derive(context, material):
    return blake3(material, derive_key_context=context).digest()
def gcm(key, number, associated, sealed):
    return AESGCM(key).decrypt(b"\0\0\0\0" + number.to_bytes(8, "big"), sealed, associated)
def unzstd(frame, limit):
    return zstandard.ZstdDecompressor().decompress(frame, max_output_size=limit, allow_extra_data=False)

class Cursor:
    def __init__(self, data):
        self.rest = memoryview(data)
    def take(self, n):
        assert n <= len(self.rest), "a message ends early"
        taken, self.rest = bytes(self.rest[:n]), self.rest[n:]
        return taken
    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number is too long")
    def varints(self):
        while self.rest:
            yield self.varint()
    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

def message(data, last, repeated=()):
    fields, cursor = {}, Cursor(data)
    while cursor.rest:
        tag = cursor.varint()
        assert tag & 7 in (0, 2), "an unknown type of field"
        value = cursor.varint() if tag & 7 == 0 else cursor.take(cursor.varint())
        fields.setdefault(tag >> 3, []).append(value)
    assert 15 not in fields, f"of a newer version: {fields[15]}"
    assert all(len(fields.get(n, ())) < 2 or n in repeated for n in range(last + 1)), "a field stands twice"
    return fields
def one(fields, number, default=None):
    return fields.get(number, [default])[0]

class Repository:
    def __init__(self, root, identity_file):
        self.root, line = pathlib.Path(root), next(l for l in open(identity_file) if l.startswith("AGE-SECRET-KEY-1"))
        owner = identity(line.strip())
        opened = (age_decrypt(self.read(f"keys/owners/{n}"), owner) for n in self.names("keys/owners"))
        keys = load(next(filter(None, opened), None) or sys.exit("this identity opens no owner file"))
        self.id = bytes.fromhex(keys["repository"])
        assert [key["number"] for key in keys["signing"]] == [0], NEWER
        self.owners = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(keys["signing"][0]["seed"])).public_key().public_bytes_raw()
        assert not list(self.signed("keys/signing", 20)), NEWER
        self.check_config()
        own = identity(keys["own"])
        self.identities = {n: identity(each["identity"]) for n, each in self.numbered(keys["identities"], "keys/identity", 16, own)}
        domains = self.numbered(keys["domains"], "keys/domains", 17, own)
        self.domains = {n: (bytes.fromhex(each["index_key"]), bytes.fromhex(each["chunk_id_key"])) for n, each in domains}
        self.writers = dict(self.read_writers())
        self.rows = {}

    def read(self, key):
        return (self.root / key).read_bytes()
    def names(self, folder):
        return sorted(path.name for path in (self.root / folder).glob("*"))

    def signed(self, folder, kind, key=None):
        """What owners have signed of a kind in a folder, each under its own key or all under one: name, payload."""
        for name in self.names(folder):
            with suppress(Exception):
                yield name, self.record(self.read(f"{folder}/{name}"), kind, key or f"{folder}/{name}", self.owners)

    def check_config(self):
        numbers = sorted(self.names("config"), key=int, reverse=True)
        valid = (payload for n in numbers for _, payload in self.signed(f"config/{n}", 1, f"config/{n}"))
        # The first that owners have signed counts, also if it cannot be read.
        assert load(next(valid, None) or sys.exit("no valid config"))["format"] <= 1, NEWER

    def numbered(self, first, folder, kind, own):
        """Identities or domains with their numbers: the first, of the owner file, and what was added for this owner since."""
        known = {each["number"]: each for each in first}
        for name, payload in self.signed(folder, kind):
            if int(name) not in known:
                opened = age_decrypt(payload[4 + little(payload[:4]):], own)
                added = load(opened or sys.exit("an identity or domain was not added for this owner"))
                assert added["number"] == int(name), "an identity or domain has another number"
                known[int(name)] = added
        return known.items()

    def read_writers(self):
        kept = {name[:32]: load(payload)["snapshots"] for name, payload in self.signed("keys/writers", 14)}
        for name, payload in self.signed("keys/writers", 2):
            domain = little(payload[:4])
            yield bytes.fromhex(name), (payload[4:36], domain, self.unseal(f"keys/writers/{name}", payload[36:], domain), kept.get(name))

    def unseal(self, key, sealed, domain):
        record_key = derive("backup repository 2026 record", self.domains[domain][0] + key.encode())
        return load(AESGCM(record_key).decrypt(sealed[:12], sealed[12:], key.encode()))

    def record(self, data, kind, key, signer):
        assert blake3(data[:-32]).digest() == data[-32:], f"{key}: the hash is wrong"
        magic, found, who, n = struct.unpack("<8sB16sI", data[:29])
        payload, signature = data[29:29 + n], data[29 + n:-32]
        assert magic == b"BKUPREC1" and len(signature) == 64, f"{key}: not a record"
        assert found == kind, f"{key}: another kind of record"
        assert who == blake3(signer).digest()[:16], f"{key}: signed by somebody else"
        signed = b"backup record 1" + self.id + bytes([kind]) + who + struct.pack("<I", len(key)) + key.encode() + payload
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, signed)
        return payload

    def snapshots(self):
        for name in self.names("snapshots"):
            key, data = f"snapshots/{name}", self.read(f"snapshots/{name}")
            if data[8:9] == b"\7" or "forgotten" in dict(self.signed(f"notes/{name}", 11)):
                continue  # a tombstone stands there or should
            signer, domain, terms, kept = self.writers.get(data[9:25], (self.owners, None, None, None))
            try:
                payload = self.record(data, 6, key, signer)
                n = little(payload[:4])
                head = self.head(key, payload[4:4 + n], domain)
                if terms:
                    patterns = (re.escape(p).replace(r"\*", ".*").replace(r"\?", ".") for p in terms["names"])
                    assert any(re.fullmatch(p, head["name"], re.DOTALL) for p in patterns), "its writer may not use this name"
                    assert terms["since"] - DAY <= int(name[:12], 16) <= (terms["until"] or 1 << 60) + DAY, "its writer was not certified then"
                    assert kept is None or kept.get(name) == data[-32:].hex(), "its writer was revoked before"
                yield name, head, key, payload[4 + n:]
            except Exception as error:
                print(f"left out: {key}: {error!r}", file=sys.stderr)

    def head(self, key, sealed, domain):
        for n in self.domains if domain is None else [domain]:
            with suppress(InvalidTag):
                head = self.unseal(key, sealed, n)
                assert head["domain"] == n, "it names another domain"
                return head
        raise ValueError("no domain's key opens it")

    def body(self, key, rest):
        assert rest[:2] == bytes(2), NEWER
        key_of_body = self.unwrap(rest[4:68], little(rest[2:4]))
        return load(unzstd(gcm(key_of_body, 0, key.encode(), rest[68:]), 64 << 20))
    @lru_cache
    def unwrap(self, wrapped, number):
        return derive("backup repository 2026 wrapped key", file_key(self.identities[number], wrapped[:32], wrapped[32:]) + bytes(16))

    def load_index(self, domain):
        runs = []
        for name in self.names("index"):
            data = self.read(f"index/{name}")
            if data[:8] == b"BKUPRUN1" and data[-8:] == b"BKUPEND1":
                try:
                    runs.append(self.open_run(name, data, domain))
                except InvalidTag:
                    continue  # of another domain
                except Exception as error:
                    print(f"left out: index/{name}: {error!r}", file=sys.stderr)
        replaced = {raw for _, footer, _ in runs for raw in footer.get(5, [])}
        for raw, _, sections in runs:
            if raw not in replaced:
                self.add_rows(*sections[1:4])

    def open_run(self, name, data, domain):
        session, number = name.split("-")
        raw = bytes.fromhex(session) + struct.pack("<I", int(number))
        n = little(data[-12:-8])
        signature, who, salt, sealed = data[-76:-12], data[-92:-76], data[-108:-92], data[-108 - n:-108]
        key = derive("backup repository 2026 run", self.domains[domain][0] + raw + salt)
        signer, home, _, _ = self.writers.get(who, (self.owners, domain, None, None))
        assert who == blake3(signer).digest()[:16], "signed by nobody who may"
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, b"backup run 1" + self.id + raw + salt + who + sealed)
        footer = message(gcm(key, 2 ** 64 - 1, b"run footer" + self.id + raw, sealed), 7, (5,))
        assert one(footer, 2, 0) == home == domain and (signer == self.owners or 5 not in footer), "not for its signer to write"
        counts = list(Cursor(one(footer, 3)).varints())
        pages = [-(-count // a_page) for count, (a_page, _) in zip(counts, SECTIONS, strict=True)]
        table, blocks, image = Cursor(one(footer, 4)), Cursor(data[8:]), bytearray()
        while table.rest:
            length, flags, digest = little(table.take(3)), table.take(1)[0], table.take(16)
            block, plain_len = blocks.take(length), min(65536, sum(pages) * 4096 - len(image))
            assert flags < 2, NEWER
            assert blake3(block).digest()[:16] == digest, "a block of a run is damaged"
            plain = gcm(key, len(image) // 65536, b"run" + self.id + raw + bytes([flags]) + struct.pack("<I", plain_len), block)
            image += unzstd(plain, plain_len) if flags & 1 else plain
        sections, rest = [], Cursor(image)
        for count, n, (a_page, size) in zip(counts, pages, SECTIONS):
            items = b"".join(rest.take(4096)[:a_page * size] for _ in range(n))
            sections.append([items[at:at + size] for at in range(0, count * size, size)])
        return raw, footer, sections

    def add_rows(self, rows, segments, packs):
        packs = [(p[:20], p[20], p[21], little(p[22:24]), p[64:128]) for p in packs]
        segments = [struct.unpack("<IIIIII", s) for s in segments]
        for row in rows:
            pack, *rest = segments[little(row[20:24])]
            self.rows.setdefault(row[:20], []).append((packs[pack], tuple(rest), little(row[24:27]), little(row[27:])))

    def chunk(self, chunk_id):
        for pack, segment, offset, length in self.rows.get(chunk_id, []):
            with suppress(Exception):  # every row: some may lie
                content = self.segment(pack, segment)[offset:offset + length]
                assert blake3(content, key=self.domains[self.domain][1]).digest()[:20] == chunk_id, "it is not what it is named after"
                return content
        raise SystemExit(f"chunk {chunk_id.hex()} cannot be read")
    @lru_cache(64)
    def segment(self, pack, segment):
        (name, kind, wrap, recipient, wrapped), (at, sealed_len, plain_len, number, flags) = pack, segment
        assert plain_len < MAX_CHUNK and kind < 2 and wrap == 0 and flags < 2, NEWER
        session = name[:16].hex()
        with open(self.root / f"packs/{session[-2:]}/{session}-{little(name[16:])}", "rb") as file:
            sealed = os.pread(file.fileno(), sealed_len, at)
        bound = b"segment" + self.id + name + struct.pack("<I", number) + bytes([kind, flags]) + struct.pack("<I", plain_len)
        plain = gcm(self.unwrap(wrapped, recipient), number, bound, sealed)
        return unzstd(plain, plain_len) if flags & 1 else plain
    def length(self, chunk_id):
        said = {length for _, _, _, length in self.rows.get(chunk_id, [])}
        return said.pop() if len(said) == 1 else len(self.chunk(chunk_id))

    def block(self, block_id, begin):
        """What stands in a block of metadata that begins so."""
        block = self.chunk(block_id)
        assert block.startswith(begin), "not the block expected"
        return Cursor(block[len(begin):])

    def listed(self, list_id, level):
        """The chunk ids below a content list."""
        items = self.block(list_id, b"C" + bytes([level]))
        while items.rest:
            below = [items.take(20)] if level == 1 else list(self.listed(items.take(20), level - 1))
            assert level == 1 or sum(map(self.length, below)) == little(items.take(8)), "a content list tells a wrong length"
            yield from below

    def entries(self, block_id, level):
        if level == 0:
            yield from self.leaf(self.block(block_id, b"L").rest)
            return
        children = self.block(block_id, b"N" + bytes([level]))
        while children.rest:
            yield from self.entries(one(message(children.take(children.varint()), 5), 2), level - 1)

    def leaf(self, data):
        fields = message(data, 12, (2,))
        column = {n: Cursor(one(fields, n, b"")) for n in range(3, 11)}
        attributes = [message(a, 8, (7,)) for a in fields.get(2, [])]
        path, seconds, nanos = b"", 0, 0
        for _ in range(one(fields, 1, 0)):
            drop, more = column[3].varint(), column[3].varint()
            path = path[:len(path) - drop] + column[3].take(more)
            own = attributes[column[4].varint()]
            step = column[5].zigzag()
            seconds = (seconds + step + 2 ** 63) % 2 ** 64 - 2 ** 63
            nanos = nanos + column[9].zigzag() if step == 0 else column[9].varint()
            size, count = column[6].varint(), column[7].varint()
            extra = message(column[8].take(column[8].varint()), 7)
            inline, root = [column[10].take(20) for _ in range(count)], one(extra, 7)
            ids = list(self.listed(root[:20], root[20])) if root else inline
            yield path, own, extra, None if 1 in own.get(8, []) else seconds * 10 ** 9 + nanos, size, ids

    def restore(self, name, into):
        found = [snapshot for snapshot in self.snapshots() if snapshot[0].startswith(name)]
        _, head, key, rest = found[0] if len(found) == 1 else sys.exit(f"{len(found)} snapshots have ids that begin so")
        self.domain = head["domain"]
        self.load_index(self.domain)
        late = []
        for component in self.body(key, rest)["components"]:
            tree, links = component["tree"], {}
            for entry in self.entries(bytes.fromhex(tree["id"]), tree["level"]) if tree else []:
                self.restore_entry(into, late, links, *entry)
        for target, own, mtime in reversed(late):
            finish(target, own, mtime)

    def restore_entry(self, into, late, links, path, own, extra, mtime, size, ids):
        parts = [p.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1") for p in path.split(b"\0")]
        assert all(p not in (b"", b".", b"..") and b"/" not in p and b"\0" not in p for p in parts), "a hostile path"
        target = os.path.join(os.fsencode(into), *parts)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        kind, group = KINDS[one(own, 1)], one(extra, 4)
        if kind == "directory":
            os.makedirs(target, exist_ok=True)
            late.append((target, own, mtime))
        elif kind == "symlink":
            os.symlink(one(extra, 1), target)
            finish(target, own, mtime)
        elif kind in ("file", "stream", "fifo"):
            first = target if group is None else links.setdefault(group, target)
            if first != target:
                return os.link(first, target)
            os.mkfifo(target) if kind == "fifo" else self.write(target, extra, size, ids)
            finish(target, own, mtime)
        else:
            print(f"left out: a {kind} at {os.fsdecode(target)}", file=sys.stderr)

    def write(self, target, extra, size, ids):
        edges = list(itertools.accumulate(Cursor(one(extra, 5, b"")).varints()))  # where each hole begins and ends
        with open(target, "wb") as file:
            for content in map(self.chunk, ids):
                while content:
                    if edges and file.tell() == edges[0]:
                        file.seek(edges[1])
                        del edges[:2]
                    room = edges[0] - file.tell() if edges else len(content)
                    file.write(content[:room])
                    content = content[room:]
            file.truncate(size)

def finish(target, own, mtime):
    if os.geteuid() == 0 and 3 in own and 4 in own:
        os.chown(target, one(own, 3) - 1, one(own, 4) - 1, follow_symlinks=False)
    for attribute in own.get(7, []):
        fields = message(attribute, 3)
        assert 3 not in fields, f"of a newer version: {target}"
        os.setxattr(target, one(fields, 1), one(fields, 2, b""), follow_symlinks=False)
    if 2 in own and not os.path.islink(target):
        os.chmod(target, stat.S_IMODE(one(own, 2) - 1))
    if mtime is not None:
        os.utime(target, ns=(mtime, mtime), follow_symlinks=False)

def main():
    root, identity_file, command, *rest = sys.argv[1:] if len(sys.argv) > 3 else sys.exit(__doc__)
    repository = Repository(root, identity_file)
    if command == "list":
        for name, head, _, _ in repository.snapshots():
            print(json.dumps({"id": name, "name": head["name"], "time": head["time"], "status": head["status"], "files": head["files"]}))
    elif command == "restore" and len(rest) == 2:
        repository.restore(*rest)
    else:
        raise SystemExit(__doc__)

if __name__ == "__main__":
    main()
