"""The whole way on real sockets: mutual TLS with CCM8, HTTP/1.1, identity from the certificate."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession
from lxml import etree
from tests.clocks import StandingClock
from tests.waiting import until

from gridiface.domain.controls import Outcome, OutcomeKind, Setpoint
from gridiface.errors import ConfigError
from gridiface.northbound.sep2.settings import LimitSettings
from gridiface.pki.certificate import parse_certificate, parse_pem_certificates

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


def control(mrid: str, start: float, duration: int = 60) -> str:
    return (
        f'<DERControl {NS} responseRequired="03"><mRID>{mrid}</mRID><creationTime>{int(time.time())}</creationTime>'
        "<EventStatus><currentStatus>0</currentStatus><dateTime>0</dateTime>"
        "<potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
        f"<interval><duration>{duration}</duration><start>{int(start)}</start></interval>"
        "<DERControlBase><opModTargetW><multiplier>0</multiplier><value>500</value></opModTargetW></DERControlBase>"
        "</DERControl>"
    )


async def hrefs(running: Any, path: str, by: str) -> list[str]:
    status, _, body = await running.send("GET", f"{path}?l=255", by=by)
    assert status == 200, path
    return [e.get("href") for e in etree.fromstring(body).iter() if e.get("href") and e.get("href") != path]


async def test_a_client_walks_from_dcap_to_its_controls(start: Any) -> None:
    running = await start()
    program = running.server.core.state.program_of_device("inv-1").path
    status, headers, _ = await running.send("POST", f"{program}/derc", control("A1" * 16, time.time() + 60))
    assert status == 201
    assert "/edev" in await hrefs(running, "/dcap", "inverter")
    (edev,) = {h for h in await hrefs(running, "/edev", "inverter") if h.count("/") == 2}
    (fsa,) = {h for h in await hrefs(running, f"{edev}/fsa", "inverter") if h.count("/") == 4}
    assert f"{fsa}/derp" in await hrefs(running, fsa, "inverter")
    assert program in await hrefs(running, f"{fsa}/derp", "inverter")
    assert headers["Location"] in await hrefs(running, f"{program}/derc", "inverter")


async def test_every_answer_has_its_length_and_exact_content_type(start: Any) -> None:
    running = await start()
    for method, path, by in (
        ("GET", "/dcap", "stranger"),
        ("GET", "/nowhere", "utility"),
        ("GET", "/edev", "stranger"),
    ):
        _, headers, body = await running.send(method, path, by=by)
        assert headers["Content-Type"] == "application/sep+xml"
        assert int(headers["Content-Length"]) == len(body) > 0
        assert "Transfer-Encoding" not in headers
    _, head, nothing = await running.send("HEAD", "/dcap")
    _, get, body = await running.send("GET", "/dcap")
    assert (nothing, head["Content-Length"], head["Content-Type"]) == (b"", str(len(body)), get["Content-Type"])


async def test_the_certificate_says_who_one_is_and_no_header_does(start: Any) -> None:
    running = await start()
    own = running.server.core.state.by_device["inv-1"].path
    lfdi = running.site.lfdi["inverter"]
    for by, status in (("inverter", 200), ("utility", 200), ("aggregator", 404), ("stranger", 403)):
        found, _, body = await running.send("GET", own, by=by, X_Peer_LFDI=lfdi)
        assert found == status
        assert (lfdi.encode() in body) == (status == 200)


async def test_statuses_on_the_wire(start: Any) -> None:
    running = await start(limits=LimitSettings(body_bytes=4096))
    own = running.server.core.state.by_device["inv-1"].path
    ders = f"{own}/der/1/ders"
    good = f"<DERStatus {NS}><readingTime>5</readingTime></DERStatus>"
    cases = [
        (("FOO", "/dcap"), {}, 501),
        (("POST", "/dcap", "<a/>"), {}, 405),
        (("GET", "/dcap"), {"Accept": "text/html"}, 406),
        (("PUT", ders, good), {"Content_Type": "text/xml", "by": "inverter"}, 415),
        (("PUT", ders, "x" * 5000), {"by": "inverter"}, 413),
        (("PUT", ders, "<a"), {"by": "inverter"}, 400),
        (("PUT", ders, good), {"by": "inverter"}, 204),
        (("PUT", ders, good), {"by": "utility"}, 403),
    ]
    for arguments, more, status in cases:
        found, headers, body = await running.send(*arguments, **more)
        assert found == status, arguments
        if status == 405:
            assert headers["Allow"] == "GET, HEAD"
        if status >= 400:
            assert etree.fromstring(body).tag.endswith("Error")


async def test_request_lines_that_few_clients_send(start: Any) -> None:
    running = await start()
    for line, status in (
        ("GET /dcap HTTP/2.0", 505),
        ("GET /dcap HTTP/1.2", 505),
        ("GET /%64c%61p HTTP/1.1", 200),
        ("GET https://elsewhere/%64cap HTTP/1.1", 200),
        ("GET /dcap% HTTP/1.1", 400),
        ("GET /dc%2Fap HTTP/1.1", 404),
    ):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", running.server.port, ssl=running.site.context("inverter")
        )
        writer.write(f"{line}\r\nHost: x\r\n\r\n".encode())
        assert int((await reader.readline()).split()[1]) == status, line
        writer.close()


async def test_host_is_wanted_of_http_1_1_and_not_of_1_0(start: Any) -> None:
    running = await start()
    for head, status in (
        ("GET /dcap HTTP/1.0", 200),
        ("HEAD /tm HTTP/1.0\r\nHost: x", 200),
        ("GET /dcap HTTP/1.1", 400),
        ("GET /dcap HTTP/1.1\r\nHost:", 400),
        ("GET https://x/dcap HTTP/1.1", 400),
    ):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", running.server.port, ssl=running.site.context("inverter")
        )
        writer.write(f"{head}\r\n\r\n".encode())
        assert int((await reader.readline()).split()[1]) == status, head
        writer.close()


async def test_a_body_that_never_says_its_length_is_cut_off(start: Any) -> None:
    running = await start()
    own = running.server.core.state.by_device["inv-1"].path

    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 65_536

    url = f"https://127.0.0.1:{running.server.port}{own}/der/1/ders"
    headers = {"Content-Type": "application/sep+xml"}
    try:
        async with running.session("inverter").put(url, data=endless(), headers=headers) as reply:
            assert reply.status == 413
    except OSError:
        pass  # the server closed before everything was sent
    status, _, _ = await running.send("GET", "/tm", by="inverter")
    assert status == 200


async def test_the_suite_is_ccm_8_of_tls_1_2(start: Any) -> None:
    running = await start()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", running.server.port, ssl=running.site.context("inverter")
    )
    assert writer.get_extra_info("cipher")[:2] == ("ECDHE-ECDSA-AES128-CCM8", "TLSv1.2")
    writer.write(b"GET /tm HTTP/1.1\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"400"  # no Host
    writer.close()


async def test_present_its_own_p_256_certificate_with_its_chain(start: Any) -> None:
    """A client that knows nothing but the root finds its way there by what the server sends."""
    running = await start()
    _, writer = await asyncio.open_connection("127.0.0.1", running.server.port, ssl=running.site.context("inverter"))
    sent = writer.get_extra_info("ssl_object")._sslobj.get_unverified_chain()  # public from Python 3.13 on
    own, issuer = (parse_certificate(one.public_bytes(ssl._ssl.ENCODING_DER)) for one in sent[:2])
    assert own.key_kind == "secp256r1"
    assert own.is_signed_by(issuer)
    roots = parse_pem_certificates((running.site.folder / "serca.pem").read_bytes())
    assert issuer.der not in {root.der for root in roots}
    assert any(issuer.is_signed_by(root) for root in roots)
    writer.close()


async def test_without_a_certificate_there_is_no_answer(start: Any) -> None:
    running = await start()
    context = ssl.create_default_context(cafile=str(running.site.folder / "serca.pem"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port, ssl=context)
        writer.write(b"GET /dcap HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(1)

    with pytest.raises((OSError, ssl.SSLError, asyncio.IncompleteReadError)):
        await ask()


async def test_redirect_plain_get_dcap_with_301_to_the_https_url(start: Any) -> None:
    running = await start(redirect_port=0)
    plain = f"http://127.0.0.1:{running.server.redirect_port}"
    async with ClientSession() as session:
        async with session.get(f"{plain}/dcap", allow_redirects=False) as reply:
            assert (reply.status, reply.headers["Location"]) == (301, f"https://127.0.0.1:{running.server.port}/dcap")
        async with session.get(f"{plain}/edev", allow_redirects=False) as reply:
            assert reply.status == 404


async def test_a_control_travels_down_and_its_answers_come_back(start: Any) -> None:
    """The utility asks the fleet, the inverter gets its own control, answers, and the utility reads it."""
    running = await start()
    server, house = running.server, running.house
    state = server.core.state
    group, own = state.program_of_group("fleet"), state.program_of_device("inv-1")
    assert (await running.send("POST", f"{group.path}/derc", control("B1" * 16, time.time())))[0] == 201
    (asked,) = house.controls.values()
    setpoint = Setpoint(device_id="inv-1", issued=time.time(), active_power_w=250.0, valid_until=asked.interval.end,
                        control_ids=(asked.id,))  # fmt: skip
    await server.channel.apply([setpoint], deadline=time.time() + 5)
    _, _, body = await running.send("GET", f"{own.path}/actderc", by="inverter")
    event = etree.fromstring(body)[0]
    subject = event.findtext("{urn:ieee:std:2030.5:ns}mRID")
    lfdi = running.site.lfdi["inverter"]
    for answer in (1, 2):
        sent = (
            f"<DERControlResponse {NS}><createdDateTime>{int(time.time())}</createdDateTime>"
            f"<endDeviceLFDI>{lfdi}</endDeviceLFDI><status>{answer}</status><subject>{subject}</subject></DERControlResponse>"
        )
        assert (await running.send("POST", event.get("replyTo"), sent, by="inverter"))[0] == 201
    assert [(o.control_id, o.kind, o.device_id) for o in house.outcomes] == [
        (asked.id, OutcomeKind.RECEIVED, "inv-1"),
        (asked.id, OutcomeKind.STARTED, "inv-1"),
    ]
    for outcome in house.outcomes:
        server.on_outcome(outcome)
    server.on_outcome(Outcome(control_id=asked.id, kind=OutcomeKind.RECEIVED, at=time.time(), device_id="bat-1"))
    await server.drain()
    _, _, body = await running.send("GET", f"{group.responses}?l=99")
    answers = {(r.findtext("{*}endDeviceLFDI"), r.findtext("{*}status")) for r in etree.fromstring(body)}
    assert answers == {(lfdi, "1"), (lfdi, "2"), (state.by_device["bat-1"].lfdi, "1")}


async def test_what_the_utility_posts_to_an_inverter_stands_above_what_the_fleet_asks_of_it(start: Any) -> None:
    running = await start()
    server, now = running.server, time.time()
    own = server.core.state.program_of_device("inv-1").path

    async def active() -> list[tuple[str, str]]:
        _, _, body = await running.send("GET", f"{own}/actderc?l=9", by="inverter")
        return [
            (e.findtext("{*}mRID"), e.find("{*}DERControlBase")[0].tag.rpartition("}")[2])
            for e in etree.fromstring(body)
        ]

    point = Setpoint(device_id="inv-1", issued=now, active_power_w=9000.0, connect=True, valid_until=now + 60,
                     control_ids=("oadr:1",))  # fmt: skip
    await server.channel.apply([point], deadline=now + 5)
    ((derived, first),) = await active()
    assert first == "opModConnect"
    posted = control("C2" * 16, now - 1).replace("opModTargetW", "opModConnect")
    posted = posted.replace("<multiplier>0</multiplier><value>500</value>", "false")
    status, headers, _ = await running.send("POST", f"{own}/derc", posted)
    assert status == 201
    found = dict(await active())
    assert found.pop("C2" * 16) == "opModConnect"
    assert list(found.values()) == ["opModTargetW"]
    assert derived not in found
    cancel = posted.replace("<currentStatus>0", "<currentStatus>2")
    assert (await running.send("PUT", headers["Location"], cancel))[0] == 204
    ((again, first),) = await active()
    assert (first, again not in {derived, "C2" * 16}) == ("opModConnect", True)


async def test_after_a_restart_everything_is_there_again(start: Any) -> None:
    running = await start()
    path = running.server.core.state.program_of_group("fleet").path
    await running.send("POST", f"{path}/derc", control("C1" * 16, time.time() + 100))
    before = {p: await running.send("GET", p + "?l=99") for p in ("/edev", path, f"{path}/derc", "/rsps")}
    await running.close()
    again = await start(running.house)
    for p, (status, _, body) in before.items():
        found = await again.send("GET", p + "?l=99")
        assert (found[0], found[2]) == (status, body)


async def test_operators_register_and_remove_clients(start: Any) -> None:
    running = await start()
    lfdi = running.site.lfdi["stranger"]
    path = await running.server.add_end_device(lfdi.lower(), pin=123_455)
    assert (await running.send("GET", path, by="stranger"))[0] == 200
    _, _, body = await running.send("GET", f"{path}/rg", by="stranger")
    assert etree.fromstring(body).findtext("{*}pIN") == "123455"
    assert await running.server.remove_end_device(lfdi)
    assert not await running.server.remove_end_device(lfdi)
    assert (await running.send("GET", "/edev", by="stranger"))[0] == 403


async def test_operators_revoke_and_change_rates_while_clients_are_connected(start: Any) -> None:
    running = await start()
    lfdi = running.site.lfdi["inverter"]
    path = running.server.core.state.by_device["inv-1"].path
    await running.server.set_post_rate(lfdi.lower(), 42)
    await running.server.set_poll_rate("EndDeviceList", 43)
    _, _, body = await running.send("GET", "/edev", by="inverter")
    assert (etree.fromstring(body).get("pollRate"), etree.fromstring(body)[0].findtext("{*}postRate")) == ("43", "42")
    await running.server.set_enabled(lfdi, False)
    assert (await running.send("GET", path, by="inverter"))[0] == 403
    await running.server.set_enabled(lfdi, True)
    assert (await running.send("GET", path, by="inverter"))[0] == 200
    with pytest.raises(ConfigError):
        await running.server.set_post_rate("0" * 40, 42)


async def test_new_groups_and_devices_get_their_end_devices(start: Any) -> None:
    running = await start()
    plain = running.house.known["bat-1"]
    running.house.known["bat-2"] = type(plain)(id="bat-2", nameplate=plain.nameplate, driver="sunspec")
    await running.server.refresh_fleet()
    assert "bat-2" in running.server.core.state.by_device
    del running.house.known["bat-2"]
    await running.server.refresh_fleet()
    assert "bat-2" not in running.server.core.state.by_device


async def test_a_device_that_tells_its_nameplate_later_says_so_in_its_device_information(start: Any) -> None:
    running = await start()
    plain = running.house.known["bat-1"]
    path = f"{running.server.core.state.by_device['bat-1'].path}/di"
    running.house.known["bat-1"] = replace(plain, nameplate=replace(plain.nameplate, model="B5", serial="77"))
    await running.server.refresh_fleet()
    assert etree.fromstring((await running.send("GET", path))[2]).findtext("{*}mfModel") != "B5"
    await running.server.refresh_fleet(["bat-1", "nobody"])
    told = etree.fromstring((await running.send("GET", path))[2])
    assert (told.findtext("{*}mfModel"), told.findtext("{*}mfSerNum")) == ("B5", "77")


async def test_the_status_flips_when_the_timers_say_so(start: Any) -> None:
    clock = StandingClock(time.time())
    running = await start(clock=clock)
    server = running.server
    path = server.core.state.program_of_group("fleet").path
    begin = int(clock.now()) + 50
    await running.send("POST", f"{path}/derc", control("D1" * 16, begin))
    due = server.next_timer(clock.now())
    assert due == begin
    clock.at = due
    server.handle_timer(due)
    assert server.core.state.tree.listing(f"{path}/actderc").items
    _, _, body = await running.send("GET", f"{path}/actderc?l=9")
    assert etree.fromstring(body).get("all") == "1"


async def test_many_flips_are_done_in_turns_of_the_loop(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call for all of them; who asks meanwhile is answered between."""
    monkeypatch.setattr("gridiface.northbound.sep2.server._FLIPS", 1)
    clock = StandingClock(time.time())
    running = await start(clock=clock)
    server = running.server
    state = server.core.state
    begin = int(clock.now()) + 50
    programs = list(state.programs.values())
    assert len(programs) > 1
    for number, program in enumerate(programs):
        status, _, _ = await running.send("POST", f"{program.path}/derc", control(f"{number + 1:032X}", begin))
        assert status == 201

    def active() -> int:
        return sum(bool(state.tree.listing(program.active).items) for program in programs)

    clock.at = begin
    server.handle_timer(begin)
    assert active() == 1
    assert begin < server.next_timer(begin) < begin + 1  # looked at again soon, not at once
    server.handle_timer(begin)
    assert active() == 1
    await until(lambda: active() == len(programs), "all have flipped")
    assert server.next_timer(begin) > begin + 1


