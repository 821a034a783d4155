from dataclasses import replace

import pytest

from gridiface.aggregation.state.grouping import GroupTree
from gridiface.domain.fleet import Group
from gridiface.errors import ConfigError


def test_members_come_through_nested_groups_each_once():
    tree = GroupTree([Group(id="all", members=("a",)), Group(id="east", members=("b", "a"), parent="all")])
    assert tree.members("all") == ("a", "b")
    assert tree.members("nobody") == ()
    assert tree.ancestors("east") == ["all"]
    assert tree.around("b") == ["east", "all"]
    assert tree.holds("all", "b")


def test_inclusion_makes_a_tree_without_being_told():
    tree = GroupTree(
        [Group(id="x", members=("a", "b", "c")), Group(id="y", members=("a", "b")), Group(id="z", members=("a",))]
    )
    assert tree.ancestors("z") == ["y", "x"]
    assert tree.children["x"] == ("y",)
    assert tree.roots() == ["x"]


def test_of_equal_sets_the_stated_parent_is_outside():
    tree = GroupTree([Group(id="a", members=("d",), parent="b"), Group(id="b", members=())])
    assert tree.ancestors("a") == ["b"]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([Group(id="x", members=("a", "b")), Group(id="y", members=("b", "c"))], "overlaps"),
        ([Group(id="x", members=()), Group(id="x", members=())], "twice"),
        ([Group(id="x", members=(), parent="q")], "unknown parent"),
        ([Group(id="x", members=(), parent="y"), Group(id="y", members=(), parent="x")], "circle"),
    ],
)
def test_what_is_no_tree_is_refused(groups, words):
    with pytest.raises(ConfigError, match=words):
        GroupTree(groups)


@pytest.mark.parametrize("group", ["outer", "inner", "alone", "empty"])
def test_who_joins_is_where_a_new_tree_would_put_it(group):
    groups = [
        Group(id="outer", members=("a", "b")),
        Group(id="inner", members=("c",), parent="outer"),
        Group(id="alone", members=("d",)),
        Group(id="empty", members=()),
    ]
    tree = GroupTree(groups)
    assert tree.join("new", group)
    again = GroupTree([replace(g, members=(*g.members, "new")) if g.id == group else g for g in groups])
    assert (tree.groups, tree.parent, tree.children) == (again.groups, again.parent, again.children)
    assert {g.id: tree.members(g.id) for g in groups} == {g.id: again.members(g.id) for g in groups}
    assert not tree.join("new", "alone"), "it is somewhere already"


def test_a_group_that_lies_in_another_by_what_it_holds_alone_is_looked_at_anew():
    tree = GroupTree([Group(id="big", members=("a", "b")), Group(id="small", members=("a",))])
    assert not tree.join("c", "small")
    assert tree.members("big") == ("a", "b")
