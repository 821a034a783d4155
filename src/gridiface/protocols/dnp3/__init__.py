"""DNP3 (IEEE 1815): objects, link, transport, application, outstation and master, without I/O.

An outstation is made of a `Database` of points and an `Outstation`; each connection is a `Channel` from
`Outstation.open`. A master is a `Master` with tasks of master/tasks.py and master/files.py. Both are driven by four
verbs: `receive(data, now)`, `next_event()`, `to_send(now)`, `next_timer()` with `handle_timer(now)`; a shell that owns
the socket calls `to_send` after each of them and writes what it returns in one write. `now` is seconds since 1970, UTC.

Layers, lowest first: crc, link, transport; objects, values, application; points, columns, events, database; response,
reading, writing, controls, controlling, functions, file_transfer; state, unsolicited, association; channel, outstation.
Secure authentication (authentication*.py) stands between an association and its functions. subsets.py holds the
subset tables as data.
"""
