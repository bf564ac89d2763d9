"""The words by which code puts things into containers and takes them out."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PUTS = _words(
    "append appendleft add insert extend extendleft update setdefault put put_nowait push __setitem__ setlist "
    "appendlist setlistdefault __ior__ __iadd__ frombytes fromlist subtract"
)
GONES = _words(
    "pop popitem popleft remove discard clear difference_update intersection_update __delitem__ popall poplist "
    "popone truncate __isub__ __iand__"
)
OF_QUEUES = _words("get get_nowait")  # take out only what a queue holds
OF_BUFFERS = _words("write writelines")

FUNCTIONS_PUT = {
    "heappush": "heappush",
    "insort": "insort",
    "insort_left": "insort",
    "insort_right": "insort",
    "setitem": "[key] =",
    "setattr": "setattr",
    "SubElement": "SubElement",
    "iconcat": "+=",
    "iadd": "+=",
    "ior": "|=",
}
FUNCTIONS_GONE = {"heappop": "heappop", "delitem": "del", "delattr": "delattr", "isub": "-=", "iand": "&="}

CONTAINERS = _words(
    "dict list set deque OrderedDict defaultdict Counter UserDict UserList MutableMapping MutableSet MutableSequence "
    "bytearray array Queue LifoQueue PriorityQueue WeakValueDictionary WeakKeyDictionary WeakSet StringIO BytesIO"
)
EMPTY_CALLS = CONTAINERS | _words("tuple str bytes frozenset SimpleQueue ChainMap")
COPIES = _words("list dict set tuple deque OrderedDict Counter sorted bytearray frozenset str bytes")
FILTERS = _words("filter filterfalse islice dropwhile takewhile difference intersection removeprefix")
NO_PUT = _words("max min len sum abs bool int float any all hash id isinstance next round repr print copy deepcopy")
INITIALISERS = _words("__init__ __new__ __post_init__ __attrs_post_init__ __set_name__ __init_subclass__ __setstate__")

# What a method of an unknown type seems to do.
REGISTERS = _words(
    "on connect register subscribe listen attach observe watch hook callback enter submit schedule track push add put "
    "append insert store save record remember set intern create start open labels"
)
UNREGISTERS = _words(
    "off disconnect unregister deregister unsubscribe detach unobserve forget remove drop delete discard release "
    "close unlisten evict expire purge"
)
