"""Accumulation points: where new objects pile up in a small heap, and where they only pass through."""

from __future__ import annotations

import pytest
from hypothesis import given

from builder import Heap, heap
from leakdiff.model.heap import OLD, HeapGraph
from leakdiff.model.owner import Accumulation
from leakdiff.ownership.accumulate import find_accumulations
from strategies import heap_graphs, reachable


def found_in(built: Heap) -> list[Accumulation]:
    """Return the accumulations of a heap."""
    return find_accumulations(built.graph())


def paths_of(built: Heap) -> list[list[str]]:
    """Return the paths of all accumulations, the heaviest first, by the names they have in the heap."""
    return [built.names(found.path) for found in found_in(built)]


# -- what accumulates ------------------------------------------------------------------------------


def test_a_dict_that_gains_entries_is_the_accumulation_point() -> None:
    """A dict that gained an entry for every unit holds all that was born."""
    built = heap().holder("cache", grown=303).each_round(101, "app.Result", under="cache").in_each("app.Result", "dict")

    (found,) = found_in(built)

    assert built.names(found.path) == ["cache"]
    assert (found.entries, found.objects) == (303, 606)
    assert found.types == {"app.Result": 303, "dict": 303}
    assert not found.orphan


def test_entries_without_gc_are_counted_by_the_gain() -> None:
    """A set of strings has no new objects that gc sees: its gain alone says how many there are."""
    (found,) = found_in(heap().holder("seen", "set", grown=303))

    assert (found.entries, found.objects, found.types) == (303, 303, {})


def test_atoms_of_new_objects_count_as_objects() -> None:
    """Texts that only a new object refers to are part of what grows."""
    built = heap().holder("cache", grown=3).each_round(1, "app.Result", under="cache")

    (found,) = found_in(built.atoms_in_each("app.Result", "str", 2))

    assert found.types == {"app.Result": 3, "str": 6}
    assert found.objects == 9


def test_a_heavier_owner_comes_first() -> None:
    """Owners are ordered by what they hold, whatever their order in the heap."""
    built = heap().holder("light", grown=30).holder("heavy", grown=303)
    built.each_round(10, "app.Small", under="light").each_round(101, "app.Large", under="heavy")

    assert paths_of(built) == [["heavy"], ["light"]]


def test_a_holder_whose_buffer_grows_accumulates_bytes() -> None:
    """A buffer that became larger is found by its bytes: it has no entries and no new objects."""
    (found,) = found_in(heap().holder("log", "app.Log", buffers=30_300))

    assert (found.buffer_bytes, found.bytes, found.retained) == (30_300, 30_300, 30_300)
    assert (found.objects, found.entries) == (0, 0)


def test_a_linked_list_is_found_below_its_holder() -> None:
    """The head is replaced at every unit; the first node is where the list begins."""
    built = heap().holder("queue", "app.Queue").chain(101, "app.Node", under="queue")

    (found,) = found_in(built)

    assert built.names(found.path) == ["queue", "app.Node"]
    assert found.objects == 303


def test_a_short_linked_list_is_found_below_its_holder() -> None:
    """A list of a few nodes is no other case: the first node, not one in its middle, is where it begins."""
    built = heap(units=30).holder("queue", "app.Queue").chain(10, "app.Node", under="queue")

    (found,) = found_in(built)

    assert built.names(found.path) == ["queue", "app.Node"]


def test_a_list_rebuilt_under_the_same_attribute_is_found_below_its_holder() -> None:
    """Every unit replaces the list by one that is longer: the list of today is the accumulation point."""
    built = heap().holder("service", "app.Service").in_round(3, 1, "list", under="service", name="events")
    built.each_round(101, "app.Event", under="events")

    (found,) = found_in(built)

    assert built.names(found.path) == ["service", "events"]
    assert (found.entries, found.objects) == (0, 304)


def test_a_list_behind_a_fresh_wrapper_is_found_below_both() -> None:
    """The descent goes on while one object dominates nearly all that is new."""
    built = heap().holder("service", "app.Service").in_round(3, 1, "app.State", under="service", name="state")
    built.in_round(3, 1, "list", under="state", name="events").each_round(101, "app.Event", under="events")

    assert paths_of(built) == [["service", "state", "events"]]


def test_a_list_of_texts_that_is_replaced_by_a_longer_one_is_found_below_its_holder() -> None:
    """Its entries are no objects to gc: what it holds more than the list that is gone is what grows."""
    built = heap().holder("service", "app.Service").lost("service", entries=1_000)
    built.in_round(3, 1, "list", under="service", name="lines").atoms_in_each("lines", "str", 1_303)

    (found,) = found_in(built)

    assert built.names(found.path) == ["service", "lines"]
    assert found.objects == 303


