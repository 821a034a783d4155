from gridiface.protocols.dnp3.heads import all_head, count_head, indexed_objects, range_head, sized_object


def test_ranges_and_counts_take_the_shorter_qualifier_that_fits():
    assert range_head(30, 5, 0, 255).hex() == "1e050000ff"
    assert range_head(30, 5, 0, 256).hex() == "1e050100000001"
    assert count_head(50, 1, 1).hex() == "32010701"
    assert count_head(2, 0, 300).hex() == "0200082c01"
    assert all_head(60, 1).hex() == "3c0106"


def test_objects_have_an_index_or_a_size_each():
    assert sized_object(70, 5, b"abc").hex() == "46055b010300616263"
    assert indexed_objects(41, 2, [(1, b"abc")]).hex() == "2902170101616263"
    assert indexed_objects(41, 2, [(300, b"abc")]).hex() == "29022801002c01616263"
    many = [(index, b"x") for index in range(256)]
    assert indexed_objects(41, 2, many)[:5].hex() == "2902280001", "a count above 255 needs 16 bits, and so do indices"
