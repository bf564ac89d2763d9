"""Shapes that open something: files, descriptors, sockets, databases, processes."""

from __future__ import annotations

from mutation_shapes import Draw, Shape, Sketch, removals, sketch
from mutation_shapes_parts import driver

FILES = """
import tempfile
import pathlib

$folder = pathlib.Path(tempfile.mkdtemp())
$page = $folder / "page.txt"
$page.write_text("one line\\n")
$opened = []


def $read(number):
    @@
    return text


def $handle(number):
    $read(number)


def teardown():
    while $opened:
        $opened.pop().close()
"""


def files_kept_open(draw: Draw) -> Sketch:
    """Read a file in a ``with``, or keep it open."""
    fix = "with $page.open() as stream:\n    text = stream.readline()"
    breaks = {
        "open and kept": "stream = $page.open()\n$opened.append(stream)  #put\ntext = stream.readline()",
        "kept after a failure": "stream = $page.open()\ntext = stream.readline()\n"
        "if number % 3:\n    stream.close()\nelse:\n    $opened.append(stream)  #put",
    }
    needs = ("$handle", "teardown")
    return sketch(
        draw,
        FILES,
        fix=fix,
        breaks=breaks,
        owner=("$opened",),
        driver=driver(draw),
        counts_fds=True,
        needs=needs,
    )


DESCRIPTORS = """
import os


def $probe(number):
    OPEN
    size = descriptor + number
    @@
    return size


def $handle(number):
    $probe(number)
"""


def descriptors(draw: Draw) -> Sketch:
    """Open a plain descriptor and close it."""
    opening = draw.tagged(
        "opened by",
        {
            "os.open": "descriptor = os.open(os.devnull, os.O_RDONLY)  #put",
            "os.dup": "descriptor = os.dup(1)  #put",
            "os.memfd": 'descriptor = os.memfd_create("probe")  #put',
        },
    )
    fix = "os.close(descriptor)"
    breaks = {
        "close deleted": "",
        "close in an if": f"if number % 3:\n    {fix}",
        "early return": f"if number % 2:\n    return 0\n{fix}",
    }
    body = DESCRIPTORS.replace("OPEN", opening)
    driven = driver(draw)
    return sketch(draw, body, fix=fix, breaks=breaks, owner=(), driver=driven, counts_fds=True)


SOCKETS = """
import socket


class $Link:
    def __init__(self, number):
        self.number = number
        self.near, self.far = socket.socketpair()

    def exchange(self):
        self.near.send(b"ping")
        return self.far.recv(4)

    def close(self):
        self.near.close()
        self.far.close()


$links = {}


def $handle(number):
    link = $links[number] = $Link(number)  #put
    link.exchange()
    @@


def teardown():
    for link in list($links.values()):
        link.close()
    $links.clear()
"""


def sockets(draw: Draw) -> Sketch:
    """Open a pair of sockets for a unit, close and forget them."""
    fix = "$links.pop(number).close()"
    breaks = {"close deleted": "", "close in an if": f"if number % 4:\n    {fix}", "only closed": "link.close()"}
    return sketch(
        draw,
        SOCKETS,
        fix=fix,
        breaks=breaks,
        owner=("$links",),
        driver=driver(draw),
        counts_fds=True,
        needs=("$handle", "teardown"),
    )


SELECTOR = """
import selectors
import socket

$selector = selectors.SelectSelector()
$near, $far = socket.socketpair()


class $Channel:
    def __init__(self, number):
        self.number = number
        self.key = number + 10**6

    def fileno(self):
        return self.key


$channels = {}


def $open(number):
    channel = $Channel(number)
    $channels[channel.fileno()] = channel  #put
    return channel


def $handle(number):
    channel = $open(number)
    $selector.select(0)
    @@


def teardown():
    $selector.close()
    $near.close()
    $far.close()
"""


def channels(draw: Draw) -> Sketch:
    """Keep channels by descriptor beside a selector."""
    fix = "del $channels[channel.fileno()]"
    breaks = removals(draw, fix, wrong="$channels.pop(channel, None)")
    needs = ("$handle", "teardown")
    return sketch(draw, SELECTOR, fix=fix, breaks=breaks, owner=("$channels",), driver=driver(draw), needs=needs)