def test_a_buffer_that_is_replaced_by_a_larger_one_is_found_below_its_holder() -> None:
    """The bytes that today's buffer has more than the one that is gone are what grows."""
    built = heap().holder("service", "app.Service").lost("service", size=100_000)
    built.in_round(3, 1, "app.Log", under="service", name="log").buffer_in_each("log", 130_300)

    (found,) = found_in(built)

    assert built.names(found.path) == ["service", "log"]
    assert (found.buffer_bytes, found.bytes) == (30_300, 30_300)


def test_a_list_of_texts_that_is_replaced_by_one_as_long_does_not_accumulate() -> None:
    """A table that is read again in every round has the same entries, and others."""
    built = heap().holder("service", "app.Service").lost("service", entries=1_303)

    assert paths_of(built.in_round(3, 1, "list", under="service").atoms_in_each("list", "str", 1_303)) == []


def test_a_rebuilt_list_inside_a_quiet_holder_is_found() -> None:
    """A holder above that did not grow itself hides nothing of the one below it."""
    built = heap().holder("main", "frame").in_round(3, 5, "app.Request", under="main")
    built.holder("service", "app.Service", inside="main").in_round(3, 1, "list", under="service", name="events")
    built.each_round(101, "app.Event", under="events")

    (found,) = found_in(built)

    assert built.names(found.path) == ["service", "events"]
    assert found.retained == 304 * 64


# -- what only passes through ----------------------------------------------------------------------


def test_a_full_cache_that_replaces_its_entries_does_not_accumulate() -> None:
    """As many entries leave as arrive: new ones of every round are alive, and still nothing grows."""
    assert paths_of(heap().holder("lru").each_round(101, "app.Result", under="lru")) == []


def test_a_full_cache_of_rich_entries_does_not_accumulate() -> None:
    """Each entry brings objects of its own; that is one replaced entry all the same."""
    built = heap().holder("lru").each_round(101, "app.Result", under="lru").in_each("app.Result", "dict", 5)

    assert paths_of(built) == []


def test_objects_in_flight_do_not_accumulate() -> None:
    """What was born in the last round only is still being worked on."""
    built = heap().holder("worker", "frame").in_round(3, 1, "list", under="worker", name="batch")

    assert paths_of(built.in_round(3, 400, "app.Request", under="batch")) == []


def test_a_holder_that_shrank_does_not_accumulate() -> None:
    """A dict that lost entries keeps a few new ones and is not blamed for them."""
    assert paths_of(heap().holder("cache", grown=-50).each_round(5, "app.Result", under="cache")) == []


def test_fewer_entries_than_rounds_do_not_accumulate() -> None:
    """Two entries in three rounds are no growth in every round."""
    built = heap().holder("cache", grown=2).in_round(1, 1, "app.Result", under="cache")

    assert paths_of(built.in_round(2, 1, "app.Result", under="cache")) == []


# -- one cause, one owner --------------------------------------------------------------------------


def test_what_lies_inside_a_growing_owner_is_part_of_it() -> None:
    """An old registry inside a cache that grows is no owner beside it, and its objects are the cache's."""
    built = heap().holder("cache", grown=303).holder("registry", "list", grown=303, inside="cache")
    built.each_round(101, "app.Key", under="cache").each_round(101, "app.Result", under="registry")

    (found,) = found_in(built)

    assert built.names(found.path) == ["cache"]
    assert found.types == {"app.Key": 303, "app.Result": 303}


def test_what_lies_inside_a_quiet_holder_is_an_owner_of_its_own() -> None:
    """A holder above that gained nothing does not take the blame."""
    built = heap().holder("service", "app.Service").holder("cache", grown=303, inside="service")

    assert paths_of(built.each_round(101, "app.Result", under="cache")) == [["cache"]]


def test_a_second_holder_of_the_same_objects_is_an_echo_behind_every_cause() -> None:
    """An index of what a cache holds adds nothing to it: lighter causes of their own come first."""
    built = heap().holder("cache", grown=303).holder("index", "set", grown=303).holder("other", grown=30)
    built.each_round(101, "app.Result", under="cache").link("index", "app.Result")
    built.each_round(10, "app.Other", under="other")

    assert paths_of(built) == [["cache"], ["other"], ["index"]]


def test_alike_holders_count_as_one() -> None:
    """A hundred lists in one dict, each of which gained a little, are one owner with their sum."""
    built = heap().holders(100, "listeners", "list", grown=3).each_round(100, "app.Listener", under="listeners")

    (found,) = found_in(built)

    assert (len(found.members), found.entries, found.objects) == (100, 300, 300)


