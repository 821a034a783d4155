"""Reads IEEE 2030.5 documents with the models of bsgip's envoy; runs in a Python that has envoy-schema.

Standard input: one JSON line {"path", "body"} per document. Prints {"read": n, "unknown": [elements], "failed": {path:
reason}}.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys

import envoy_schema.server.schema.sep2 as models
from pydantic_xml import BaseXmlModel

by_element: dict[str, type[BaseXmlModel]] = {}
for found in pkgutil.iter_modules(models.__path__):
    module = importlib.import_module(f"{models.__name__}.{found.name}")
    for name, cls in vars(module).items():
        if inspect.isclass(cls) and issubclass(cls, BaseXmlModel) and cls.__module__ == module.__name__:
            element = cls.__xml_tag__ or re.sub(r"(Response|Request)$", "", name)
            if not name.endswith("Request"):
                by_element.setdefault(element, cls)
            if name.endswith("Response"):
                by_element[element] = cls

read, unknown, failed = 0, set(), {}
for line in sys.stdin:
    document = json.loads(line)
    body = document["body"].encode()
    root = re.match(rb"(?:<\?xml[^>]*>\s*)?<(?:\w+:)?(\w+)", body)
    element = root.group(1).decode() if root else ""
    if element not in by_element:
        unknown.add(element)
        continue
    try:
        by_element[element].from_xml(body)
        read += 1
    except Exception as problem:
        failed[document["path"]] = f"{element}: {str(problem)[:300]}"
print(json.dumps({"read": read, "unknown": sorted(unknown), "failed": failed}))
