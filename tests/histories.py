"""Histories of services, made up from a seed: what a store would hold after hours and days.

Every process is read every 5 minutes, and walked when it is 36 minutes old and every 6 hours from then on. This is how
the noise is made:

* Traffic of one interval is ``1,000 x (1 + 0.5 cos(2 pi (clock - peak) / 24 h)) x (1 + 5 % N(0, 1))`` units, the hour
  of the peak drawn for each history, the Gaussian anew for every interval and replica.
* Resident memory is ``baseline + 10 % of the baseline x traffic / 1,000 + start-up + allocator noise + what the kind of
  history adds``. The baseline is 800 MiB +- 1 % by replica. Start-up is 40 MiB that come within half an hour of
  every start. Allocator noise is AR(1) with 0.9 from one reading to the next and a standard deviation of 0.5 %
  of the baseline.
* Blocks (4,000,000) and the C heap (300 MiB) follow traffic alike, with AR(1) noise of 0.1 % and 0.2 %.
* Owners: ``app.config`` never changes, ``app.matching._inflight`` holds 40 x traffic / 1,000 entries with the noise of
  chance, ``app.sessions`` wanders between 90 % and 110 % of 10,000.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping

import attrs

from leakdiff.model.heap import Bound
from leakdiff.model.trend import Point

MIB = 1 << 20
EVERY = 300.0  # seconds between readings
FIRST_DEEP, DEEP_EVERY = 0.6, 6.0  # hours to the first walk, and between walks
DAY = 24.0
START = 1_760_000_400.0  # 09:00 UTC
BASELINE = 800 * MIB
PER_INTERVAL = 1_000
PER_DAY = PER_INTERVAL * DAY * 3_600 / EVERY
LIMIT = 2_048 * MIB
LEAKING = "app.matching._background"
CACHE = "app.cache._pages"
ENTRY = 60 * 1024  # bytes
LEAK_PER_DAY = 15 * MIB

Points = dict[str, list[Point]]


@attrs.frozen(kw_only=True)
class Load:
    """What a kind of history adds to a process at one moment."""

    bytes: float = 0.0
    blocks: float = 0.0
    native: float = 0.0
    owners: Mapping[str, tuple[float, float]] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Life:
    """One life of one process of a history.

    Attributes:
        replica: Which.
        number: The how-manieth life of it.
        start: Hours from the beginning of the history.
        end: Hours from the beginning of the history.
        version: What it runs.
    """

    replica: int
    number: int
    start: float
    end: float
    version: str = "2.4.0"


Adds = Callable[[float, float, float], Load]  # hours since the start, hour of the day, units since the last reading
Kind = Callable[[random.Random, Life], Adds]


@attrs.frozen(kw_only=True)
class Story:
    """What happens in a history.

    Attributes:
        adds: What its processes hold beyond the baseline.
        lives: Its processes; by default each replica lives from beginning to end.
        baseline: Bytes, by version where that differs.
        swing: Share of the baseline that follows traffic.
        bounds: Bounds that are known of owners.
    """

    adds: Kind
    lives: Callable[[random.Random, int, float], list[Life]] | None = None
    baseline: Callable[[str], float] = lambda _: BASELINE
    swing: float = 0.1
    bounds: Mapping[str, Bound] = attrs.field(factory=dict)


def make_history(
    kind: str, seed: int, *, hours: float = 72.0, replicas: int | None = None, units: bool = True
) -> Points:
    """Return the points of a history by series, each in order of time.

    Args:
        kind: A name in ``LEAKS`` or ``OTHERS``.
        seed: The same seed makes the same history.
        hours: How long it is.
        replicas: How many there are; 1, 2, 3 or 6 by the seed otherwise.
        units: Whether the service counts its units of work.
    """
    story = (LEAKS | OTHERS)[kind]
    chance = random.Random(f"{kind} {seed}")  # noqa: S311 - to be repeated
    count = replicas or (1, 2, 3, 6)[seed % 4]
    peak = chance.uniform(0, DAY)
    lives = (story.lives or whole_lives)(chance, count, hours)
    points: Points = {}
    for life in lives:
        for name, point in _readings(story, life, chance, peak):
            points.setdefault(name, []).append(point if units else attrs.evolve(point, units=None))
    for found in points.values():
        found.sort(key=lambda point: point.time)
    return points


def until(points: Points, hour: float) -> Points:
    """Return what a history holds at an hour of it."""
    end = START + hour * 3_600
    cut = {name: found[: bisect_right(found, end, key=lambda point: point.time)] for name, found in points.items()}
    return {name: found for name, found in cut.items() if found}


# -- one life --------------------------------------------------------------------------------------


def _readings(story: Story, life: Life, chance: random.Random, peak: float) -> Iterator[tuple[str, Point]]:
    adds, baseline = story.adds(chance, life), story.baseline(life.version) * chance.gauss(1, 0.01)
    noises = [_alike(chance, sigma) for sigma in (0.005, 0.001, 0.002)]
    sessions = _wandering(chance, 0.1, 0.01)
    started, done, deep = START + life.start * 3_600, 0.0, FIRST_DEEP
    age = EVERY / 3_600
    while life.start + age <= life.end:
        clock = (9 + life.start + age) % DAY
        load = (1 + 0.5 * math.cos(2 * math.pi * (clock - peak) / DAY)) * chance.gauss(1, 0.05)
        done += PER_INTERVAL * load
        held = adds(age, clock, PER_INTERVAL * load)
        rss, blocks, native = (next(noise) for noise in noises)
        people = 10_000 * (1 + next(sessions))
        values = {
            "rss": baseline * (1 + story.swing * load + rss) + 40 * MIB * (1 - math.exp(-6 * age)) + held.bytes,
            "blocks": 4e6 * (1 + story.swing * load + blocks) + held.blocks,
            "native": 300 * MIB * (1 + story.swing * load + native) + held.native,
        }
        if age >= deep:
            deep += DEEP_EVERY
            flying = count_of(chance, 40 * load)
            owners: dict[str, tuple[float, float]] = {
                "app.config": (120, 9_600),
                "app.matching._inflight": (flying, flying * 2_400),
            }
            owners |= {"app.sessions": (round(people), people * 900)} | dict(held.owners)
            for path, (entries, size) in owners.items():
                values |= {f"owner.entries:{path}": float(round(entries)), f"owner.bytes:{path}": float(round(size))}
        for name, value in values.items():
            yield (
                name,
                Point(
                    time=started + age * 3_600,
                    value=value,
                    units=round(done),
                    instance=f"pod-{life.replica}:{7 + life.number}",
                    replica=f"pod-{life.replica}",
                    started=started,
                    version=life.version,
                ),
            )
        age += chance.gauss(EVERY, 5) / 3_600


def whole_lives(chance: random.Random, replicas: int, hours: float) -> list[Life]:
    """Return a life for each replica, from within the first minutes to the end."""
    return [Life(replica=at, number=0, start=chance.uniform(0, 0.05), end=hours) for at in range(replicas)]


def restarted(chance: random.Random, replicas: int, hours: float) -> list[Life]:
    """Return replicas that are restarted every 6 to 40 hours."""
    lives = []
    for at in range(replicas):
        start, number = chance.uniform(0, 0.05), 0
        while start < hours:
            end = start + chance.uniform(6, 40)
            lives.append(Life(replica=at, number=number, start=start, end=min(end, hours)))
            start, number = end + 0.02, number + 1
    return lives


def deployed(chance: random.Random, replicas: int, hours: float, *, at: float = 0.5) -> list[Life]:
    """Return replicas that are given the next version after a share of the time."""
    lives = []
    for replica in range(replicas):
        start, moment = chance.uniform(0, 0.05), hours * at + chance.uniform(0, 0.2)
        lives.append(Life(replica=replica, number=0, start=start, end=moment))
        lives.append(Life(replica=replica, number=1, start=moment + 0.02, end=hours, version="2.4.1"))
    return lives


# -- what they hold --------------------------------------------------------------------------------


def nothing(_chance: random.Random, _life: Life) -> Adds:
    """Hold nothing more."""
    return lambda _age, _clock, _units: Load()


def leaks(chance: random.Random, _life: Life) -> Adds:
    """Keep 256 entries of 60 KiB a day, as chance has it, in step with traffic: 15 MiB a day."""
    held = 0

    def add(_age: float, _clock: float, units: float) -> Load:
        nonlocal held
        held += count_of(chance, units / PER_DAY * LEAK_PER_DAY / ENTRY)
        return _entries(LEAKING, held, ENTRY)

    return add


def leaks_natively(chance: random.Random, _life: Life) -> Adds:
    """Keep 15 MiB a day on the C heap, where nobody owns it."""
    held = 0.0

    def add(_age: float, _clock: float, units: float) -> Load:
        nonlocal held
        held += units / PER_DAY * LEAK_PER_DAY * chance.uniform(0, 2)
        return Load(bytes=held, native=held)

    return add


def leaks_since_deploy(chance: random.Random, life: Life) -> Adds:
    """Leak since 2.4.1."""
    return (leaks if life.version == "2.4.1" else nothing)(chance, life)


def fills_and_stops(chance: random.Random, _life: Life) -> Adds:
    """Fill a cache whose bound nobody knows, evenly with traffic, in 2 to 14 hours; 20 to 150 MiB."""
    most, held = chance.uniform(20, 150) * MIB / ENTRY, 0.0
    rate = most / chance.uniform(2, 14) * DAY / PER_DAY

    def add(_age: float, _clock: float, units: float) -> Load:
        nonlocal held
        held = min(most, held + rate * units)
        return _entries(CACHE, held, ENTRY)

    return add


def fills_to_its_bound(chance: random.Random, _life: Life) -> Adds:
    """Fill a cache of 100,000 entries by 15 to 60 MiB a day."""
    per_day, held = chance.uniform(15, 60) * MIB / ENTRY, 0.0

    def add(_age: float, _clock: float, units: float) -> Load:
        nonlocal held
        held += per_day * units / PER_DAY
        return _entries(CACHE, held, ENTRY)

    return add


def warms_up_slowly(chance: random.Random, _life: Life) -> Adds:
    """Fill a cache of 20 to 150 MiB more and more slowly: a time constant of 1 to 10 hours, or of their traffic."""
    most, hours = chance.uniform(20, 150) * MIB / ENTRY, chance.uniform(1, 10)
    by_traffic, done = chance.random() < 0.5, 0.0

    def add(age: float, _clock: float, units: float) -> Load:
        nonlocal done
        done += units / PER_DAY * DAY
        return _entries(CACHE, most * (1 - math.exp(-(done if by_traffic else age) / hours)), ENTRY)

    return add


def ratchets_up(chance: random.Random, life: Life) -> Adds:
    """Gain 1 to 3 % of resident memory 3 to 6 times, and keep it: fragmentation."""
    jumps = [
        (chance.uniform(0, life.end - life.start), chance.uniform(0.01, 0.03)) for _ in range(chance.randint(3, 6))
    ]
    return lambda age, _clock, _units: Load(bytes=BASELINE * sum(share for moment, share in jumps if age >= moment))


def wanders(chance: random.Random, _life: Life) -> Adds:
    """Wander by chance within 2 % of the baseline, 0.1 % in 5 minutes: blocks, C heap and an owner with it."""
    walk = _wandering(chance, 0.02, 0.001)

    def add(_age: float, _clock: float, _units: float) -> Load:
        share = next(walk)
        owner = {"app.index": (20_000 * (1 + 5 * share), 100 * MIB * (1 + 5 * share))}
        return Load(bytes=BASELINE * share, blocks=4e6 * share, native=300 * MIB * share, owners=owner)

    return add


def is_emptied_nightly(chance: random.Random, _life: Life) -> Adds:
    """Gather 30 to 100 MiB through the day in a list that is emptied at a fixed hour."""
    hour, per_day, held, before = chance.uniform(0, DAY), chance.uniform(30, 100) * MIB / ENTRY, 0.0, None

    def add(_age: float, clock: float, units: float) -> Load:
        nonlocal held, before
        since = (clock - hour) % DAY
        held = 0.0 if before is not None and since < before else held + per_day * units / PER_DAY
        before = since
        return _entries("app.audit._today", held, ENTRY)

    return add


def _entries(path: str, entries: float, size: int) -> Load:
    """Return entries of an owner: two thirds in Python's blocks of 128 bytes, one third on the C heap."""
    whole = entries * size
    return Load(bytes=whole, blocks=whole * 2 / 3 / 128, native=whole / 3, owners={path: (entries, whole)})