async def test_log_records_carry_the_lfdi(start: Any, told: list[dict[str, Any]]) -> None:
    running = await start()
    for method, path in (("GET", "/edev/9999"), ("POST", "/edev/9999"), ("DELETE", "/dcap")):
        told.clear()
        assert (await running.send(method, path, by="inverter"))[0] >= 400
        (line,) = [line for line in told if "refused" in line["message"]]
        assert line["LFDI"] in running.server.core.state.by_lfdi


async def test_the_octets_of_a_file_in_part_whole_and_by_no_other_method(start: Any) -> None:
    running = await start()
    body = (
        f"<File {NS}><fileURI>https://maker.example/fw</fileURI><mfID>40732</mfID><mfModel>M1</mfModel><mfVer>2</mfVer>"
        "<size>9</size><type>00</type></File>"
    )
    status, headers, _ = await running.send("POST", "/file", body)
    assert status == 201
    item = running.server.core.state.tree.item(headers["Location"])
    await running.server.core.files.store(item, b"abcdefghi", time.time())
    path = f"{headers['Location']}/content"
    status, headers, part = await running.send("GET", path, by="inverter", Range="bytes=-3")
    assert (status, headers["Content-Range"], part) == (206, "bytes 6-8/9", b"ghi")
    status, headers, part = await running.send("HEAD", path, by="inverter", Range="bytes=-3")
    assert (status, headers["Content-Length"], part) == (200, "9", b"")
    for method in ("PUT", "POST", "DELETE"):
        status, headers, _ = await running.send(method, path, "<x/>", by="inverter")
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert (await running.send("PUT", "/file/9/content", "<x/>", by="inverter"))[0] == 404


async def test_a_client_that_asks_too_often_delays_nobody_else(start: Any) -> None:
    """R15: 429 with Retry-After for the LFDI that floods, for reading and writing; all others are served as ever."""
    running = await start(limits=LimitSettings(requests_per_s=0.2, requests_at_once=20))
    answers = [await running.send("GET", "/dcap", by="inverter") for _ in range(30)]
    assert [status for status, _, _ in answers[:20]] == [200] * 20
    status, headers, body = answers[-1]
    assert (status, headers["Content-Type"]) == (429, "application/sep+xml")
    assert 1 <= int(headers["Retry-After"]) <= 5
    assert b"<reasonCode>4</reasonCode>" in body
    posted, headers, _ = await running.send("POST", "/mup", "<x/>", by="inverter")
    assert posted == 429
    assert "Retry-After" in headers
    assert [(await running.send("GET", "/dcap", by=name))[0] for name in ("aggregator", "utility")] == [200, 200]
    head, _, body = await running.send("HEAD", "/dcap", by="inverter")
    assert (head, body) == (429, b"")
