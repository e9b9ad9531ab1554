"""JSON Schemas of models for people's editors and programs: what is said under a field in the source describes it."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


class _Told(GenerateJsonSchema):
    """With descriptions, and without titles, which would say the keys once more.

    Descriptions are read from the source only here: pydantic would read it whenever the models are imported.
    """

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        for name, said in _said(schema["cls"]).items():
            if name in made.get("properties", {}):
                made["properties"][name]["description"] = said
        return made


def _said(model: type[Any]) -> dict[str, str]:
    """The docstrings under a class's own fields, by their names."""
    parsed = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(parsed, ast.ClassDef)
    said: dict[str, str] = {}
    for field, text in pairwise(parsed.body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
            said[field.target.id] = inspect.cleandoc(text.value.value)
    return said


def described(model: type[BaseModel], mode: JsonSchemaMode = "validation") -> dict[str, Any]:
    """The JSON Schema of a model, to be changed by whoever asked."""
    return model.model_json_schema(schema_generator=_Told, mode=mode)


def published(schema: dict[str, Any], title: str) -> str:
    """A schema as a file holds it."""
    return json.dumps({"$schema": SCHEMA_ID, **schema, "title": title}, indent=2) + "\n"
