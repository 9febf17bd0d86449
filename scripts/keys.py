#!/usr/bin/env python3
"""Computes names and bytes of the store's format a second time, from store-layout.md alone.

Needs cbor2 (to read back what is written here); never runs vox. Each vector says what is described
(`of`), its canonical bytes (`hex`, left out above 1024 bytes; `len` always) and their digest (`id`).
`tests/keys/main.rs` makes all of them again with vox's own code.

    scripts/keys.py            prints the vectors
    scripts/keys.py --check    compares them with tests/keys/vectors.json
"""

import hashlib
import json
import math
import pathlib
import struct
import sys

import cbor2

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "keys" / "vectors.json"
INLINE = 4096  # section 3: longest literal, longest embedded image, longest value in a receipt
FRAME = 64 << 10  # section 6: a segment's frame ends behind so many raw bytes


# Section 1: canonical bytes.


class Uint(int):
    """An unsigned integer; a Python number is a number of the language, so a float."""


def head(major, count):
    for size, first, form in ((24, 0, None), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"),
                              (1 << 32, 26, ">I"), (1 << 64, 27, ">Q")):
        if count < size:
            if form is None:
                return bytes([major << 5 | count])
            return bytes([major << 5 | first]) + struct.pack(form, count)
    raise ValueError("a count of more than 64 bits")


def number(value):
    if math.isnan(value):
        return bytes.fromhex("f97e00")
    for first, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([first]) + packed
    return b"\xfb" + struct.pack(">d", value)


def cbor(item):
    if item is None:
        return b"\xf6"
    if item is True or item is False:
        return b"\xf5" if item else b"\xf4"
    if isinstance(item, Uint):
        return head(0, item)
    if isinstance(item, (int, float)):
        return number(float(item))
    if isinstance(item, str):
        text = item.encode()
        return head(3, len(text)) + text
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, (list, tuple)):
        return head(4, len(item)) + b"".join(map(cbor, item))
    entries = sorted((cbor(key), cbor(value)) for key, value in item.items())
    return head(5, len(entries)) + b"".join(key + value for key, value in entries)


def digest(data):
    return hashlib.sha256(data).digest()


def reads_back(data):
    """Lets another program read what was written, and write it canonically again."""
    assert cbor2.dumps(cbor2.loads(data), canonical=True) == data, data.hex()


# Section 3: values. Each is described by what JSON can say; numbers are texts.


def floats(texts):
    return [0.0 if float(text) == 0 else float(text) for text in texts]


def grid_fields(of):
    fields = {name: floats(of[name]) for name in ("spacing", "origin", "direction")}
    return fields | {"dims": [Uint(n) for n in of["dims"]]}


KINDS = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q",
         "i64": "q", "f32": "f", "f64": "d"}
NANS = {"f32": "0000c07f", "f64": "000000000000f87f"}


