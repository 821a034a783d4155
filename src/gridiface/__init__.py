"""gridiface: a grid-interface server (IEEE 2030.5, OpenADR 2.0b, DNP3) over one device fleet."""

__version__ = "0.1.0"
