"""OpenADR 2.0b: payloads, signature, VTN and VEN sessions, without I/O."""
