"""DNS-based service discovery over multicast (RFC 6762, RFC 6763), as IEEE 2030.5 section 7 uses it.

Cores without I/O and without a clock: messages, a responder that announces services, a browser that finds them. The
sockets are northbound/dnssd.py's. Two places to look: mDNS (`.local`, 224.0.0.251 and ff02::fb), normative from the
2023 edition, and xmDNS (`.site`, ff05::fb), normative in the 2018 edition.
"""