# -- chance ----------------------------------------------------------------------------------------


def count_of(chance: random.Random, mean: float) -> int:
    """Return a number of events as chance has it (Poisson; Knuth 1969, and the normal above 30)."""
    if mean > 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    left, count = math.exp(-mean), -1
    product = 1.0
    while product > left:
        product *= chance.random()
        count += 1
    return max(0, count)


def _alike(chance: random.Random, sigma: float, alike: float = 0.9) -> Iterator[float]:
    """Yield AR(1) noise."""
    value, fresh = chance.gauss(0, sigma), sigma * math.sqrt(1 - alike * alike)
    while True:
        yield value
        value = alike * value + chance.gauss(0, fresh)


def _wandering(chance: random.Random, most: float, step: float) -> Iterator[float]:
    """Yield a random walk that is thrown back at its ends."""
    value = chance.uniform(-most, most)
    while True:
        yield value
        value += chance.gauss(0, step)
        if abs(value) > most:
            value = math.copysign(2 * most, value) - value


LEAKS: dict[str, Story] = {
    "leak": Story(adds=leaks),
    "native leak": Story(adds=leaks_natively),
    "leak since a deploy": Story(adds=leaks_since_deploy, lives=deployed),
    "leak in every version": Story(adds=leaks, lives=deployed),
}
OTHERS: dict[str, Story] = {
    "flat": Story(adds=nothing),
    "high and flat": Story(adds=nothing, baseline=lambda _: 1_750 * MIB),
    "nightly cycle only": Story(adds=nothing, swing=0.3),
    "cache that fills and stops": Story(adds=fills_and_stops),
    "cache with a known bound": Story(adds=fills_to_its_bound, bounds={CACHE: Bound("lru_cache(maxsize)", 100_000, 0)}),
    "step after a deploy": Story(
        adds=nothing, lives=deployed, baseline=lambda version: BASELINE * (1.1 if version == "2.4.1" else 1)
    ),
    "slow warm-up": Story(adds=warms_up_slowly),
    "allocator staircase": Story(adds=ratchets_up),
    "bounded random walk": Story(adds=wanders),
    "restarts": Story(adds=nothing, lives=restarted),
    "emptied every night": Story(adds=is_emptied_nightly),
}