def test_alike_holders_accumulate_by_their_sum() -> None:
    """Members that gained one entry each are below the number of rounds, their group is not."""
    built = heap().holders(100, "listeners", "list", grown=1)

    assert [found.entries for found in found_in(built)] == [100]


# -- sizes -----------------------------------------------------------------------------------------


def test_retained_bytes_are_those_that_only_the_owner_holds() -> None:
    """What another holder refers to would stay without the owner and is not retained by it."""
    built = heap().holder("cache", grown=303).holder("pool", "list", grown=30)
    built.each_round(101, "app.Result", under="cache").each_round(10, "app.Buffer", under="pool")
    built.link("cache", "app.Buffer")

    cache = found_in(built)[0]

    assert cache.bytes == (303 + 30) * 64
    assert cache.retained == 303 * 64


def test_retained_bytes_include_what_hangs_below_the_entries() -> None:
    """An object that many entries share is still retained by the owner of them all."""
    built = heap().holder("cache", grown=303).each_round(101, "app.Result", under="cache")
    built.in_round(1, 1, "app.Config").link("app.Result", "app.Config")

    (found,) = found_in(built)

    assert found.retained == 304 * 64


def test_old_objects_behind_new_ones_are_walked_but_not_counted() -> None:
    """An old object that only new ones refer to leads on to new objects and is none itself."""
    built = heap().holder("cache", grown=3).each_round(1, "app.Result", under="cache", name="results")
    built.old("bridge", "app.Bridge", under="results").each_round(1, "app.Far", under="bridge")

    (found,) = found_in(built)

    assert found.types == {"app.Result": 3, "app.Far": 3}


# -- the way to what grows, and a picture of it ----------------------------------------------------


def test_the_tail_leads_to_the_nearest_type_with_a_name_of_its_own() -> None:
    """A reader knows ``app.Result``; the tuples and dicts around it say nothing."""
    built = heap().holder("cache", grown=3).each_round(1, "tuple", under="cache")
    built.in_each("tuple", "dict").in_each("dict", "app.Result")

    (found,) = found_in(built)

    assert built.names(found.tail) == ["tuple", "dict", "app.Result"]


def test_the_tail_of_builtin_types_is_the_nearest_object() -> None:
    """Where no type has a name of its own the entry itself is as good as anything below it."""
    built = heap().holder("cache", grown=3).each_round(1, "tuple", under="cache").in_each("tuple", "dict")

    (found,) = found_in(built)

    assert built.names(found.tail) == ["tuple"]


def test_the_graph_counts_types_and_the_references_between_them() -> None:
    """What a user explores has names and numbers, and nothing of the heap itself."""
    built = heap().holder("cache", grown=303).each_round(101, "app.Result", under="cache").in_each("app.Result", "dict")

    (found,) = found_in(built)

    assert dict(found.graph.nodes(data=True)) == {
        "app.Result": {"count": 303, "bytes": 303 * 64},
        "dict": {"count": 303, "bytes": 303 * 64},
        "owner dict": {},
    }
    assert sorted(found.graph.edges(data="count")) == [("app.Result", "dict", 303), ("owner dict", "app.Result", 303)]


# -- what no root reaches --------------------------------------------------------------------------


def test_objects_nobody_refers_to_are_orphans() -> None:
    """What C code keeps has no referrer; references that nothing explains are counted."""
    (found,) = found_in(heap().each_round(101, "app.Leaked", unexplained=1))

    assert found.orphan
    assert not found.cyclic
    assert (found.types, found.unexplained, found.entries) == ({"app.Leaked": 303}, 1, 0)


def test_orphans_are_named_by_what_is_at_their_top() -> None:
    """An orphan's dict is part of the orphan."""
    (found,) = found_in(heap().each_round(101, "app.Leaked", unexplained=1).in_each("app.Leaked", "dict"))

    assert found.types == {"app.Leaked": 303, "dict": 303}
    assert len(found.members) == 303


def test_orphans_rank_after_owners() -> None:
    """An owner that exists comes before what looks held by C code, however much that is."""
    built = heap().holder("cache", grown=30).each_round(10, "app.Result", under="cache")
    built.each_round(101, "app.Leaked", unexplained=1)

    assert [found.orphan for found in found_in(built)] == [False, True]


def test_orphans_of_the_last_round_only_are_left_out() -> None:
    """What is in flight inside C code is no leak."""
    assert paths_of(heap().in_round(3, 101, "app.Leaked")) == []


