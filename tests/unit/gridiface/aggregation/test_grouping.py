import pytest

from gridiface.aggregation.grouping import GroupTree
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
