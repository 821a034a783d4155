"""`gridiface openadr`: the verbs of the VTN and of the own VEN, one file per service."""
