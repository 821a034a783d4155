"""RTUs, plant controllers and gateways that are DNP3 outstations, as members of the fleet."""
