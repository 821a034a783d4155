"""IEEE 2030.5 resources <-> domain values, both ways; pure, one module per subject.

Sign rule of this side: opModTargetW and opModFixedW are + delivered like ours, DERCapability and DERSettings rates
are magnitudes, setMaxVarNeg is negative on the wire and a magnitude in the domain, excitation true is absorbed var
(our minus), mirror readings carry their direction in flowDirection (19 delivered, 1 received).
"""
