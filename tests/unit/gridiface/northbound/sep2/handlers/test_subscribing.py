"""POST, PUT and DELETE of Subscriptions."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.northbound.sep2.requests import UNNAMED_HOST
from gridiface.northbound.sep2.settings import LimitSettings, NotificationSettings
from gridiface.northbound.sep2.wire.notification_target import TargetRules

URI = "https://aggregator.example:8443/n"
NOTIFICATIONS = NotificationSettings(make=lambda: None, rules=TargetRules(hosts=frozenset({"aggregator.example"})))  # type: ignore[arg-type,return-value]  # nothing is sent here


def wish(
    resource: str, *, uri: str = URI, limit: int = 10, encoding: int = 0, level: str = "-S1", more: str = ""
) -> str:
    return (
        f'<Subscription xmlns="urn:ieee:std:2030.5:ns"><subscribedResource>{resource}</subscribedResource>{more}'
        f"<encoding>{encoding}</encoding><level>{level}</level><limit>{limit}</limit>"
        f"<notificationURI>{uri}</notificationURI></Subscription>"
    )


DEFAULT = (
    '<DefaultDERControl xmlns="urn:ieee:std:2030.5:ns"><mRID>D1</mRID><DERControlBase><opModMaxLimW>9000</opModMaxLimW>'
    "</DERControlBase></DefaultDERControl>"
)
CONDITION = (
    "<Condition><attributeIdentifier>0</attributeIdentifier><lowerThreshold>1</lowerThreshold>"
    "<upperThreshold>2</upperThreshold></Condition>"
)


@pytest.fixture
async def kit(make_kit: Any) -> Any:
    return await make_kit(notifications=NOTIFICATIONS)


async def post(kit: Any, resource: str, *, by: str = "inv-1", **fields: Any) -> Any:
    return await kit.send("POST", kit.edev(by) + "/sub", wish(resource, **fields), by=by)


async def test_accept_two_parallel_subscriptions_and_list_both(kit: Any) -> None:
    edev = kit.edev("inv-1")
    first, second = await post(kit, edev), await post(kit, f"{edev}/fsa?l=5")
    assert (first.status, second.status) == (201, 201)
    assert first.headers["Location"] != second.headers["Location"]
    listed = await kit.get(f"{edev}/sub?l=9", by="inv-1")
    assert (listed.all, [s.subscribedResource for s in listed.members]) == (2, [edev, f"{edev}/fsa?l=5"])
    shown = await kit.get(edev, by="inv-1")
    assert (
        shown.subscriptionListLink if hasattr(shown, "subscriptionListLink") else shown.SubscriptionListLink
    ).all == 2


async def test_who_names_no_host_cannot_be_told_absolute_uris(kit: Any) -> None:
    """HTTP/1.0 without Host: the subscriptionURI of a notification could not be made."""
    edev = kit.edev("inv-1")
    reply = await kit.send("POST", f"{edev}/sub", wish(edev), by="inv-1", headers={"host": UNNAMED_HOST})
    assert (reply.status, (await kit.get(f"{edev}/sub", by="inv-1")).all) == (400, 0)


async def test_mark_what_can_be_subscribed_to(kit: Any) -> None:
    edev, program = kit.edev("inv-1"), kit.program("inv-1")
    await kit.send("POST", f"{program}/derc", kit.control())
    assert (await kit.send("PUT", f"{program}/dderc", DEFAULT)).status == 204
    marked = ("/edev", edev, f"{edev}/fsa", f"{edev}/fsa/1", "/derp", f"{edev}/fsa/1/derp", program, f"{program}/derc",
              f"{program}/derc/1", f"{program}/dderc")  # fmt: skip
    for number, path in enumerate(marked):
        assert (await kit.get(path, by="inv-1")).subscribable == 1, path
        assert (await post(kit, path, uri=f"{URI}/{number}")).status == 201, path
    for path in ("/edev", f"{edev}/fsa", "/derp", f"{program}/derc"):
        assert (await kit.get(path, by="inv-1")).members[0].subscribable == 1
    # The schema lets none of these be subscribed to.
    for path in ("/dcap", "/tm", f"{edev}/der", f"{edev}/der/1/dercap", f"{edev}/sub", f"{edev}/rg", "/mup"):
        shown = await kit.send("GET", path, by="inv-1")
        assert (shown.status, b"subscribable=" in shown.body.partition(b">")[0]) == (200, False), path
        reply = await post(kit, path)
        assert (reply.status, kit.typed(reply).reasonCode) == (400, 1), path


async def test_where_none_are_served_nothing_says_so(make_kit: Any) -> None:
    kit = await make_kit()
    assert (await kit.get("/edev", by="inv-1")).subscribable is None
    assert (await kit.send("GET", kit.edev("inv-1") + "/sub", by="inv-1")).status == 404


async def test_the_same_wish_again_overwrites(kit: Any) -> None:
    edev = kit.edev("inv-1")
    place = (await post(kit, edev)).headers["Location"]
    again = await post(kit, edev, limit=3)
    assert (again.status, again.headers["Location"]) == (204, place)
    assert (await kit.get(place, by="inv-1")).limit == 3
    put = await kit.send("PUT", place, wish(f"{edev}/fsa", limit=7), by="inv-1")
    assert put.status == 204
    shown = await kit.get(place, by="inv-1")
    assert (shown.subscribedResource, shown.limit) == (f"{edev}/fsa", 7)
    assert (await kit.send("DELETE", place, by="inv-1")).status == 204
    assert (await kit.send("GET", place, by="inv-1")).status == 404
    assert not [key for key in kit.ledger.kept if key[0] in {"sep2/sub", "sep2/told"}]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"resource": "/nowhere"}, 1), ({"resource": "/tm"}, 1), ({"resource": "relative"}, 0), ({"encoding": 1}, 1),
        ({"resource": "https://elsewhere.example/edev"}, 1),
        ({"level": "-S9"}, 1), ({"uri": "https://other.example/"}, 1), ({"uri": "http://aggregator.example/"}, 1),
        ({"more": CONDITION}, 3),
    ],
)  # fmt: skip
async def test_answer_400_to_what_cannot_be_served(kit: Any, fields: dict[str, Any], reason: int) -> None:
    resource = fields.pop("resource", kit.edev("inv-1"))
    reply = await post(kit, resource, **fields)
    assert (reply.status, kit.typed(reply).reasonCode) == (400, reason)


async def test_an_absolute_uri_of_this_server_names_the_same_resource(kit: Any) -> None:
    for number, host in enumerate(("https://server", "https://SERVER:443", "http://server:80")):
        assert (await post(kit, f"{host}/edev", uri=f"{URI}/{number}")).status == 201, host


async def test_answer_400_to_a_malformed_subscription(kit: Any) -> None:
    path = kit.edev("inv-1") + "/sub"
    for body in ("<Subscription", "<Subscription xmlns='urn:ieee:std:2030.5:ns'/>", wish("/edev", limit=-1)):
        assert (await kit.send("POST", path, body, by="inv-1")).status == 400


async def test_what_is_not_the_callers_cannot_be_subscribed_to(kit: Any) -> None:
    assert (await post(kit, kit.edev("inv-2"))).status == 400
    assert (await kit.send("POST", kit.edev("inv-1") + "/sub", wish("/edev"), by="inv-2")).status == 404
    assert (await kit.send("POST", kit.edev("inv-1") + "/sub", wish("/edev"), by="utility")).status == 403
    assert (await post(kit, kit.edev("inv-2"), by="aggregator")).status == 201
    assert (await kit.send("POST", kit.edev("inv-2") + "/sub", wish("/edev"), by="aggregator")).status == 201


async def test_there_is_an_end_to_the_number_of_subscriptions(make_kit: Any) -> None:
    kit = await make_kit(notifications=NOTIFICATIONS, limits=LimitSettings(subscriptions_per_device=1))
    assert (await post(kit, "/edev")).status == 201
    reply = await post(kit, "/derp")
    assert (reply.status, kit.typed(reply).reasonCode) == (400, 2)


async def test_while_the_store_cannot_write_nothing_changes(kit: Any) -> None:
    place = (await post(kit, "/edev")).headers["Location"]
    kit.ledger.down = True
    assert (await post(kit, "/derp")).status == 503
    assert (await kit.send("DELETE", place, by="inv-1")).status == 503
    kit.ledger.down = False
    assert (await kit.get(kit.edev("inv-1") + "/sub?l=9", by="inv-1")).all == 1


async def test_no_two_subscriptions_tell_one_receiver_of_the_same(kit: Any) -> None:
    """By PUT neither: else it would be told of each change twice."""
    edev = kit.edev("inv-1")
    first, second = await post(kit, edev), await post(kit, f"{edev}/fsa")
    before = kit.documents()
    put = await kit.send("PUT", second.headers["Location"], wish(edev), by="inv-1")
    assert (put.status, kit.documents()) == (409, before)
    for path, resource, uri in (
        (first.headers["Location"], edev, URI),  # its own again
        (second.headers["Location"], f"{edev}/fsa", f"{URI}/2"),
        (second.headers["Location"], edev, f"{URI}/2"),
    ):
        assert (await kit.send("PUT", path, wish(resource, uri=uri), by="inv-1")).status == 204
    assert (await kit.get(f"{edev}/sub?l=9", by="inv-1")).all == 2
