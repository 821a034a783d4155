"""The driver contract and the dispatcher; no driver lives here."""