def test_a_cycle_among_orphans_is_named() -> None:
    """Objects that hold each other say which way round: over what and back to the first."""
    built = heap().each_round(101, "app.Parent", unexplained=1).each_round(101, "app.Child")
    built.link("app.Parent", "app.Child").link("app.Child", "app.Parent")

    (found,) = found_in(built)

    assert found.cyclic
    assert built.names(found.path) == ["app.Parent"]
    assert built.names(found.tail) == ["app.Child", "app.Parent"]
    assert found.tail[-1] == found.path[0]


def test_an_orphan_that_holds_itself_is_a_cycle() -> None:
    """The shortest cycle has one object."""
    (found,) = found_in(heap().each_round(101, "app.Loop", unexplained=1).link("app.Loop", "app.Loop"))

    assert found.cyclic
    assert found.tail == found.path


# -- any heap --------------------------------------------------------------------------------------


@given(heap_graphs())
def test_any_heap_gets_the_same_answer_twice(graph: HeapGraph) -> None:
    """Nothing depends on the order of a set or on an address."""
    first, second = find_accumulations(graph), find_accumulations(graph)

    assert first == second


@given(heap_graphs())
def test_what_an_accumulation_reaches_is_what_a_walk_reaches(graph: HeapGraph) -> None:
    """A brute-force walk from the members comes to the same new objects, no more and no fewer."""
    edges = [*zip(graph.sources, graph.targets, strict=True), *_edges_into_growing_owners(graph)]

    for found in find_accumulations(graph):
        walked = {node for node in reachable(found.members, edges) if graph.births[node] != OLD}
        assert found.reached == walked or (not found.reached and not found.entries)


@given(heap_graphs())
def test_sizes_of_any_accumulation_fit_together(graph: HeapGraph) -> None:
    """Only what is reached can be retained, and every reached object has a type."""
    for found in find_accumulations(graph):
        assert 0 <= found.retained <= found.bytes or not found.reached
        assert len(found.reached) <= sum(found.types.values()) <= found.objects
        assert found.path[0] in found.members
        assert set(found.tail) <= reachable(found.members, zip(graph.sources, graph.targets, strict=True))


@given(heap_graphs())
def test_orphans_of_any_heap_come_after_every_cause(graph: HeapGraph) -> None:
    """No orphan stands before an owner that is a cause of its own."""
    found = find_accumulations(graph)
    first_orphan = next((at for at, each in enumerate(found) if each.orphan), len(found))
    explained = frozenset[int]().union(*(each.reached for each in found[:first_orphan]))

    assert all(each.orphan or explained & each.reached for each in found[first_orphan:])


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_the_number_of_rounds_does_not_matter(rounds: int) -> None:
    """One entry in every round is enough, however many rounds there are."""
    built = heap(rounds=rounds).holder("cache", grown=rounds).each_round(1, "app.Result", under="cache")

    assert paths_of(built) == [["cache"]]


def _edges_into_growing_owners(graph: HeapGraph) -> list[tuple[int, int]]:
    above = dict(enumerate(graph.inside))
    growing = {node for node in range(graph.holders) if graph.grown[node] > 0}
    lifted = [(parent, node) for node, parent in above.items() if parent >= 0]
    return [(parent, node) for parent, node in lifted if growing & _ancestors(node, above)]


def _ancestors(node: int, above: dict[int, int]) -> set[int]:
    found: set[int] = set()
    while above[node] >= 0:
        node = above[node]
        found.add(node)
    return found


def test_owners_of_the_same_objects_share_them() -> None:
    """A map and an index beside it hold the same orders: each is credited with half, and names the other."""
    built = heap().holder("map", grown=303).holder("index", grown=303).each_round(101, "app.Order", under="map")

    one, other = found_in(built.link("index", "app.Order"))

    assert (one.share, other.share) == (303 * 64 / 2, 303 * 64 / 2)
    assert (one.sharers, other.sharers) == ((1,), (0,))
    assert (one.retained, other.retained) == (0, 0)


def test_of_owners_alike_the_one_that_frees_most_comes_first() -> None:
    """The index wraps each order in an object of its own, which goes with the index alone."""
    built = heap().holder("map", grown=303).holder("index", grown=303).each_round(101, "app.Order", under="map")
    built.each_round(101, "app.Entry", under="index").link("app.Entry", "app.Order")

    first, second = found_in(built)

    assert built.names(first.path) == ["index"]
    assert (first.retained, second.retained) == (303 * 64, 0)
    assert first.share == 303 * 64 + 303 * 64 / 2


def test_an_owner_of_its_own_objects_shares_with_nobody() -> None:
    """What one owner holds alone is its own."""
    (found,) = found_in(heap().holder("cache", grown=303).each_round(101, "app.Result", under="cache"))

    assert found.sharers == ()
    assert found.share == found.retained == 303 * 64