def voxels(of):
    """Numbers are listed, or voxel i is `(start + i * step) % modulus`; a mask lists what is true."""
    dims, kind = of["dims"], of["kind"]
    count = math.prod(dims) * of.get("components", 1)
    if kind == "mask":
        words = -(-dims[0] // 64)
        rows = math.prod(dims[1:])
        packed = bytearray(words * rows * 8)
        true = range(0, count, of["every"]) if "every" in of else of["true"]
        for at in true:
            row, x = divmod(at, dims[0])
            packed[row * words * 8 + x // 8] |= 1 << x % 8
        return bytes(packed)
    if "ramp" in of:
        start, step, modulus = of["ramp"]
        numbers = [(start + at * step) % modulus for at in range(count)]
    else:
        numbers = of["numbers"]
    pieces = []
    for one in numbers:
        if kind in NANS:
            one = float(one)
            pieces.append(bytes.fromhex(NANS[kind]) if math.isnan(one)
                          else struct.pack("<" + KINDS[kind], one))
        else:
            pieces.append(struct.pack("<" + KINDS[kind], int(one)))
    assert len(pieces) == count
    return b"".join(pieces)


def image(of):
    fields = grid_fields(of) | {"t": "image", "kind": of["kind"], "voxels": voxels(of)}
    if "components" in of:
        fields["components"] = Uint(of["components"])
    return fields


def value(of, refs=None):
    """The tree of a value; `refs` gathers what is mentioned, and is None at the top."""
    (kind, what), = of.items()
    inner = [] if refs is None else refs
    if kind == "null":
        return None
    if kind == "bool":
        return what
    if kind == "number":
        return float(what)
    if kind == "text":
        return what
    if kind == "repeat":
        return what[0] * what[1]
    if kind == "bytes":
        return bytes.fromhex(what)
    if kind == "sequence":
        return [value(one, inner) for one in what]
    if kind == "record":
        return {"t": "record", "fields": {name: value(one, inner) for name, one in what}}
    if kind == "overlay":
        return {"t": "overlay", "layers": [value(one, inner) for one in what]}
    if kind == "grid":
        return grid_fields(what) | {"t": "grid"}
    assert kind == "image", kind
    tree = image(what)
    data = cbor(tree)
    if refs is None or len(data) <= INLINE:
        return tree
    refs.append(digest(data))
    return {"t": "ref", "blob": digest(data)}


# Section 2: nodes.


def params(of):
    """`p` is described by pairs; what is no text or number is {"uint"}, {"bytes"} or {"array"}."""
    def one(of):
        (kind, what), = of.items()
        if kind == "uint":
            return Uint(what)
        if kind == "array":
            return [one(item) for item in what]
        return value(of)
    return {name: one(item) for name, item in of}


def entry(of):
    if "node" in of:
        return bytes.fromhex(of["node"])
    literal = value(of)
    data = cbor(literal)
    if len(data) > INLINE:
        return digest(cbor(define({"op": "vox1.literal", "v": 1, "args": [],
                                   "p": [["blob", {"bytes": digest(data).hex()}]]})))
    return literal


def define(of, t="vox/node/1"):
    return {"t": t, "op": of["op"], "v": Uint(of["v"]), "args": [entry(arg) for arg in of["args"]],
            "p": params(of["p"])}


def cut(of):
    """The cut-off key: each node of `args` replaced by the BlobId of what it gave."""
    inputs = iter(of["in"])
    args = [{"node": next(inputs)} if "node" in arg else arg for arg in of["args"]]
    return define(of | {"args": args}, "vox/cut/1")


# Section 5: receipts and records.


def receipt(of):
    node = define(of["definition"])
    fields = node | {"t": "vox/receipt/1", "node": digest(cbor(node)), "st": Uint(of["st"])}
    if of["st"] == 1:
        fields["err"] = {"code": of["code"], "args": [value(arg) for arg in of["args"]]}
        return fields
    refs = []
    tree = value(of["value"], None if "image" in of["value"] else refs)
    data = cbor(tree)
    fields["out"] = digest(data)
    if len(data) <= INLINE:
        fields["val"] = data
    if refs:
        fields["refs"] = sorted(set(refs))
    if of["warn"]:
        fields["warn"] = [{"code": code, "count": Uint(count)} for code, count in of["warn"]]
    return fields


def made(of, make):
    """What is described is made; a text is the hex digits of what was made already."""
    return bytes.fromhex(of) if isinstance(of, str) else cbor(make(of))


def record(of):
    fields = {name: Uint(of[name]) for name in ("k", "seq", "lam", "at")}
    if of["k"] == 1:
        fields |= {"receipt": made(of["receipt"], receipt), "us": Uint(of["us"]), "host": of["host"]}
        if "in" in of:
            fields["in"] = [bytes.fromhex(one) for one in of["in"]]
        for name in ("until", "bytes"):
            if name in of:
                fields[name] = Uint(of[name])
        if of.get("settles"):
            fields["settles"] = True
    elif of["k"] == 2:
        fields["def"] = bytes.fromhex(of["def"])
    elif of["k"] == 8:
        fields |= {"name": of["name"], "on": of["on"]}
        fields |= {name: bytes.fromhex(of[name]) for name in ("node", "blob") if name in of}
    return fields


def chain(before, writer, data):
    return digest(b"vox/log/1\0" + before + writer + data)


# Section 6: segments.


def segment(of):
    writer, before = bytes.fromhex(of["writer"]), bytes.fromhex(of["before"])
    records = [made(one, record) for one in of["records"]]
    after = before
    for one in records:
        after = chain(after, writer, one)
    tree = {"t": "vox/segment/1", "writer": writer, "first": Uint(of["first"]), "before": before,
            "after": after, "records": records}
    data = cbor(tree)
    # `records` is the longest key, so the array is last: its items end the bytes one by one.
    start, last = 0, len(data) - sum(len(cbor(one)) for one in records)
    frames = []
    for at, one in enumerate(records):
        if at > 0 and last - start >= FRAME:
            frames.append(last - start)
            start = last
        last += len(cbor(one))
    frames.append(last - start)
    first, end = of["first"], of["first"] + len(records) - 1
    name = f"{first // 65536:08}/{first:012}-{end:012}-{digest(data)[:8].hex()}.seg"
    return data, {"after": after.hex(), "frames": frames, "file": name}


# The vectors.


class Vectors:
    def __init__(self):
        self.all = []

    def add(self, kind, name, of, data, **more):
        assert all((one["kind"], one["name"]) != (kind, name) for one in self.all), name
        reads_back(data)
        vector = {"kind": kind, "name": name, "of": of, "len": len(data), "id": digest(data).hex()}
        if len(data) <= 1024:
            vector["hex"] = data.hex()
        self.all.append(vector | more)
        return vector["id"]

    def node(self, name, op, *args, p=(), v=1):
        of = {"op": op, "v": v, "args": list(args), "p": [list(one) for one in p]}
        return self.add("node", name, of, cbor(define(of)))

    def value(self, name, of):
        return self.add("value", name, of, cbor(value(of)))

    def cut(self, name, inputs, op, *args, p=(), v=1):
        of = {"op": op, "v": v, "args": list(args), "p": [list(one) for one in p], "in": inputs}
        return self.add("cut", name, of, cbor(cut(of)))

    def receipt(self, name, **of):
        data = cbor(receipt(of))
        self.add("receipt", name, of, data)
        return data

    def records(self, name, first, before, drafts):
        """A chain of records; returns their bytes and the hash behind the last."""
        out = []
        for at, draft in enumerate(drafts):
            of = {"seq": first + at} | draft
            data = cbor(record(of))
            after = chain(before, WRITER, data)
            self.add("record", f"{name} {first + at}", of, data, writer=WRITER.hex(),
                     before=before.hex(), after=after.hex())
            out.append(data.hex())
            before = after
        return out, before

    def segment(self, name, first, before, records):
        of = {"writer": WRITER.hex(), "first": first, "before": before.hex(), "records": records}
        data, more = segment(of)
        return self.add("segment", name, of, data, **more)


WRITER = bytes(range(16))
HOST = "x86_64-unknown-linux-gnu"
PLAIN2 = {"spacing": ["1", "1"], "origin": ["0", "0"], "direction": ["1", "0", "0", "1"]}
IDENTITY3 = ["1", "0", "0", "0", "1", "0", "0", "0", "1"]
PLAIN3 = {"spacing": ["1", "1", "2.5"], "origin": ["0", "0", "0"], "direction": IDENTITY3}


def num(text):
    return {"number": text}


def text(what):
    return {"text": what}


def arg(node):
    return {"node": node}


def read(format, *files, frame=None):
    names = [{"bytes": digest(data).hex()} for data in files]
    p = [("format", text(format)), ("files", {"array": names})]
    return p + ([("frame", {"uint": frame})] if frame is not None else [])


def nodes(out):
    file = out.node("read one file", "vox1.read", p=read("nifti", b"hello\n"))
    above = out.node("threshold", "vox1.lt", num("0.95"), arg(file))
    volume = out.node("volume", "vox1.volume", arg(above))
    grid = out.node("grid", "vox1.grid", arg(file))
    out.node("border", "vox1.border", arg(grid))
    out.node("default.sequence", "default.sequence", arg(above), num("3"), text("x"), {"bool": True},
             {"sequence": [num("1"), num("2.5")]})
    pair = out.node("read header and voxels", "vox1.read", p=read("nifti", b"header", b"voxels"))
    out.node("read frame 0", "vox1.read", p=read("nifti", b"header", b"voxels", frame=0))
    out.node("read frame 300", "vox1.read", p=read("nifti", b"hello\n", frame=300))
    for format in ("png", "jpeg", "tiff", "mha", "nrrd", "npy", "json", "text", "bytes"):
        out.node(f"read {format}", "vox1.read", p=read(format, b""))
    out.node("and", "vox1.and", arg(above), arg(volume))
    out.node("and, swapped", "vox1.and", arg(volume), arg(above))
    out.node("no arguments", "vox1.constant", v=1)
    out.node("a later version", "vox1.volume", arg(above), v=2)
    out.node("version 65536", "vox1.volume", arg(above), v=65536)
    for literal in ("-0.0", "0", "nan", "inf", "-inf", "1", "65504", "65505", "65520", "1.5",
                    "5.960464477539063e-08", "2.980232238769531e-08", "0.1", "3.4028234663852886e+38",
                    "1e+39", "1e-45", "1.401298464324817e-45", "5e-324", "16777217", "-4.1"):
        out.node(f"number {literal}", "vox1.lt", num(literal), arg(file))
    out.node("false", "vox1.and", {"bool": False}, arg(above))
    out.node("empty text", "strings.concat", text(""), arg(above))
    out.node("unicode", "strings.concat", text("Größe µm – 脳 \U0001f9e0"), text("a\nb\u0000c\""))
    out.node("decomposed is another text", "strings.concat", text("é"), text("e\u0301"))
    for count in (23, 24, 255, 256):
        out.node(f"text of {count} bytes", "strings.concat", {"repeat": ["a", count]})
    out.node("literal of 4096 bytes", "strings.concat", {"repeat": ["x", 4093]})
    out.node("literal of 4097 bytes", "strings.concat", {"repeat": ["x", 4094]})
    out.node("long sequence", "vox1.map", text("vox1.neg"),
             {"sequence": [num(repr(at / 3)) for at in range(600)]})
    nested = {"sequence": [{"sequence": []}, {"sequence": [{"bool": True}, {"sequence": [text("x")]}]},
                           {"record": []}]}
    out.node("nested literal", "default.index", nested, num("0"))
    named = [["zz", num("1")], ["b", text("2")], ["aaa", {"bool": False}], ["a", nested], ["é", num("5")],
             ["", num("6")], ["B", num("7")]]
    out.node("record literal", "default.field", {"record": named}, p=[("name", text("b"))])
    out.node("record at run time", "default.record", arg(volume), arg(above), num("1"),
             p=[("fields", {"array": [text("v"), text("aa"), text("mask")]})])
    out.node("field", "default.field", arg(volume), p=[("name", text("v"))])
    out.node("encode", "vox1.encode", arg(above), p=[("format", text("nifti.gz"))])
    out.node("slice to the end", "default.slice", arg(pair), num("0"), num("inf"))
    out.node("optional arguments written out", "simpleitk.Resample", arg(file), arg(pair), num("2"), num("0"))
    out.node("a platform in p", "toy.fast", arg(file), p=[("platform", text(HOST))])
    return file, above, volume


def values(out):
    for name, literal in (("3", "3"), ("0.1", "0.1"), ("NaN", "nan"), ("-0.0", "-0.0"),
                          ("infinity", "inf"), ("a third", repr(1 / 3)), ("f32", "16777216.5"),
                          ("f16 subnormal", "-5.960464477539063e-08")):
        out.value(name, num(literal))
    out.value("flair", text("flair"))
    out.value("record", {"record": [["b", num("1")], ["aa", num("2")], ["a", num("3")]]})
    out.value("mask 2x2x1", {"image": PLAIN3 | {"dims": [2, 2, 1], "kind": "mask", "true": [1, 2]}})
    out.value("f32 3x1", {"image": PLAIN2 | {
        "dims": [3, 1], "kind": "f32", "spacing": ["0.7", "1"], "origin": ["0", "-1.5"],
        "numbers": ["0.5", "-0.0", "nan"]}})
    out.value("null", {"null": True})
    out.value("true", {"bool": True})
    out.value("bytes", {"bytes": "00ff80"})
    out.value("text of 70000 bytes", {"repeat": ["0123456789", 7000]})
    out.value("sequence", {"sequence": [{"null": True}, num("1"), {"bytes": ""}, {"sequence": []}]})
    out.value("empty record", {"record": []})
    mask = {"image": PLAIN2 | {"dims": [65, 2], "kind": "mask", "every": 3}}
    out.value("mask 65x2", mask)
    out.value("mask 64x3", {"image": PLAIN2 | {"dims": [64, 3], "kind": "mask", "every": 7}})
    tilted = {"spacing": ["0.5", "0.5", "3"], "origin": ["-0.0", "-1e-3", "1e6"],
              "direction": ["0", "-1", "-0.0", "1", "0", "0", "0", "0", "1"]}
    out.value("grid", {"grid": tilted | {"dims": [240, 240, 155]}})
    out.value("grid 2-D", {"grid": PLAIN2 | {"dims": [1, 70000]}})
    for kind in KINDS:
        signed = kind[0] != "u"
        numbers = ["-128" if signed else "200", "127", "0", "1", "-1" if signed else "2", "3"]
        out.value(f"{kind} 3x2x1", {"image": tilted | {"dims": [3, 2, 1], "kind": kind, "numbers": numbers}})
    out.value("u64 and i64 at their ends", {"sequence": [
        {"image": PLAIN2 | {"dims": [1, 1], "kind": "u64", "numbers": [str(2**64 - 1)]}},
        {"image": PLAIN2 | {"dims": [1, 1], "kind": "i64", "numbers": [str(-(2**63))]}}]})
    out.value("f64 with NaN", {"image": PLAIN2 | {"dims": [4, 1], "kind": "f64", "numbers": [
        "nan", "-0.0", "-inf", "5e-324"]}})
    colour = {"image": PLAIN2 | {"dims": [2, 2], "kind": "f32", "components": 3, "ramp": [0, 20, 256]}}
    out.value("colour", colour)
    out.value("colour with alpha", {"image": PLAIN2 | {
        "dims": [1, 2], "kind": "f32", "components": 4, "ramp": [0, 30, 256]}})
    large = {"image": PLAIN2 | {"dims": [64, 64], "kind": "f32", "ramp": [0, 3, 1021]}}
    other = {"image": PLAIN2 | {"dims": [512, 100], "kind": "mask", "every": 5}}
    out.value("large image", large)
    out.value("image of 1 MiB and more", {"image": PLAIN2 | {
        "dims": [1024, 1100], "kind": "u8", "ramp": [1, 7, 251]}})
    out.value("embedded", {"sequence": [mask, num("1")]})
    out.value("mentioned", {"sequence": [large, mask, other, large]})
    # 4096 canonical bytes are embedded, 4097 are mentioned.
    edge = {"dims": [1, 1], "kind": "u8", "ramp": [1, 1, 256]} | PLAIN2
    for most in (INLINE, INLINE + 1):
        edge["dims"] = [most - 100, 1]
        edge["dims"] = [edge["dims"][0] + most - len(cbor(image(edge))), 1]
        assert len(cbor(image(edge))) == most
        out.value(f"sequence of an image of {most} bytes", {"sequence": [{"image": dict(edge)}]})
    out.value("record of images", {"record": [["volume", large], ["mask", mask], ["count", num("2")]]})
    out.value("overlay", {"overlay": [
        {"record": [["value", colour]]},
        {"record": [["value", other], ["opacity", num("0.5")], ["label", text("Tumor")]]}]})
    return large, mask, other


def log(out, ids, images):
    file, above, volume = ids
    large, mask, other = images
    none = bytes(32)
    of_volume = {"op": "vox1.volume", "v": 1, "args": [arg(above)], "p": []}
    of_above = {"op": "vox1.lt", "v": 1, "args": [num("0.95"), arg(file)], "p": []}
    of_sequence = {"op": "default.sequence", "v": 1, "args": [arg(file), arg(above)], "p": []}
    three = out.receipt("receipt of volume", definition=of_volume, st=0, value=num("3"), warn=[])
    big = out.receipt("receipt of an object", definition=of_above, st=0, value=other,
                      warn=[["nonfinite", 3], ["rounded", 70000]])
    mentions = out.receipt("receipt with refs", definition=of_sequence, st=0,
                           value={"sequence": [large, other, mask]}, warn=[])
    refused = out.receipt("receipt of a refusal", definition=of_volume, st=1, code="range",
                          args=[num("-1"), num("3"), text("µ")])
    wordless = out.receipt("receipt of a refusal without arguments", definition=of_above, st=1,
                           code="empty", args=[])
    blob = digest(cbor(value(num("0.1"))))
    other_blob = digest(cbor(value({"bool": True})))
    key = {"op": "vox1.volume", "v": 1}
    out.cut("cut-off of volume", [blob.hex()], key["op"], arg(above))
    out.cut("cut-off with literals between", [blob.hex(), other_blob.hex()], "toy.mix", arg(file), num("2"),
            arg(above), {"sequence": [text("x")]}, p=[("k", {"uint": 300})])
    out.cut("cut-off without nodes", [], "toy.mix", num("1"))
    golden = {"k": 1, "lam": 2, "at": 0, "us": 1000, "host": HOST, "receipt": three.hex()}
    alone, _ = out.records("golden record", 1, none, [golden])
    out.segment("golden segment", 1, none, alone)
    time = 1_790_000_000_000
    several = [
        golden | {"at": time},
        {"k": 1, "lam": 1, "at": time, "us": 2**33, "host": HOST, "receipt": big.hex(), "in": [blob.hex()],
         "bytes": 6523, "until": time + 1},
        {"k": 1, "lam": 2, "at": time, "us": 0, "host": HOST, "receipt": mentions.hex(),
         "in": [blob.hex(), other_blob.hex()]},
        {"k": 2, "lam": 1, "at": time, "def": cbor(define(of_above)).hex()},
        {"k": 8, "lam": 1, "at": time, "name": "paper", "node": volume, "on": True},
        {"k": 8, "lam": 2, "at": time, "name": "paper", "blob": blob.hex(), "on": False},
        {"k": 1, "lam": 2, "at": time, "us": 7, "host": HOST, "receipt": refused.hex(), "settles": True},
        {"k": 1, "lam": 1, "at": time, "us": 7, "host": HOST, "receipt": wordless.hex()},
    ]
    records, behind = out.records("record", 1, none, several)
    out.segment("segment of several", 1, none, records)
    wide = {"op": "strings.concat", "v": 1, "args": [text("a")], "p": []}
    long = {"definition": wide, "st": 0, "value": {"repeat": ["y", 4000]}, "warn": []}
    many = [{"k": 1, "seq": 9 + at, "lam": 0, "at": time, "us": at, "host": HOST, "receipt": long}
            for at in range(40)]
    out.segment("segment of several frames", 9, behind, many)
    # A gap before it, in the second folder, and of numbers that need more bytes.
    far = [several[0] | {"seq": 65536}]
    out.segment("segment in the second folder", 65536, behind, far)


def goldens(out):
    """Those that were fixed before either program was written."""
    ids = {}
    for one in out.all:
        ids.setdefault(one["name"], one["id"])
    for name, id in {
        "read one file": "eef750e402bbdae13361071e6c2997a66af8bc6e49a568fe5a7da1bf6d3e9831",
        "threshold": "17bceb159fd4c916cd99058c75bf8967816e7d4764566ae44eb79d9444d32f66",
        "volume": "b90149d27df0c55cc9cf066a018a82175a8a7b15e03d7cc868db4ee588ef5ae0",
        "border": "6e361a7f3a4350bd1d1e33425870e653f3aab2128fb6075de25394fc48e092a5",
        "default.sequence": "2ce9f9727c2d08b334bb90d5eb09ff4229274b985fb0cd756ef36863a1b791b9",
        "3": "45b03fd4a48720ca71d4d12967cdde317c918d7c0295845cf9628784a124108d",
        "0.1": "8a4d00337ef54566f0092ea89930adf28d0fd1eb4c0f517928dc2fae71e75639",
        "NaN": "510364a22f07e10b06ba37c25de66e4b549ed7a63394eb73388b36d8deed536a",
        "-0.0": "e95873bb6549017f8cd72cc8af178667d65261077ca89caf09a330742965f851",
        "flair": "bfb09afce2d807c989b6a07ae5894092f08a5435cf15d1142dc9947fa00e1bca",
        "record": "0026dcf10b1fc364680b355db4c8fb7f7e05d55cde5db5a593f242bfff898dee",
        "mask 2x2x1": "76aaa73ed0a26aec51b9dec7f7f85c75af9f1ec0064434ec1582d9ca5a4682b3",
        "f32 3x1": "b0ec77a8d841fe9bb7ceb871cae52f7d92d5196588f3e80a0cbbe7f4fe40dcba",
        "receipt of volume": "7184b33d0341ea3fdb9a3a4a4cee1d585b39c3b3f499c71abee9f11012dc55c4",
        "golden segment": "c1a396b233c91db2aafb5fd50da5454ea6796b7b511d3d87e3a3028bb8118e9e",
    }.items():
        assert ids[name] == id, f"{name}: {ids[name]}"
    (first,) = (one for one in out.all if one["name"] == "golden record 1")
    assert first["after"] == "2d3fcb3f1b04770a036593d2237a6d5994750b8ee02baacd42537535134c0d63"


def main():
    out = Vectors()
    ids = nodes(out)
    images = values(out)
    log(out, ids, images)
    goldens(out)
    lines = (json.dumps(one, ensure_ascii=True) for one in out.all)
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    if sys.argv[1:] == ["--check"]:
        if VECTORS.read_text() != text:
            sys.exit(f"{VECTORS.name} is not what {pathlib.Path(__file__).name} makes")
        print(f"{len(out.all)} vectors agree")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
