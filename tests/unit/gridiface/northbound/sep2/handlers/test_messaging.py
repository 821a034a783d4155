"""Messaging: several texts at once, none superseded, answered by TextResponses."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.northbound.sep2.served.identities import sfdi

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


def answer(lfdi: str, subject: str, status: int, kind: str = "TextResponse") -> str:
    return (
        f"<{kind} {NS}><createdDateTime>1800000000</createdDateTime><endDeviceLFDI>{lfdi}</endDeviceLFDI>"
        f"<status>{status}</status><subject>{subject}</subject></{kind}>"
    )


async def two_texts(kit: Any) -> None:
    await kit.post("/msg", kit.bodies.messages())
    await kit.post("/msg/1/txt", kit.bodies.text("01", "first", start=kit.NOW + 10, duration=100))
    await kit.post("/msg/1/txt", kit.bodies.text("02", "second", start=kit.NOW + 20, duration=100))


async def test_texts_that_overlap_are_active_together_and_none_is_superseded(kit: Any) -> None:
    await two_texts(kit)
    assert (await kit.get("/msg/1/acttxt?l=9", by="inv-1")).all == 0
    kit.at(30)
    active = await kit.get("/msg/1/acttxt?l=9", by="inv-1")
    assert [t.mRID for t in active.members] == ["02", "01"]  # the newest start first
    assert all(t.eventStatus.currentStatus == 1 for t in active.members)
    assert not any(t.eventStatus.potentiallySuperseded for t in active.members)
    kit.at(114)
    assert [t.mRID for t in (await kit.get("/msg/1/acttxt?l=9")).members] == ["02"]
    assert [t.mRID for t in (await kit.get("/msg/1/txt?l=9")).members] == ["02"]
    kit.at(115)
    assert [t.mRID for t in (await kit.get("/msg/1/txt?l=9")).members] == ["02"]


async def test_a_text_reaches_the_devices_through_their_assignment(kit: Any) -> None:
    edev = kit.edev("inv-1")
    before = await kit.get(f"{edev}/fsa/1", by="inv-1")
    assert before.MessagingProgramListLink is None
    kit.clock.time += 5
    await two_texts(kit)
    after = await kit.get(f"{edev}/fsa/1", by="inv-1")
    assert after.MessagingProgramListLink.all == 1
    found = await kit.get(after.MessagingProgramListLink.href, by="inv-1")
    assert found.members[0].TextMessageListLink.all == 2
    assert (await kit.get("/dcap", by="inv-1")).MessagingProgramListLink.all == 1
    assert (await kit.get(edev, by="inv-1")).changedTime == int(kit.NOW) + 5


async def test_who_registers_after_a_text_was_sent_has_it_and_answers_it(make_kit: Any) -> None:
    kit = await make_kit(in_band_registration=True)
    await two_texts(kit)
    lfdi = kit.lfdi["stranger"]
    body = f"<EndDevice {NS}><lFDI>{lfdi}</lFDI><sFDI>{sfdi(lfdi)}</sFDI><changedTime>0</changedTime></EndDevice>"
    path = (await kit.send("POST", "/edev", body, by="stranger")).headers["Location"]
    assignment = await kit.get(f"{path}/fsa/1", by="stranger")
    assert (await kit.get(assignment.MessagingProgramListLink.href, by="stranger")).all == 1
    answered = await kit.send("POST", "/rsps/msg1/rsp", answer(lfdi, "01", 1), by="stranger")
    assert answered.status == 201
    publication = kit.core.state.publications["/msg/1"]
    found = set(publication.assigned)
    await kit.core.reconcile(kit.clock.time)
    assert publication.assigned == found
    assert (await kit.send("DELETE", path, by="stranger")).status == 204
    left = set(publication.assigned)
    await kit.core.reconcile(kit.clock.time)
    assert publication.assigned == left < found


async def test_a_text_is_cancelled_once_and_stays_listed(kit: Any) -> None:
    await two_texts(kit)
    cancelled = kit.bodies.text("01", "first", start=kit.NOW + 10, duration=100, status=2)
    assert (await kit.send("PUT", "/msg/1/txt/1", cancelled)).status == 204
    kit.at(30)
    assert await kit.status("/msg/1/txt/1") == 2
    assert [t.mRID for t in (await kit.get("/msg/1/acttxt?l=9")).members] == ["02"]
    assert (await kit.send("PUT", "/msg/1/txt/1", cancelled)).status == 204  # the same again changes nothing
    assert (await kit.send("PUT", "/msg/1/txt/2", kit.bodies.text("02", "other words", start=kit.NOW + 20,
                                                                  duration=100, status=2))).status == 400  # fmt: skip
    randomised = kit.bodies.text("02", "second", start=kit.NOW + 20, duration=100, status=3)
    assert (await kit.send("PUT", "/msg/1/txt/2", randomised)).status == 400  # texts are not randomised


async def test_a_live_text_is_cancelled_before_it_is_removed(kit: Any) -> None:
    await two_texts(kit)
    for path in ("/msg/1/txt/1", "/msg/1"):
        assert (await kit.send("DELETE", path)).status == 409
    kit.at(500)
    assert (await kit.send("DELETE", "/msg/1")).status == 204
    assert (await kit.send("GET", "/msg/1/txt/1")).status == 404
    assert (await kit.get(f"{kit.edev('inv-1')}/fsa/1", by="inv-1")).MessagingProgramListLink is None
    assert not [key for key in kit.documents() if key[0] == "sep2/pub"]


@pytest.mark.parametrize("status", [1, 2, 3, 6, 11, 12, 252, 253, 254])
async def test_the_statuses_of_a_text_are_taken_and_kept_per_device(kit: Any, status: int) -> None:
    await two_texts(kit)
    text = await kit.get("/msg/1/txt/1", by="inv-1")
    assert text.replyTo == "/rsps/msg1/rsp"
    for name in ("inv-1", "inv-2"):
        await kit.post(text.replyTo, answer(kit.lfdi[name], "01", status), by=name)
    assert (await kit.get("/rsps/msg1/rsp?l=9")).all == 2
    assert (await kit.get("/rsps/msg1/rsp?l=9", by="inv-1")).all == 1
    other = await kit.restarted()
    assert (await other.get("/rsps/msg1/rsp?l=9")).all == 2


@pytest.mark.parametrize(
    ("body", "by", "status"),
    [
        (lambda k: answer(k["inv-1"], "01", 7), "inv-1", 400),  # no text is superseded
        (lambda k: answer(k["inv-1"], "01", 4), "inv-1", 400),
        (lambda k: answer(k["inv-1"], "99", 1), "inv-1", 400),
        (lambda k: answer(k["inv-2"], "01", 1), "inv-1", 403),
        (lambda k: answer("00" * 20, "01", 1), "inv-1", 400),
        (lambda k: answer(k["inv-1"], "01", 1, "PriceResponse"), "inv-1", 400),
        (lambda k: answer(k["inv-1"], "01", 1), "utility", 403),
        (lambda k: answer(k["inv-1"], "01", 1, "Response"), "inv-1", 201),
    ],
)
async def test_responses_that_do_not_fit_are_refused(kit: Any, body: Any, by: str, status: int) -> None:
    await two_texts(kit)
    assert (await kit.send("POST", "/rsps/msg1/rsp", body(kit.lfdi), by=by)).status == status


@pytest.mark.parametrize(
    "wrong",
    [
        ("<priority>2</priority>", "<priority>9</priority>"),
        ("<textMessage>Storm ahead</textMessage>", "<textMessage> </textMessage>"),
        ("<textMessage>Storm ahead</textMessage>", f"<textMessage>{'x' * 5000}</textMessage>"),
        ("<mRID>7E01</mRID>", "<mRID>00</mRID>"),
        ("<currentStatus>0</currentStatus>", "<currentStatus>2</currentStatus>"),
        ("<duration>600</duration>", "<duration>0</duration>"),
    ],
)
async def test_a_text_that_makes_no_sense_is_refused(kit: Any, wrong: tuple[str, str]) -> None:
    await kit.post("/msg", kit.bodies.messages())
    before = kit.documents()
    body = kit.bodies.text(start=kit.NOW).replace(*wrong)
    assert body != kit.bodies.text(start=kit.NOW)
    assert (await kit.send("POST", "/msg/1/txt", body)).status == 400
    assert kit.documents() == before


async def test_the_same_text_again_changes_nothing_and_another_under_its_mrid_is_refused(kit: Any) -> None:
    await two_texts(kit)
    again = kit.bodies.text("01", "first", start=kit.NOW + 10, duration=100)
    reply = await kit.send("POST", "/msg/1/txt", again)
    assert (reply.status, reply.headers["Location"]) == (204, "/msg/1/txt/1")
    assert (await kit.send("POST", "/msg/1/txt", again.replace("first", "else"))).status == 409
    assert (await kit.send("POST", "/msg", kit.bodies.messages())).headers["Location"] == "/msg/1"
    assert (await kit.send("POST", "/msg", kit.bodies.messages().replace("News", "Old"))).status == 409
