"""Charging points that call a central system by OCPP 1.6 (JSON) or 2.0.1."""