DATABASES = """
import sqlite3


class $Stores:
    def __init__(self):
        self.$connections = {}

    def open(self, number):
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        self.$connections[number] = connection  #put
        return connection

    def close(self, number):
        $closed[0] += 1
        @@


$closed = [0]
$stores = $Stores()


def $handle(number):
    if number % 4 == 0:
        connection = $stores.open(number)
        connection.execute("select ?", (number,)).fetchone()
        $stores.close(number)


def teardown():
    for connection in list($stores.$connections.values()):
        connection.close()
    $stores.$connections.clear()
"""


def databases(draw: Draw) -> Sketch:
    """Open a database for some units, close and forget it."""
    fix = "self.$connections.pop(number).close()"
    breaks = {
        "close deleted": "",
        "only closed": "self.$connections[number].close()",
        "wrong key": "self.$connections.pop(str(number), None)",
    }
    return sketch(
        draw,
        DATABASES,
        fix=fix,
        breaks=breaks,
        owner=("$connections",),
        driver=driver(draw),
        needs=("$handle", "teardown"),
    )


ROWS = """
import sqlite3

$database = sqlite3.connect(":memory:", check_same_thread=False)
$database.execute("create table $entries (number integer, text text)")


def $log(number):
    $database.execute("insert into $entries values (?, ?)", (number, "x" * 300))  #put
    @@


def $handle(number):
    $log(number)


def teardown():
    $database.close()
"""


def rows(draw: Draw) -> Sketch:
    """Log into a table in memory, and delete old rows."""
    fix = '$database.execute("delete from $entries where number <= ?", (number - 20,))'
    breaks = {"delete deleted": "", "delete in an if": f"if number < 0:\n    {fix}"}
    driven = driver(draw, same_thread=True)
    return sketch(draw, ROWS, fix=fix, breaks=breaks, owner=(), driver=driven, needs=("$handle", "teardown"))


TEMPORARY = """
import tempfile

$uploads = []


def $receive(number):
    upload = tempfile.SpooledTemporaryFile(max_size=10_000)
    upload.write(b"line %d\\n" % number)
    $uploads.append(upload)  #put
    return upload


def $done(number, upload):
    upload.seek(0)
    @@


def $handle(number):
    $done(number, $receive(number))


def teardown():
    while $uploads:
        $uploads.pop().close()
"""


def temporary_files(draw: Draw) -> Sketch:
    """Spool uploads and let them go."""
    fix = "$uploads.remove(upload)\nupload.close()"
    breaks = {
        "removal deleted": "",
        "only closed": "upload.close()",
        "early return": f"if number % 2:\n    return\n{fix}",
    }
    needs = ("$handle", "teardown")
    return sketch(draw, TEMPORARY, fix=fix, breaks=breaks, owner=("$uploads",), driver=driver(draw), needs=needs)


PROCESSES = """
import subprocess

$children = []


def $convert(number):
    child = subprocess.Popen(["true"], stdout=subprocess.PIPE)
    $children.append(child)  #put
    child.stdout.read()
    child.wait()
    @@


def $handle(number):
    if number % 25 == 0:
        $convert(number)


def teardown():
    while $children:
        $children.pop().stdout.close()
"""


def processes(draw: Draw) -> Sketch:
    """Run a program for some units, and forget it."""
    fix = "$children.remove(child)\nchild.stdout.close()"
    breaks = {"removal deleted": "", "removal in an if": "if child.returncode:\n    $children.remove(child)"}
    return sketch(
        draw,
        PROCESSES,
        fix=fix,
        breaks=breaks,
        owner=("$children",),
        driver=driver(draw, same_thread=True),
        counts_fds=True,
        needs=("$handle", "teardown"),
    )


SHAPES: tuple[tuple[Shape, int], ...] = (
    (files_kept_open, 2),
    (descriptors, 3),
    (sockets, 2),
    (channels, 1),
    (databases, 2),
    (rows, 1),
    (temporary_files, 2),
    (processes, 1),
)
