"""Sending a plan to a device and reading its models back, together or register by register.

Not owned: what is in a plan (controls), and what the answers mean for the command (driver).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from gridiface_southbound.modbus_pdu import ILLEGAL_FUNCTION, ExceptionReply, write_request, write_single_request
from gridiface_southbound.sunspec.controls import Plan
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.registers import Registers, place_of


async def send(registers: Registers, blocks: Mapping[int, Block], plan: Plan, delay_s: float) -> dict[int, Block]:
    """Write all forms of a plan and read its models back.

    Args:
        registers: of the device.
        blocks: its models, as last read.
        plan: what to write.
        delay_s: time the device needs until a value can be read back.

    Raises:
        DeviceError: as `Driver.write`.
    """
    if registers.single:
        await _write_singly(registers, blocks, plan)
        return await _read_back(registers, blocks, plan.models, delay_s)
    requests = [
        write_request(blocks[effect.form.sheet.model.id].address + offset, data)
        for effect in plan.effects.values()
        for offset, data in effect.form.writes
    ]
    count = len(requests)
    if not delay_s:
        for model_id in plan.models:
            requests += registers.requests(place_of(blocks[model_id]))
    replies = await registers.exchange(requests)
    for position in range(count):
        reply = replies[position]
        if not isinstance(reply, ExceptionReply):
            continue
        if position == 0 and reply.code == ILLEGAL_FUNCTION:
            # Function 16 is not known here: nothing was written, so this is still the same attempt.
            registers.single = True
            return await send(registers, blocks, plan, delay_s)
        raise registers.refusal(reply, f"write {position + 1} of {count}")
    if delay_s:
        return await _read_back(registers, blocks, plan.models, delay_s)
    return registers.collect([place_of(blocks[model_id]) for model_id in plan.models], replies[count:])


async def _write_singly(registers: Registers, blocks: Mapping[int, Block], plan: Plan) -> None:
    """By function 6, register after register, the enabling one last; registers that are right stay untouched."""
    for effect in plan.effects.values():
        block = blocks[effect.form.sheet.model.id]
        for offset, word in effect.form.words(block):
            (reply,) = await registers.exchange([write_single_request(block.address + offset, word)])
            if isinstance(reply, ExceptionReply):
                raise registers.refusal(reply, f"register {block.address + offset}")


async def _read_back(
    registers: Registers, blocks: Mapping[int, Block], model_ids: Sequence[int], delay_s: float
) -> dict[int, Block]:
    if delay_s > 0:
        await asyncio.sleep(delay_s)
    places = [place_of(blocks[model_id]) for model_id in model_ids]
    wanted = [request for place in places for request in registers.requests(place)]
    return registers.collect(places, await registers.exchange(wanted))
